//! Silence ends nothing: whatever becomes of the directory, no grant is touched, what is wrong is said, and what is
//! done to grants by hand is undone. When the directory is itself again, the replica comes in step.

use std::collections::BTreeMap;

use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::bench::{Bench, STATE};
use super::held::{Held, follows, grant, granted, meddle};
use super::{DOCUMENTED, POLICIES, drop_policy, put_policy, until_made};
use crate::faults::identity::{USER, admit, put_another, put_back};
use crate::faults::lies::{Answer, Collection, Lie, Mode, Shown};
use crate::faults::removal::{allow, definition};
use crate::fleet::{OWN, SECRETS, condition_of, install, stop};

use Collection::{Entries, Policies};

/// What a directory says, what is not so in it, and what is told of it.
type Said = (&'static str, &'static [(Collection, Lie)], Told);
/// Conditions and reasons that are to be told.
type Told = &'static [(&'static str, &'static str)];

/// A policy whose subjects change: that shows what the agent sees of the directory.
const STEADY: &str = "steady";
const ENTRIES_CRD: &str = "clusters.multicluster.coreos.com";
const POLICIES_CRD: &str = "clusterpolicies.multicluster.coreos.com";

/// What a directory may say, collection by collection, and what is told of it.
const LIES: &[Said] = &[
    ("no policies", &[(Policies, Lie::Complete(Shown::None))], &[("PoliciesApplied", "Applied")]),
    (
        "a policy less, and single ones are not served",
        &[(Policies, Lie::Single(Shown::Without("web"), Answer::NotServed))],
        &[("PoliciesApplied", "Pending")],
    ),
    ("policies as they were", &[(Policies, Lie::Complete(Shown::Stale))], &[("PoliciesApplied", "Applied")]),
    ("policies that go", &[(Policies, Lie::Complete(Shown::Deleting))], &[("PoliciesApplied", "Applied")]),
    (
        "no labels that a policy selects on",
        &[(Entries, Lie::Complete(Shown::Unlabelled))],
        &[("EntryPresent", "Present"), ("PoliciesApplied", "Applied")],
    ),
    (
        "neither policies nor the own entry",
        &[(Policies, Lie::Complete(Shown::None)), (Entries, Lie::Complete(Shown::WithoutOwn))],
        &[("EntryPresent", "Present"), ("PoliciesApplied", "Applied")],
    ),
    (
        "nothing, also where it is asked for one thing",
        &[
            (Policies, Lie::Single(Shown::None, Answer::Absent)),
            (Entries, Lie::Single(Shown::None, Answer::Absent)),
        ],
        &[("EntryPresent", "Missing"), ("PoliciesApplied", "Pending")],
    ),
    ("some bytes of it", &[(Policies, Lie::Cut(300))], UNREACHABLE),
    ("one half of it", &[(Policies, Lie::Half)], UNREACHABLE),
    (
        "403",
        &[(Policies, Lie::Refused(Answer::Status(403, "Forbidden")))],
        &[("DirectoryReachable", "Forbidden"), ("PoliciesApplied", "Applied")],
    ),
    (
        "404",
        &[(Policies, Lie::Refused(Answer::NotServed)), (Entries, Lie::Refused(Answer::NotServed))],
        UNREACHABLE,
    ),
    ("something else", &[(Policies, Lie::Refused(Answer::OtherKind))], UNREACHABLE),
];
const UNREACHABLE: Told = &[("DirectoryReachable", "Unreachable"), ("PoliciesApplied", "Applied")];

/// A bench with the documented policies and [`STEADY`].
fn bench() -> Bench {
    let bench = Bench::new();
    follows(&bench, STEADY, "beginning");
    bench.told("PoliciesApplied", "Applied");
    bench
}

/// Waits until all is well, and the agent follows the directory again.
fn back(bench: &Bench, group: &str) {
    follows(bench, STEADY, group);
    for (condition, reason) in
        [("DirectoryReachable", "Reachable"), ("EntryPresent", "Present"), ("PoliciesApplied", "Applied")]
    {
        bench.told(condition, reason);
    }
}

/// Waits until this is told, and checks that nothing was touched for it, and that the agent enforces.
fn stands(bench: &Bench, held: &Held, told: Told, number: usize) -> Vec<String> {
    for (condition, reason) in told {
        bench.told(condition, reason);
    }
    held.untouched(bench);
    let by_hand = meddle(bench, number);
    held.kept(bench, &by_hand);
    by_hand
}

/// How often the agent read the CRD of entries: it does so whenever it looks whether an absence means anything.
fn examinations(bench: &Bench) -> usize {
    let end = format!("/customresourcedefinitions/{ENTRIES_CRD}");
    bench.directory.requests().iter().filter(|seen| seen.path.ends_with(&end)).count()
}

