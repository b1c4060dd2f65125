//! What is refused heals when somebody mends its cause in the cluster: room is made, what is in the way goes, what cannot
//! be changed is removed by hand. Nobody touches the Work.

use std::time::Instant;

use muster_tests::api::MERGE_PATCH;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::bench::Bench;
use super::waking::{config_path, heals, in_time, verdicts};
use super::{config_map, manifest, namespace, put_work, until_told, work};
use crate::fleet::{Fleet, quietly, until, version};

/// A service at a fixed port of all nodes.
fn at_node_port(name: &str) -> Value {
    let spec =
        json!({"type": "NodePort", "selector": {"app": name}, "ports": [{"port": 80, "nodePort": 30_123}]});
    manifest("v1", "Service", "default", name, json!({"spec": spec}))
}

#[test]
fn room_that_somebody_makes_in_a_quota_is_taken_at_once() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    fleet.replica.apply(&namespace("full").to_string()).unwrap();
    quietly("Kubernetes' own ConfigMap", || {
        replica.get(&config_path("full", "kube-root-ca.crt")).map_err(|error| error.to_string())
    });
    replica.create("/api/v1/namespaces/full/configmaps", &config_map("full", "filler", "x")).unwrap();
    let hard = json!({"spec": {"hard": {"count/configmaps": "2"}}});
    fleet.replica.apply(&manifest("v1", "ResourceQuota", "full", "few", hard).to_string()).unwrap();
    let used = |number: &str| {
        let quota =
            replica.get("/api/v1/namespaces/full/resourcequotas/few").map_err(|error| error.to_string())?;
        let seen = &quota["status"]["used"]["count/configmaps"];
        if seen == number { Ok(()) } else { Err(seen.to_string()) }
    };
    until(&agent, "the quota full", || used("2"));
    put_work(
        &fleet,
        "app",
        &json!([config_map("full", "much", "one"), config_map("default", "beside", "one")]),
    );
    let exceeded = "exceeded quota: few, requested: count/configmaps=1, used: count/configmaps=2, limited: count/configmaps=2";
    verdicts(&fleet, &agent, "app", &[("QuotaExceeded", exceeded), ("Applied", "")]);
    let before = replica.get("/api/v1/namespaces/full/resourcequotas/few").unwrap()["spec"].clone();

    let freed = Instant::now();
    replica.delete(&config_path("full", "filler")).unwrap();
    until(&agent, "the room counted, or taken again", || {
        used("1").or_else(|_| replica.get(&config_path("full", "much")).map(drop).map_err(|e| e.to_string()))
    });
    in_time("room in a quota", heals(&fleet, &agent, "much", &config_path("full", "much"), freed));
    verdicts(&fleet, &agent, "app", &[("Applied", ""); 2]);
    assert_eq!(replica.get("/api/v1/namespaces/full/resourcequotas/few").unwrap()["spec"], before);
}

#[test]
fn what_is_in_the_way_and_goes_makes_room_for_what_is_wanted() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    let services = "/api/v1/namespaces/default/services";
    replica.create("/api/v1/namespaces/default/configmaps", &config_map("default", "theirs", "x")).unwrap();
    replica.create(services, &at_node_port("first")).unwrap();
    put_work(
        &fleet,
        "app",
        &json!([
            config_map("default", "theirs", "ours"),
            at_node_port("second"),
            config_map("default", "a", "1")
        ]),
    );
    let port = "spec.ports[0].nodePort: Invalid value: provided port is already allocated";
    verdicts(&fleet, &agent, "app", &[("Conflict", "not Muster's"), ("Rejected", port), ("Applied", "")]);

    let gone = Instant::now();
    replica.delete(&config_path("default", "theirs")).unwrap();
    in_time(
        "somebody's object gone",
        heals(&fleet, &agent, "theirs", &config_path("default", "theirs"), gone),
    );
    // No watch shows that a port is free again.
    replica.delete(&format!("{services}/first")).unwrap();
    let there = || replica.get(&format!("{services}/second")).map_err(|error| error.to_string());
    timed("the port taken", DEADLINE * 4, there).unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
}

/// Objects with a field that cannot be changed, in one of two forms.
fn fixed(second: bool) -> Vec<Value> {
    let rbac = "rbac.authorization.k8s.io";
    let image = if second { "example.com/job:2" } else { "example.com/job:1" };
    let pod = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "job", "image": image}]}});
    let mut service = json!({"ports": [{"port": 80}], "selector": {"app": "web"}});
    if second {
        service["clusterIP"] = "None".into();
    }
    let role = json!({"apiGroup": rbac, "kind": "ClusterRole", "name": if second { "edit" } else { "view" }});
    let subjects = json!([{"kind": "ServiceAccount", "name": "x", "namespace": "default"}]);
    let mode = if second { "ReadWriteMany" } else { "ReadWriteOnce" };
    let claim =
        json!({"accessModes": [mode], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}});
    vec![
        manifest("batch/v1", "Job", "default", "job", json!({"spec": {"template": pod}})),
        manifest("v1", "Service", "default", "web", json!({"spec": service})),
        manifest(
            &format!("{rbac}/v1"),
            "RoleBinding",
            "default",
            "reads",
            json!({"roleRef": role, "subjects": subjects}),
        ),
        manifest("v1", "PersistentVolumeClaim", "default", "data", json!({"spec": claim})),
        config_map("default", "beside", if second { "two" } else { "one" }),
    ]
}

