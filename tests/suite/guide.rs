//! A page of the documents, played as a reader would: its files are written, its commands run as they are printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use muster_tests::binaries::binaries;
use muster_tests::cli::cli_binary;
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, eventually};

/// A command, and the lines below it.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    command: String,
    output: Vec<String>,
}

/// A part of a section.
#[derive(Debug, PartialEq)]
enum Block {
    /// A file by its first line, `# PATH`.
    File {
        path: String,
        text: String,
    },
    Steps(Vec<Step>),
}

/// The page, and where it is played.
pub(crate) struct Guide {
    /// Headings with what stands below them, in order.
    sections: Vec<(String, Vec<Block>)>,
    /// What stands in the page for what only its reader knows.
    known: Vec<(&'static str, PathBuf)>,
    kubeconfig: String,
    folder: Scratch,
}

impl Guide {
    /// Plays in a new folder, in which `manifests` is that of the repository.
    pub(crate) fn new(page: &str, known: Vec<(&'static str, PathBuf)>) -> Self {
        let folder = Scratch::new("guide").unwrap();
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
        std::os::unix::fs::symlink(manifests, folder.path().join("manifests")).unwrap();
        Self { sections: sections(page), known, kubeconfig: String::new(), folder }
    }

    /// Only the section of this heading is to be played.
    pub(crate) fn only(mut self, heading: &str) -> Self {
        self.sections.retain(|(found, _)| found == heading);
        self
    }

    /// Plays the next section, which must have this heading, and tells of each command that is done.
    pub(crate) fn play(&mut self, heading: &str, mut done: impl FnMut(&str)) {
        assert!(!self.sections.is_empty(), "{heading}: the page has ended");
        let (found, blocks) = self.sections.remove(0);
        assert_eq!(found, heading, "the sections are not those that are played");
        for block in blocks {
            match block {
                Block::File { path, text } => {
                    let path = self.folder.path().join(path);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, text).unwrap();
                }
                Block::Steps(steps) => {
                    for step in steps {
                        self.take(&step);
                        done(&step.command);
                    }
                }
            }
        }
    }

    /// Every section with a command was played.
    pub(crate) fn end(&self) {
        assert!(self.sections.is_empty(), "not played: {:?}", self.sections);
    }

    fn take(&mut self, step: &Step) {
        println!("$ {}", step.command);
        let mut command = step.command.clone();
        for (word, path) in &self.known {
            command = command.replace(word, path.to_str().unwrap());
        }
        if let Some(path) = command.strip_prefix("export KUBECONFIG=") {
            path.clone_into(&mut self.kubeconfig);
            return;
        }
        let look = || {
            let said = self.run(&command)?;
            if holds(&said, &step.output) { Ok(said) } else { Err(format!("\n{said}")) }
        };
        // What is only looked at may take its time to come; what is done is done once.
        let said = if command.starts_with("kubectl get ") {
            eventually(&format!("{command} to print {:#?}", step.output), DEADLINE * 2, look).unwrap()
        } else {
            let said = self.run(&command).unwrap();
            assert!(holds(&said, &step.output), "{command} printed\n{said}\nand not {:#?}", step.output);
            said
        };
        println!("{}", said.trim_end());
    }

    /// What a command that succeeds printed on either stream.
    fn run(&self, command: &str) -> Result<String, String> {
        let kubectl = binaries()?.kubectl.clone();
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let tool = if command.contains("kubectl muster ") { Some(cli_binary()?) } else { None };
        let programs = [Some(kubectl), tool].into_iter().flatten();
        let folders = programs.filter_map(|program| program.parent().map(Path::to_owned));
        let paths = folders.chain(std::env::split_paths(&paths));
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1\n{command}")])
            .current_dir(self.folder.path())
            .env("PATH", std::env::join_paths(paths).map_err(|error| error.to_string())?)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.folder.path().join("cache"))
            .env("KUBERC", "off")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(said) } else { Err(format!("{command}: {}\n{said}", output.status)) }
    }
}

