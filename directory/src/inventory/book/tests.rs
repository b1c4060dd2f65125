//! What the inventory does about profiles, on a server in memory.

mod world;

use serde_json::json;

use super::*;
use crate::testing::object;
use world::World;

const ID: &str = "11111111-0000-4000-8000-000000000000";

fn pair(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[test]
fn every_enrolled_cluster_has_a_profile_that_says_how_it_stands() {
    let mut world = World::new();
    let mut bare = world.entry("west", "e2", "True");
    bare["status"] = json!({});
    world.put(&bare);
    assert!(world.written().is_empty(), "it is not enrolled");
    let entry = world.enter("east", "True");
    assert_eq!(world.written(), ["make east", "tell east"]);
    let profile = &world.profiles["east"];
    assert_eq!(profile["metadata"]["labels"]["x-k8s.io/cluster-manager"], "muster");
    assert_eq!(profile["spec"], json!({"displayName": "east", "clusterManager": {"name": "muster"}}));
    assert_eq!(profile["status"]["version"]["kubernetes"], "v1.36.3");
    assert_eq!(world.condition("east", "ControlPlaneHealthy"), pair("True", "Ready"));
    assert_eq!(world.condition("east", "Joined"), pair("True", "Joined"));
    world.restart(&[entry]);
    assert!(world.written().is_empty(), "all is right");
}

#[test]
fn a_status_is_written_once_in_half_a_minute_at_most() {
    let mut world = World::new();
    world.enter("east", "True");
    world.written();
    for second in 0..300 {
        world.enter("east", if second % 2 == 0 { "Unknown" } else { "True" });
        world.pass(1);
    }
    let writes = world.written().len();
    assert!((9..=10).contains(&writes), "{writes} writes in 300 s");
    world.enter("east", "False");
    world.pass(30);
    assert_eq!(world.condition("east", "ControlPlaneHealthy"), pair("False", "NotReady"));
}

#[test]
fn what_the_cluster_says_of_itself_is_told() {
    let mut world = World::new();
    world.enter("east", "True");
    let set = json!([{"name": "clusterset.k8s.io", "value": "prod"}]);
    world.report("east", "another", &set);
    world.pass(31);
    assert_eq!(world.profiles["east"]["status"]["properties"], json!([]), "it is not of this cluster");
    world.report("east", ID, &set);
    world.pass(31);
    let told = world.profiles["east"]["status"]["properties"].clone();
    assert_eq!((&told[0]["name"], &told[0]["value"]), (&json!("clusterset.k8s.io"), &json!("prod")));
    world.written();
    world.report("east", ID, &set);
    world.pass(100);
    assert!(world.written().is_empty(), "the time of a look is not written");
    let more = json!([
        {"name": "clusterset.k8s.io", "value": "prod"}, {"name": "a", "value": "x".repeat(1025)},
        {"name": "b", "value": ""}, {"name": "c", "value": "1"}, {"name": "c", "value": "2"},
    ]);
    world.report("east", ID, &more);
    world.pass(31);
    let now = world.profiles["east"]["status"]["properties"].clone();
    assert_eq!((&now[0], now.as_array().unwrap().len()), (&told[0], 2), "{now}");
    world.report("east", ID, &json!([]));
    world.pass(31);
    assert_eq!(world.profiles["east"]["status"]["properties"], json!([]));
}

#[test]
fn what_is_not_musters_is_left_alone_and_said_so_once() {
    let mut world = World::new();
    let labels = json!({"x-k8s.io/cluster-manager": "muster"});
    for (name, manager, annotations) in [
        ("east", "other", json!({"multicluster.coreos.com/profile-of": "e1"})),
        ("west", "muster", json!({})),
    ] {
        let foreign = json!({
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"clusterManager": {"name": manager}},
        });
        world.change(name, &foreign);
        let before = world.profiles[name].clone();
        let entry = world.enter(name, "True");
        world.enter(name, "False");
        world.pass(100);
        world.leave(&entry);
        assert_eq!(world.profiles[name], before, "{name}");
        assert_eq!(world.told(), [EventReason::ProfileTaken], "{name}");
    }
    assert!(world.written().is_empty());
}

#[test]
fn a_profile_goes_with_its_entry() {
    let mut world = World::new();
    let mut entry = world.enter("east", "True");
    world.pass(31);
    entry["metadata"]["deletionTimestamp"] = "2026-11-22T00:00:00Z".into();
    entry["metadata"]["resourceVersion"] = "1000".into();
    world.put(&entry);
    assert_eq!(world.condition("east", "Joined"), pair("False", "Deregistering"));
    world.leave(&entry);
    assert!(world.profiles.is_empty());
    // Also where no controller was there to see it go, and where there is a new one of its name.
    world.enter("east", "True");
    world.restart(&[]);
    assert!(world.profiles.is_empty());
    world.enter("east", "True");
    let uid = world.profiles["east"]["metadata"]["uid"].clone();
    let anew = world.entry("east", "e2", "True");
    world.put(&anew);
    assert_ne!(world.profiles["east"]["metadata"]["uid"], uid);
}

