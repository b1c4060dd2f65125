//! What people are told of a Work: its status in the directory, written when it changes and nothing more is to be
//! expected within the next moments.

use jiff::Timestamp;
use muster_api::conditions::{WorksApplied, manifest, work};
use muster_api::work::ResourceIdentifier;

use super::brief::Wanted;
use super::bundle::{Bundle, Flawed, Progress, Why};
use super::due::{Steps, Task};
use super::looks::Found;
use super::objects::State;
use super::{Context, Works};
use crate::failure::Failure;
use crate::ledger::Phase;
use crate::plan::Step;
use crate::readiness::Readiness;
use crate::refusal::Refusal;
use crate::target::Target;
use crate::time::salt;
use crate::work::{Apply, Flaw, Named, WorkError};
use crate::work_status::{Aspect, ObjectState, add, compose, date, same};

/// How many Works a message names at most.
const NAMED: usize = 5;
/// How many Works are searched for one to tell of.
const MOST: usize = 100;

type Applied = Aspect<manifest::Applied>;
type Available = Aspect<manifest::Available>;

impl Works {
    /// Writes the status of a Work, if it is not what was told.
    pub(super) fn status_due(&mut self, uid: &str, context: Context, steps: &mut Steps) {
        let Some(bundle) = self.bundles.get(uid) else { return };
        let Some(seen) = bundle.seen.as_ref().filter(|_| context.connected && bundle.lost.is_none()) else {
            return;
        };
        // Where the Work goes and does not wait for Muster any more, nobody reads what is said of it.
        let released = seen.deleting && !seen.is_held();
        let preceded = self.predecessor(bundle).is_some_and(|before| before.under_way == 0);
        if bundle.upstream.busy || released || !(preceded || is_quiet(bundle)) {
            return;
        }
        let overall = self.overall(bundle);
        let objects = self.states(bundle);
        let left = bundle.ledger().filter(|_| overall.is_none());
        let left = left.and_then(|brief| self.left_behind(bundle, brief));
        let done = |reason| matches!(reason, manifest::Applied::Applied | manifest::Applied::Observed);
        let whole = objects.iter().all(|(_, state)| done(state.applied.reason));
        let overall =
            overall.or_else(|| Some(Aspect::new(work::Applied::Kept, left.clone().filter(|_| whole)?)));
        let told = bundle.told.as_ref();
        let mut status = compose(seen.generation, &objects, overall.as_ref(), told, context.wall);
        if let Some(left) = left.filter(|_| !whole) {
            add(&mut status, &left);
        }
        // What is there is what was recorded, and says nothing of a generation that cannot be.
        if let Some(brief) =
            bundle.ledger().filter(|_| bundle.error.is_some() || bundle.record_failure().is_some())
        {
            date(&mut status, brief.generation);
        }
        if bundle.told.as_ref().is_some_and(|told| same(&status, told)) {
            return;
        }
        // Without the times, which somebody else may have taken off.
        let bare = compose(seen.generation, &objects, overall.as_ref(), None, Timestamp::UNIX_EPOCH);
        let said = salt(serde_json::to_string(&bare).unwrap_or_default());
        let again = bundle.upstream.said == Some(said);
        let due = bundle.upstream.due(again, salt(uid));
        if due > context.now {
            self.undone(uid, again);
            return self.later(due, uid);
        }
        if self.is_full() {
            return self.turns.push(uid);
        }
        // It is made of strings and numbers: it cannot fail to be JSON. Nothing would be refused by the server.
        let text = serde_json::to_string(&status).unwrap_or_default();
        let (name, version) = (bundle.work.name.clone(), seen.resource_version.clone());
        if let Some(bundle) = self.bundles.get_mut(uid) {
            bundle.upstream.busy = true;
            bundle.upstream.said = Some(said);
            if again {
                bundle.upstream.quarrel.pace.corrected(context.now);
            }
        }
        self.act(Task::Report { work: uid.to_owned() }, Step::Report { name, version, status: text }, steps);
    }

