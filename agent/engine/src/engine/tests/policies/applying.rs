//! What is made, in which order, with how many writes.

use std::time::Duration;

use super::*;
use crate::event::{Change, Event};
use crate::scope::Scope;

const SEVEN: [&str; 7] = [
    "ClusterRoleBinding ldap-group-admin-admin",
    "Namespace api-prod",
    "Namespace api-test",
    "RoleBinding api-prod/web-api-admin",
    "RoleBinding api-prod/web-api-edit",
    "RoleBinding api-prod/web-api-view",
    "RoleBinding api-test/web-api-admin",
];

#[test]
fn the_documented_policies_make_the_documented_objects_each_with_one_write() {
    for done_first in [false, true] {
        let mut world = PolicyWorld::new(Scope::None);
        world.done_first = done_first;
        world.policy("ldap-group-admin", &ldap());
        world.policy("web-api", &web_api());
        world.start(true);
        assert_eq!(world.there(), SEVEN);
        let log = world.written();
        for policy in ["ldap-group-admin", "web-api"] {
            let (record, settle) =
                (place(&log, &format!("record {policy}")), place(&log, &format!("settle {policy}")));
            for (at, _) in log.iter().enumerate().filter(|(_, line)| line.contains(&format!("{policy}-"))) {
                assert!(record < at && at < settle, "{log:#?}");
            }
        }
        for namespace in ["api-prod", "api-test"] {
            let made = place(&log, &format!("create Namespace {namespace}"));
            assert!(place(&log, "record web-api") < made);
            let within = format!("{namespace}/");
            assert!(log.iter().position(|line| line.contains(&within)).unwrap() > made, "{log:#?}");
        }
        let mut expected: Vec<String> = SEVEN.map(|object| format!("create {object}")).into();
        for line in ["record ldap-group-admin", "record web-api", "settle ldap-group-admin", "settle web-api"]
        {
            expected.push(line.into());
        }
        expected.push("remember".into()); // the UID of the own entry
        expected.sort();
        let mut log = log;
        log.sort();
        assert_eq!(log, expected);
        assert_eq!(world.reason("PoliciesApplied"), "Applied");
        assert_eq!(world.condition("PoliciesApplied").1, "2 policies, 7 objects");
    }
}

#[test]
fn what_is_right_is_not_written_again() {
    let mut world = documented();
    for _ in 0..3 {
        world.list_directory();
        world.list_replica();
        world.list_report();
        world.send(Event::LedgerTried(Ok(())));
        world.connect();
        world.tick(90);
    }
    // A policy whose spec is the same, with another resourceVersion.
    world.policy("web-api", &web_api());
    world.enter("own", &serde_json::json!({"cloud": "aws", "more": "labels"}));
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
}

#[test]
fn a_restart_writes_nothing_where_all_is_right() {
    for online in [true, false] {
        for done_first in [true, false] {
            let mut world = documented();
            world.done_first = done_first;
            world.restart(online);
            world.tick(90);
            assert_eq!((world.reads.len(), world.written()), (0, vec![]), "{online}");
            assert_eq!(world.reason("PoliciesApplied"), "Applied");
        }
    }
}

#[test]
fn nothing_is_written_before_all_views_are_complete() {
    let mut world = PolicyWorld::new(Scope::None);
    world.policy("web-api", &web_api());
    world.connect();
    world.send(Event::LedgerTried(Ok(())));
    world.tick(60);
    world.list_report();
    world.tick(60);
    assert_eq!(world.written(), ["remember"]);
    for kind in crate::Kind::ALL {
        world.list_kind(kind);
        world.tick(60);
    }
    assert_eq!(world.written(), [""; 0], "the ledgers are still to be read");
    world.list_replica();
    assert_eq!(world.there().len(), 6);
}

