//! Lists that are not what they seem, streamed and in pages.

use muster_tests::proxy::{Action, Rule};

use super::lies::{Answer, Collection, Lie, Mode, Shown};
use super::{Bench, create, delete, relabel};
use crate::fleet::CLUSTERS;

/// Conditions and reasons that are to be told.
type Told = &'static [(&'static str, &'static str)];

/// The faults.
const FAULTS: &[(&str, Lie, Told)] = &[
    ("empty", Lie::Complete(Shown::None), &[("EntryPresent", "Present")]),
    ("lacking", Lie::Complete(Shown::Without("lacking")), &[]),
    ("without-own", Lie::Complete(Shown::WithoutOwn), &[("EntryPresent", "Present")]),
    ("stale", Lie::Complete(Shown::Stale), &[]),
    ("deleting", Lie::Complete(Shown::Deleting), &[("EntryPresent", "Deregistering")]),
    ("all-absent", Lie::Single(Shown::None, Answer::Absent), &[("EntryPresent", "Missing")]),
    (
        "lacking-unserved",
        Lie::Single(Shown::Without("lacking-unserved"), Answer::NotServed),
        &[("EntryPresent", "Present")],
    ),
    (
        "lacking-forbidden",
        Lie::Single(Shown::Without("lacking-forbidden"), Answer::Status(403, "Forbidden")),
        &[],
    ),
    ("cut", Lie::Cut(300), &[("DirectoryReachable", "Unreachable")]),
    ("half", Lie::Half, &[("DirectoryReachable", "Unreachable")]),
    ("expired", Lie::Expired, &[]),
    (
        "unauthorized",
        Lie::Refused(Answer::Status(401, "Unauthorized")),
        &[("DirectoryReachable", "CredentialsRejected")],
    ),
    ("forbidden", Lie::Refused(Answer::Status(403, "Forbidden")), &[("DirectoryReachable", "Forbidden")]),
    ("unserved", Lie::Refused(Answer::NotServed), &[("DirectoryReachable", "Unreachable")]),
    ("broken", Lie::Refused(Answer::Status(500, "InternalError")), &[("DirectoryReachable", "Unreachable")]),
    ("patience", Lie::Refused(Answer::Patience), &[("DirectoryReachable", "Unreachable")]),
    ("html", Lie::Refused(Answer::Html), &[("DirectoryReachable", "Unreachable")]),
    ("other-group", Lie::Refused(Answer::OtherGroup), &[("DirectoryReachable", "Unreachable")]),
    ("other-kind", Lie::Refused(Answer::OtherKind), &[("DirectoryReachable", "Unreachable")]),
    ("unversioned", Lie::Refused(Answer::Unversioned), &[("DirectoryReachable", "Unreachable")]),
];

#[test]
fn streamed_lists() {
    all(Mode::Streamed);
}

#[test]
fn lists_in_pages() {
    all(Mode::Paged);
}

fn all(mode: Mode) {
    let mut entries: Vec<String> = (0..30).map(|n| format!("more-{n}")).collect();
    entries.push("stale-seen".into());
    for (fault, ..) in FAULTS {
        entries.extend([format!("{fault}-changed"), format!("{fault}-gone")]);
    }
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let bench = Bench::new(&entries);
    let real = Mode::of(&bench.fleet.directory);
    let mode = if real == Mode::Paged { real } else { mode };
    if mode != real {
        let refusal = Action::failure(400, "BadRequest");
        let refused = bench.proxy.add(Rule::on(CLUSTERS, refusal).query("sendInitialEvents"));
        bench.relist();
        bench.hit(refused, 1);
    }
    for (fault, lie, conditions) in FAULTS {
        println!("{mode:?} {fault}:");
        strike(&bench, mode, fault, *lie, conditions);
    }
}

/// One fault: it strikes, nothing is lost, it passes, and all is in step.
fn strike(bench: &Bench, mode: Mode, fault: &str, lie: Lie, conditions: &[(&str, &str)]) {
    let (changed, gone, new) = (format!("{fault}-changed"), format!("{fault}-gone"), format!("{fault}-new"));
    let held = bench.held();
    let real = bench.fleet.directory.api().get(CLUSTERS).unwrap();
    if matches!(lie, Lie::Complete(Shown::Stale)) {
        relabel(&bench.fleet, "stale-seen", "two");
        bench.back("stale, beforehand");
    }
    let before = bench.examinations();
    let mut rules = lie.tell(&bench.proxy, Collection::Entries, mode, &real);
    let strikes = rules[0];
    rules.push(bench.relist());

    bench.hit(strikes, if lie.is_complete() { 1 } else { 3 });
    if !matches!(lie, Lie::Complete(Shown::All | Shown::WithoutOwn | Shown::Stale | Shown::Deleting))
        && lie.is_complete()
    {
        bench.examined(before);
    }
    // A deletion takes two seconds of quiet: one of each sort is enough.
    let deleted: &[&str] = match lie {
        Lie::Cut(_) | Lie::Refused(_) if !matches!(lie, Lie::Refused(Answer::Status(..))) => &[],
        _ => &[&gone],
    };
    bench.told(conditions);
    bench.corrects(&changed);
    relabel(&bench.fleet, &changed, "three");
    for name in deleted {
        delete(&bench.fleet, name);
    }
    create(&bench.fleet, &new);
    bench.nothing_lost(&held);

    for rule in rules {
        bench.proxy.remove(rule);
    }
    bench.proxy.disconnect();
    bench.back(fault);
    bench.only(&held, deleted, &[&new]);
    bench.told(&[
        ("DirectoryReachable", "Reachable"),
        ("EntryPresent", "Present"),
        ("MirrorInSync", "InSync"),
    ]);
}
