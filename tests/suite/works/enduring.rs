//! What a Work asks for stays so, whatever is done to it by hand, and while the directory is away.

use muster_tests::api::MERGE_PATCH;
use serde_json::{Value, json};

use super::{config_map, put_work, until_told};
use crate::fleet::{Fleet, OWN, stop, until, version};
use crate::trail;

const PATH: &str = "/api/v1/namespaces/default/configmaps/a";

#[test]
fn hand_edits_are_undone_also_by_an_agent_that_restarts_while_the_directory_is_away() {
    let fleet = Fleet::new();
    let mut agent = fleet.joined(&[]);
    put_work(&fleet, "app", &json!([config_map("default", "a", "one"), config_map("default", "b", "one")]));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let replica = fleet.replica.api();
    let before = replica.get(PATH).unwrap();
    let metadata = |field: &str, key: &str| json!({"metadata": {field: {key: null}}});
    let edits = [
        ("a field", json!({"data": {"key": "by hand"}})),
        ("the label", metadata("labels", "applyset.kubernetes.io/part-of")),
        ("the mark", metadata("annotations", "multicluster.coreos.com/made-for")),
    ];
    let is_right = |seen: &Value| {
        let part = |object: &Value, field: &str| object["metadata"][field].clone();
        seen["data"] == before["data"]
            && part(seen, "labels") == part(&before, "labels")
            && part(seen, "annotations") == part(&before, "annotations")
    };
    let undone = |agent: &_, what: &str| {
        until(agent, &format!("{what} put right"), || {
            let seen = replica.get(PATH).map_err(|error| error.to_string())?;
            if is_right(&seen) { Ok(()) } else { Err(seen.to_string()) }
        });
    };
    for (what, edit) in &edits {
        replica.patch(PATH, MERGE_PATCH, edit).unwrap();
        undone(&agent, what);
    }
    assert_eq!(version(&replica.get(PATH).unwrap()).0, version(&before).0);
    replica.delete(PATH).unwrap();
    undone(&agent, "the object");
    let beside =
        json!({"metadata": {"annotations": {"example.com/theirs": "x"}}, "data": {"more": "theirs"}});
    replica.patch(PATH, MERGE_PATCH, &beside).unwrap();

    stop(&mut agent);
    fleet.directory.kill().unwrap();
    replica.patch(PATH, MERGE_PATCH, &json!({"data": {"key": "while it was down"}})).unwrap();
    replica.delete("/api/v1/namespaces/default/configmaps/b").unwrap();
    agent.restart().unwrap();
    until(&agent, "what was done meanwhile undone", || {
        let seen = replica.get(PATH).unwrap();
        let other = replica.get("/api/v1/namespaces/default/configmaps/b");
        match (&seen["data"]["key"], other) {
            (Value::String(key), Ok(_)) if key == "one" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let seen = replica.get(PATH).unwrap();
    assert_eq!(seen["data"]["more"], "theirs", "what others add is theirs");

    fleet.directory.restart().unwrap();
    fleet.reason(&agent, "DirectoryReachable", "Reachable");
    let mark = trail::mark(&fleet.replica);
    put_work(&fleet, "app", &json!([config_map("default", "a", "two"), config_map("default", "b", "one")]));
    until(&agent, "the change applied", || {
        let seen = replica.get(PATH).unwrap();
        if seen["data"]["key"] == "two" { Ok(()) } else { Err(seen.to_string()) }
    });
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let written = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    let written: Vec<_> = written.iter().filter(|event| event.resource == "configmaps").collect();
    assert_eq!(written.len(), 1, "{written:#?} by {OWN}");
}
