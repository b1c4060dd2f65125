//! How complete the view of a watch is.

use std::collections::BTreeSet;

/// The progress of a listing, and whether one was ever complete.
#[derive(Debug, Default)]
pub struct Listing {
    complete: bool,
    shown: Option<BTreeSet<String>>,
}

impl Listing {
    /// A listing begins. What an earlier one showed and did not complete counts no more: each begins with this.
    pub fn began(&mut self) {
        self.shown = Some(BTreeSet::new());
    }

    /// An object was shown, in a listing or after it.
    pub fn show(&mut self, name: &str) {
        if let Some(shown) = &mut self.shown {
            shown.insert(name.to_owned());
        }
    }

    /// Whether the listing under way has shown a name.
    #[must_use]
    pub fn shows(&self, name: &str) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.contains(name))
    }

    /// Whether a listing has begun and has not come to an end.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.shown.is_some()
    }

    /// The listing is complete: the names that it showed.
    pub fn completed(&mut self) -> BTreeSet<String> {
        self.complete = true;
        self.shown.take().unwrap_or_default()
    }

    /// There is nothing to list: the view is complete without it.
    pub fn not_needed(&mut self) {
        self.complete = true;
    }

    /// Whether a listing was complete. It stays so: changes are followed from there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}
