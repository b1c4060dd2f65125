//! When what was refused is tried again after a change: a few times within seconds, since servers act on a change a moment
//! after they show it, and each by a cache of its own. However often something changes, no object is tried more often in
//! the long run than once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::refusal::{Awaited, Refusal};
use crate::target::Target;

/// How long after a change, and after each attempt, the next attempt is made.
const ATTEMPTS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(450),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
];
/// Least time between two attempts, on average over the changes of a while.
const EVERY: Duration = Duration::from_secs(1);
/// Attempts that are made as soon as they are wanted, after a time without any: as many as follow one change.
const FREE: u32 = 4;

/// What may mend a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// A change of what is watched for that alone.
    Awaited(Awaited),
    /// The namespace comes.
    Namespace,
    /// The labels of the namespace change: policies of admission may go by them.
    Labels,
    /// A definition of its group changes.
    Definition,
}

/// Where something changed: a namespace, or of a definition the group; `None`: where it matters to all.
pub(super) type Place = Option<String>;

/// What is tried after which change, and what was tried of late.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    rounds: BTreeMap<(Source, Place), Round>,
    /// By object: one may wait for several changes.
    brakes: BTreeMap<Target, Brake>,
}

/// What is tried after a change of one source at one place. It is forgotten once nothing is to be tried and the brake is off.
#[derive(Debug, Default)]
struct Round {
    next: Option<Duration>,
    made: usize,
    last: Option<Duration>,
    brake: Brake,
}

/// Lets so many attempts through at once, and then one in an interval: the time at which all of them would be free again
/// (the generic cell rate algorithm of ITU-T I.371).
#[derive(Debug, Default)]
struct Brake(Duration);

impl Source {
    /// What may mend a refusal; nothing, where no change of something else is watched that could.
    pub(super) fn of(refusal: Refusal) -> impl Iterator<Item = Self> {
        let more = match refusal {
            Refusal::NoNamespace | Refusal::Terminating => Some(Self::Namespace),
            Refusal::Policy => Some(Self::Labels),
            Refusal::NotServed | Refusal::Invalid => Some(Self::Definition),
            _ => None,
        };
        refusal.awaits().map(Self::Awaited).into_iter().chain(more)
    }
}

impl Rounds {
    /// When something is to be tried.
    pub(super) fn next(&self) -> Option<Duration> {
        self.rounds.values().filter_map(|round| round.next).min()
    }

    /// Something changed. `spacing`: least time between any two attempts for it.
    pub(super) fn changed(&mut self, source: Source, place: Place, spacing: Duration, now: Duration) {
        let round = self.rounds.entry((source, place)).or_default();
        let next = (now + ATTEMPTS[0]).max(round.last.map_or(Duration::ZERO, |last| last + spacing));
        round.next = Some(round.next.map_or(next, |before| before.min(next)));
        round.made = 0;
    }

    /// For what is to be tried now, and where.
    pub(super) fn due(
        &mut self,
        spacing: impl Fn(Source) -> Duration,
        now: Duration,
    ) -> BTreeMap<Source, BTreeSet<Place>> {
        let mut due: BTreeMap<Source, BTreeSet<Place>> = BTreeMap::new();
        for ((source, place), round) in &mut self.rounds {
            if round.next.is_none_or(|next| next > now) {
                continue;
            }
            let spacing = spacing(*source);
            if let Err(free) = round.brake.take(spacing, now) {
                round.next = Some(free);
                continue;
            }
            round.made += 1;
            round.last = Some(now);
            round.next = ATTEMPTS.get(round.made).map(|pause| now + (*pause).max(spacing));
            due.entry(*source).or_default().insert(place.clone());
        }
        self.rounds.retain(|_, round| round.next.is_some() || round.brake.holds(now));
        if !due.is_empty() {
            self.brakes.retain(|_, brake| brake.holds(now));
        }
        due
    }

    /// Whether an object may be tried now: then it counts as tried.
    pub(super) fn lets(&mut self, target: &Target, spacing: Duration, now: Duration) -> bool {
        self.brakes.entry(target.clone()).or_default().take(spacing, now).is_ok()
    }
}

