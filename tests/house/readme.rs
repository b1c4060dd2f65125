//! The README names what there is.

const README: &str = include_str!("../../README.md");

#[test]
fn every_file_that_the_readme_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let words = README.split(|c: char| c.is_whitespace() || "()`,;".contains(c));
    let named: Vec<&str> =
        words.filter(|word| ["manifests/", "docs/"].iter().any(|folder| word.starts_with(folder))).collect();
    assert!(named.len() > 4, "{named:?}");
    for name in named {
        assert!(root.join(name).exists(), "the README names {name}, which is not there");
    }
}

#[test]
fn every_target_that_the_readme_names_is_in_the_makefile() {
    let makefile = include_str!("../../Makefile");
    let known: Vec<&str> =
        makefile.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    // in code: after a backquote, or at the start of an indented line
    let named: Vec<&str> = ["`make ", "    make "]
        .iter()
        .flat_map(|before| README.split(before).skip(1))
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()).next())
        .collect();
    assert!(named.len() > 5, "{named:?}");
    for target in named {
        assert!(known.contains(&target), "the README names the target {target}, which is not there");
    }
}

#[test]
fn the_readme_names_the_versions_of_kubernetes_that_the_suites_run_on() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/controlplane");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let version = entry.unwrap().file_name().into_string().unwrap();
        assert!(README.contains(&version), "the README does not name {version}");
        count += 1;
    }
    assert!(count > 1, "the oldest and the newest");
}