#[test]
fn a_change_of_content_is_one_record_and_the_object_and_no_more() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view", "edit"]))]);
    world.policy("p", &grant_to("web", &["view", "edit"], "joe"));
    let log = world.written();
    assert_eq!(log[0], "record p");
    assert_eq!(
        {
            let mut log = log;
            log.sort();
            log
        },
        ["record p", "update RoleBinding web/p-edit", "update RoleBinding web/p-view"]
    );
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
    let binding = world.find("RoleBinding web/p-view");
    assert_eq!(world.objects[&binding]["subjects"][0]["name"], "joe");
    assert_eq!(world.engine.corrected(), 0, "nobody else changed anything");
}

#[test]
fn what_is_added_is_there_at_once_and_what_is_dropped_goes_on_evidence() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.policy("p", &grant("web", &["edit"]));
    assert_eq!(world.written(), ["record p", "create RoleBinding web/p-edit"]);
    world.tick(1);
    assert_eq!((world.reads.len(), world.written()), (0, vec![]), "before the window was quiet");
    world.tick(2);
    assert_eq!(world.reads, ["examine"]);
    assert_eq!(world.written(), ["delete RoleBinding web/p-view", "settle p"]);
    world.tick(90);
    assert_eq!(world.written(), [""; 0]);
    assert_eq!(world.there(), ["Namespace web", "RoleBinding web/p-edit"]);
    world.restart(true);
    world.tick(90);
    assert_eq!((world.reads.len(), world.written()), (0, vec![]));
}

#[test]
fn an_old_grant_does_not_go_before_the_new_one_was_tried() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.deferring = true;
    world.policy("p", &grant("web", &["edit"]));
    world.deferring = false;
    let record = world.plans.pop_front().unwrap();
    world.deferring = true;
    world.carry(record);
    world.tick(30); // the new binding is not there yet
    assert_eq!(world.gone(), [""; 0]);
    world.deferring = false;
    world.run();
    world.tick(3);
    let log = world.written();
    assert!(place(&log, "create RoleBinding web/p-edit") < place(&log, "delete RoleBinding web/p-view"));
}

#[test]
fn a_new_grant_that_a_server_does_not_take_for_a_moment_still_comes_first() {
    let (new, old) = ("create RoleBinding web/p-edit", "delete RoleBinding web/p-view");
    let unavailable = crate::Failure::Unavailable;
    // What was not tried at all, as while the owner pauses the agent, holds back the end of the old one.
    for (failure, seconds, first) in
        [(unavailable, 3, new), (unavailable, 30, old), (crate::Failure::Fenced, 30, new)]
    {
        let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
        world.refused.insert("RoleBinding".into(), (failure, "timeout".into()));
        world.policy("p", &grant("web", &["edit"]));
        world.tick(seconds);
        world.refused.clear();
        world.tick(90);
        let log = world.written();
        let ends = log.iter().find(|line| line.starts_with("create") || line.starts_with("delete"));
        assert_eq!(ends.map(String::as_str), Some(first), "{log:#?}");
        assert_eq!(world.there(), ["Namespace web", "RoleBinding web/p-edit"]);
    }
}

/// What cannot be made must not hold up the end of what is not granted any more.
#[test]
fn an_old_grant_goes_where_the_new_one_cannot_be_made() {
    for kind in ["RoleBinding", "Namespace"] {
        let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
        world.refused.insert(kind.into(), (crate::Failure::Forbidden, "no".into()));
        world.policy("p", &grant("other", &["edit"]));
        world.tick(5);
        assert_eq!(world.gone(), ["delete RoleBinding web/p-view", "unmark Namespace web"], "{kind}");
        assert_eq!(world.reason("PoliciesApplied"), "Forbidden");
        world.refused.clear();
        world.tick(90);
        assert!(world.there().contains(&"RoleBinding other/p-edit".to_owned()));
        assert_eq!(world.reason("PoliciesApplied"), "NamespaceRetained");
    }
}

