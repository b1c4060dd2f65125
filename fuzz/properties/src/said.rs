//! What people read.

/// A message: not longer than it may be, and without what a terminal would obey.
pub(crate) fn message(text: &str, longest: usize) {
    assert!(text.len() <= longest, "{} bytes", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}
