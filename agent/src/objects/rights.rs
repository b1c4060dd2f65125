//! What accounts may see: what was refused, and when it is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use muster_api::marks::PART_OF;
use muster_kit::client::ListQuery;
use muster_kit::watch::Link;
use tokio::sync::watch;

use super::course::{Right, Standing, spread};

/// All rights that were tried.
#[derive(Debug)]
pub(super) struct Rights {
    tried: BTreeMap<Right, Trial>,
    /// Those that are to be tried again.
    hopes: BTreeSet<Right>,
    /// First and longest time from a refusal to the next attempt.
    again: (Duration, Duration),
    salt: u64,
}

/// What came of the attempts to use a right.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// How often it was refused, one time after the other.
    refusals: u32,
    granted: bool,
    since: Instant,
}

impl Rights {
    pub(super) fn new(again: (Duration, Duration), salt: u64) -> Self {
        Self { tried: BTreeMap::new(), hopes: BTreeSet::new(), again, salt }
    }

    pub(super) fn standing(&self, right: &Right) -> Standing {
        match self.tried.get(right) {
            None => Standing::Untried,
            Some(trial) if trial.granted => Standing::Granted,
            Some(_) => Standing::Refused,
        }
    }

    /// These are to be tried now and then, and no others. What was tried and is not used for anything any more is
    /// forgotten after a while.
    pub(super) fn hope(&mut self, hopes: &BTreeSet<Right>, now: Instant) {
        self.hopes.clone_from(hopes);
        for right in hopes {
            let new = Trial { refusals: 0, granted: false, since: now };
            self.tried.entry(right.clone()).or_insert(new);
        }
        let (_, longest) = self.again;
        self.tried.retain(|right, trial| hopes.contains(right) || now < trial.since + longest * 2);
    }

    /// It is there.
    pub(super) fn grant(&mut self, right: Right, now: Instant) {
        let refusals = self.tried.get(&right).map_or(0, |trial| trial.refusals);
        self.tried.insert(right, Trial { refusals, granted: true, since: now });
    }

    /// It is not there. One that is there for a moment only, or not for all that is needed, is tried less and less often.
    pub(super) fn refuse(&mut self, right: Right, now: Instant) {
        let (_, longest) = self.again;
        let before = self.tried.get(&right).filter(|trial| !trial.granted || now < trial.since + longest);
        let refusals = before.map_or(0, |trial| trial.refusals).saturating_add(1);
        self.tried.insert(right, Trial { refusals, granted: false, since: now });
    }

    /// Which is to be tried next, and when.
    pub(super) fn due(&self) -> Option<(&Right, Instant)> {
        let refused = self.hopes.iter().filter_map(|right| {
            let trial = self.tried.get(right).filter(|trial| !trial.granted)?;
            let (first, longest) = self.again;
            let wait = match trial.refusals {
                0 => Duration::ZERO,
                refusals => first.saturating_mul(1 << (refusals - 1).min(16)).min(longest),
            };
            Some((right, trial.since + spread(wait, right, self.salt)))
        });
        refused.min_by_key(|(_, due)| *due)
    }
}

/// Tries a right, with one small question. What fails for another reason than the right counts as refused: it is tried
/// again.
pub(super) fn probe(
    right: Right,
    links: Option<watch::Receiver<Option<Link>>>,
) -> BoxFuture<'static, (Right, bool)> {
    let link = links.and_then(|links| links.borrow().clone());
    async move {
        let query = ListQuery { labels: Some(PART_OF.to_owned()), limit: Some(1), ..ListQuery::default() };
        let namespace = right.extent.namespace.as_deref();
        let granted = match link {
            Some(link) => link.client.metadata_page(&right.extent.resource, namespace, &query).await.is_ok(),
            None => false,
        };
        (right, granted)
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use muster_api::resource::SECRETS;

    use super::super::course::Extent;
    use super::*;

    fn right(account: &str) -> Right {
        Right {
            extent: Extent { resource: SECRETS, namespace: None },
            account: Some(account).filter(|name| !name.is_empty()).map(Box::from),
        }
    }

    #[test]
    fn what_is_refused_is_tried_again_later_and_later_and_what_nobody_hopes_for_never() {
        let (first, longest) = (Duration::from_secs(10), Duration::from_secs(300));
        let mut rights = Rights::new((first, longest), 1);
        let start = Instant::now();
        let (one, other) = (right(""), right("a"));
        rights.refuse(other.clone(), start);
        rights.hope(&BTreeSet::new(), start);
        assert_eq!((rights.standing(&other), rights.due()), (Standing::Refused, None));
        rights.hope(&[one.clone()].into(), start);
        assert_eq!(rights.due(), Some((&one, start)), "what was never tried is tried at once");
        let mut now = start;
        for seconds in [10, 20, 40, 80, 160, 300, 300, 300] {
            rights.refuse(one.clone(), now);
            let wait = rights.due().unwrap().1 - now;
            let full = Duration::from_secs(seconds);
            assert!(wait >= full * 4 / 5 && wait <= full * 6 / 5, "{wait:?} for {full:?}");
            now += wait;
        }
        // There for a moment, and not long enough to count.
        rights.grant(one.clone(), now);
        assert_eq!((rights.standing(&one), rights.due()), (Standing::Granted, None));
        rights.refuse(one.clone(), now + first);
        assert!(rights.due().unwrap().1 > now + longest / 2);
        rights.grant(one.clone(), now);
        rights.refuse(one.clone(), now + longest);
        assert!(rights.due().unwrap().1 < now + longest + first * 2, "it was there for long");
        rights.hope(&[one.clone()].into(), now + longest * 3);
        assert_eq!(rights.standing(&other), Standing::Untried, "it is forgotten");
        assert_eq!(rights.standing(&one), Standing::Refused);
    }
}