/// Where they are, and what their manifest says of the field, in the second form.
const FIXED: [(&str, &str, &str); 4] = [
    (
        "/apis/batch/v1/namespaces/default/jobs/job",
        "/spec/template/spec/containers/0/image",
        "example.com/job:2",
    ),
    ("/api/v1/namespaces/default/services/web", "/spec/clusterIP", "None"),
    ("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings/reads", "/roleRef/name", "edit"),
    ("/api/v1/namespaces/default/persistentvolumeclaims/data", "/spec/accessModes/0", "ReadWriteMany"),
];

#[test]
fn what_cannot_be_changed_names_the_field_and_heals_when_the_object_is_deleted_by_hand_or_the_field_changed_back()
 {
    let Bench { fleet, agent, .. } = &Bench::new();
    let replica = fleet.replica.api();
    put_work(fleet, "app", &json!(fixed(false)));
    until_told(fleet, agent, "app", "Applied", "Applied");
    let there = || FIXED.map(|(path, ..)| version(&replica.get(path).unwrap()).0);
    let before = there();

    put_work(fleet, "app", &json!(fixed(true)));
    let fields = ["spec.template", "spec.clusterIP", "roleRef", "spec: Forbidden: spec is immutable"];
    let [job, service, binding, claim] = fields.map(|field| ("Immutable", field));
    verdicts(fleet, agent, "app", &[job, service, binding, claim, ("Applied", "")]);
    let told = work(fleet, "app")["status"].to_string();
    assert!(!told.contains("job:2") && !told.contains("job:1") && !told.contains("ReadWrite"), "{told}");
    assert_eq!(there(), before, "nothing was made anew");

    // The field is changed back in the Work: what is there is right as it was.
    let mut back = fixed(true);
    back[1] = fixed(false)[1].clone();
    back[3] = fixed(false)[3].clone();
    put_work(fleet, "app", &json!(back));
    verdicts(fleet, agent, "app", &[job, ("Applied", ""), binding, ("Applied", ""), ("Applied", "")]);
    assert_eq!(there(), before, "nothing was made anew");

    // Nobody touches the Work: what is in the way is deleted by hand, and made as it is wanted.
    for ordinal in [0, 2] {
        let (path, field, value) = FIXED[ordinal];
        let gone = Instant::now();
        let orphans = if ordinal == 0 { "?propagationPolicy=Background" } else { "" };
        replica.delete(&format!("{path}{orphans}")).unwrap();
        in_time(path, heals(fleet, agent, path, path, gone));
        until(agent, &format!("{path} as it is wanted"), || {
            let seen = replica.get(path).map_err(|error| error.to_string())?;
            if seen.pointer(field).is_some_and(|seen| seen == value) { Ok(()) } else { Err(seen.to_string()) }
        });
        assert_ne!(version(&replica.get(path).unwrap()).0, before[ordinal]);
    }
    until_told(fleet, agent, "app", "Applied", "Applied");
    let now = there();
    assert_eq!([&now[1], &now[3]], [&before[1], &before[3]]);
}

#[test]
fn a_claim_is_never_made_anew_bound_or_not_and_nor_is_what_says_nothing_of_it() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let replica = fleet.replica.api();
    let claims = |second: bool, size: &str| -> Value {
        let named = ["loose", "bound"].map(|name| {
            let mut claim = fixed(second)[3].clone();
            claim["metadata"] = json!({"name": name, "namespace": "default", "annotations": {
                "multicluster.coreos.com/apply": "replace", "multicluster.coreos.com/allow-deletion": "true",
                "multicluster.coreos.com/on-conflict": "force", "size": size}});
            claim
        });
        let plain = fixed(second).swap_remove(0);
        json!([named[0], named[1], plain])
    };
    let path = |name: &str| format!("/api/v1/namespaces/default/persistentvolumeclaims/{name}");
    put_work(&fleet, "app", &claims(false, "one"));
    until_told(&fleet, &agent, "app", "Applied", "Applied");
    let volume = json!({"spec": {"volumeName": "pv"}});
    replica.patch(&format!("{}?fieldManager=binder", path("bound")), MERGE_PATCH, &volume).unwrap();
    let phase = json!({"status": {"phase": "Bound"}});
    replica.patch(&format!("{}/status?fieldManager=binder", path("bound")), MERGE_PATCH, &phase).unwrap();
    let all = [path("loose"), path("bound"), FIXED[0].0.to_owned()];
    let there = || all.clone().map(|path| version(&replica.get(&path).unwrap()).0);
    let before = there();
    put_work(&fleet, "app", &claims(true, "two"));
    let said = [("Immutable", "spec"), ("Immutable", "spec"), ("Immutable", "spec.template")];
    verdicts(&fleet, &agent, "app", &said);
    // It is tried again after seconds, and again nothing goes.
    put_work(&fleet, "app", &claims(true, "three"));
    verdicts(&fleet, &agent, "app", &said);
    assert_eq!(there(), before);
}
