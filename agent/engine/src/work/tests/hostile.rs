//! A directory may send anything.

use super::*;

/// Numbers that look random, the same in each run (a linear congruential generator with Knuth's constants).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// A number below a limit; 0 where the limit is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap().checked_rem(limit).unwrap_or(0)
    }
}

/// Stands for a secret.
const CANARY: &str = "hunter2";

/// A Work in which every field is used, with the canary in all values that are no names.
fn full() -> Value {
    let pod = json!({"serviceAccountName": "ci", "containers": [{"name": "a", "env": [{"name": "P", "value": CANARY}]}]});
    let gadgets = json!({
        "group": "example.com", "scope": "Namespaced", "names": {"kind": "Gadget", "plural": "gadgets"},
        "versions": [{"name": "v1", "served": true, "schema": {"default": CANARY}}],
    });
    json!({
        "metadata": {
            "name": "web", "namespace": "muster-cluster-east", "uid": "w", "resourceVersion": "7", "generation": 3,
            "annotations": {
                "multicluster.coreos.com/deletion": "orphan", "multicluster.coreos.com/suspend": "true",
                "multicluster.coreos.com/ignore": CANARY,
                "kubectl.kubernetes.io/last-applied-configuration": CANARY,
            },
            "finalizers": ["multicluster.x-k8s.io/work-cleanup"],
        },
        "spec": {"workload": {"manifests": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": {"a": CANARY}}},
            {
                "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {
                    "name": "s", "namespace": "prod", "labels": {"app": CANARY}, "finalizers": [CANARY],
                    "annotations": {"note": CANARY, "multicluster.coreos.com/ignore": CANARY},
                    "managedFields": [{"manager": CANARY}], "creationTimestamp": null, "uid": CANARY,
                },
                "data": {"password": "aHVudGVyMg=="}, "stringData": {"other": CANARY}, "status": {"a": CANARY},
            },
            {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "prod"}, "spec": pod},
                {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.example.com"}, "spec": gadgets},
            ]},
            {"apiVersion": "example.com/v1", "kind": "Gadget", "spec": CANARY,
             "metadata": {"name": "g", "annotations": {"multicluster.coreos.com/feedback": format!(".status.{CANARY}")}}},
            {
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
                "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"name": CANARY}],
            },
        ]}},
        "status": {"conditions": [{"message": CANARY}]},
    })
}

/// The places of all values in a value, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let inner: Vec<_> = match value {
        Value::Array(list) => {
            list.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        _ => Vec::new(),
    };
    for (step, value) in inner {
        places(value, &format!("{at}/{step}"), found);
    }
}

/// One change that leaves the canary where no name is.
fn mutate(value: &mut Value, random: &mut Random, huge: &str) {
    let old = value.take();
    *value = match random.below(14) {
        0 => json!(null),
        1 => json!([old]),
        2 => json!({CANARY.len().to_string(): old}),
        3 => json!([]),
        4 => json!({}),
        5 => json!(""),
        6 => json!(-1),
        7 => json!(1e300),
        8 => json!(true),
        9 => json!(huge),
        10 => json!([[old.clone()], old]),
        11 => json!({huge: old}),
        12 => json!({"": null, "annotations": {"multicluster.coreos.com/x": CANARY}, "value": old}),
        _ => match old {
            Value::Object(mut map) => {
                let place = random.below(map.len());
                let key = map.keys().nth(place).cloned();
                key.map(|key| map.remove(&key));
                Value::Object(map)
            }
            Value::Array(mut list) => {
                let place = random.below(list.len());
                list.extend(list.get(place).cloned());
                Value::Array(list)
            }
            other => json!({"a": other}),
        },
    };
}

/// Everything that can be done with what was read, and all messages.
fn use_all(work: &Work) -> Vec<String> {
    let mut said = Vec::new();
    let mut items = Vec::new();
    for slot in &work.manifests {
        match &slot.manifest {
            Err(flaw) => {
                said.push(format!("{flaw} {} {:?}", flaw.reason(), slot.named.identifier(slot.ordinal, "")));
            }
            Ok(manifest) => {
                let Gvk { group, version, kind } = manifest.gvk.clone();
                let (group, version, kind) = (group.into(), version.into(), kind.into());
                for scope in [muster_api::Scope::Cluster, muster_api::Scope::Namespaced] {
                    let (group, version, kind) =
                        (Clone::clone(&group), Clone::clone(&version), Clone::clone(&kind));
                    let resource = Resource { group, version, kind, plural: "things".into(), scope };
                    let item = manifest.resolve(&resource).unwrap();
                    assert_eq!(Item::read(resource, &item.manifest()).unwrap(), item, "it must read back");
                    items.push(item);
                }
                let _ = super::super::order::defined(manifest.into());
                assert_eq!(
                    Options::from_map(&manifest.options.to_map()).as_ref(),
                    Ok(manifest.options.as_ref())
                );
            }
        }
    }
    let refs: Vec<super::super::order::ItemRef<'_>> = items.iter().map(Into::into).collect();
    assert_eq!(super::super::order::needs(&refs).len(), refs.len());
    let found = super::super::order::duplicates(refs.iter().map(|item| (0, *item)));
    said.extend(found.into_iter().flatten().map(|flaw| flaw.to_string()));
    said
}

