//! What needs no cluster: help, completions, and how kubectl does the same.

use std::path::Path;

use super::muster_as;

/// All verbs, each with what it needs.
const VERBS: [&[&str]; 22] = [
    &["join", "east", "--labels=a=b", "--server=https://d.example.com"],
    &["join", "east", "--manual", "--manifests"],
    &["join", "east", "--hosted"],
    &["token", "east"],
    &["approve", "east"],
    &["deny", "east"],
    &["tokens"],
    &["revoke", "east"],
    &["status"],
    &["status", "east"],
    &["tree", "east"],
    &["unregister", "east"],
    &["unregister", "east", "--force"],
    &["lint", "-f", "a b.yaml"],
    &["apply", "-f", "a b.yaml", "--force-conflicts"],
    &["check", "--replica", "east"],
    &["rebind", "east"],
    &["rebind", "east", "--identity", "a b"],
    &["pause"],
    &["resume"],
    &["leave"],
    &["repin"],
];

fn printed(args: &[&str]) -> String {
    let output = muster_as(Path::new("/no/such/kubeconfig"), args);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{args:?}");
    output.stdout
}

#[test]
fn every_verb_says_how_kubectl_does_it_and_reaches_for_nothing() {
    for verb in VERBS {
        let told = printed(&[&["--explain", "--context", "admin@home"], verb].concat());
        println!("{told}");
        assert!(told.contains("kubectl "), "{verb:?}: {told}");
        let offline = verb[0] == "lint";
        assert!(offline || told.contains("kubectl --context admin@home "), "{verb:?}: {told}");
    }
}

#[test]
fn every_verb_is_in_the_help_and_in_what_shells_complete() {
    let help = printed(&["--help"]);
    println!("{help}");
    assert!(help.contains("Exit codes: 0 done, 1 failed, 2"), "{help}");
    let completions: Vec<String> =
        ["bash", "zsh", "fish"].map(|shell| printed(&["completion", shell])).into();
    for verb in VERBS {
        assert!(help.contains(&format!("  {} ", verb[0])), "{verb:?}: {help}");
        assert!(completions.iter().all(|script| script.contains(verb[0])), "{verb:?}");
        assert!(printed(&[verb[0], "--help"]).contains("--explain"), "{verb:?}");
    }
    assert!(printed(&["--version"]).starts_with("kubectl-muster 0."));
}

#[test]
fn every_verb_is_in_the_document() {
    let document = include_str!("../../../docs/kubectl-muster.md");
    for verb in VERBS {
        assert!(document.contains(&format!("kubectl muster {}", verb[0])), "{verb:?}");
    }
}
