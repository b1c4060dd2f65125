//! The definition of entries. When it is deleted, every entry gets a deletionTimestamp that nobody meant for it, and where
//! it is made anew, old ones may come back with theirs. So an entry leaves only while its definition is there, stays, is the
//! one that it was, and is older than the deletion. Else what the directory keeps for the cluster stays.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use muster_api::Object;
use muster_api::events::controller::EventReason;
use muster_api::marks::ENTRY_FINALIZER;
use muster_api::names::{self, AGENTS_NAMESPACE};
use muster_api::resource::{CLUSTERS, CRDS};
use serde::Deserialize;
use serde_json::json;

use super::plan::{Failure, FailureKind, Notice, Outcome, Plan, Step};
use super::{Fleet, Member};

/// How long a look counts before the next one is due, where entries leave.
const FRESH: Duration = Duration::from_secs(10);
/// Time between two looks.
const SPACING: Duration = Duration::from_millis(500);
/// How far the clocks of a directory's API servers may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Why an entry that is being deleted is not believed to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The definition is being deleted.
    Going,
    /// There is none.
    Gone,
    /// It is another one than before.
    Replaced,
}

impl Doubt {
    /// What people are told.
    pub(super) fn message(self) -> String {
        let what = match self {
            Self::Going => "is being deleted, and every entry with it",
            Self::Gone => "is gone, and every entry with it",
            Self::Replaced => "was made anew since entries were deleted",
        };
        format!("{} {} {what}", CRDS.plural, CLUSTERS.full_name())
    }
}

/// What people are told of one entry that was deleted before its definition was made, as the clocks of the directory say:
/// both times, and what lets this one go by hand. That is never done for them: a restored definition looks just so.
fn predates(name: &str, member: &Member, created: Option<Timestamp>) -> String {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "an unknown time".to_owned(), |t| t.to_string());
    let (crds, clusters, deleted) = (CRDS.plural, CLUSTERS.full_name(), time(member.entry.deleted));
    let others: Vec<_> = member.entry.finalizers.iter().filter(|name| *name != ENTRY_FINALIZER).collect();
    let rest = json!({"metadata": {"finalizers": others}});
    format!(
        "{crds} {clusters} was made at {}, and this entry deleted at {deleted}, not after it: it may have gone with an \
         earlier definition. Its bindings, Lease, report and namespace {} stay, with its Works, until an entry of the same \
         name is made and deleted. If this entry is to go, end its credentials and then it: kubectl -n {AGENTS_NAMESPACE} \
         delete serviceaccount {name} --ignore-not-found && kubectl patch {clusters} {name} --type=merge -p '{rest}'",
        time(created),
        names::execution_namespace(name),
    )
}

/// What is known of the definition.
#[derive(Debug, Default)]
pub(super) struct Definition {
    /// UID of the one that is known.
    uid: Option<String>,
    created: Option<Timestamp>,
    /// What spoke against it at the last look.
    doubt: Option<Doubt>,
    /// Why it cannot be looked at.
    trouble: Option<String>,
    /// When that entry was seen to go, of those that leave, which was seen last.
    leaving: Option<Duration>,
    /// When the last look began that came to an end.
    looked: Option<Duration>,
    /// The look under way, and when it began.
    asking: Option<(u64, Duration)>,
    /// There is no look before.
    due: Duration,
    /// Whether people were told of a doubt.
    told: bool,
}

/// Whether an entry that is being deleted leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It does.
    Leaves,
    /// It does not, and this is why.
    Stays(String),
    /// It is not known yet.
    Unknown,
}

impl Definition {
    /// The entries were listed anew: perhaps since their definition is another one.
    pub(super) fn relisted(&mut self) {
        self.looked = None;
    }

    /// Entries leave, or none does.
    pub(super) fn leaving(&mut self, last: Option<Duration>) {
        self.leaving = last;
    }

    /// UID of the one that is known.
    pub(super) fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    /// Whether it is to be looked at.
    fn is_wanted(&self, now: Duration) -> bool {
        if self.asking.is_some() || now < self.due {
            return false;
        }
        match (self.looked, self.leaving) {
            (None, _) => true,
            (Some(looked), Some(since)) => looked < since || now.saturating_sub(looked) >= FRESH,
            (Some(_), None) => false,
        }
    }

    /// It was looked at, or there is none.
    fn see(&mut self, found: Option<&Object>, now: Duration) {
        let began = self.asking.take().map_or(now, |(_, began)| began);
        (self.looked, self.due, self.trouble) = (Some(began), now + SPACING, None);
        let Some(found) = found else {
            self.doubt = Some(Doubt::Gone);
            return;
        };
        let uid = &found.meta.uid;
        let replaced = self.uid.as_ref().is_some_and(|known| known != uid);
        self.doubt = match found.meta.deletion_timestamp {
            Some(_) => Some(Doubt::Going),
            None if replaced => Some(Doubt::Replaced),
            None => None,
        };
        if self.doubt != Some(Doubt::Going) {
            (self.uid, self.created) = (Some(uid.clone()), created(found));
        }
    }
}

