//! Options of Works on real servers: what is left to others, told of objects, made anew, only looked at, or only planned.

use muster_tests::agent::AgentProcess;
use muster_tests::api::{APPLY_PATCH, MERGE_PATCH};
use serde_json::{Value, json};

use super::{LEDGERS, config_map, manifest, of_manifest, put_work, put_work_with, until_told, work};
use crate::fleet::{Fleet, until};
use crate::trail;

/// As which user what Works ask for is applied.
const APPLIER: &str = "system:serviceaccount:muster-appliers:works";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn with(mut manifest: Value, options: &Value) -> Value {
    manifest["metadata"]["annotations"] = options
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (format!("multicluster.coreos.com/{name}"), value.clone()))
        .collect();
    manifest
}

fn deployment(name: &str, image: &str, replicas: Option<u32>, label: &str) -> Value {
    let template = json!({
        "metadata": {"labels": {"app": name, "track": label}},
        "spec": {"containers": [{"name": "web", "image": image}]},
    });
    let mut spec = json!({"selector": {"matchLabels": {"app": name, "track": label}}, "template": template});
    if let Some(replicas) = replicas {
        spec["replicas"] = replicas.into();
    }
    manifest("apps/v1", "Deployment", "default", name, json!({"spec": spec}))
}

/// Waits until a field of an object of the replica has a value.
fn until_is(fleet: &Fleet, agent: &AgentProcess, path: &str, field: &str, value: &Value) {
    until(agent, &format!("{path} {field} is {value}"), || {
        let seen = fleet.replica.api().get(path).map_err(|error| error.to_string())?;
        match seen.pointer(field) {
            Some(found) if found == value => Ok(()),
            found => Err(format!("{found:?}")),
        }
    });
}

/// Waits until a manifest of Work `web` says this.
fn until_manifest(
    fleet: &Fleet,
    agent: &AgentProcess,
    ordinal: usize,
    condition: &str,
    wanted: (&str, &str),
) {
    until(agent, &format!("manifest {ordinal}: {condition} {wanted:?}"), || {
        let found = work(fleet, "web");
        let current = found.pointer("/status/conditions/0/observedGeneration");
        if current.is_none() || current != found.pointer("/metadata/generation") {
            return Err("not yet".to_owned());
        }
        let list = found["status"]["manifestConditions"].as_array().cloned().unwrap_or_default();
        let entry = list.iter().find(|entry| entry["identifier"]["ordinal"] == ordinal);
        let entry = entry.ok_or_else(|| found["status"].to_string())?;
        match crate::fleet::condition_of(&json!({"status": entry}), condition) {
            Some((reason, message)) if reason == wanted.0 && message.contains(wanted.1) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
}

#[test]
fn an_autoscaler_keeps_what_is_ignored_and_loses_what_is_not() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    let ignore = json!({"ignore": "spec.replicas"});
    let put = |image: &str, replicas| {
        let scaled = with(deployment("scaled", image, Some(replicas), "a"), &ignore);
        put_work(&fleet, "web", &json!([scaled, deployment("fixed", "web:1", Some(3), "a")]));
    };
    let (scaled, fixed) = (format!("{DEPLOYMENTS}/scaled"), format!("{DEPLOYMENTS}/fixed"));
    put("web:1", 2);
    until_told(&fleet, &agent, "web", "Applied", "Applied");
    assert_eq!(replica.get(&scaled).unwrap()["spec"]["replicas"], 2, "it is set once");

    let scale = |path: &str| {
        let path = format!("{path}?fieldManager=hpa");
        replica.patch(&path, MERGE_PATCH, &json!({"spec": {"replicas": 5}})).unwrap();
    };
    scale(&scaled);
    let mark = trail::mark(&fleet.replica);
    scale(&fixed);
    until_is(&fleet, &agent, &fixed, "/spec/replicas", &json!(3));
    assert_eq!(replica.get(&scaled).unwrap()["spec"]["replicas"], 5);
    let writes = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
    assert!(writes.iter().all(|event| event.name != "scaled"), "{}", trail::lines(&writes));

    let image = "/spec/template/spec/containers/0/image";
    put("web:2", 1);
    until_is(&fleet, &agent, &scaled, image, &json!("web:2"));
    assert_eq!(replica.get(&scaled).unwrap()["spec"]["replicas"], 5, "what else changes leaves it alone");

    // A writer that applies on the server's side needs no force once it is not Muster's.
    let keda = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "scaled"}, "spec": {"replicas": 7}});
    replica.patch(&format!("{scaled}?fieldManager=keda&force=true"), APPLY_PATCH, &keda).unwrap();
    put("web:3", 1);
    until_is(&fleet, &agent, &scaled, image, &json!("web:3"));
    assert_eq!(replica.get(&scaled).unwrap()["spec"]["replicas"], 7);
    let mut eight = keda;
    eight["spec"]["replicas"] = 8.into();
    replica.patch(&format!("{scaled}?fieldManager=keda"), APPLY_PATCH, &eight).unwrap();
    until_told(&fleet, &agent, "web", "Applied", "Applied");
    assert_eq!(replica.get(&scaled).unwrap()["spec"]["replicas"], 8);

    // Handed over later, and at once out of the manifest: a field that nobody else owns keeps its value.
    let scaled_now = with(deployment("scaled", "web:3", Some(1), "a"), &ignore);
    let handed = with(deployment("fixed", "web:9", None, "a"), &ignore);
    put_work(&fleet, "web", &json!([scaled_now, handed]));
    until_is(&fleet, &agent, &fixed, image, &json!("web:9"));
    assert_eq!(replica.get(&fixed).unwrap()["spec"]["replicas"], 3);
    until_told(&fleet, &agent, "web", "Applied", "Applied");
}