#[test]
fn lists_that_lie_take_no_grant_away() {
    let bench = Bench::new();
    let mode = Mode::of(&bench.fleet.directory);
    let stale = bench.fleet.directory.api().get(POLICIES).unwrap();
    // What the old list has of this policy asks for less.
    put_policy(&bench.fleet, "web-api", &more());
    until_made(&bench.fleet, &bench.agent, 8);
    follows(&bench, STEADY, "beginning");
    bench.told("PoliciesApplied", "Applied");
    for (number, (says, lies, told)) in LIES.iter().enumerate() {
        println!("a directory that says: {says}");
        // So few policies are one page.
        if mode == Mode::Paged && lies.iter().any(|(_, lie)| matches!(lie, Lie::Half)) {
            println!("left out: this version of Kubernetes streams no lists unless it is told to");
            continue;
        }
        let held = Held::now(&bench);
        let before = examinations(&bench);
        let mut strikes = Vec::new();
        for (of, lie) in *lies {
            let is_stale = matches!(lie, Lie::Complete(Shown::Stale));
            let real =
                if is_stale { stale.clone() } else { bench.fleet.directory.api().get(of.path()).unwrap() };
            strikes.push((lie.tell(&bench.directory, *of, mode, &real)[0], lie.is_complete()));
            of.forget(&bench.directory);
        }
        bench.directory.disconnect();
        for (strike, is_complete) in strikes {
            let wanted = if is_complete { 1 } else { 2 };
            bench.until("the lie to be told", || match bench.directory.hits(strike) {
                hits if hits >= wanted => Ok(()),
                hits => Err(format!("{hits} times")),
            });
        }
        let doubtful = lies.iter().any(|(_, lie)| lie.is_complete());
        if doubtful && !matches!(lies[0].1, Lie::Complete(Shown::Stale)) {
            bench.until("live reads of the directory", || match examinations(&bench) {
                reads if reads >= before + 2 => Ok(()),
                reads => Err(format!("{} reads of the CRD", reads - before)),
            });
        }
        let by_hand = stands(&bench, &held, told, number);
        bench.directory.clear();
        bench.directory.disconnect();
        back(&bench, &format!("honest-{number}"));
        held.kept(&bench, &by_hand);
    }
}

/// The documented policy of two namespaces, with one grant more.
fn more() -> Value {
    let roles = |roles: &[(&str, &str)]| -> Value {
        roles.iter().map(|(role, group)| json!({"clusterRole": role, "groups": [group]})).collect()
    };
    let prod = json!([
        {"clusterRole": "view", "users": ["random-user"], "groups": ["SupportTeam"]},
        {"clusterRole": "edit", "groups": ["APIDevelopers"]},
        {"clusterRole": "admin", "users": ["joe-team-lead"]},
    ]);
    json!({"selector": {"cloud": "aws"}, "namespaces": [
        {"name": "api-prod", "authorization": {"bindings": prod}},
        {"name": "api-test", "authorization": {
            "bindings": roles(&[("admin", "APIDevelopers"), ("view", "SupportTeam")])}},
    ]})
}

#[test]
fn a_directory_that_is_away_or_refuses_takes_no_grant_away() {
    let mut bench = bench();
    let directory = &bench.fleet.directory;
    let held = Held::now(&bench);
    directory.kill().unwrap();
    let by_hand = stands(&bench, &held, UNREACHABLE, 0);
    directory.restart().unwrap();
    back(&bench, "killed");
    held.kept(&bench, &by_hand);

    println!("another one at its address, which does not know the credential");
    let held = Held::now(&bench);
    let stranger = muster_tests::pool::plane().unwrap();
    bench.directory.set_upstream(&stranger).unwrap();
    let told: Told = &[("DirectoryReachable", "CredentialsRejected"), ("PoliciesApplied", "Applied")];
    let by_hand = stands(&bench, &held, told, 2);
    bench.directory.set_upstream(directory).unwrap();
    back(&bench, "no-stranger");
    held.kept(&bench, &by_hand);
    drop(stranger);

    println!("its list is forbidden");
    let held = Held::now(&bench);
    directory.kubectl_ok(&["delete", "clusterrolebinding", &format!("muster-view-clusters-{OWN}")]).unwrap();
    bench.directory.disconnect();
    let told: Told = &[("DirectoryReachable", "Forbidden"), ("PoliciesApplied", "Applied")];
    let by_hand = stands(&bench, &held, told, 4);
    bench.fleet.enrol(OWN);
    back(&bench, "with-rights");
    held.kept(&bench, &by_hand);

    missing(&mut bench);
    another(&bench);
}