impl Brake {
    /// An attempt now. `Err`: not before that time. `spacing`: the interval, where it is longer than usual.
    fn take(&mut self, spacing: Duration, now: Duration) -> Result<(), Duration> {
        let interval = EVERY.max(spacing);
        let free = self.0.saturating_sub(interval * (FREE - 1));
        if free > now {
            return Err(free);
        }
        self.0 = self.0.max(now) + interval;
        Ok(())
    }

    /// Whether attempts of a while ago still count.
    fn holds(&self, now: Duration) -> bool {
        self.0 > now
    }
}

#[cfg(test)]
mod tests {
    use muster_api::resource::CONFIG_MAPS;

    use super::*;

    const QUOTAS: Source = Source::Awaited(Awaited::Quotas);
    const START: Duration = Duration::from_secs(100);
    const NONE: Duration = Duration::ZERO;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[allow(clippy::unnecessary_wraps)] // a place may be none
    fn place(name: &str) -> Place {
        Some(name.to_owned())
    }

    /// Time passes up to then: returns when something was tried there.
    fn tried(rounds: &mut Rounds, place: &Place, until: Duration) -> Vec<Duration> {
        let mut tried = Vec::new();
        while let Some(next) = rounds.next().filter(|next| *next <= until) {
            let due = rounds.due(|_| NONE, next);
            tried.extend(due.get(&QUOTAS).filter(|places| places.contains(place)).map(|_| next));
        }
        tried
    }

    #[test]
    fn a_change_after_a_quiet_time_is_followed_by_four_attempts_and_forgotten() {
        let mut rounds = Rounds::default();
        for start in [START, START + millis(20_000)] {
            rounds.changed(QUOTAS, place("a"), NONE, start);
            let offsets: Vec<_> = tried(&mut rounds, &place("a"), start + millis(15_000))
                .into_iter()
                .map(|at| at.saturating_sub(start))
                .collect();
            assert_eq!(offsets, [50, 500, 1_500, 4_000].map(millis));
        }
        rounds.due(|_| NONE, 10 * START);
        assert!(rounds.rounds.is_empty());
    }

    #[test]
    fn changes_all_the_time_cost_one_attempt_a_second_and_the_last_of_them_is_followed_by_some() {
        let mut rounds = Rounds::default();
        let (mut all, mut now) = (Vec::new(), START);
        while now < START + millis(60_000) {
            rounds.changed(QUOTAS, place("a"), NONE, now);
            all.extend(tried(&mut rounds, &place("a"), now + millis(20)));
            now += millis(20);
        }
        assert!((60..=65).contains(&all.len()), "{}: {all:?}", all.len());
        assert!(all[0] <= START + millis(60));
        let after = tried(&mut rounds, &place("a"), now + millis(20_000));
        assert!(after.iter().any(|at| *at <= now + millis(1_100)) && after.len() >= 3, "{now:?} {after:?}");
    }

    #[test]
    fn changes_elsewhere_hold_nothing_up() {
        let mut rounds = Rounds::default();
        for step in 0..100 {
            rounds.changed(QUOTAS, place("a"), NONE, START + millis(20) * step);
            tried(&mut rounds, &place("b"), START + millis(20) * (step + 1));
        }
        let now = START + millis(2_000);
        rounds.changed(QUOTAS, place("b"), NONE, now);
        assert_eq!(tried(&mut rounds, &place("b"), now + millis(100)), [now + millis(50)]);
    }

    #[test]
    fn an_object_is_braked_whatever_it_waits_for_and_what_is_not_is_forgotten() {
        let target = |name: &str| Target { resource: CONFIG_MAPS, namespace: None, name: name.to_owned() };
        let mut rounds = Rounds::default();
        let lets =
            |rounds: &mut Rounds, name: &str, at: u64| rounds.lets(&target(name), NONE, START + millis(at));
        let times = (0..3_000).step_by(10);
        let free = times.clone().filter(|at| lets(&mut rounds, "a", *at)).count();
        assert!((6..=7).contains(&free), "{free}");
        assert!(lets(&mut rounds, "b", 3_000));
        assert!(rounds.lets(&target("c"), millis(10_000), START) && rounds.brakes.len() == 3);
        rounds.changed(QUOTAS, None, NONE, START + millis(30_000));
        rounds.due(|_| NONE, START + millis(30_050));
        assert!(rounds.brakes.is_empty(), "{:?}", rounds.brakes);
    }
}