#[test]
fn values_that_a_work_asks_for_follow_the_object() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let service =
        json!({"spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let asks = with(
        manifest("v1", "Service", "default", "web", service),
        &json!({"feedback": "address=.status.loadBalancer.ingress[0].ip"}),
    );
    let network = manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "default",
        "web",
        json!({"spec": {"podSelector": {}}}),
    );
    let network = with(network, &json!({"feedback": "types={.spec.policyTypes}"}));
    put_work(&fleet, "web", &json!([asks, network]));
    until_manifest(&fleet, &agent, 0, "Feedback", ("Read", "{}"));
    until_manifest(&fleet, &agent, 1, "Feedback", ("Read", "Ingress"));
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}});
    let path = "/api/v1/namespaces/default/services/web/status?fieldManager=cloud";
    fleet.replica.api().patch(path, MERGE_PATCH, &status).unwrap();
    until_manifest(&fleet, &agent, 0, "Feedback", ("Read", r#"{"address":"192.0.2.7"}"#));
    // A kind of which only metadata was watched is seen whole.
    let policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/web?fieldManager=somebody";
    let both = json!({"spec": {"policyTypes": ["Ingress", "Egress"]}});
    fleet.replica.api().patch(policies, MERGE_PATCH, &both).unwrap();
    until_manifest(&fleet, &agent, 1, "Feedback", ("Read", "Egress"));
}

fn fixed(round: u32, options: &Value) -> Vec<Value> {
    let rbac = "rbac.authorization.k8s.io";
    let role =
        json!({"apiGroup": rbac, "kind": "ClusterRole", "name": if round == 1 { "view" } else { "edit" }});
    let subjects = json!([{"kind": "ServiceAccount", "name": "x", "namespace": "default"}]);
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "job", "image": format!("job:{round}")}]}});
    let mut service = json!({"ports": [{"port": 80}], "selector": {"app": "web"}});
    if round == 2 {
        service["clusterIP"] = "None".into();
    }
    let label = if round == 1 { "a" } else { "b" };
    [
        manifest("batch/v1", "Job", "default", "job", json!({"spec": {"template": pod}})),
        manifest("v1", "Service", "default", "web", json!({"spec": service})),
        manifest(
            &format!("{rbac}/v1"),
            "RoleBinding",
            "default",
            "reads",
            json!({"roleRef": role, "subjects": subjects}),
        ),
        deployment("web", "web:1", Some(1), label),
    ]
    .into_iter()
    .map(|manifest| with(manifest, options))
    .collect()
}

const FIXED: [(&str, &str, &str); 4] = [
    ("/apis/batch/v1/namespaces/default/jobs/job", "/spec/template/spec/containers/0/image", "job:2"),
    ("/api/v1/namespaces/default/services/web", "/spec/clusterIP", "None"),
    ("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings/reads", "/roleRef/name", "edit"),
    ("/apis/apps/v1/namespaces/default/deployments/web", "/spec/selector/matchLabels/track", "b"),
];

#[test]
fn what_cannot_be_changed_is_told_and_made_anew_only_where_the_work_says_so() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    put_work(&fleet, "web", &json!(fixed(1, &json!({}))));
    until_told(&fleet, &agent, "web", "Applied", "Applied");
    let uid = |path: &str| replica.get(path).unwrap()["metadata"]["uid"].clone();
    let before: Vec<Value> = FIXED.iter().map(|(path, ..)| uid(path)).collect();

    put_work(&fleet, "web", &json!(fixed(2, &json!({}))));
    let told = until_told(&fleet, &agent, "web", "Applied", "Incomplete");
    for (ordinal, field) in ["spec.template", "spec.clusterIP", "roleRef", "spec.selector"].iter().enumerate()
    {
        until_manifest(&fleet, &agent, ordinal, "Applied", ("Immutable", field));
        let (_, message) = of_manifest(&told, ordinal, "Applied");
        assert!(!message.contains("job:2") && !message.contains("matchLabels"), "{message}");
    }
    assert_eq!(FIXED.iter().map(|(path, ..)| uid(path)).collect::<Vec<_>>(), before);

    put_work(&fleet, "web", &json!(fixed(2, &json!({"apply": "replace"}))));
    for (path, field, value) in FIXED {
        until_is(&fleet, &agent, path, field, &json!(value));
    }
    until_told(&fleet, &agent, "web", "Applied", "Applied");
    for ((path, ..), before) in FIXED.iter().zip(&before) {
        assert_ne!(uid(path), *before, "{path}");
    }
}

