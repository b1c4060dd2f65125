//! What the report says of the replica: nodes, networks, properties.

use std::time::{Duration, Instant};

use muster_tests::ControlPlane;
use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use crate::fleet::{Fleet, REPORT, until, version};

const NODES: &str = "/api/v1/nodes";
const PROPERTIES: &str = "/apis/about.k8s.io/v1alpha1/clusterproperties";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const UPSTREAM: &str = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-east/clusterreports/east";
/// Facts are read so often here.
const OFTEN: &str = "--facts-interval=1";

fn node(plane: &ControlPlane, n: usize) {
    let name = format!("n{n:02}");
    let range = format!("10.244.{n}.0/24");
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "spec": {"podCIDR": range, "podCIDRs": [range]},
    });
    plane.api().create(NODES, &node).unwrap();
    let has = |cpu: &str, memory: &str| json!({"cpu": cpu, "memory": memory, "pods": "110", "example.com/gpu": "1"});
    let status = json!({"status": {"capacity": has("4", "16Gi"), "allocatable": has("3900m", "15Gi")}});
    plane.api().patch(&format!("{NODES}/{name}/status"), MERGE_PATCH, &status).unwrap();
    ready(plane, n, "True");
}

fn ready(plane: &ControlPlane, n: usize, status: &str) {
    let condition = json!({"type": "Ready", "status": status, "reason": "Kubelet", "message": ""});
    let status = json!({"status": {"conditions": [condition]}});
    plane.api().patch(&format!("{NODES}/n{n:02}/status"), MERGE_PATCH, &status).unwrap();
}

/// The definition of `ClusterProperties`.
pub(crate) fn about(version: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "clusterproperties.about.k8s.io",
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/pull/2149"},
        },
        "spec": {
            "group": "about.k8s.io", "scope": "Cluster",
            "names": {"kind": "ClusterProperty", "plural": "clusterproperties", "singular": "clusterproperty"},
            "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"value": {"type": "string"}}}},
            }}}],
        },
    })
}

/// Makes a `ClusterProperty`, as soon as the server knows the kind.
pub(crate) fn property(plane: &ControlPlane, version: &str, name: &str, value: &str) {
    let property = json!({
        "apiVersion": format!("about.k8s.io/{version}"), "kind": "ClusterProperty", "metadata": {"name": name},
        "spec": {"value": value},
    });
    let path = format!("/apis/about.k8s.io/{version}/clusterproperties");
    timed("a property made", DEADLINE, || plane.api().create(&path, &property)).unwrap();
}

/// Waits until both reports say so of the replica.
fn told(fleet: &Fleet, agent: &AgentProcess, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut seen = Value::Null;
    until(agent, what, || {
        let own = fleet.replica.api().get(REPORT).map_err(|error| error.to_string())?;
        let upstream = fleet.directory.api().get(UPSTREAM).map_err(|error| error.to_string())?;
        let (own, upstream) = (&own["status"]["replica"], &upstream["status"]["replica"]);
        seen = own.clone();
        if holds(own) && own == upstream { Ok(()) } else { Err(format!("{own}, {upstream}")) }
    });
    seen
}

