use std::sync::Arc;

use muster_api::resource::CONFIG_MAPS;

use super::*;
use crate::entry::Held;
use crate::ledger::Phase;
use crate::mark::Maker;
use crate::pin::Found;
use crate::selector::Selector;
use crate::works::Brief;

fn landmark(uid: &str) -> Reading {
    Reading::Found(Found { uid: uid.into(), deleting: false })
}

fn entry(name: &str, uid: &str, labels: &str, deleting: bool) -> Reading<Box<Object>> {
    let deletion = if deleting { r#","deletionTimestamp":"2026-01-01T00:00:00Z""# } else { "" };
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","uid":"{uid}","resourceVersion":"9","labels":{labels}{deletion}}}}}"#
    );
    let raw = serde_json::value::RawValue::from_string(text).unwrap();
    Reading::Found(Box::new(Object::parse(raw).unwrap()))
}

fn pin() -> Pin {
    Pin {
        directory: "d".into(),
        clusters_crd: "c".into(),
        policies_crd: Some("p".into()),
        works_crd: Some("w".into()),
        execution_namespace: Some("n".into()),
        cluster: "own".into(),
        entry: Some("own-uid".into()),
        era: 0,
    }
}

/// Findings that confirm that the entry `west` is gone.
fn findings() -> Findings {
    Findings {
        landmarks: Landmarks {
            directory: landmark("d"),
            clusters_crd: landmark("c"),
            policies_crd: landmark("p"),
            works_crd: landmark("w"),
            execution_namespace: Some(landmark("n")),
        },
        own_entry: entry("own", "own-uid", "{}", false),
        entries: vec![("west".into(), Reading::Absent)],
        policies: Vec::new(),
        works: Vec::new(),
        tide: Tide::default(),
    }
}

fn judge(findings: &Findings) -> Verdict {
    findings.judge(&pin(), &Scope::All, "west", "west-uid")
}

#[test]
fn an_entry_that_is_gone_by_name_is_deleted_and_says_why() {
    let Verdict::Delete(confirmed) = judge(&findings()) else { panic!("not confirmed") };
    let text = confirmed.to_string();
    for uid in ["west-uid", "own-uid", " d,"] {
        assert!(text.contains(uid), "{text}");
    }
}

#[test]
fn an_entry_that_is_there_keeps_its_copy_also_under_another_uid_and_while_it_is_being_deleted() {
    for reading in [
        entry("west", "west-uid", "{}", false),
        entry("west", "new", "{}", false),
        entry("west", "west-uid", "{}", true),
    ] {
        let findings = Findings { entries: vec![("west".into(), reading)], ..findings() };
        assert_eq!(judge(&findings), Verdict::Present);
    }
}

#[test]
fn an_entry_that_cannot_be_read_or_was_not_read_proves_nothing() {
    for entries in [vec![("west".into(), Reading::Unreadable("403".into()))], vec![]] {
        let findings = Findings { entries, ..findings() };
        assert!(matches!(judge(&findings), Verdict::Unproven(_)));
    }
}

#[test]
fn the_own_entry_must_be_there_with_its_recorded_uid() {
    for own_entry in [
        Reading::Absent,
        Reading::Unreadable("timeout".into()),
        entry("own", "another", "{}", false),
        entry("own", "own-uid", "{}", true),
    ] {
        let findings = Findings { own_entry, ..findings() };
        assert!(matches!(judge(&findings), Verdict::Unproven(_)), "{findings:?}");
    }
    let unseen = Pin { entry: None, ..pin() };
    let verdict = findings().judge(&unseen, &Scope::All, "west", "west-uid");
    assert!(matches!(verdict, Verdict::Unproven(_)), "an own entry that was never seen proves nothing");
}

#[test]
fn each_landmark_must_be_the_pinned_one() {
    let going = Reading::Found(Found { uid: "c".into(), deleting: true });
    let wrong = [
        Landmarks { directory: landmark("x"), ..findings().landmarks },
        Landmarks { directory: Reading::Unreadable("403".into()), ..findings().landmarks },
        Landmarks { clusters_crd: landmark("x"), ..findings().landmarks },
        Landmarks { clusters_crd: going, ..findings().landmarks },
        Landmarks { clusters_crd: Reading::Absent, ..findings().landmarks },
        Landmarks { execution_namespace: Some(Reading::Absent), ..findings().landmarks },
        Landmarks { execution_namespace: Some(landmark("x")), ..findings().landmarks },
    ];
    for landmarks in wrong {
        let findings = Findings { landmarks, ..findings() };
        assert!(matches!(judge(&findings), Verdict::Unproven(_)), "{findings:?}");
    }
}

