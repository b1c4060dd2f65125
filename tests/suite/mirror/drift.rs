//! Copies are read-only: whatever is done to them by hand is undone.

use muster_api::marks;
use muster_tests::agent::AgentProcess;
use muster_tests::api::JSON_PATCH;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{cluster, edit, stop};
use crate::fleet::{Fleet, until, version};

/// What people may do to a copy: a name for the entry, and the merge patch.
fn edits() -> Vec<(&'static str, Value)> {
    let label = |key: &str, value: Value| json!({"metadata": {"labels": {key: value}}});
    let annotation = |key: &str, value: Value| json!({"metadata": {"annotations": {key: value}}});
    vec![
        ("label-changed", label("kept", json!("otherwise"))),
        ("label-added", label("added", json!("by-hand"))),
        ("label-removed", label("kept", Value::Null)),
        ("annotation-added", annotation("added", json!("by-hand"))),
        ("annotation-removed", annotation("multicluster.coreos.com/console-url", Value::Null)),
        ("spec-changed", json!({"spec": {"KubernetesAPIEndpoints": {"ServerEndpoints": []}}})),
        ("spec-field-added", json!({"spec": {"unknown": true}})),
        ("mark-removed", annotation(marks::COPIED_FROM, Value::Null)),
        ("mark-changed", annotation(marks::COPIED_FROM, json!("another/one"))),
        ("set-removed", label(marks::PART_OF, Value::Null)),
    ]
}

/// What of a copy is Muster's business.
fn substance(copy: &Value) -> Value {
    let metadata = &copy["metadata"];
    json!({"labels": metadata["labels"], "annotations": metadata["annotations"], "spec": copy["spec"]})
}

#[test]
fn hand_edits_are_undone() {
    let fleet = Fleet::new();
    for (name, _) in edits() {
        fleet.entry(name, &json!({"kept": "so"}));
        let annotations = json!({"multicluster.coreos.com/console-url": "https://console.example.com"});
        edit(&fleet.directory, name, &json!({"metadata": {"annotations": annotations}}));
    }
    let mut agent = fleet.joined(&[]);
    for (name, change) in edits() {
        let before = fleet.copy(name).unwrap();
        let edited = edit(&fleet.replica, name, &change);
        assert_ne!(substance(&edited), substance(&before), "{name}: the edit changes nothing");
        until(&agent, &format!("{name} undone"), || {
            let copy = fleet.copy(name).map_err(|error| error.to_string())?;
            if version(&copy).1 == version(&edited).1 {
                return Err("as it was edited".to_owned());
            }
            assert_eq!(version(&copy).0, version(&before).0, "{name}: made anew");
            let (seen, wanted) = (substance(&copy), substance(&before));
            if seen == wanted { Ok(()) } else { Err(format!("{seen} instead of {wanted}")) }
        });
    }
    corrected(&agent, edits().len());

    // A process that found everything right knows a hand edit for one.
    stop(&mut agent);
    agent.restart().unwrap();
    fleet.reason(&agent, "MirrorInSync", "InSync");
    until(&agent, "the second start", || {
        let acts = agent
            .metrics()
            .map_err(|error| error.to_string())?
            .get("muster_objects", &[("source", "copies")]);
        if acts == Some(12.0) { Ok(()) } else { Err(format!("{acts:?} copies")) }
    });
    edit(&fleet.replica, "label-added", &json!({"metadata": {"labels": {"added": "again"}}}));
    fleet.in_step(&agent);
    corrected(&agent, 1);
}

/// Waits until the agent says that it undid so many edits since its start.
fn corrected(agent: &AgentProcess, number: usize) {
    until(agent, &format!("{number} corrections counted"), || {
        let metrics = agent.metrics().map_err(|error| error.to_string())?;
        let seen = metrics.get("muster_drift_corrected_total", &[]).unwrap_or_default();
        if seen.to_string() == number.to_string() { Ok(()) } else { Err(format!("{seen} corrections")) }
    });
}

#[test]
fn a_deleted_copy_comes_back() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let before = fleet.copy("west").unwrap();
    fleet.replica.api().delete(&cluster("west")).unwrap();
    until(&agent, "the copy again", || {
        let copy = fleet.copy("west").map_err(|error| error.to_string())?;
        if substance(&copy) == substance(&before) { Ok(()) } else { Err(copy.to_string()) }
    });
    corrected(&agent, 1);

    // One whose deletion waits for somebody's finalizer is left to that, and comes back afterwards.
    let held = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    edit(&fleet.replica, "east", &held);
    fleet.replica.api().delete(&cluster("east")).unwrap();
    let uid = version(&fleet.copy("east").unwrap()).0;
    super::label(&fleet.directory, "east", "changed", "meanwhile");
    super::label(&fleet.directory, "west", "changed", "meanwhile");
    until(&agent, "a change of another entry", || {
        let copy = fleet.copy("west").map_err(|error| error.to_string())?;
        if copy["metadata"]["labels"]["changed"] == "meanwhile" { Ok(()) } else { Err(copy.to_string()) }
    });
    assert_eq!(version(&fleet.copy("east").unwrap()).0, uid);
    let release = json!([{"op": "remove", "path": "/metadata/finalizers"}]);
    fleet.replica.api().patch(&cluster("east"), JSON_PATCH, &release).unwrap();
    timed("the other copy again", DEADLINE * 2, || {
        let copy = fleet.copy("east").map_err(|error| error.to_string())?;
        if version(&copy).0 == uid { Err("the old one") } else { Ok(()) }.map_err(str::to_owned)
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    fleet.in_step(&agent);
}