#[test]
fn facts_of_the_replica_are_reported_and_follow_it() {
    let fleet = Fleet::new();
    (0..30).for_each(|n| node(&fleet.replica, n));
    fleet.replica.api().create(DEFINITIONS, &about("v1alpha1")).unwrap();
    property(&fleet.replica, "v1alpha1", "clusterset.k8s.io", "production");
    property(&fleet.replica, "v1alpha1", "cluster.clusterset.k8s.io", "east");
    property(&fleet.replica, "v1alpha1", "long.example.com", &"x".repeat(1025));
    let mark = fleet.replica.audit_mark().unwrap();
    let agent = fleet.joined(&[OFTEN]);
    let all = |replica: &Value| replica["nodes"]["total"] == 30 && replica["properties"].is_array();
    let replica = told(&fleet, &agent, "the facts", all);
    assert!(replica["platform"].as_str().unwrap().starts_with("linux/"), "{replica}");
    assert!(replica["version"].as_str().unwrap().starts_with("v1."), "{replica}");
    let has = |cpu: &str, memory: &str| json!({"cpu": cpu, "memory": memory, "pods": "3300", "example.com/gpu": "30"});
    assert_eq!((&replica["capacity"], &replica["allocatable"]), (&has("120", "480Gi"), &has("117", "450Gi")));
    let ranges = ["10.244.0.0/20", "10.244.16.0/21", "10.244.24.0/22", "10.244.28.0/23"];
    assert_eq!(replica["podCIDRs"], json!(ranges));
    let services = replica["serviceCIDRs"].as_array().map(Vec::len);
    assert_eq!(services, Some(1), "{replica}");
    let property = |name: &str, value: &str| json!({"name": name, "value": value});
    let well_known =
        [property("cluster.clusterset.k8s.io", "east"), property("clusterset.k8s.io", "production")];
    assert_eq!(replica["properties"], json!(well_known));

    // Pages, and no watch.
    let events = fleet.replica.audit_since(mark).unwrap();
    let of_nodes: Vec<_> = events
        .iter()
        .filter(|event| event.resource == "nodes" && event.user.ends_with(":directory-sync"))
        .collect();
    assert!(
        of_nodes.iter().all(|event| event.verb == "list" && event.uri.contains("limit=25")),
        "{of_nodes:#?}"
    );
    assert!(of_nodes.iter().any(|event| event.uri.contains("continue=")), "{of_nodes:#?}");
    assert!(fleet.replica.watches_begun_since(mark).unwrap().iter().all(|event| event.resource != "nodes"));

    // What does not change is not written, however often it is read: longer than counters wait.
    let reads = || -> Result<usize, String> {
        let events = fleet.replica.audit_since(mark).map_err(|error| error.to_string())?;
        Ok(events.iter().filter(|event| event.resource == "nodes").count())
    };
    let mut since =
        (version(&fleet.directory.api().get(UPSTREAM).unwrap()), Instant::now(), reads().unwrap());
    timed("a report that rests", DEADLINE * 3, || {
        let now = version(&fleet.directory.api().get(UPSTREAM).map_err(|error| error.to_string())?);
        if now != since.0 {
            since = (now, Instant::now(), reads()?);
        }
        let rested = since.1.elapsed() > Duration::from_secs(12) && reads()? >= since.2 + 6;
        if rested { Ok(()) } else { Err(format!("{since:?}")) }
    })
    .unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));

    ready(&fleet.replica, 3, "False");
    told(&fleet, &agent, "a node less", |replica| replica["nodes"] == json!({"total": 30, "ready": 29}));
    fleet.replica.api().delete(&format!("{PROPERTIES}/clusterset.k8s.io")).unwrap();
    told(&fleet, &agent, "a property less", |replica| {
        replica["properties"].as_array().is_some_and(|properties| properties.len() == 1)
    });
    fleet.replica.api().delete(&format!("{DEFINITIONS}/clusterproperties.about.k8s.io")).unwrap();
    told(&fleet, &agent, "no properties", |replica| replica["properties"].is_null());
}

#[test]
fn without_the_right_facts_are_blank_and_all_else_goes_on() {
    let fleet = Fleet::new();
    node(&fleet.replica, 1);
    let agent = fleet.joined(&[OFTEN]);
    told(&fleet, &agent, "a node", |replica| replica["nodes"]["total"] == 1);
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/directory-sync";
    let mut narrowed = fleet.replica.api().get(role).unwrap();
    let facts = ["nodes", "servicecidrs", "clusterproperties"];
    let is_fact = |rule: &Value| facts.iter().any(|resource| rule["resources"] == json!([resource]));
    narrowed["rules"].as_array_mut().unwrap().retain(|rule| !is_fact(rule));
    fleet.replica.api().replace(role, &narrowed).unwrap();
    let replica = told(&fleet, &agent, "no facts", |replica| {
        replica["nodes"].is_null() && replica["serviceCIDRs"].is_null()
    });
    assert!(replica["capacity"].is_null() && replica["podCIDRs"].is_null(), "{replica}");
    assert!(replica["version"].is_string() && replica["platform"].is_string(), "{replica}");
    fleet.entry("north", &json!({}));
    fleet.in_step(&agent);
    let said = agent.log().matches("list nodes: forbidden").count();
    assert_eq!(said, 1, "it is said once: {}", agent.log());
    fleet.replica.apply(crate::fleet::MULTICLUSTER).unwrap();
    told(&fleet, &agent, "a node again", |replica| replica["nodes"]["total"] == 1);
}