#[test]
fn a_bound_claim_and_what_could_not_come_back_are_never_made_anew() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    let options = json!({"apply": "replace", "allow-deletion": "true"});
    let claim = |mode: &str| {
        let spec = json!({"accessModes": [mode], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}});
        with(manifest("v1", "PersistentVolumeClaim", "default", "data", json!({"spec": spec})), &options)
    };
    let job = |image: &str, policy: &str| {
        let pod = json!({"spec": {"restartPolicy": policy, "containers": [{"name": "job", "image": image}]}});
        with(manifest("batch/v1", "Job", "default", "job", json!({"spec": {"template": pod}})), &options)
    };
    put_work(&fleet, "web", &json!([claim("ReadWriteOnce"), job("job:1", "Never")]));
    until_told(&fleet, &agent, "web", "Applied", "Applied");
    let path = "/api/v1/namespaces/default/persistentvolumeclaims/data";
    replica
        .patch(&format!("{path}?fieldManager=binder"), MERGE_PATCH, &json!({"spec": {"volumeName": "pv"}}))
        .unwrap();
    replica
        .patch(
            &format!("{path}/status?fieldManager=binder"),
            MERGE_PATCH,
            &json!({"status": {"phase": "Bound"}}),
        )
        .unwrap();
    let mark = trail::mark(&fleet.replica);
    // A Job that is refused as it is, also as a new one.
    put_work(&fleet, "web", &json!([claim("ReadWriteMany"), job("job:2", "Always")]));
    until_manifest(&fleet, &agent, 0, "Applied", ("Immutable", "spec"));
    until(&agent, "the Job is tried", || {
        let (reason, message) = of_manifest(&work(&fleet, "web"), 1, "Applied");
        if reason == "Applied" || reason == "Pending" { Err(format!("{reason} {message}")) } else { Ok(()) }
    });
    let deleted: Vec<_> = trail::writes(&fleet.replica, mark, trail::REPLICA_USER)
        .into_iter()
        .filter(|event| event.verb == "delete")
        .collect();
    assert!(deleted.is_empty(), "{}", trail::lines(&deleted));
}

#[test]
fn what_is_only_looked_at_or_only_planned_is_not_written() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    let maps = "/api/v1/namespaces/default/configmaps";
    replica.create(maps, &config_map("default", "theirs", "hunter2")).unwrap();
    let mark = trail::mark(&fleet.replica);
    let applied = |mark| -> Vec<_> {
        let writes = trail::writes(&fleet.replica, mark, trail::REPLICA_USER);
        writes.into_iter().filter(|event| event.impersonated.as_deref() == Some(APPLIER)).collect()
    };
    let plan = json!({"multicluster.coreos.com/plan-only": "true"});
    put_work_with(
        &fleet,
        "web",
        &plan,
        &json!([config_map("default", "ours", "1"), config_map("default", "theirs", "1")]),
    );
    until_told(&fleet, &agent, "web", "Applied", "Planned");
    until_manifest(&fleet, &agent, 0, "Applied", ("Planned", "would be created"));
    until_manifest(&fleet, &agent, 1, "Applied", ("Planned", "not Muster's"));
    assert!(replica.get(&format!("{LEDGERS}/web")).is_err(), "nothing is recorded");
    assert!(work(&fleet, "web")["metadata"]["finalizers"].is_null());

    let off = json!({"multicluster.coreos.com/plan-only": null});
    let observed = with(config_map("default", "theirs", "1"), &json!({"apply": "observe"}));
    put_work_with(&fleet, "web", &off, &json!([observed]));
    until_manifest(&fleet, &agent, 0, "Applied", ("Differs", "data.key"));
    until_manifest(&fleet, &agent, 0, "Available", ("Available", ""));
    let told = work(&fleet, "web")["status"].to_string();
    assert!(!told.contains("hunter2"), "{told}");
    let writes = applied(mark);
    assert!(writes.is_empty(), "{}", trail::lines(&writes));

    // What was applied, and is only planned from now on, stays, and its end is told.
    put_work(&fleet, "web", &json!([config_map("default", "ours", "1"), config_map("default", "more", "1")]));
    until_told(&fleet, &agent, "web", "Applied", "Applied");
    let mark = trail::mark(&fleet.replica);
    put_work_with(&fleet, "web", &plan, &json!([config_map("default", "ours", "2")]));
    until_manifest(&fleet, &agent, 0, "Applied", ("Planned", "would be changed: data.key"));
    until(&agent, "the end of the other is told", || {
        let (_, message) = crate::fleet::condition_of(&work(&fleet, "web"), "Applied").unwrap_or_default();
        let tells = message.contains("would be deleted: ConfigMap more");
        if tells { Ok(()) } else { Err(message) }
    });
    let writes = applied(mark);
    assert!(writes.is_empty(), "{}", trail::lines(&writes));
}