    /// How it stands with the Works of the directory, for the report, and whether that may pass within moments.
    #[must_use]
    pub fn told(&self) -> (WorksApplied, String, bool) {
        if let Some((failure, message)) = &self.failure {
            let reason = match failure {
                Failure::Forbidden | Failure::Absent => WorksApplied::Forbidden,
                _ => WorksApplied::Pending,
            };
            return (reason, message.clone(), false);
        }
        if !self.shown.is_complete() {
            return (WorksApplied::Pending, "the Works of the directory are still to be read".into(), false);
        }
        let works = self.bundles.len();
        // Told after every event: what grows with the number of Works would cost its square.
        let name = |uid: &String| Some(self.bundles.get(uid)?.work.name.as_str());
        let first: Vec<&str> = self.incomplete.iter().filter_map(name).take(NAMED).collect();
        match (works, first.as_slice()) {
            (0, _) => (WorksApplied::NoneAssigned, String::new(), false),
            (_, []) => (WorksApplied::Applied, String::new(), false),
            (_, some) => {
                let more = self.incomplete.len().saturating_sub(some.len());
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let spoilt = self.spoilt().map(|spoilt| format!("; {spoilt}")).unwrap_or_default();
                let message =
                    format!("{} of {works} Works: {}{more}{spoilt}", self.incomplete.len(), some.join(", "));
                (WorksApplied::Incomplete, message, true)
            }
        }
    }

    /// What somebody else did to the record, the finalizer or the status of a Work, of which its status cannot tell.
    fn spoilt(&self) -> Option<String> {
        self.incomplete.iter().take(MOST).find_map(|uid| {
            let bundle = self.bundles.get(uid)?;
            let name = &bundle.work.name;
            let lost = bundle.ledger().is_none() && bundle.keeper.recorded().is_some();
            if bundle.is_altered() || lost {
                return Some(format!(
                    "the record of {name} was changed or removed by hand, and is not put back yet"
                ));
            }
            bundle
                .upstream
                .quarrel
                .told
                .then(|| format!("somebody keeps changing the finalizers or the status of {name}"))
        })
    }

    /// Remembers whether all of a Work is applied.
    pub(super) fn note(&mut self, uid: &str) {
        let whole = self.bundles.get(uid).is_none_or(|bundle| {
            let sound = bundle.error.is_none() && bundle.flaws.is_empty() && bundle.states.is_empty();
            let sound = sound && !bundle.is_altered() && !bundle.upstream.quarrel.told;
            let kept = bundle.demand.is_none() && bundle.safe.failure().is_none();
            let settled = bundle.ledger().is_some() && kept && !bundle.is_deleting();
            sound && !bundle.is_unread() && (settled || bundle.is_only_planned())
        });
        if whole {
            self.incomplete.remove(uid);
        } else {
            self.incomplete.insert(uid.to_owned());
        }
    }

    /// What holds for a Work as a whole, whatever its manifests are.
    fn overall(&self, bundle: &Bundle) -> Option<Aspect<work::Applied>> {
        let say = |reason, message: String| Some(Aspect::new(reason, message));
        if let Some(error) = &bundle.error {
            let reason = match error {
                WorkError::Option { .. } => work::Applied::InvalidOption,
                WorkError::TooLarge { .. } => work::Applied::TooLarge,
                WorkError::Malformed { .. } | WorkError::ReservedName { .. } => work::Applied::Malformed,
            };
            return say(reason, error.to_string());
        }
        if let Some((failure, message)) = bundle.record_failure() {
            let reason = match failure {
                Failure::TooLarge => work::Applied::TooLarge,
                _ => work::Applied::LedgerUnusable,
            };
            return say(reason, message.to_owned());
        }
        if let Some(before) = self.predecessor(bundle) {
            let remaining = before.believed().map(|brief| self.remaining(before, brief));
            let why = remaining.unwrap_or_default();
            return say(
                work::Applied::Preceded,
                format!("an earlier Work of this name is to end first: {why}"),
            );
        }
        if bundle.is_planning() && !bundle.is_deleting() {
            return say(work::Applied::Planned, self.plan_told(bundle));
        }
        let brief = bundle.ledger()?;
        if bundle.is_deleting() || brief.phase == Phase::Deleting {
            return say(work::Applied::Deleting, self.remaining(bundle, brief));
        }
        if brief.options.suspend {
            return say(work::Applied::Suspended, String::new());
        }
        None
    }

