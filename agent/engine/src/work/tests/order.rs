//! What waits for what.

use super::super::order::{ItemRef, defined, needs, wave};
use super::hostile::Random;
use super::*;

fn object_of(group: &str, kind: &str, namespace: &str, name: &str, fields: &Value) -> Value {
    let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    for (field, value) in fields.as_object().unwrap() {
        object[field] = value.clone();
    }
    object
}

fn crd(group: &str, kind: &str, plural: &str) -> Value {
    let versions = json!([
        {"name": "v1", "served": true}, {"name": "v1beta1", "served": true}, {"name": "v1alpha1", "served": false},
    ]);
    let spec = json!({"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural}, "versions": versions});
    let name = format!("{plural}.{group}");
    object_of("apiextensions.k8s.io", "CustomResourceDefinition", "", &name, &json!({"spec": spec}))
}

fn read(objects: &[Value]) -> Vec<Manifest> {
    work(objects).manifests.into_iter().map(|slot| slot.manifest.unwrap()).collect()
}

fn needed(objects: &[Value]) -> Vec<Vec<usize>> {
    let manifests = read(objects);
    let items: Vec<ItemRef<'_>> = manifests.iter().map(Into::into).collect();
    needs(&items).iter().map(|needs| needs.to_vec()).collect()
}

const RBAC: &str = "rbac.authorization.k8s.io";

#[test]
fn waves_go_from_what_others_need_to_what_stops_others() {
    let waves = [
        ("apiextensions.k8s.io", "CustomResourceDefinition", 0),
        ("", "Namespace", 0),
        ("scheduling.k8s.io", "PriorityClass", 1),
        ("storage.k8s.io", "StorageClass", 1),
        ("networking.k8s.io", "IngressClass", 1),
        ("node.k8s.io", "RuntimeClass", 1),
        ("", "ServiceAccount", 1),
        (RBAC, "ClusterRoleBinding", 1),
        ("", "ConfigMap", 2),
        ("", "Secret", 2),
        ("", "ResourceQuota", 2),
        ("", "LimitRange", 2),
        ("networking.k8s.io", "NetworkPolicy", 2),
        ("", "PersistentVolumeClaim", 3),
        ("", "Service", 4),
        ("", "Pod", 5),
        ("apps", "Deployment", 5),
        ("batch", "CronJob", 5),
        ("networking.k8s.io", "Ingress", 6),
        ("example.com", "Namespace", 6),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", 7),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", 7),
        ("apiregistration.k8s.io", "APIService", 7),
    ];
    for (group, kind, expected) in waves {
        assert_eq!(wave(group, kind), expected, "{group} {kind}");
    }
}

#[test]
fn an_object_waits_for_its_namespace_and_for_nothing_that_only_looks_like_it() {
    let none = json!({});
    let objects = [
        named("a"),
        object_of("", "Namespace", "", "prod", &none),
        object_of("", "Namespace", "", "other", &none),
        object_of("example.com", "Namespace", "", "prod", &none),
        named("b"),
        config(&json!({"name": "c"})),
    ];
    assert_eq!(needed(&objects), [vec![1], vec![], vec![], vec![], vec![1], vec![]]);
}

#[test]
fn a_custom_resource_waits_for_the_definition_of_its_kind() {
    let none = json!({});
    let objects = [
        object_of("example.com", "Gadget", "", "a", &none),
        crd("example.com", "Gadget", "gadgets"),
        crd("other.com", "Gadget", "gadgets"),
        object_of("example.com", "Widget", "", "a", &none),
    ];
    assert_eq!(needed(&objects), [vec![1], vec![], vec![], vec![]]);
}

#[test]
fn a_binding_waits_for_the_role_that_it_names() {
    let none = json!({});
    let to = |kind: &str| json!({"roleRef": {"apiGroup": RBAC, "kind": kind, "name": "look"}});
    let objects = [
        object_of(RBAC, "RoleBinding", "prod", "a", &to("Role")),
        object_of(RBAC, "RoleBinding", "prod", "b", &to("ClusterRole")),
        object_of(RBAC, "ClusterRoleBinding", "", "c", &to("ClusterRole")),
        object_of(RBAC, "Role", "prod", "look", &none),
        object_of(RBAC, "Role", "test", "look", &none),
        object_of(RBAC, "ClusterRole", "", "look", &none),
        object_of(RBAC, "RoleBinding", "", "d", &to("Role")),
        object_of(RBAC, "Role", "default", "look", &none),
        object_of(RBAC, "RoleBinding", "prod", "e", &json!({"roleRef": ["Role"]})),
    ];
    let expected = [vec![3], vec![5], vec![5], vec![], vec![], vec![], vec![7], vec![], vec![]];
    assert_eq!(needed(&objects), expected);
}

#[test]
fn a_bare_pod_waits_for_what_admission_asks_for_and_a_deployment_does_not() {
    let none = json!({});
    let spec = json!({"serviceAccountName": "ci", "priorityClassName": "high", "runtimeClassName": "vm"});
    let objects = [
        object_of("", "Pod", "prod", "a", &json!({"spec": spec})),
        object_of("", "Pod", "prod", "b", &none),
        object_of("apps", "Deployment", "prod", "c", &json!({"spec": {"template": {"spec": spec}}})),
        object_of("", "ServiceAccount", "prod", "ci", &none),
        object_of("", "ServiceAccount", "test", "ci", &none),
        object_of("", "ServiceAccount", "prod", "default", &none),
        object_of("scheduling.k8s.io", "PriorityClass", "", "high", &none),
        object_of("node.k8s.io", "RuntimeClass", "", "vm", &none),
        object_of("", "Pod", "prod", "d", &json!({"spec": {"serviceAccount": "ci"}})),
    ];
    let mut expected = vec![Vec::new(); 9];
    expected[0] = vec![3, 6, 7];
    expected[1] = vec![5];
    expected[8] = vec![3];
    assert_eq!(needed(&objects), expected);
}

#[test]
fn what_stops_others_waits_for_all_and_what_it_serves_waits_for_it() {
    let none = json!({});
    let api = json!({"spec": {"group": "metrics.example.com", "version": "v1"}});
    let objects = [
        object_of("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", "", "a", &none),
        named("a"),
        object_of("apiregistration.k8s.io", "APIService", "", "v1.metrics.example.com", &api),
        object_of("metrics.example.com", "Metric", "", "a", &none),
        object_of("example.com", "Gadget", "", "a", &none),
    ];
    assert_eq!(needed(&objects), [vec![1, 4], vec![], vec![1, 4], vec![2], vec![]]);
}

#[test]
fn resolved_objects_wait_for_the_same() {
    let objects = [config(&json!({"name": "a"})), object_of("", "Namespace", "", "default", &json!({}))];
    let manifests = read(&objects);
    let items = [manifests[0].resolve(&CONFIG_MAPS).unwrap(), manifests[1].resolve(&NAMESPACES).unwrap()];
    let refs: Vec<ItemRef<'_>> = items.iter().map(Into::into).collect();
    assert_eq!(needs(&refs)[0].as_ref(), [1]);
}

#[test]
fn a_definition_tells_each_resource_that_it_will_serve() {
    let defined = |object: &Value| {
        let manifests = read(std::slice::from_ref(object));
        defined((&manifests[0]).into())
    };
    let found = defined(&crd("example.com", "Gadget", "gadgets")).unwrap();
    let paths: Vec<_> = found.iter().map(|resource| resource.path(Some("n"), None)).collect();
    assert_eq!(
        paths,
        ["/apis/example.com/v1/namespaces/n/gadgets", "/apis/example.com/v1beta1/namespaces/n/gadgets"]
    );
    assert_eq!(found[0].kind, "Gadget");
    let edits: [(&str, Value); 8] = [
        ("/spec/scope", json!("cluster")),
        ("/spec/group", json!("a/b")),
        ("/spec/names/plural", json!("../secrets")),
        ("/spec/names/kind", json!(null)),
        ("/spec/names/kind", json!("a/b")),
        ("/spec/versions", json!({})),
        ("/spec/versions/0/name", json!("../v1")),
        ("/metadata/name", json!("other.example.com")),
    ];
    for (place, value) in edits {
        let mut object = crd("example.com", "Gadget", "gadgets");
        *object.pointer_mut(place).unwrap() = value;
        assert_eq!(defined(&object), None, "{place}");
    }
    let mut cluster = crd("example.com", "Gadget", "gadgets");
    cluster["spec"]["scope"] = "Cluster".into();
    assert_eq!(defined(&cluster).unwrap()[0].path(None, None), "/apis/example.com/v1/gadgets");
    assert_eq!(defined(&named("a")), None);
}

/// Whether all can be made: each round, those whose needs are there.
fn all_can_be_made(needs: &[Arc<[usize]>]) -> bool {
    let mut there = vec![false; needs.len()];
    loop {
        let next: Vec<_> =
            (0..needs.len()).filter(|at| !there[*at] && needs[*at].iter().all(|need| there[*need])).collect();
        if next.is_empty() {
            return there.iter().all(|there| *there);
        }
        for at in next {
            there[at] = true;
        }
    }
}

#[test]
fn nothing_waits_for_itself_in_any_number_of_steps() {
    let kinds = [
        ("", "Namespace"),
        ("", "Pod"),
        ("", "ServiceAccount"),
        ("", "ConfigMap"),
        (RBAC, "Role"),
        (RBAC, "ClusterRole"),
        (RBAC, "RoleBinding"),
        (RBAC, "ClusterRoleBinding"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("node.k8s.io", "RuntimeClass"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "APIService"),
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("g.io", "Gadget"),
    ];
    let names = ["a", "b", "default"];
    let mut random = Random(1);
    let mut edges = 0;
    for _ in 0..400 {
        let objects: Vec<Value> = (0..random.below(24))
            .map(|_| {
                let (group, kind) = kinds[random.below(kinds.len())];
                let (of_group, of_kind) = kinds[random.below(kinds.len())];
                let name = names[random.below(3)];
                let fields = json!({
                    "roleRef": {"kind": of_kind, "name": names[random.below(3)]},
                    "spec": {
                        "group": of_group, "version": "v1", "names": {"kind": of_kind},
                        "serviceAccountName": name, "priorityClassName": name, "runtimeClassName": name,
                    },
                });
                object_of(group, kind, names[random.below(3)], name, &fields)
            })
            .collect();
        let manifests: Vec<_> =
            work(&objects).manifests.into_iter().filter_map(|slot| slot.manifest.ok()).collect();
        let items: Vec<ItemRef<'_>> = manifests.iter().map(Into::into).collect();
        let needs = needs(&items);
        edges += needs.iter().map(|needs| needs.len()).sum::<usize>();
        assert!(all_can_be_made(&needs), "{needs:?} of {items:?}");
    }
    assert!(edges > 4_000, "only {edges} needs in all");
}
