//! What is not made anew on real servers, since more would be lost by that than the object.

use serde_json::{Value, json};

use super::{APPLIER, manifest, of_manifest, put_work, until_told};
use crate::fleet::Fleet;
use crate::trail;

const RBAC: &str = "rbac.authorization.k8s.io";

fn replaced(mut manifest: Value) -> Value {
    manifest["metadata"]["annotations"] = json!({"multicluster.coreos.com/apply": "replace"});
    manifest
}

fn stateful_set(name: &str, claims: bool, service: &str) -> Value {
    let mut spec = json!({
        "serviceName": service, "replicas": 0,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "db", "image": "db"}]}},
    });
    if claims {
        let claim = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}});
        spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": claim}]);
    }
    replaced(manifest("apps/v1", "StatefulSet", "default", name, json!({"spec": spec})))
}

fn binding(name: &str, account: &str, role: &str) -> Value {
    let subjects = json!([{"kind": "ServiceAccount", "name": account, "namespace": "muster-appliers"}]);
    let role = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": role});
    let more = json!({"subjects": subjects, "roleRef": role});
    replaced(manifest(&format!("{RBAC}/v1"), "ClusterRoleBinding", "", name, more))
}

#[test]
fn claims_and_the_rights_to_make_it_anew_are_not_lost_with_what_makes_room() {
    let fleet = Fleet::new();
    let agent = fleet.joined(&[]);
    let manifests = |round: &str, role: &str| {
        json!([
            stateful_set("claims", true, round),
            stateful_set("plain", false, round),
            binding("own", "works", role),
            binding("other", "team", role),
        ])
    };
    put_work(&fleet, "web", &manifests("one", "view"));
    until_told(&fleet, &agent, "web", "Applied", "Applied");
    let mark = trail::mark(&fleet.replica);
    put_work(&fleet, "web", &manifests("two", "edit"));
    let told = until_told(&fleet, &agent, "web", "Applied", "Incomplete");
    let reasons = [0, 1, 2, 3].map(|at| of_manifest(&told, at, "Applied").0);
    assert_eq!(reasons, ["Immutable", "Applied", "Immutable", "Applied"], "{}", told["status"]);
    for (at, says) in [(0, "its claims may go with it"), (2, "it grants rights to works")] {
        let message = of_manifest(&told, at, "Applied").1;
        assert!(message.contains(says), "{message}");
    }
    let deleted = trail::writes(&fleet.replica, mark, trail::REPLICA_USER).into_iter();
    let deleted =
        deleted.filter(|event| event.verb == "delete" && event.impersonated.as_deref() == Some(APPLIER));
    let mut deleted: Vec<String> = deleted.map(|event| event.name).collect();
    deleted.sort();
    assert_eq!(deleted, ["other", "plain"]);
}