#[test]
fn an_entry_that_left_the_selection_goes_and_one_that_is_in_it_stays() {
    let scope = Scope::Selected(Selector::parse("stage=production").unwrap());
    for (labels, stays) in [(r#"{"stage":"test"}"#, false), (r#"{"stage":"production"}"#, true)] {
        let findings =
            Findings { entries: vec![("west".into(), entry("west", "w", labels, false))], ..findings() };
        let verdict = findings.judge(&pin(), &scope, "west", "w");
        assert_eq!(matches!(verdict, Verdict::Present), stays, "{verdict:?}");
        assert_eq!(matches!(verdict, Verdict::Delete(_)), !stays, "{verdict:?}");
    }
}

/// Findings that confirm that the own entry is going, and that a Work is there.
fn departing() -> Findings {
    let own = r#"{"metadata":{"name":"own","uid":"own-uid","resourceVersion":"9","deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"deregistration":"Delete"}}"#;
    let raw = serde_json::value::RawValue::from_string(own.to_owned()).unwrap();
    let own_entry = Reading::Found(Box::new(Object::parse(raw).unwrap()));
    Findings { own_entry, works: vec![("app".into(), asks_for("app-uid", 2, &[]))], ..findings() }
}

#[test]
fn a_departure_is_judged_in_a_word() {
    let word = |edit: &dyn Fn(&mut Findings)| {
        let mut findings = departing();
        edit(&mut findings);
        let judged = findings.judge_departure(&pin(), Deregistration::Delete);
        Word::of(&findings, &pin(), &judged)
    };
    let unreadable = || Reading::Unreadable("no".into());
    assert_eq!(word(&|_| ()), Some(Word::Stands));
    assert_eq!(word(&|findings| findings.own_entry = Reading::Absent), Some(Word::Stands));
    let unread = |findings: &mut Findings| findings.landmarks.clusters_crd = unreadable();
    assert_eq!(word(&unread), Some(Word::Silent));
    assert_eq!(word(&|findings| findings.own_entry = Reading::Unreadable("no".into())), None);
    let doubts: [&dyn Fn(&mut Findings); 5] = [
        &|findings| findings.own_entry = entry("own", "own-uid", "{}", true), // it says that they stay
        &|findings| findings.own_entry = entry("own", "own-uid", "{}", false),
        &|findings| findings.own_entry = entry("own", "another", "{}", true),
        &|findings| findings.landmarks.directory = Reading::Absent,
        &|findings| {
            unread(findings);
            findings.own_entry = entry("own", "another", "{}", false);
        },
    ];
    for (case, doubt) in doubts.iter().enumerate() {
        assert_eq!(word(doubt), Some(Word::Doubted), "{case}");
    }
}

/// What is recorded of the Work `app`.
fn brief() -> Brief {
    Brief {
        work: Maker { name: "app".into(), uid: "app-uid".into() },
        namespace: "muster-cluster-own".into(),
        generation: 2,
        era: 0,
        resource_version: "1".into(),
        directory: "d".into(),
        replica: "r".into(),
        nonce: "n".into(),
        phase: Phase::Applying,
        options: Arc::default(),
        wanted: Vec::new(),
        references: [].into(),
        left: [].into(),
        departure: None,
        applied: None,
    }
}

fn config_map(name: &str) -> Target {
    Target { resource: CONFIG_MAPS, namespace: Some("web".into()), name: name.into() }
}

/// The Work `app` in this generation, which asks for these config maps.
fn asks_for(uid: &str, generation: i64, names: &[&str]) -> Reading<Box<Object>> {
    let manifests = names.iter().map(|name| {
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "web", "name": name}})
    });
    let work = serde_json::json!({
        "metadata": {"name": "app", "namespace": "muster-cluster-own", "uid": uid, "resourceVersion": "9",
            "generation": generation},
        "spec": {"workload": {"manifests": manifests.collect::<Vec<_>>()}},
    });
    let raw = serde_json::value::RawValue::from_string(work.to_string()).unwrap();
    Reading::Found(Box::new(Object::parse(raw).unwrap()))
}

