//! Crash plans: what people do to a fleet, and the agent killed at each write that it makes for that, once when the answer has
//! come and once when it is on its way. The end is as without it, and nothing came or went twice.

mod acts;
mod sights;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::Method;
use http::request::Parts;
use muster_tests::plane::AuditMark;
use muster_tests::wait::{DEADLINE, eventually, saw, throughout};

use self::acts::{ACTS, Act, Stage};
use crate::random::Random;
use crate::trail;
use crate::works::APPLIER;
use crate::works::crashes::gate::{Gate, Moment};

/// For how long nobody writes anything after the last run, in all plans and in a sample of them.
const QUIET: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(15)];
/// For how long all is still where it is at rest: longer than the quiet window before deletions, and live reads after it.
const STILL: Duration = Duration::from_secs(4);
/// What is written for other reasons, and as often as time says.
const BESIDE: [&str; 4] = ["/leases/", "/clusterreports", "/events", "reviews"];
/// Runs on one stage: more deletions in ten minutes would wait for a word.
const RUNS: usize = 8;
/// Of so many plans the sample has one.
const SAMPLE: usize = 8;

/// Whether a request is to change something for what people asked.
fn is_write(parts: &Parts) -> bool {
    is_change(&parts.method, parts.uri.path(), parts.uri.query().unwrap_or_default())
}

fn is_change(method: &Method, path: &str, query: &str) -> bool {
    method != Method::GET && !query.contains("dryRun") && !BESIDE.iter().any(|part| path.contains(part))
}

/// What came and went since then for what has this tag, and how often.
fn turnover(stage: &Stage, since: AuditMark) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let users = [trail::REPLICA_USER, APPLIER, crate::policies::APPLIER];
    let events = users.map(|user| trail::writes(&stage.bench.fleet.replica, since, user));
    for event in events.into_iter().flatten() {
        let verb = match (event.verb.as_str(), event.code) {
            ("patch" | "create", 201) => "create",
            ("delete", 200) => "delete",
            _ => continue,
        };
        // Names of bindings hold a digest of what they are for, and those of ledgers a UID.
        let name = if event.resource.ends_with("bindings") || event.name.starts_with("muster-policy-") {
            "*"
        } else {
            &event.name
        };
        let about = format!("{} {}/{name}", event.resource, event.namespace);
        if event.resource != "events" && event.resource != "leases" {
            *counts.entry(format!("{verb} {}", stage.untagged(&about))).or_insert(0) += 1;
        }
    }
    counts
}

/// What an act comes to where nobody interferes.
struct Reference {
    writes: usize,
    state: BTreeSet<String>,
    turnover: BTreeMap<String, usize>,
}

/// A run that came to its end: it is to stay so.
struct Ended {
    tag: String,
    what: String,
    reference: Rc<Reference>,
    mark: AuditMark,
}

/// An act on a stage, with the agent killed at the write of this number, if at all.
struct Run<'a> {
    stage: &'a mut Stage,
    act: Act,
    what: String,
}

impl Run<'_> {
    /// Nobody interferes.
    fn reference(&mut self) -> Reference {
        let mark = trail::mark(&self.stage.bench.fleet.replica);
        let gate = self.gate(Moment::Answered, usize::MAX);
        self.stage.perform(self.act);
        self.act.rests(self.stage);
        let mut state = BTreeSet::new();
        eventually("all still", DEADLINE, || {
            state = self.stage.state();
            throughout("all still", STILL, || {
                let now = self.stage.state();
                if now == state { Ok(()) } else { Err(differ(&now, &state)) }
            })
        })
        .unwrap();
        self.stage.bench.open();
        Reference { writes: gate.seen(), state, turnover: turnover(self.stage, mark) }
    }

    fn gate(&self, moment: Moment, last: usize) -> Gate {
        let bench = &self.stage.bench;
        Gate::over(bench.agent.pid(), &[&bench.directory, &bench.replica], is_write, moment, last)
    }

    /// The agent is killed at a write, or at rest where it makes fewer. Says whether it was at a write.
    fn killed(&mut self, moment: Moment, last: usize, reference: &Rc<Reference>) -> (bool, Ended) {
        let mark = trail::mark(&self.stage.bench.fleet.replica);
        let gate = self.gate(moment, last);
        self.stage.perform(self.act);
        let looked = eventually("the end or the kill", DEADLINE * 2, || {
            if gate.has_killed() { Ok(()) } else { self.is_as(reference) }
        });
        looked.unwrap_or_else(|late| panic!("{}: {late}\n{}", self.what, self.stage.bench.agent.log()));
        let killed = gate.disarm();
        self.stage.bench.open();
        self.stage.revive();
        let looked = eventually("the end", DEADLINE * 2, || self.is_as(reference));
        looked.unwrap_or_else(|late| panic!("{}: {late}\n{}", self.what, self.stage.bench.agent.log()));
        (
            killed,
            Ended { tag: self.stage.tag(), what: self.what.clone(), reference: Rc::clone(reference), mark },
        )
    }

    fn is_as(&self, reference: &Reference) -> Result<(), String> {
        let now = self.stage.state();
        if now == reference.state { Ok(()) } else { Err(differ(&now, &reference.state)) }
    }
}

