//! Any annotations, on a Work, on its manifests and on a policy: what is read is options that read back as they are written, or
//! an error that repeats no value; and the engine takes the Work and the policy, whatever they ask for.
//!
//! An input has a line for each annotation: `work`, `manifest`, `secret` or `policy`, the name, and the value, with spaces
//! between them. A name without a `/` is one of Muster's.

use std::collections::BTreeMap;

use muster_api::Object;
use muster_engine::event::{Change, DirectoryWatch};
use muster_engine::feedback;
use muster_engine::policy::Policy;
use muster_engine::work::{Options, Work};
use serde_json::{Value, json};

use crate::planted;
use crate::said::message;
use crate::world::{World, object};

/// Most bytes of a message: a condition takes 32,768.
const LONGEST: usize = 4_096;

/// See the module.
#[must_use]
pub fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    if planted::is_in(text) {
        return false;
    }
    let mut all: BTreeMap<&str, serde_json::Map<String, Value>> = BTreeMap::new();
    for line in text.split('\n') {
        let mut words = line.splitn(3, ' ');
        let (Some(place), Some(name), Some(value)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let name =
            if name.contains('/') { name.to_owned() } else { format!("multicluster.coreos.com/{name}") };
        // As a line that goes on: an option may have several.
        all.entry(place).or_default().insert(name, value.replace("\\n", "\n").into());
    }
    let mut on = |place| Value::Object(all.remove(place).unwrap_or_default());
    let manifests = json!([
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "annotations": on("manifest")}, "data": {"a": "b"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": on("secret")}, "data": {}},
    ]);
    let mut work = json!({
        "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work",
        "metadata": {
            "name": "w", "namespace": "x", "uid": "w-uid", "resourceVersion": "7", "generation": 1,
            "annotations": on("work"),
        },
        "spec": {"workload": {"manifests": manifests}},
    });
    let policy = json!({
        "apiVersion": "multicluster.coreos.com/v1", "kind": "ClusterPolicy",
        "metadata": {"name": "p", "uid": "p-uid", "resourceVersion": "7", "annotations": on("policy")},
        "spec": {"selector": {}, "namespaces": [{"name": "web"}]},
    });
    planted::plant(&mut work);
    let (Some(work), Some(policy)) = (object(&work), object(&policy)) else { return false };
    read(&work, &policy);
    let mut world = World::new();
    for (watch, object) in [(DirectoryWatch::Policies, policy), (DirectoryWatch::Works, work)] {
        for change in [Change::ListBegan, Change::Listed(object), Change::ListComplete] {
            world.directory(watch, change);
        }
    }
    world.look();
    true
}

fn read(work: &Object, policy: &Object) {
    match Work::read(work) {
        Ok(work) => {
            read_back(&work.options);
            for slot in &work.manifests {
                match &slot.manifest {
                    Ok(manifest) => read_back(&manifest.options),
                    Err(flaw) => said(&flaw.to_string()),
                }
            }
        }
        Err(error) => said(&error.to_string()),
    }
    if let Err(error) = Policy::read(policy) {
        said(&error.to_string());
    }
}

/// Options read back as they are written, and each of their paths is walked without harm.
fn read_back(options: &Options) {
    assert_eq!(Options::from_map(&options.to_map()).as_ref(), Ok(options), "options read back");
    let live = r#"{"kind":"ConfigMap","status":{"a":[{"b":"c"}],"d":1},"data":{"a":"b"}}"#;
    let values = feedback::read(&options.values(), live);
    assert!(values.len() <= LONGEST, "{} bytes of feedback", values.len());
    assert_eq!(options.ignored().len(), options.ignore.len(), "each path was judged");
}

fn said(text: &str) {
    message(text, LONGEST);
    planted::is_not_told(text);
}
