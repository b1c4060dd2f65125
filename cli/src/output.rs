//! What is printed: results on stdout, everything else on stderr.

use std::io::{self, Write as _};

use serde_json::Value;

use crate::failure::Failure;

/// Prints a line, or lines, on stderr. Where that is closed, nobody reads it.
pub(crate) fn note(text: &str) {
    let lines: Vec<String> = text.split('\n').map(plain).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// A text of a server's as one line that a terminal only shows: agents and people write what is in it, and an escape
/// sequence could make a terminal do more. Nor does it show in another order what stands around such a text.
pub(crate) fn plain(text: &str) -> String {
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.trim_end().chars().map(|c| if c.is_control() || turns(c) { ' ' } else { c }).collect()
}

/// Prints a result on stdout, as it is.
///
/// # Errors
/// Where it cannot be written, unless the reader went away: it has read what it wanted.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            "unable to write to stdout",
            error.to_string(),
            "write it to a place with room, and run the command again",
        )),
        _ => Ok(()),
    }
}

/// An object as YAML, without the fields of the server that nobody reads.
pub(crate) fn yaml(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    serde_saphyr::to_string(&object).unwrap_or_else(|_| object.to_string())
}

/// A table as `kubectl` prints it: columns as wide as they need to be, three blanks between them.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(heads.get(column).map(|head| head.chars().count())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("   ").trim_end())
    };
    let mut text = line(&mut heads.iter().copied());
    for row in &rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `kubectl` reads YAML as its version 1.1 has it.
    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        let words = [
            "y",
            "N",
            "yes",
            "On",
            "true",
            "~",
            "null",
            "",
            "1",
            "1.10",
            "007",
            "0o7",
            "0x1F",
            "1_000",
            "1e3",
            ".5",
            "+1",
            ".inf",
            "=",
            "<<",
            "- a",
            "a: b",
            "a #b",
            "2026-11-22",
            "12:30:45",
            "0b1",
            " a",
            "*a",
            "&a",
            "!a",
        ];
        for word in words {
            let text = yaml(&json!({"a": word}));
            assert!(text.starts_with("a: \"") || text.starts_with("a: '"), "{word}: {text}");
        }
        for long in ["line\nline\n", "trailing \n\n", &"word ".repeat(60), "\ttab", "é\u{7f}\u{85}"] {
            let read: Value = serde_saphyr::from_str(&yaml(&json!({"a": long}))).unwrap();
            assert_eq!(read["a"], long);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_shown_to_it() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\r\u{9b}d\n"), "a [2Jb c  d");
        assert_eq!(plain("a\u{202e}b\u{2066}c é שלום"), "a b c é שלום");
        let rows = [vec!["a\nb   True".to_owned(), "\u{1b}]0;x\u{7}".to_owned()]];
        assert_eq!(table(&["A", "B"], &rows), "A            B\na b   True    ]0;x\n");
    }

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let rows = [vec!["east".to_owned(), String::new(), "x".to_owned()], vec!["w".to_owned()]];
        assert_eq!(table(&["NAME", "READY", "N"], &rows), "NAME   READY   N\neast           x\nw\n");
    }
}