    fn states(&self, bundle: &Bundle) -> Vec<(ResourceIdentifier, ObjectState)> {
        let flawed = bundle.flaws.iter().map(|flawed| (identify(flawed), refused(flawed)));
        let brief = bundle.asked();
        let wanted = brief.iter().flat_map(|brief| &brief.wanted);
        let wanted = wanted.map(|wanted| {
            let state = bundle.states.get(&wanted.target).unwrap_or(&State::Right);
            (identifier(wanted), self.object_state(bundle, wanted, state))
        });
        let mut states: Vec<_> = flawed.chain(wanted).collect();
        states.sort_by_key(|(identifier, _)| identifier.ordinal);
        states
    }

    fn object_state(&self, bundle: &Bundle, wanted: &Wanted, state: &State) -> ObjectState {
        let slot = self.slots.get(&wanted.target);
        let observed = slot.and_then(|slot| slot.observed.as_ref());
        let own = observed.filter(|_| !matches!(state, State::Conflict(_)));
        let look = bundle.asked().and_then(|brief| bundle.look(brief, wanted)).map(|look| &look.found);
        let seen = match look {
            Some(Found::There { generation, .. }) if wanted.options.apply == Apply::Observe => {
                Some(*generation)
            }
            _ => own.map(|observed| observed.generation),
        };
        let drifted = match look {
            _ if observed.is_none() => "it was deleted",
            Some(Found::There { differs: Some(fields), .. }) => fields,
            Some(Found::There { .. }) => "its marks, or fields that the manifest does not have any more",
            _ => "",
        };
        ObjectState {
            applied: if bundle.is_planning() {
                let plan = self.plan_of(bundle, wanted).unwrap_or_default();
                Aspect::new(manifest::Applied::Planned, plan)
            } else if bundle.is_suspended() {
                Aspect::new(manifest::Applied::Suspended, "")
            } else {
                match state {
                    State::Right if wanted.options.apply == Apply::Observe => {
                        Aspect::new(manifest::Applied::Observed, "")
                    }
                    State::Right => {
                        let note = self.sight(&wanted.target).unwrap_or_default();
                        Aspect::new(manifest::Applied::Applied, note)
                    }
                    State::Drifted => Aspect::new(manifest::Applied::Drifted, drifted),
                    state => applied(&wanted.target, state),
                }
            },
            available: match seen {
                Some(_) if matches!(state, State::Unserved(_)) => {
                    Aspect::new(manifest::Available::Unknown, "its kind is not served")
                }
                Some(_) => self
                    .readiness
                    .get(&wanted.target)
                    .map_or_else(|| Aspect::new(manifest::Available::Available, ""), available),
                None => Aspect::new(manifest::Available::Missing, ""),
            },
            feedback: self.values(wanted).filter(|_| seen.is_some()).map(Into::into),
            observed_generation: seen.unwrap_or_default(),
        }
    }
}

/// Whether nothing about a Work is to be expected within the next moments.
fn is_quiet(bundle: &Bundle) -> bool {
    if bundle.under_way > 0 || bundle.keeper.is_busy() || bundle.reading || bundle.safe.is_busy() {
        return false;
    }
    if bundle.error.is_some() || bundle.record_failure().is_some() || bundle.is_deleting() {
        return true;
    }
    let steady = bundle.is_suspended() || bundle.progress != Progress::Moves;
    if bundle.is_planning() {
        return bundle.progress != Progress::Moves && !bundle.is_unread() && bundle.asked().is_some();
    }
    // What holds for what is recorded is not said of what is not looked through yet.
    bundle.demand.is_none() && !bundle.is_unread() && bundle.ledger().is_some() && steady
}

