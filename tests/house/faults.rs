//! The table of faults, invariants and requirements has all of them, once, and names tests that are there.

use std::collections::BTreeMap;
use std::path::PathBuf;

const TABLE: &str = include_str!("../faults.md");

/// How many of each letter there are.
const IDS: [(char, usize, usize); 4] = [('K', 72, 2), ('S', 12, 1), ('L', 5, 1), ('R', 60, 2)];

/// Where the first word of a test's place leads.
const PLACES: [(&str, &str); 11] = [
    ("suite", "tests/suite"),
    ("e2e", "tests/e2e"),
    ("house", "tests/house"),
    ("harness", "tests/src"),
    ("engine", "agent/engine/src"),
    ("agent", "agent/src"),
    ("directory", "directory/src"),
    ("api", "directory/api/src"),
    ("kit", "kit/src"),
    ("cli", "cli/src"),
    ("fuzz", "fuzz/properties/src"),
];

/// A row: its id, its verdict, and all that it says.
struct Row {
    id: &'static str,
    verdict: &'static str,
    text: &'static str,
}

fn is_id(text: &str) -> bool {
    let mut letters = text.chars();
    let known = letters.next().is_some_and(|first| IDS.iter().any(|(letter, ..)| *letter == first));
    known && !letters.as_str().is_empty() && letters.all(|digit| digit.is_ascii_digit())
}

fn rows() -> Vec<Row> {
    let rows = TABLE.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        if !is_id(cells[0]) {
            return None;
        }
        let [id, fault, verdict, text] = cells[..] else { panic!("not four cells: {line}") };
        assert!(!fault.is_empty() && !text.is_empty(), "{id} says nothing");
        Some(Row { id, verdict, text })
    });
    rows.collect()
}

/// What a row says in code that is a place: `suite::works::drift`, a module or a test.
fn places(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|code| code.contains("::") && !code.contains("Action"))
}

/// The file of a module, where there is one. Tests that stand in the file of what they test are in its module `tests`.
fn file(place: &str) -> Option<PathBuf> {
    let (first, rest) = place.split_once("::")?;
    let (_, folder) = PLACES.iter().find(|(name, _)| *name == first)?;
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let of = |module: &str| {
        let path = root.join(format!("{}.rs", module.replace("::", "/")));
        path.exists().then_some(path)
    };
    of(rest).or_else(|| of(rest.strip_suffix("::tests")?))
}

/// Whether a place is a test, or, where it is none, whether it is a module.
fn is_test(place: &str) -> Result<bool, String> {
    let (module, name) = place.rsplit_once("::").ok_or("no place")?;
    let Some(path) = file(module) else {
        return file(place).map(|_| false).ok_or_else(|| format!("there is no module {module}"));
    };
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if text.contains(&format!("fn {name}(")) {
        return Ok(true);
    }
    file(place).map(|_| false).ok_or_else(|| format!("there is no fn {name} in {}", path.display()))
}

#[test]
fn each_id_has_one_row() {
    let mut expected: Vec<String> = Vec::new();
    for (letter, last, width) in IDS {
        expected.extend((1..=last).map(|number| format!("{letter}{number:0width$}")));
    }
    let found: Vec<&str> = rows().iter().map(|row| row.id).collect();
    assert_eq!(found, expected);
}

#[test]
fn each_test_that_a_row_names_is_there_and_what_is_covered_names_one() {
    let mut counts: BTreeMap<(char, &str), usize> = BTreeMap::new();
    for Row { id, verdict, text } in rows() {
        assert!(["covered", "partly", "open"].contains(&verdict), "{id} is {verdict}");
        let mut tests = 0;
        for place in places(text) {
            tests += usize::from(is_test(place).unwrap_or_else(|why| panic!("{id}: {place}: {why}")));
        }
        assert!(tests > 0 || verdict != "covered", "{id} is covered by no test");
        *counts.entry((id.chars().next().unwrap(), verdict)).or_default() += 1;
    }
    for ((letter, verdict), number) in counts {
        println!("{letter} {verdict}: {number}");
    }
}

#[test]
fn a_test_that_is_not_there_is_found_out() {
    assert_eq!(is_test("suite::works::drift::what_is_wanted_comes_back_at_once_with_one_write"), Ok(true));
    assert_eq!(is_test("kit::lease::tests::what_is_written_is_read_back"), Ok(true));
    assert_eq!(is_test("suite::works::crashes"), Ok(false));
    for place in
        ["suite::works::drift::nothing", "suite::nowhere::nothing", "elsewhere::x", "engine::tests::no"]
    {
        assert!(is_test(place).is_err(), "{place}");
    }
}