/// The headings of the sections of a page that have files or commands.
pub(crate) fn headings(page: &str) -> Vec<String> {
    sections(page).into_iter().map(|(heading, _)| heading).collect()
}

/// The sections of a page that have files or commands.
fn sections(page: &str) -> Vec<(String, Vec<Block>)> {
    let sections = page.split("\n## ").skip(1).map(|section| {
        let heading = section.lines().next().unwrap_or_default();
        // every second part is between fences
        (heading.to_owned(), section.split("\n```").skip(1).step_by(2).map(block).collect())
    });
    sections.filter(|(_, blocks): &(_, Vec<_>)| !blocks.is_empty()).collect()
}

fn block(block: &str) -> Block {
    let (form, text) = block.split_once('\n').unwrap();
    match form {
        "yaml" => {
            let (path, text) = text.split_once('\n').unwrap();
            Block::File { path: path.strip_prefix("# ").unwrap().to_owned(), text: text.to_owned() + "\n" }
        }
        "console" => Block::Steps(steps(text)),
        other => panic!("a block of the form {other:?}"),
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut in_document = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            in_document = command.ends_with("<<EOF");
            steps.push(Step { command: command.to_owned(), output: Vec::new() });
            continue;
        }
        let step = steps.last_mut().unwrap();
        if in_document || step.command.ends_with('\\') {
            step.command = format!("{}\n{line}", step.command);
            in_document &= line != "EOF";
        } else {
            step.output.push(line.to_owned());
        }
    }
    steps
}

/// Whether the printed lines are among what was said, in their order. Numbers and ages are not compared: they depend on
/// time, and on there being nodes. Nor is what only some versions of Kubernetes say: a column of an account's Secrets, and
/// from which namespace something was deleted.
fn holds(said: &str, printed: &[String]) -> bool {
    let accounts = said.lines().any(|line| line.split_whitespace().eq(["NAME", "SECRETS", "AGE"]));
    let plain = |line: &str, surplus: bool| -> Vec<String> {
        let number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit()) && word.len() < 6;
        let line = line
            .split_once(" deleted from ")
            .map_or_else(|| line.to_owned(), |(what, _)| format!("{what} deleted"));
        let words = line.split_whitespace().enumerate().filter(|(at, _)| !(surplus && *at == 1));
        words.map(|(_, word)| if number(word) { "#".to_owned() } else { word.to_owned() }).collect()
    };
    let mut said = said.lines().map(|line| plain(line, accounts));
    printed.iter().all(|line| said.any(|found| found == plain(line, false)))
}

#[test]
fn a_page_is_read_as_it_is_printed() {
    let page = "# Title\n\n## One\n\ntext\n\n```console\n$ a \\\n    b\n$ cat <<EOF\n$x\nEOF\nout  1\n```\n\n## None\n\n\
                ## Two\n\n```yaml\n# d/f.yaml\na: 1\n```\n";
    let step = |command: &str, output: &[&str]| Step {
        command: command.to_owned(),
        output: output.iter().map(|line| (*line).to_owned()).collect(),
    };
    let steps = Block::Steps(vec![step("a \\\n    b", &[]), step("cat <<EOF\n$x\nEOF", &["out  1"])]);
    let file = Block::File { path: "d/f.yaml".to_owned(), text: "a: 1\n".to_owned() };
    assert_eq!(sections(page), [("One".to_owned(), vec![steps]), ("Two".to_owned(), vec![file])]);
    let printed = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(holds("x\nname   0/2 5s\ny z\n", &printed(&["name 2/2  1m", "y z"])));
    assert!(!holds("x\ny\n", &printed(&["y", "x"])) && !holds("name\n", &printed(&["name 1"])));
    assert!(holds("NAME SECRETS AGE\na 0 5s\n", &printed(&["NAME AGE", "a 7m"])));
    assert!(holds("x deleted\n", &printed(&["x deleted from y namespace"])));
    assert!(!holds("z deleted\n", &printed(&["x deleted from y namespace"])));
}
