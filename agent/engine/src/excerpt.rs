//! Texts that other people wrote, as messages repeat them.

/// The beginning of a text, at most so many characters, on one line.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    // What is no plain letter could hide or reorder what follows it in a terminal.
    let plain = |letter: &char| "\"'\\".contains(*letter) || letter.escape_debug().len() == 1;
    let mut excerpt: String = text
        .chars()
        .take(most)
        .map(|letter| if plain(&letter) { letter } else { char::REPLACEMENT_CHARACTER })
        .collect();
    if text.chars().nth(most).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_kept_on_one_line() {
        assert_eq!(excerpt("a \"b\" ä", 7), "a \"b\" ä");
        assert_eq!(excerpt("abc", 2), "ab…");
        assert_eq!(excerpt("a\nb\u{202e}", 9), "a\u{fffd}b\u{fffd}");
    }
}