fn applied(target: &Target, state: &State) -> Applied {
    use manifest::Applied as Reason;
    match state {
        State::Right => Aspect::new(Reason::Applied, ""),
        State::UnderWay
        | State::Unseen
        | State::Due(_)
        | State::Undiscovered
        | State::Look
        | State::Replaced
        | State::Later(_) => Aspect::new(Reason::Pending, ""),
        State::Waits(why) | State::Unserved(why) => Aspect::new(Reason::Waiting, why.as_str()),
        State::Failed(failure, message, _) => {
            let (reason, message) = failed(target, *failure, message);
            Aspect::new(reason, message)
        }
        State::ValuesLost => Aspect::new(Reason::ValuesLost, super::safe::LOST),
        State::Conflict(why) => Aspect::new(Reason::Conflict, why.as_str()),
        State::Drifted => Aspect::new(Reason::Drifted, ""),
        State::Terminating => {
            Aspect::new(Reason::Waiting, "the object is being deleted: it is made anew after that")
        }
        State::Fought { message, .. } => Aspect::new(Reason::FoughtOver, message.as_str()),
        State::LetGo => Aspect::new(Reason::LetGo, ""),
        State::Differs(fields) => Aspect::new(Reason::Differs, fields.as_str()),
    }
}

/// What a failure means for people.
fn failed(target: &Target, failure: Failure, message: &str) -> (manifest::Applied, String) {
    let refusal = Refusal::of(failure, message);
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let message = match refusal {
        Refusal::NoNamespace => format!("namespace {namespace} is not there"),
        Refusal::Terminating => format!("namespace {namespace} is being deleted"),
        _ => message.to_owned(),
    };
    (refusal.reason(), message)
}

fn refused(flawed: &Flawed) -> ObjectState {
    use manifest::Applied as Reason;
    let (reason, message) = match &flawed.why {
        Why::Flaw(flaw) => {
            let reason = match flaw {
                Flaw::GenerateName => Reason::GenerateName,
                Flaw::ForeignOwner => Reason::ForeignOwner,
                Flaw::Duplicate { .. } => Reason::Duplicate,
                Flaw::Option(_) => Reason::InvalidOption,
                _ => Reason::InvalidManifest,
            };
            (reason, flaw.to_string())
        }
        Why::UnknownKind => {
            let Named { group, version, kind, .. } = &flawed.named;
            let slash = if group.is_empty() { "" } else { "/" };
            let why = format!(
                "the replica does not serve {kind} of {group}{slash}{version}: install its definition, or correct \
                 apiVersion and kind"
            );
            (Reason::UnknownKind, why)
        }
        Why::Undiscovered(message) => (Reason::Retrying, message.clone()),
        Why::Unsupported(why) => (Reason::Unsupported, (*why).to_owned()),
    };
    ObjectState {
        applied: Aspect::new(reason, message),
        available: Aspect::new(manifest::Available::Missing, ""),
        feedback: None,
        observed_generation: 0,
    }
}

fn available(readiness: &Readiness) -> Available {
    use manifest::Available as Reason;
    match readiness {
        Readiness::Current => Aspect::new(Reason::Available, ""),
        Readiness::InProgress { reason, message } => {
            Aspect::new(Reason::Progressing, format!("{reason}: {message}"))
        }
        Readiness::Failed { reason, message } => Aspect::new(Reason::Failed, format!("{reason}: {message}")),
        Readiness::Terminating => Aspect::new(Reason::Terminating, ""),
    }
}

fn identifier(wanted: &Wanted) -> ResourceIdentifier {
    let Target { resource, namespace, name } = &wanted.target;
    ResourceIdentifier {
        ordinal: i64::try_from(wanted.ordinal).unwrap_or(i64::MAX),
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        kind: resource.kind.to_string(),
        resource: resource.plural.to_string(),
        namespace: namespace.clone().unwrap_or_default(),
        name: name.clone(),
    }
}

fn identify(flawed: &Flawed) -> ResourceIdentifier {
    flawed.named.identifier(flawed.ordinal, "")
}
