use muster_api::resource::{CONFIG_MAPS, SECRETS};
use serde_json::json;

use super::*;

fn key(byte: u8) -> Key {
    Key::new([byte; 32])
}

fn secret(data: &Value) -> Item {
    let target = Target { resource: SECRETS, namespace: Some("web".into()), name: "login".into() };
    Item::new(target).with("data", data.clone()).with("type", "Opaque".into())
}

#[test]
fn what_is_sealed_has_no_value_and_opens_to_what_it_was() {
    let item = secret(&json!({"user": "YWRtaW4=", "password": "Y2FuYXJ5", "again": "Y2FuYXJ5", "none": ""}));
    let (sealed, values) = seal(&item, &key(1));
    let text = sealed.manifest().to_string();
    for value in ["YWRtaW4=", "Y2FuYXJ5", "canary"] {
        assert!(!text.contains(value), "{text}");
        assert!(!format!("{sealed:?} {values:?} {item:?} {:?}", key(1)).contains(value));
    }
    assert_eq!(values.digests().count(), 3, "the same value is kept once");
    assert_eq!(open(&sealed, &values), Some(item.clone()));
    assert_eq!(seal(&item, &key(1)).0.digest(), sealed.digest(), "the same key gives the same digest");
    assert_ne!(seal(&item, &key(2)).0.digest(), sealed.digest());
    let mut references = references(&sealed);
    references.sort();
    references.dedup();
    assert!(references.iter().eq(values.digests()));
    assert_eq!(sealed.content.field("type"), Some(r#""Opaque""#));
}

#[test]
fn nothing_opens_where_a_value_is_missing_or_no_reference_is_there() {
    let item = secret(&json!({"a": "YQ==", "b": "Yg=="}));
    let (sealed, values) = seal(&item, &key(1));
    let one = values.digests().next().unwrap().clone();
    assert_eq!(open(&sealed, &values.pick(|digest| digest != &*one)), None);
    assert_eq!(open(&item, &values), None, "a value in the place of a reference is not what was recorded");
}

#[test]
fn only_secrets_with_data_are_sealed() {
    let target = Target { resource: CONFIG_MAPS, namespace: Some("web".into()), name: "login".into() };
    let map = Item::new(target).with("data", json!({"a": "b"}));
    for item in [map, secret(&json!({}))] {
        let (sealed, values) = seal(&item, &key(1));
        assert_eq!((&sealed, values.is_empty(), has_any(&item)), (&item, true, false));
        assert_eq!(open(&item, &values), Some(item));
    }
}

#[test]
fn a_vault_reads_back_and_what_was_altered_in_it_counts_for_nothing() {
    let values = seal(&secret(&json!({"a": "YQ==", "b": "Yg=="})), &key(1)).1;
    let vault = Vault { key: key(1), values: values.clone(), there: true };
    let data = || -> BTreeMap<String, String> {
        vault.data().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    assert_eq!(Vault::read(data()), Some(vault.clone()));
    let mut altered = data();
    let first = values.digests().next().unwrap();
    altered.insert(first.to_string(), "eA==".into());
    altered.insert("more".into(), "eA==".into());
    let read = Vault::read(altered).unwrap();
    assert!(read.values.digests().eq(values.digests().skip(1)));
    for bad in ["", "AAAA", "not base64"] {
        let mut data = data();
        data.insert("key".into(), bad.into());
        assert_eq!(Vault::read(data), None, "{bad}");
    }
    let mut other = data();
    other.insert("key".into(), BASE64_STANDARD.encode([2; 32]));
    assert!(Vault::read(other).unwrap().values.is_empty(), "another key fits to no value");
}

#[test]
fn a_vault_keeps_what_is_asked_for_and_only_what_is_new_where_both_do_not_fit() {
    let large = |letter: &str| seal(&secret(&json!({"a": letter.repeat(800_000)})), &key(1)).1;
    let vault = |values: &Values| Vault { key: key(1), values: values.clone(), there: true };
    let all = |values: &Values| values.digests().cloned().collect::<BTreeSet<_>>();
    let (old, new) = (large("A"), large("B"));
    assert!(old.bytes() < MOST_BYTES);
    assert_eq!(vault(&old).with(&key(1), &all(&old), &new), vault(&new));
    let (old, new) =
        (seal(&secret(&json!({"a": "YQ=="})), &key(1)).1, seal(&secret(&json!({"a": "Yg=="})), &key(1)).1);
    let both = vault(&old).with(&key(1), &all(&old), &new);
    assert_eq!(all(&both.values), all(&old).union(&all(&new)).cloned().collect());
    assert_eq!(both.with(&key(1), &all(&new), &Values::default()), vault(&new), "what is stale goes");
    assert_eq!(vault(&old).with(&key(2), &all(&old), &Values::default()).values, Values::default());
}
