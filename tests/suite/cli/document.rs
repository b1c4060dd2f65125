//! The examples of the documents: they show what is printed, save for what differs from run to run.

const DOCUMENT: &str = include_str!("../../../docs/kubectl-muster.md");
const README: &str = include_str!("../../../README.md");

/// What stands in a document below a command, up to the next one or to the end of its block.
fn example<'a>(document: &'a str, command: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("\n$ kubectl muster {command}\n"))?;
    let block = rest.split("\n```").next()?;
    block.split("\n$ ").next()
}

/// A text without what differs from run to run: times, ages, versions, identities, and how wide columns are.
fn shape(text: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.trim().lines().map(line).collect()
}

fn word(word: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let digits = core.chars().filter(char::is_ascii_digit).count();
    let is_age = core.len() == digits + 1 && digits > 0 && core.ends_with(['s', 'm', 'h', 'd']);
    let shown = if is_age {
        "AGE"
    } else if core.parse::<jiff::Timestamp>().is_ok() {
        "TIME"
    } else if core.len() == 36 && core.matches('-').count() == 4 {
        "UID"
    } else if core
        .strip_prefix('v')
        .unwrap_or(core)
        .split('.')
        .filter(|part| part.parse::<u32>().is_ok())
        .count()
        == 3
    {
        "VERSION"
    } else {
        core
    };
    if core.is_empty() { word.to_owned() } else { word.replacen(core, shown, 1) }
}

/// Whether what was printed is what the document shows; else where they differ.
pub(super) fn compare(command: &str, printed: &str) -> Result<(), String> {
    let shown = example(DOCUMENT, command).ok_or_else(|| format!("the document has no {command}"))?;
    let (shown, printed_shape) = (shape(shown), shape(printed));
    if shown == printed_shape {
        return Ok(());
    }
    let lines = shown.iter().zip(&printed_shape).find(|(shown, printed)| shown != printed);
    Err(format!("the document shows something else of {command}, first {lines:#?}; printed was:\n{printed}"))
}

#[test]
fn the_readme_shows_the_same_as_the_document() {
    for command in ["status", "status east", "check --replica east"] {
        let shown = example(README, command).unwrap_or_else(|| panic!("the README has no {command}"));
        assert!(shown.lines().count() > 1, "{shown}");
        assert_eq!(Some(shown), example(DOCUMENT, command));
    }
}

#[test]
fn what_differs_from_run_to_run_is_left_out_and_nothing_else() {
    let at = |time: &str, uid: &str, age: &str| {
        shape(&format!("a: b, until {time} (in {age})\n  1/2   v1.36.3   {uid}: 10 of 12\n"))
    };
    let one = at("2026-11-22T04:12:16Z", "599a4352-67bc-4504-9466-73a2d53699c6", "23h");
    assert_eq!(one, at("2027-01-02T00:00:01Z", "153d211f-4a0f-4dac-9a01-645f5579237d", "9m"));
    assert_eq!(one, ["a: b, until TIME (in AGE)", "1/2 VERSION UID: 10 of 12"]);
}
