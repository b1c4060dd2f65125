//! Every message names the object, the cause and the next command. Each situation of the table is provoked on a real server.

mod stages;

use std::collections::BTreeMap;
use std::path::PathBuf;

use muster_tests::ControlPlane;
use muster_tests::plane::Output;
use muster_tests::pool;

use super::muster_as;

/// All situations. Its head says how it is written.
const TABLE: &str = include_str!("errors/situations.txt");
/// How many there are at least.
const LEAST: usize = 60;

/// One of them.
#[derive(Debug)]
struct Situation<'a> {
    what: &'a str,
    who: &'a str,
    command: &'a str,
    /// What stderr has to hold, each as object, cause, next or usage.
    told: Vec<(&'a str, &'a str)>,
}

impl<'a> Situation<'a> {
    fn read(block: &'a str) -> Self {
        let mut lines = block.lines();
        let (head, command) = lines.next().and_then(|line| line.split_once("$ ")).unwrap();
        let (what, who) = head.rsplit_once(": ").unwrap();
        let told: Vec<_> = lines
            .map(|line| line.trim().split_once(' ').unwrap())
            .map(|(word, text)| (word, text.trim()))
            .collect();
        let words: Vec<_> = told.iter().map(|(word, _)| *word).collect();
        let whole = ["object", "cause", "next"].iter().all(|word| words.contains(word));
        assert!(whole || words.iter().all(|word| *word == "usage"), "{what} lacks something: {words:?}");
        Self { what, who, command, told }
    }

    /// The code, and that all stands in stderr, in its order and in its place.
    fn check(&self, plane: &ControlPlane, kubeconfig: &std::path::Path) -> Result<(), String> {
        let folder = plane.folder().display().to_string();
        let server = format!("--server={}", plane.url());
        let fill = |word: &str| {
            let word = word.replace("{folder}", &folder).replace("{server}", &server);
            word.replace("{long}", &"x".repeat(64))
        };
        let args: Vec<String> = self.command.split(' ').map(fill).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let Output { code, stdout, stderr } = muster_as(kubeconfig, &args);
        let wrong = |why: String| Err(format!("{} ({}): {why}:\n{stderr}{stdout}", self.what, self.command));
        let usage = self.told[0].0 == "usage";
        let expected = if usage { 2 } else { 1 };
        if code != Some(expected) || !stdout.is_empty() {
            return wrong(format!("it ended with {code:?}"));
        }
        if stderr.contains("hunter2") && !usage {
            return wrong("it shows what may be a secret".to_owned());
        }
        let start = if usage { Some(0) } else { stderr.find("error: unable to ") };
        let Some(error) = start else { return wrong("no object".to_owned()) };
        let mut from = error;
        for (word, text) in &self.told {
            let end = stderr[error..].find("\nnext:  ").map_or(stderr.len(), |at| error + at);
            let part = match *word {
                "usage" => 0..stderr.len(),
                "next" => end..stderr.len(),
                _ => from..end,
            };
            match stderr.get(part.clone()).and_then(|part| part.find(text)) {
                Some(at) => from = part.start + at,
                None => return wrong(format!("{word} is not {text:?}")),
            }
        }
        Ok(())
    }
}

#[test]
fn every_message_names_the_object_the_cause_and_the_next_command() {
    let plane = pool::plane().unwrap();
    let mut people: BTreeMap<&str, PathBuf> = BTreeMap::new();
    let (mut all, mut wrong) = (0, Vec::new());
    for part in TABLE.split("\n== ").skip(1) {
        let (stage, blocks) = part.split_once('\n').unwrap();
        let (stage, about) = stage.split_once(": ").unwrap();
        println!("== {about}");
        stages::enter(&plane, stage);
        for block in blocks.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
            let situation = Situation::read(block);
            let who = situation.who;
            let kubeconfig = people.entry(who).or_insert_with(|| stages::kubeconfig(&plane, who));
            wrong.extend(situation.check(&plane, kubeconfig).err());
            all += 1;
        }
    }
    plane
        .kubectl_ok(&["patch", "mcl", "west", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#])
        .unwrap();
    assert!(wrong.is_empty(), "{} of {all} situations:\n{}", wrong.len(), wrong.join("\n"));
    assert!(all >= LEAST, "{all} situations alone");
    println!("{all} situations");
}
