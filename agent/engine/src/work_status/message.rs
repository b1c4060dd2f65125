//! Texts of unknown origin, made fit for a status.

use std::fmt::Write as _;

/// Longest message, in bytes.
pub const LONGEST_MESSAGE: usize = 512;
const CUT: &str = "…";

/// A text of at most so many bytes; one that is cut ends in `…`. Letters that could hide or reorder what follows them in a
/// terminal are escaped as JSON has it, so that what was JSON still is.
pub(super) fn bounded(text: &str, limit: usize) -> String {
    let mut bounded = String::with_capacity(text.len().min(limit));
    // Where it can be cut so that there is room for the mark.
    let mut end = 0;
    for letter in text.chars() {
        push(&mut bounded, letter);
        if bounded.len() + CUT.len() <= limit {
            end = bounded.len();
        }
        if bounded.len() > limit {
            bounded.truncate(end);
            if limit >= CUT.len() {
                bounded.push_str(CUT);
            }
            break;
        }
    }
    bounded
}

fn push(text: &mut String, letter: char) {
    match letter {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        _ if "\"'\\".contains(letter) || letter.escape_debug().len() == 1 => text.push(letter),
        _ => {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}"); // writing to a String cannot fail
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_between_letters_and_escapes() {
        for letter in ["a", "ä", "…", "𝄞", "\u{7f}", "\u{e0001}", "\n"] {
            let text = letter.repeat(600);
            for limit in 0..40 {
                let cut = bounded(&text, limit);
                assert!(cut.len() <= limit, "{limit}: {cut}");
                assert_eq!(cut.ends_with(CUT), limit >= CUT.len(), "{limit}: {cut}");
                let one = bounded(letter, 100);
                let kept = cut.strip_suffix(CUT).unwrap_or(&cut);
                assert_eq!(kept, one.repeat(kept.len() / one.len()), "{limit}");
            }
        }
        assert_eq!(bounded(&"x".repeat(512), 512), "x".repeat(512));
    }

    #[test]
    fn what_could_play_with_a_terminal_is_escaped_and_json_stays_json() {
        assert_eq!(bounded("a\u{1b}[2J\n\u{202e}\u{0}b", 100), r"a\u001b[2J\n\u202e\u0000b");
        let value = serde_json::json!({"a": "\u{1b} \u{202e} \u{e0001} \\ \" ' \n ä"});
        let told = bounded(&value.to_string(), 512);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&told).unwrap(), value);
        assert!(told.contains("\\u202e"), "{told}");
    }
}
