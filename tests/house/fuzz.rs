//! What is fuzzed: the fuzzer, the tests and `make fuzz` know the same targets.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

fn names(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(folder);
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    fs::read_dir(folder).unwrap().map(|entry| name(&entry.unwrap().path())).collect()
}

#[test]
fn each_target_has_seeds_a_property_that_tests_hold_them_to_and_a_place_in_make_fuzz() {
    let targets = names("src");
    assert!(targets.len() >= 5, "{targets:?}");
    assert_eq!(names("seeds"), targets);
    let (manifest, properties, makefile) =
        (read("fuzz/Cargo.toml"), read("fuzz/properties/src/lib.rs"), read("Makefile"));
    let made = makefile.lines().find_map(|line| line.strip_prefix("FUZZED := ")).unwrap();
    let made: BTreeSet<String> = made.split(' ').map(str::to_owned).collect();
    assert_eq!(made, targets);
    for target in &targets {
        assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"src/{target}.rs\"")), "{target}");
        assert!(properties.contains(&format!("(\"{target}\", {target}::holds)")), "{target}");
        assert!(read(&format!("fuzz/src/{target}.rs")).contains(&format!("::{target}::holds")), "{target}");
        let seeds = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target));
        let sizes: Vec<u64> = seeds.unwrap().map(|seed| seed.unwrap().metadata().unwrap().len()).collect();
        assert!(sizes.len() >= 10 && sizes.iter().all(|size| *size < 4_096), "{target}: {sizes:?}");
    }
    // Memory and time of one input are bounded.
    let bounds = ["-rss_limit_mb=1024", "-timeout=10", "-max_len=65536"];
    assert!(bounds.iter().all(|bound| makefile.contains(bound)), "make fuzz lacks a bound");
    assert!(read(".ci/run").contains("\nmake fuzz"), "CI does not fuzz");
}