#[test]
fn a_profile_whose_entry_went_with_the_definition_of_all_stays_for_the_one_that_is_made_anew() {
    let mut world = World::new();
    let entry = world.enter("east", "True");
    world.pass(31);
    let uid = world.profiles["east"]["metadata"]["uid"].clone();
    world.defined = world.now().wall;
    world.leave(&entry);
    world.pass(100);
    assert_eq!(world.profiles["east"]["metadata"]["uid"], uid);
    let anew = world.entry("east", "e2", "True");
    world.put(&anew);
    let profile = &world.profiles["east"]["metadata"];
    assert_eq!((&profile["uid"], profile["annotations"].to_string().contains("e2")), (&uid, true), "at once");
    // Then it goes as ever, also by a controller that has not seen all this.
    world.restart(std::slice::from_ref(&anew));
    world.leave(&anew);
    assert!(world.profiles.is_empty());
}

#[test]
fn a_report_that_lies_elsewhere_is_no_clusters_also_where_it_goes() {
    let mut world = World::new();
    world.enter("east", "True");
    world.report("east", ID, &json!([{"name": "clusterset.k8s.io", "value": "prod"}]));
    world.pass(31);
    let told = world.profiles["east"]["status"]["properties"].clone();
    assert_eq!(told[0]["value"], "prod");
    let elsewhere =
        json!({"metadata": {"name": "east", "namespace": "default", "uid": "x", "resourceVersion": "1"}});
    world.book.see(Source::Reports, Change::Gone(object(&elsewhere)));
    world.pass(31);
    assert_eq!(world.profiles["east"]["status"]["properties"], told);
}

#[test]
fn what_others_write_of_it_stays_and_what_is_musters_is_put_back() {
    let mut world = World::new();
    world.enter("east", "True");
    let theirs = json!({"name": "reader", "cluster": {"server": "https://east"}});
    let mut conditions = world.profiles["east"]["status"]["conditions"].clone();
    let condition = json!({
        "type": "Costly", "status": "True", "reason": "Large", "message": "", "lastTransitionTime": "2026-11-22T00:00:00Z",
    });
    conditions.as_array_mut().unwrap().push(condition);
    world.change("east", &json!({"status": {"accessProviders": [theirs], "conditions": conditions}}));
    world.change("east", &json!({"metadata": {"labels": {"x-k8s.io/cluster-manager": "x", "theirs": "y"}}}));
    world.pass(1);
    world.enter("east", "Left");
    world.pass(31);
    let profile = &world.profiles["east"];
    assert_eq!(profile["status"]["accessProviders"], json!([theirs]));
    assert_eq!(world.condition("east", "Costly"), pair("True", "Large"));
    let labels = &profile["metadata"]["labels"];
    assert_eq!((&labels["x-k8s.io/cluster-manager"], &labels["theirs"]), (&json!("muster"), &json!("y")));
    assert_eq!(world.condition("east", "Joined"), pair("False", "Left"));
    // Somebody removes it.
    let gone = world.profiles.remove("east").unwrap();
    world.book.see(Source::Profiles, Change::Gone(object(&gone)));
    world.settle();
    assert!(world.profiles.contains_key("east"));
}

#[test]
fn nothing_is_written_before_all_is_listed_or_while_the_kind_is_not_there() {
    let mut world = World::new();
    world.book = Book::new("inventory");
    for source in [Source::Entries, Source::Reports] {
        world.book.see(source, Change::ListBegan);
        world.book.see(source, Change::ListComplete);
    }
    world.enter("east", "True");
    assert!(world.written().is_empty());
    world.book.see(Source::Profiles, Change::ListBegan);
    world.book.see(Source::Profiles, Change::ListComplete);
    world.settle();
    assert_eq!(world.written(), ["make east", "tell east"]);
    world.book.see(Source::Profiles, Change::Failed);
    world.enter("west", "True");
    assert!(world.written().is_empty());
    world.book.see(Source::Profiles, Change::Alive);
    world.settle();
    assert_eq!(world.written(), ["make west", "tell west"]);
}

#[test]
fn what_fails_is_tried_again_and_not_in_a_loop() {
    let mut world = World::new();
    world.fails = true;
    world.enter("east", "True");
    world.pass(300);
    let tries = world.written().len();
    assert!((6..30).contains(&tries), "{tries} attempts");
    world.fails = false;
    world.pass(61);
    assert_eq!(world.written(), ["make east", "tell east"]);
}

#[test]
fn another_directorys_entry_is_none_of_this_one() {
    let mut world = World::new();
    let mut copy = world.entry("east", "e1", "True");
    copy["metadata"]["labels"] = json!({"applyset.kubernetes.io/part-of": "muster-mirror"});
    world.put(&copy);
    assert!(world.written().is_empty());
}

#[test]
fn whoever_comes_second_did_not_fail_and_decides_anew() {
    let mut world = World::new();
    let entry = world.entry("east", "e1", "True");
    world.book.see(Source::Entries, Change::Applied(object(&entry)));
    let plans = world.book.decide(world.now());
    assert!(matches!(plans[..], [Plan { step: Step::Make(_), .. }]), "{plans:?}");
    assert_eq!(Outcome::Overtaken.label(), "conflict");
    world.book.done("east", Outcome::Overtaken, world.mono);
    world.pass(5);
    assert_eq!(world.written(), ["make east", "tell east"]);
}
