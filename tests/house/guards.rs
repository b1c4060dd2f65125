//! The table of guards fits the code: what `make faults` switches off is there, once, and so is the test that is to miss it.

use std::collections::BTreeSet;
use std::path::Path;

use muster_tests::guards::guards;

#[test]
fn each_guard_stands_once_and_its_test_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guards = guards().unwrap();
    assert!(guards.len() > 30, "{}", guards.len());
    let mut names = BTreeSet::new();
    for guard in &guards {
        assert!(names.insert(&guard.guard), "{} is there twice", guard.guard);
        let text = std::fs::read_to_string(root.join(&guard.file)).unwrap();
        assert_eq!(text.matches(&guard.text).count(), 1, "{}: its text in {}", guard.guard, guard.file);
        assert_ne!(guard.text, guard.without, "{}", guard.guard);
        let (place, path) = guard.test.split_once("::").unwrap();
        assert_eq!(place, "engine", "{}", guard.guard);
        let (module, name) = path.rsplit_once("::").unwrap();
        let file = root.join("agent/engine/src").join(module.replace("::", "/")).with_extension("rs");
        let outer = module.strip_suffix("::tests").unwrap_or(module).replace("::", "/");
        let beside = root.join("agent/engine/src").join(outer).with_extension("rs");
        let is_in = |path: &Path| {
            std::fs::read_to_string(path).is_ok_and(|text| {
                text.contains(&format!("#[test]\nfn {name}("))
                    || text.contains(&format!("#[test]\n    fn {name}("))
            })
        };
        assert!(is_in(&file) || is_in(&beside), "{}: there is no test {}", guard.guard, guard.test);
    }
}
