//! Paths and queries. Names come from servers and people: whatever could mean something else in a URL is refused or
//! encoded.

use muster_api::resource::{Resource, Scope};

/// Appends `text` percent-encoded, so that it is one segment of a path or one value of a query.
fn encode(text: &str, url: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push('%');
            for digit in [byte >> 4, byte & 15] {
                url.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
}

/// A name as the API allows it in a path: any but the empty one, `.`, `..`, and those with `/` or `%`.
fn segment(name: &str) -> Result<String, &'static str> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) || name.len() > 253 {
        return Err("the name can stand in no URL");
    }
    let mut encoded = String::with_capacity(name.len());
    encode(name, &mut encoded);
    Ok(encoded)
}

/// A DNS name: what groups, versions, plurals and namespaces are.
fn dns(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
        && text.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

/// The path of a collection, or of one object and one of its subresources.
pub(super) fn path(
    resource: &Resource,
    namespace: Option<&str>,
    name: Option<&str>,
    subresource: Option<&str>,
) -> Result<String, &'static str> {
    if !(resource.group.is_empty() || dns(&resource.group))
        || !dns(&resource.version)
        || !dns(&resource.plural)
    {
        return Err("the resource can stand in no URL");
    }
    if namespace.is_some_and(|namespace| !dns(namespace) || namespace.contains('.')) {
        return Err("the namespace can stand in no URL");
    }
    if name.is_some() && resource.scope == Scope::Namespaced && namespace.is_none() {
        return Err("the kind is namespaced, and no namespace is given");
    }
    let mut path = resource.path(namespace, name.map(segment).transpose()?.as_deref());
    if let Some(subresource) = subresource {
        path.push('/');
        path.push_str(&segment(subresource)?);
    }
    Ok(path)
}

/// The path of a version of a group.
pub(super) fn version(group: &str, version: &str) -> Result<String, &'static str> {
    if !(group.is_empty() || dns(group)) || !dns(version) {
        return Err("the group and version can stand in no URL");
    }
    Ok(if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") })
}

/// Appends a query of the pairs that have a value.
pub(super) fn query(path: &mut String, pairs: &[(&str, Option<&str>)]) {
    let mut mark = '?';
    for (key, value) in pairs {
        if let Some(value) = value {
            path.push(mark);
            path.push_str(key);
            path.push('=');
            encode(value, path);
            mark = '&';
        }
    }
}

#[cfg(test)]
mod tests {
    use muster_api::resource::{CLUSTERS, LEASES};

    use super::*;

    #[test]
    fn what_could_leave_its_place_in_a_url_is_refused_or_encoded() {
        for name in ["", ".", "..", "a/b", "a%2fb", &"x".repeat(254)] {
            assert!(path(&CLUSTERS, None, Some(name), None).is_err(), "{name:?}");
        }
        let odd = path(&CLUSTERS, None, Some("system:node?x=1#y z"), None).unwrap();
        assert!(odd.ends_with("/clusters/system%3Anode%3Fx%3D1%23y%20z"), "{odd}");
        for namespace in ["", "a/b", "..", "a.b", "A", "-a", "a?b"] {
            assert!(path(&LEASES, Some(namespace), Some("n"), None).is_err(), "{namespace:?}");
        }
        assert!(path(&LEASES, None, Some("n"), None).is_err(), "a namespaced object without a namespace");
        assert!(path(&LEASES, None, None, None).is_ok(), "a list across namespaces");
        let hostile = Resource { plural: "x/../../secrets".into(), ..CLUSTERS };
        assert!(path(&hostile, None, None, None).is_err());
    }

    #[test]
    fn queries_hold_only_what_is_given_and_encode_it() {
        let mut url = "/p".to_owned();
        query(&mut url, &[("a", None), ("b", Some("x=y,z")), ("c", Some("&"))]);
        assert_eq!(url, "/p?b=x%3Dy%2Cz&c=%26");
    }
}
