//! Text of a bounded length, made of text that other people wrote.

use std::fmt::Write as _;

/// Ends a text that was cut.
pub(crate) const CUT: char = '…';

/// At most `most` bytes of a text on one line: where it is cut, the last letter is [`CUT`]. Letters that are no plain
/// ones are escaped as Rust escapes them: they could hide or reorder what follows them in a terminal.
pub(crate) fn line(text: &str, most: usize) -> String {
    let plain = |letter: char| "\"'\\".contains(letter) || letter.escape_debug().len() == 1;
    bounded(text.chars(), most, |letter, line| {
        if plain(letter) { line.push(letter) } else { line.extend(letter.escape_debug()) }
    })
}

/// A JSON string, its quotes included, of at most `most` bytes: where it is cut, its last letter is [`CUT`].
pub(crate) fn json_string(text: impl Iterator<Item = char>, most: usize) -> String {
    let inner = bounded(text, most.saturating_sub(2), |letter, inner| match letter {
        '"' | '\\' => inner.extend(['\\', letter]),
        '\n' => inner.push_str("\\n"),
        '\r' => inner.push_str("\\r"),
        '\t' => inner.push_str("\\t"),
        '\0'..'\u{20}' | '\u{7f}'..'\u{a0}' => {
            let _ = write!(inner, "\\u{:04x}", u32::from(letter)); // writing to a String cannot fail
        }
        letter => inner.push(letter),
    });
    format!("\"{inner}\"")
}

/// Letters as `encode` writes each of them. No letter is cut in two.
fn bounded(letters: impl Iterator<Item = char>, most: usize, encode: impl Fn(char, &mut String)) -> String {
    let mut text = String::new();
    let mut fits = 0;
    for letter in letters {
        encode(letter, &mut text);
        if text.len() > most {
            text.truncate(fits);
            text.push(CUT);
            break;
        }
        if text.len() + CUT.len_utf8() <= most {
            fits = text.len();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_between_letters_and_says_so() {
        for (text, most, line_of_it) in [
            ("", 8, ""),
            ("just fit", 8, "just fit"),
            ("too long!", 8, "too l…"),
            ("äöüßäöüß", 8, "äö…"),
            ("two\nlines", 64, "two\\nlines"),
            ("\u{1b}[31mred\u{202e}", 64, "\\u{1b}[31mred\\u{202e}"),
            ("abcde\n\n\n", 8, "abcde…"),
            ("it's \"so\" \\", 64, "it's \"so\" \\"),
        ] {
            assert_eq!(line(text, most), line_of_it);
        }
    }

    #[test]
    fn a_json_string_is_one_within_its_bound() {
        let text = "a\"b\\c\n\t\r\u{1}\u{9b}é…".repeat(3);
        let whole = json_string(text.chars(), 1024);
        assert_eq!(serde_json::from_str::<String>(&whole).unwrap(), text);
        for most in 5..whole.len() {
            let cut = json_string(text.chars(), most);
            assert!(cut.len() <= most, "{cut} is longer than {most}");
            let read: String = serde_json::from_str(&cut).unwrap();
            assert!(text.starts_with(read.strip_suffix(CUT).unwrap()));
        }
    }
}