#[test]
fn a_policy_that_changes_while_an_object_is_written_is_no_webhooks_doing() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.deferring = true;
    world.policy("p", &grant_to("web", &["view"], "joe"));
    world.carry_next(); // the record
    world.policy("p", &grant_to("web", &["view"], "jim"));
    world.carry_all(); // the second record, and the write of the first version
    assert_eq!(world.reason("PoliciesApplied"), "Applied");
    world.deferring = false;
    world.run();
    let binding = world.find("RoleBinding web/p-view");
    assert_eq!(world.objects[&binding]["subjects"][0]["name"], "jim", "at once: nothing failed");
}

#[test]
fn what_a_watch_shows_late_is_not_taken_for_a_hand_edit() {
    let mut world = PolicyWorld::in_step(&[("p", grant("web", &["view"]))]);
    world.lagging = Some(std::collections::VecDeque::new());
    for user in ["joe", "jim", "jack"] {
        world.policy("p", &grant_to("web", &["view"], user));
    }
    assert_eq!(world.written().len(), 6);
    world.catch_up();
    world.tick(60);
    assert_eq!(world.written(), [""; 0]);
    assert_eq!(world.engine.corrected(), 0);
}

#[test]
fn what_failed_while_the_replica_was_away_is_done_as_soon_as_it_is_back() {
    for kind in ["AppliedWork", "RoleBinding"] {
        let mut world = PolicyWorld::in_step(&[]);
        world.refused.insert(kind.into(), (crate::Failure::Unavailable, "timeout".into()));
        world.policy("p", &grant("web", &["view"]));
        let copies = |change| Event::Replica { watch: crate::event::ReplicaWatch::Copies, change };
        world.send(copies(Change::Failed(crate::Failure::Unavailable, "refused".into())));
        world.tick(120); // until attempts have become rare
        world.refused.clear();
        world.forget();
        world.send(copies(Change::Alive));
        assert!(world.written().contains(&"create RoleBinding web/p-view".to_owned()), "{kind}");
    }
}

#[test]
fn what_a_process_might_not_write_is_written_as_soon_as_it_may() {
    let mut world = PolicyWorld::in_step(&[]);
    world.refused.insert("RoleBinding".into(), (crate::Failure::Fenced, "not the one that acts".into()));
    world.policy("p", &grant("web", &["view"]));
    world.tick(120); // until attempts have become rare
    world.refused.clear();
    world.forget();
    world.send(Event::Admitted);
    assert_eq!(world.written()[0], "create RoleBinding web/p-view");
}

#[test]
fn a_replica_that_does_not_say_who_leads_is_told_to_be_out_of_reach_until_it_does() {
    let mut world = PolicyWorld::in_step(&[]);
    assert_eq!(world.reason("ReplicaReachable"), "Reachable");
    world.send(Event::Adrift);
    assert_eq!(world.reason("ReplicaReachable"), "Unreachable");
    world.send(Event::Admitted);
    assert_eq!(world.reason("ReplicaReachable"), "Reachable");
}

/// What an event costs does not grow with what there is: else this takes minutes.
#[test]
fn a_thousand_grants_are_made_and_taken_back_with_one_write_each() {
    let roles: Vec<String> = (0..5).map(|number| format!("role-{number}")).collect();
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let of = |number: usize| grant(&format!("team-{number}"), &roles)["namespaces"][0].clone();
    let namespaces: Vec<Value> = (0..200).map(of).collect();
    let mut world = PolicyWorld::in_step(&[]);
    let began = std::time::Instant::now();
    world.policy("p", &json!({"selector": {"cloud": "aws"}, "namespaces": namespaces}));
    world.tick(1);
    assert_eq!(world.reason("PoliciesApplied"), "Applied");
    let lines =
        |world: &PolicyWorld, verb: &str| world.log.iter().filter(|line| line.starts_with(verb)).count();
    assert_eq!((lines(&world, "create"), world.log.len()), (1200, 1202));
    world.forget();
    world.delete_policy("p");
    world.tick(5);
    assert_eq!((lines(&world, "delete"), lines(&world, "unmark"), world.log.len()), (1000, 200, 1202));
    let took = began.elapsed();
    println!("{} ms", took.as_millis());
    assert!(took < Duration::from_secs(120), "{took:?}");
}