impl Ended {
    /// Checks that all is as in the reference, and that nothing came or went oftener.
    fn is_so(&self, stage: &mut Stage) {
        stage.resume(&self.tag);
        let now = stage.state();
        let log = || stage.bench.agent.log();
        assert!(
            now == self.reference.state,
            "{}: {}\n{}",
            self.what,
            differ(&now, &self.reference.state),
            log()
        );
        let turnover = turnover(stage, self.mark);
        // The log has no code for a write whose answer nobody waited for.
        let asked = |write: &String| self.reference.turnover.get(write).copied().unwrap_or(0);
        let odd = turnover.iter().find(|(write, times)| write.contains("TAG") && **times > asked(write));
        assert!(odd.is_none(), "{}: {odd:?}\n{}", self.what, log());
    }
}

fn differ(now: &BTreeSet<String>, then: &BTreeSet<String>) -> String {
    let more: Vec<_> = now.difference(then).collect();
    let less: Vec<_> = then.difference(now).collect();
    format!("more: {more:#?}, less: {less:#?}")
}

/// The stage on which runs go on, one after the other.
#[derive(Default)]
struct Theatre {
    stage: Option<Stage>,
    ended: Vec<Ended>,
    /// How many runs it has seen.
    runs: usize,
    /// How many deletions were sent in all.
    deletions: usize,
    number: usize,
}

impl Theatre {
    /// A stage on which an act is about to be performed.
    fn ready(&mut self, act: Act) -> &mut Stage {
        self.number += 1;
        self.runs += 1;
        if act.needs_a_stage_of_its_own() || self.runs > RUNS {
            self.close();
        }
        if self.stage.is_none() {
            self.runs = if act.needs_a_stage_of_its_own() { RUNS } else { 1 };
        }
        let stage = self.stage.get_or_insert_with(|| Stage::new(act));
        stage.begin(self.number);
        act.prepare(stage);
        stage
    }

    /// The stage is left. What came to its end on it is so still, also after the time that a deletion takes.
    fn close(&mut self) {
        self.leave(STILL);
    }

    /// The same, and for this time nobody writes anything.
    fn leave(&mut self, quiet: Duration) {
        let Some(mut stage) = self.stage.take() else { return };
        let (before, written) = (stage.everything(), stage.written());
        throughout("nothing happens any more", quiet, || {
            let (now, writes) = (stage.everything(), stage.written());
            if now != before {
                return Err(format!("{now:?} and {before:?}"));
            }
            if writes.len() == written.len() {
                Ok(())
            } else {
                Err(format!("{:?}", &writes[written.len()..]))
            }
        })
        .unwrap_or_else(|late| panic!("{late}\n{}", stage.bench.agent.log()));
        self.deletions += stage.each_deletion_was_read_live();
        for ended in std::mem::take(&mut self.ended) {
            ended.is_so(&mut stage);
        }
    }
}

/// All plans of these acts, or a sample of them.
fn plans(acts: &[Act], is_sampled: bool) {
    let began = Instant::now();
    let mut random = Random::new();
    let mut theatre = Theatre::default();
    let (mut writes, mut made, mut all, mut kills) = (0, 0, 0, 0);
    let first = random.up_to(SAMPLE);
    for act in acts.iter().copied() {
        let reference = Run { stage: theatre.ready(act), act, what: format!("{act:?}") }.reference();
        println!("{act:?}: {} writes, {:?}", reference.writes, reference.turnover);
        let deletes = reference.turnover.keys().any(|write| write.starts_with("delete "));
        assert_eq!(deletes, act.takes_away(), "{act:?}");
        writes += reference.writes;
        let reference = Rc::new(reference);
        for moment in [Moment::Answered, Moment::Unanswered] {
            for last in 1..=reference.writes {
                all += 1;
                if is_sampled && all % SAMPLE != first % SAMPLE {
                    continue;
                }
                made += 1;
                let what = format!("{act:?}, killed at write {last} of {}, {moment:?}", reference.writes);
                let mut run = Run { stage: theatre.ready(act), act, what };
                let (killed, ended) = run.killed(moment, last, &reference);
                kills += usize::from(killed);
                theatre.ended.push(ended);
            }
        }
    }
    theatre.leave(QUIET[usize::from(is_sampled)]);
    println!("{} deletions, each after live reads", theatre.deletions);
    assert!(theatre.deletions > 0);
    saw(&format!("{writes} writes, {made} of {all} crash plans, {kills} kills at a write"), began.elapsed());
    assert!(made * 10 >= all, "a sample of {made} of {all}");
    // At the last write nobody is killed who waits for the next one.
    assert!(kills * 10 >= made * 8, "{kills} kills in {made} plans");
}

#[test]
fn of_all_crash_plans_a_sample_ends_as_without_a_crash() {
    plans(&ACTS, true);
}

#[test]
#[ignore = "takes half an hour: run by make faults"]
fn all_crash_plans_end_as_without_a_crash() {
    plans(&ACTS, false);
}