#[test]
fn garbage_at_any_place_is_an_error_a_flaw_or_a_work_and_repeats_no_value() {
    let full = full();
    assert!(use_all(&Work::read(&parse(&full)).unwrap()).is_empty());
    let huge = "\u{1b}[2J\u{202e}ä%/".repeat(300);
    let mut random = Random(7);
    let (mut refused, mut flaws) = (0, 0);
    for _ in 0..1_500 {
        let mut object = full.clone();
        for _ in 0..=random.below(3) {
            let mut found = Vec::new();
            places(&object, "", &mut found);
            let place = &found[random.below(found.len())];
            if let Some(value) = object.pointer_mut(place) {
                mutate(value, &mut random, &huge);
            }
        }
        let Ok(parsed) = Object::parse(RawValue::from_string(object.to_string()).unwrap()) else { continue };
        let said = match Work::read(&parsed) {
            Ok(work) => use_all(&work),
            Err(error) => {
                refused += 1;
                vec![error.to_string()]
            }
        };
        flaws += said.len();
        for message in said {
            assert!(!message.contains(CANARY), "{message} from {object}");
            assert!(message.len() < 2_000, "{} bytes", message.len());
            assert!(
                !message.contains(|letter: char| letter.is_control() || letter == '\u{202e}'),
                "{message:?}"
            );
        }
    }
    println!("{refused} refused as a whole, {flaws} messages");
    assert!(refused > 50 && flaws > 500, "too little harm: {refused}, {flaws}");
}

#[test]
fn nesting_is_a_flaw_of_one_manifest_and_what_is_accepted_reads_back() {
    let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let bomb = nested(100_000);
    let texts = [
        bomb.clone(),
        format!(r#"{{"apiVersion":"v1","kind":"A","metadata":{{"name":"a"}},"spec":{bomb}}}"#),
        format!(r#"{{"apiVersion":"v1","kind":"A","metadata":{{"name":"a","labels":{bomb}}}}}"#),
        format!(r#"{{"apiVersion":"v1","kind":"A","metadata":{bomb}}}"#),
        format!(r#"{{"apiVersion":"v1","kind":"A","metadata":{{"name":"a"}},"status":{bomb}}}"#),
        format!(r#"{{"apiVersion":"v1","kind":"List","items":[{bomb}]}}"#),
        format!(r#"{{"apiVersion":"v1","kind":"List","items":[[{bomb}]],"metadata":{bomb}}}"#),
    ];
    let frame = |manifests: &str| {
        let text = format!(
            r#"{{"metadata":{{"name":"w","namespace":"n","uid":"u","resourceVersion":"1"}},"spec":{{"workload":{{"manifests":{manifests}}}}}}}"#
        );
        Work::read(&Object::parse(RawValue::from_string(text).unwrap()).unwrap())
    };
    for text in texts {
        if text.len() > MOST_BYTES {
            continue;
        }
        let work = frame(&format!("[{text},{}]", named("b"))).unwrap();
        assert!(work.manifests[0].manifest.is_err() && work.manifests[1].manifest.is_ok());
        assert!(use_all(&work)[0].len() < 500);
    }
    assert!(frame(&bomb).is_err());
    let mut deepest = 0;
    for depth in 100..140 {
        let spec = nested(depth);
        let text = format!(r#"{{"apiVersion":"v1","kind":"A","metadata":{{"name":"a"}},"spec":{spec}}}"#);
        for (text, name) in [
            (text.clone(), "alone"),
            (format!(r#"{{"apiVersion":"v1","kind":"List","items":[{text}]}}"#), "in a list"),
        ] {
            let work = frame(&format!("[{text}]")).unwrap();
            assert_eq!(work.manifests[0].named.name, "a", "known all the same, {name}");
            use_all(&work);
            if work.manifests[0].manifest.is_ok() {
                deepest = depth;
            }
        }
    }
    assert_eq!(deepest, 126, "serde_json reads 127 levels, of which the manifest is one");
}

#[test]
fn of_a_field_that_is_there_twice_the_last_counts_as_in_kubernetes() {
    let text = r#"{"apiVersion":"v1","kind":"List","kind":"ConfigMap","metadata":{"name":"a"},"metadata":{"name":"b"},"items":[1]}"#;
    let spec = format!(r#"{{"workload":{{"manifests":[{text}]}}}}"#);
    let text = format!(
        r#"{{"metadata":{{"name":"w","namespace":"n","uid":"u","resourceVersion":"1"}},"spec":{spec}}}"#
    );
    let work = Work::read(&Object::parse(RawValue::from_string(text).unwrap()).unwrap()).unwrap();
    assert_eq!(work.manifests[0].manifest.as_ref().unwrap().name, "b");
}

#[test]
fn a_manifest_of_many_fields_is_read_in_time() {
    let fields: serde_json::Map<String, Value> = (0..40_000).map(|n| (format!("f{n}"), json!(n))).collect();
    let mut text = named("a");
    text.as_object_mut().unwrap().extend(fields);
    let work = work(&[text]);
    assert!(use_all(&work).is_empty());
}