/// The own entry went while nobody looked: nothing follows from that, and no evidence counts without it.
fn missing(bench: &mut Bench) {
    println!("the own entry is missing");
    grant(bench, "gone", "gone");
    bench
        .until("a grant to be revoked", || granted(bench, "gone").map(drop).ok_or_else(|| "none".to_owned()));
    bench.told("PoliciesApplied", "Applied");
    let held = Held::now(bench);
    stop(&mut bench.agent);
    bench.delete_own_entry();
    drop_policy(&bench.fleet, "gone");
    bench.agent.restart().unwrap();
    let told: Told = &[("EntryPresent", "Missing"), ("PoliciesApplied", "Pending")];
    let by_hand = stands(bench, &held, told, 5);
    bench.until("why the grant stays", || match condition_of(&bench.report(), "PoliciesApplied") {
        Some((_, message)) if message.ends_with("stays: own entry: it is missing") => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    let (gone, _) = granted(bench, "gone").unwrap();
    bench.make_own_entry();
    bench.until("the grant revoked", || granted(bench, "gone").map_or(Ok(()), |(key, _)| Err(key)));
    back(bench, "registered");
    let revoked = BTreeMap::from([
        ("clusterrolebindings".to_owned(), 1),
        ("appliedworks".to_owned(), 1),
        ("clusterpolicies".to_owned(), 1),
    ]);
    held.only(bench, &[by_hand, vec![gone]].concat(), &revoked);
}

/// Another cluster stands at the directory's address, and takes its credentials: what it says of policies is not
/// listened to.
fn another(bench: &Bench) {
    use base64::Engine as _;
    println!("another directory, which knows the credential");
    let fleet = &bench.fleet;
    admit(fleet);
    let hour = std::time::Duration::from_secs(3600);
    let identity = fleet.directory.authority().client(USER, &[], hour).unwrap();
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let secret = json!({"data": {
        "kubeconfig": encoded(&fleet.directory.certificate_kubeconfig(&identity)),
        "clusterName": encoded(OWN),
    }});
    fleet.replica.api().patch(&format!("{SECRETS}/directory-sync"), MERGE_PATCH, &secret).unwrap();
    bench.until("the agent to do without the proxy", || match bench.directory.open() {
        0 => Ok(()),
        open => Err(format!("{open} connections")),
    });
    back(bench, "by-certificate");

    let held = Held::now(bench);
    put_another(fleet);
    fleet.entry(OWN, &json!({"cloud": "aws"}));
    put_policy(fleet, "web-api", &json!({"selector": {"cloud": "aws"}}));
    grant(bench, STEADY, "another");
    let told: Told = &[("DirectoryReachable", "IdentityMismatch"), ("PoliciesApplied", "Applied")];
    let by_hand = stands(bench, &held, told, 6);
    assert!(granted(bench, "another").is_none());
    put_back(&fleet.directory);
    back(bench, "the-right-one");
    held.kept(bench, &by_hand);
}

#[test]
fn definitions_that_go_or_are_replaced_take_no_grant_away() {
    let bench = bench();
    let directory = &bench.fleet.directory;
    let told: Told = &[("DirectoryReachable", "BeingRemoved"), ("PoliciesApplied", "Applied")];
    let apply_again = || {
        install(directory);
        bench.fleet.entries();
        directory.apply(DOCUMENTED).unwrap();
        grant(&bench, STEADY, "replaced");
        bench.directory.disconnect();
        bench.told("DirectoryReachable", "BeingRemoved");
    };
    let join_anew = || bench.fleet.replica.api().delete(STATE).unwrap();

    println!("the CRD of policies is deleted, and all policies with it");
    grant(&bench, "gone", "gone");
    bench.until("a grant to be left out", || {
        granted(&bench, "gone").map(drop).ok_or_else(|| "none".to_owned())
    });
    bench.told("PoliciesApplied", "Applied");
    let held = Held::now(&bench);
    allow(directory, "crd", POLICIES_CRD);
    directory.kubectl_ok(&["delete", "crd", POLICIES_CRD]).unwrap();
    let mut by_hand = stands(&bench, &held, told, 0);
    // It is back, and so are the policies, but for one: nothing goes until the replica's owner takes this for the
    // directory.
    apply_again();
    by_hand.extend(meddle(&bench, 1));
    held.kept(&bench, &by_hand);
    let (gone, _) = granted(&bench, "gone").unwrap();
    join_anew();
    bench.until("the grant revoked", || granted(&bench, "gone").map_or(Ok(()), |(key, _)| Err(key)));
    back(&bench, "joined");
    by_hand.push(gone);
    // Each policy has another UID now, and so another ledger.
    let ledgers = ("appliedworks".to_owned(), 4);
    let revoked = [("clusterrolebindings".to_owned(), 1), ("clusterpolicies".to_owned(), 1), ledgers];
    held.only(&bench, &by_hand, &BTreeMap::from(revoked));

    println!("the CRDs are replaced by force");
    let held = Held::now(&bench);
    for name in [ENTRIES_CRD, POLICIES_CRD] {
        allow(directory, "crd", name);
    }
    let both = [definition(ENTRIES_CRD), definition(POLICIES_CRD)].join("\n---\n");
    let replaced = directory.kubectl_with(&["replace", "--force", "-f", "-"], &both).unwrap();
    assert_eq!(replaced.code, Some(0), "{}", replaced.stderr);
    let by_hand = stands(&bench, &held, told, 3);
    apply_again();
    held.kept(&bench, &by_hand);
    join_anew();
    back(&bench, "joined-again");
    held.only(&bench, &by_hand, &BTreeMap::from([("appliedworks".to_owned(), 3)]));
}
