//! Whose turn it is. The one that waits longest and the one that came last take turns: so none waits for ever, and what
//! people do now does not wait for all that was there before.

use std::collections::{BTreeMap, BTreeSet};

/// A queue of names, each in it once.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queue: BTreeMap<u64, String>,
    waiting: BTreeSet<String>,
    last: u64,
    newest: bool,
}

impl Turns {
    /// A name wants a turn; one that waits already keeps its place.
    pub(super) fn push(&mut self, name: &str) {
        if self.waiting.insert(name.to_owned()) {
            self.last += 1;
            self.queue.insert(self.last, name.to_owned());
        }
    }

    /// Whose turn it is.
    pub(super) fn pop(&mut self) -> Option<String> {
        self.newest = !self.newest;
        let (_, name) = if self.newest { self.queue.pop_last() } else { self.queue.pop_first() }?;
        self.waiting.remove(&name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_comer_does_not_wait_for_all_and_nobody_waits_for_ever() {
        let mut turns = Turns::default();
        for number in 0..100 {
            turns.push(&format!("old-{number}"));
        }
        for _ in 0..10 {
            turns.pop();
        }
        turns.push("new");
        turns.push("new");
        let place = |turns: &mut Turns, name: &str| (0..1000).find(|_| turns.pop().unwrap() == name).unwrap();
        assert!(place(&mut turns, "new") <= 1);
        // One more comes at each turn: the one that waits longest has its turn all the same.
        let mut served = 0;
        for number in 0..200 {
            turns.push(&format!("more-{number}"));
            served += usize::from(turns.pop().unwrap().starts_with("old-"));
        }
        assert!(served >= 89, "{served} of those that were there first");
        while turns.pop().is_some() {}
        assert_eq!(turns.queue.len() + turns.waiting.len(), 0);
    }
}