#[test]
fn a_work_ends_where_it_was_seen_to_go_and_drops_what_it_does_not_ask_for() {
    let brief = Brief { left: ["a", "b"].map(|name| (config_map(name), Arc::default())).into(), ..brief() };
    let verdict = |work, tombstone| {
        let findings = Findings { works: vec![("app".into(), work)], ..findings() };
        findings.judge_work(&pin(), &brief, tombstone)
    };
    let unproven = |verdict: WorkVerdict| assert!(matches!(verdict, WorkVerdict::Unproven(_)), "{verdict:?}");
    let covered = |verdict: WorkVerdict| {
        let WorkVerdict::Ended(ending) = verdict else { panic!("{verdict:?}") };
        ["a", "b"].map(|name| ending.covers(&brief, &config_map(name)))
    };
    assert_eq!(verdict(asks_for("app-uid", 2, &["b", "a"]), false), WorkVerdict::Stands);
    assert_eq!(covered(verdict(asks_for("app-uid", 3, &["b"]), false)), [true, false]);
    for work in [Reading::Absent, asks_for("another", 1, &[])] {
        unproven(verdict(work.clone(), false));
        assert_eq!(covered(verdict(work, true)), [true, true]);
    }
    unproven(verdict(Reading::Unreadable("no".into()), true));
    unproven(verdict(asks_for("app-uid", 1, &["b"]), false));
    unproven(verdict(asks_for("app-uid", 3, &["b", ""]), false));

    let elsewhere = Brief { directory: "another".into(), ..brief.clone() };
    let findings = Findings { works: vec![("app".into(), Reading::Absent)], ..findings() };
    unproven(findings.judge_work(&pin(), &elsewhere, true));
}

#[test]
fn a_copy_goes_where_it_is_one_from_this_directory() {
    for (origin, goes) in [("d/west-uid", true), ("another/west-uid", false)] {
        let text = format!(
            r#"{{"metadata":{{"name":"west","uid":"copy","resourceVersion":"1","annotations":{{"{}":"{origin}"}}}}}}"#,
            muster_api::marks::COPIED_FROM
        );
        let raw = serde_json::value::RawValue::from_string(text).unwrap();
        let held = Held::read(&Object::parse(raw).unwrap()).unwrap();
        let Verdict::Delete(confirmed) = judge(&findings()) else { panic!("not confirmed") };
        assert_eq!(confirmed.permits(&held).is_some(), goes, "{origin}");
    }
}

#[test]
fn an_own_entry_that_is_there_or_was_made_anew_has_not_gone() {
    for own_entry in [entry("own", "own-uid", "{}", false), entry("own", "another", "{}", true)] {
        let findings = Findings { own_entry, ..findings() };
        let judged = findings.judge_departure(&pin(), Deregistration::Keep);
        assert!(matches!(judged, Err(Doubt::OwnEntry(_))), "{judged:?}");
    }
}

#[test]
fn a_work_ends_with_an_entry_that_says_so_still() {
    let brief = brief();
    let verdict = |findings: Findings| findings.judge_leaving(&pin(), &brief, false, true);
    assert!(matches!(verdict(departing()), LeaveVerdict::Ends(_)), "{:?}", verdict(departing()));
    let keeps = || Findings { own_entry: entry("own", "own-uid", "{}", true), ..departing() };
    assert!(matches!(verdict(keeps()), LeaveVerdict::Stays(_)), "{:?}", verdict(keeps()));
}

#[test]
fn a_directory_that_was_set_back_proves_nothing() {
    let beat = |second| Beat {
        directory: "d".into(),
        name: "own".into(),
        lease: "l".into(),
        renewed: jiff::Timestamp::from_second(second).ok(),
        transitions: 1,
        holder: "own".into(),
    };
    let with = |reading: Option<Reading<Beat>>| {
        let tide = Tide { acknowledged: Some(beat(2)), shown: reading };
        Findings { tide, ..findings() }
    };
    let set_back = with(Some(Reading::Found(beat(1))));
    assert!(matches!(set_back.standing(&pin()), Err(Doubt::SetBack(_))));
    assert!(with(Some(Reading::Found(beat(2)))).standing(&pin()).is_ok());
    for unclear in [None, Some(Reading::Absent), Some(Reading::Unreadable("403".into()))] {
        assert!(matches!(with(unclear).standing(&pin()), Err(Doubt::Lease(_))));
    }
    // The Lease goes with an entry.
    let left = |findings: Findings| {
        let findings = Findings { own_entry: Reading::Absent, ..findings };
        findings.judge_departure(&pin(), Deregistration::Keep)
    };
    assert!(matches!(left(with(Some(Reading::Found(beat(1))))), Err(Doubt::SetBack(_))));
    assert!(left(with(Some(Reading::Absent))).is_ok());
}