/// When an object was made.
pub(crate) fn created(object: &Object) -> Option<Timestamp> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Frame {
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Metadata {
        creation_timestamp: Option<String>,
    }
    let Frame { metadata } = serde_json::from_str(object.raw.get()).unwrap_or_default();
    metadata.creation_timestamp?.parse().ok()
}

/// Whether this definition of entries stays, and was there when what it is compared with was `made`: else an entry that is
/// missing may be one that went with the definition of all of them.
pub(crate) fn is_older(definition: &Object, made: Option<Timestamp>) -> bool {
    let older = created(definition).zip(made).is_some_and(|(created, made)| created <= made);
    definition.meta.deletion_timestamp.is_none() && older
}

impl Fleet {
    /// Whether entries are held back since their definition is not what it was.
    #[must_use]
    pub fn held_back(&self) -> usize {
        self.members.values().filter(|member| member.doubt.is_some()).count()
    }

    /// The look at the definition, where one is due.
    pub(super) fn look_at_definition(&mut self, now: Duration) -> Option<Plan> {
        if self.members.is_empty() || !self.definition.is_wanted(now) {
            return None;
        }
        self.plans += 1;
        self.definition.asking = Some((self.plans, now));
        Some(Plan { cluster: String::new(), id: self.plans, step: Step::Verify, under: None })
    }

    /// Whether this plan is the look at the definition.
    pub(super) fn is_look_at_definition(&self, plan: u64) -> bool {
        self.definition.asking.is_some_and(|(asking, _)| asking == plan)
    }

    /// The definition was looked at, by a step of its own or before a removal.
    pub(super) fn definition(&mut self, outcome: &Outcome, now: Duration) {
        let known = &mut self.definition;
        match outcome {
            Outcome::Object(found) | Outcome::Doubtful(Some(found)) => known.see(Some(found), now),
            Outcome::Absent | Outcome::Doubtful(None) => known.see(None, now),
            Outcome::Failed(Failure { kind, message }) => {
                (known.asking, known.due) = (None, now + FRESH);
                known.trouble = matches!(kind, FailureKind::Refused).then(|| message.clone());
            }
            Outcome::Removed | Outcome::Works(_) => {}
        }
        let leaving = self.members.iter().filter(|(_, member)| member.leaving.is_some());
        self.dirty.extend(leaving.map(|(name, _)| name.clone()));
        let Some(doubt) = self.definition.doubt else { return };
        let mut doubted = false;
        let created = self.definition.created;
        // One that was replaced unseen has entries again that people may delete.
        let is_old = |deleted: Option<Timestamp>| match (doubt, created, deleted) {
            (Doubt::Replaced, Some(created), Some(deleted)) => deleted.duration_since(created) <= SKEW,
            _ => true,
        };
        for member in self.members.values_mut() {
            if member.leaving.is_some() && member.doubt.is_none() && is_old(member.entry.deleted) {
                member.doubt = Some(doubt);
                doubted = true;
            }
        }
        if doubt == Doubt::Replaced {
            self.definition.doubt = None;
        }
        if doubted && !std::mem::replace(&mut self.definition.told, true) {
            let note = format!("{}: what the directory keeps for its clusters stays.", doubt.message());
            self.notices.push(Notice { entry: None, reason: EventReason::DefinitionInDoubt, note });
        }
    }

    /// Whether an entry that is being deleted leaves.
    pub(super) fn word_of(&self, name: &str, member: &Member) -> Word {
        let known = &self.definition;
        let stays = || Word::Stays(predates(name, member, known.created));
        match member.doubt {
            Some(Doubt::Replaced) => return stays(),
            Some(doubt) => return Word::Stays(doubt.message()),
            None => {}
        }
        let since = member.leaving.unwrap_or_default();
        if let Some(trouble) = &known.trouble {
            return Word::Stays(trouble.clone());
        }
        let (Some(_), Some(_)) = (&known.uid, known.looked.filter(|looked| *looked >= since)) else {
            return Word::Unknown;
        };
        if known.doubt.is_some() {
            return Word::Unknown; // another look is to say it of this entry
        }
        // To the second: what was deleted in the second in which the definition was made may be older than it.
        match (known.created, member.entry.deleted) {
            (Some(created), Some(deleted)) if deleted > created => Word::Leaves,
            _ => stays(),
        }
    }
}
