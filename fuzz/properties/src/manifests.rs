//! Any manifests, in any Work: what is read is an error, a flaw, or an object that reads back as it was written. Nothing
//! panics, and no message carries control characters to a terminal or is longer than a condition takes.

use muster_api::{Object, Resource, Scope};
use muster_engine::item::Item;
use muster_engine::work::order::{ItemRef, defined, duplicates, needs};
use muster_engine::work::{Gvk, Options, Work};
use serde_json::value::RawValue;

use crate::said;

/// Most bytes of a message: a condition takes 32,768.
const LONGEST: usize = 4_096;

/// See the module.
#[must_use]
pub fn holds(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    // A whole Work, or the list of its manifests.
    let text = if text.starts_with('[') {
        format!(
            r#"{{"metadata":{{"name":"w","namespace":"n","uid":"u","resourceVersion":"1","generation":1}},"spec":{{"workload":{{"manifests":{text}}}}}}}"#
        )
    } else {
        text.to_owned()
    };
    let Ok(raw) = RawValue::from_string(text) else { return true };
    let Ok(object) = Object::parse(raw) else { return true };
    match Work::read(&object) {
        Ok(work) => all(&work),
        Err(error) => message(&error.to_string()),
    }
    true
}

fn all(work: &Work) {
    let mut items = Vec::new();
    for slot in &work.manifests {
        let manifest = match &slot.manifest {
            Ok(manifest) => manifest,
            Err(flaw) => {
                message(&flaw.to_string());
                continue;
            }
        };
        let _ = defined(manifest.into());
        let options = Options::from_map(&manifest.options.to_map());
        assert_eq!(options.as_ref(), Ok(manifest.options.as_ref()), "options read back");
        for scope in [Scope::Cluster, Scope::Namespaced] {
            let Gvk { group, version, kind } = manifest.gvk.clone();
            let (group, version, kind) = (group.into(), version.into(), kind.into());
            let resource = Resource { group, version, kind, plural: "things".into(), scope };
            let item = manifest.resolve(&resource).expect("the kind is its own");
            let again = Item::read(resource, &item.manifest()).expect("what is written can be read");
            assert_eq!(again, item, "an object reads back");
            assert_eq!(again.digest(), item.digest(), "and has its digest");
            items.push(item);
        }
    }
    let refs: Vec<ItemRef<'_>> = items.iter().map(Into::into).collect();
    assert_eq!(needs(&refs).len(), refs.len());
    let found = duplicates(refs.iter().map(|item| (0, *item)));
    found.into_iter().flatten().for_each(|flaw| message(&flaw.to_string()));
}

fn message(text: &str) {
    said::message(text, LONGEST);
}
