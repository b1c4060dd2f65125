use serde_json::json;

use super::*;

const DEPLOYMENT: &str = r#"{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:args":{},"f:image":{},"f:name":{}},"k:{\"name\":\"side\"}":{".":{},"f:image":{},"f:name":{}}}}}}}"#;
const SERVICE: &str = r#"{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:nodePort":{},"f:port":{}},"k:{\"port\":81,\"protocol\":\"TCP\"}":{".":{},"f:name":{},"f:nodePort":{},"f:port":{}}}}}"#;

fn path(text: &str) -> Path {
    Path::parse(text).unwrap()
}

fn without(text: &str, paths: &[&str]) -> Option<String> {
    let paths: Vec<Path> = paths.iter().map(|text| path(text)).collect();
    digest(text, &paths)
}

/// Whether what lies at or below a path does not count in the digest of a set.
fn is_cut(set: &str, path: &Path) -> bool {
    let nothing = Path::parse("no.such.field").unwrap();
    digest(set, std::slice::from_ref(path)) != digest(set, &[nothing])
}

#[test]
fn without_paths_it_is_the_digest_of_the_text() {
    for text in [DEPLOYMENT, "{}", r#" {"f:b":{},"f:a":{}}"#] {
        assert_eq!(digest(text, &[]), Some(short_digest(text.as_bytes())));
    }
}

#[test]
fn who_takes_an_ignored_field_does_not_change_the_digest() {
    let cases = [
        ("spec.replicas", r#""f:replicas":{},"#),
        ("metadata.labels.app", r#""f:metadata":{"f:labels":{"f:app":{}}},"#),
        ("spec.template.spec.containers[name=app].image", r#""f:args":{},"f:image":{},"#),
        (
            "spec.template.spec.containers[name=app]",
            r#""k:{\"name\":\"app\"}":{".":{},"f:args":{},"f:image":{},"f:name":{}},"#,
        ),
    ];
    for (ignored, taken) in cases {
        let args = if taken.contains("f:args") { r#""f:args":{},"# } else { "" };
        let kept = if ignored.ends_with("image") { args } else { "" };
        let shrunk = DEPLOYMENT.replacen(taken, kept, 1);
        assert_ne!(shrunk, DEPLOYMENT, "{taken}");
        assert_eq!(without(&shrunk, &[ignored]), without(DEPLOYMENT, &[ignored]), "{ignored}");
        assert_ne!(without(&shrunk, &["spec.other"]), without(DEPLOYMENT, &["spec.other"]), "{ignored}");
    }
}

#[test]
fn who_takes_another_field_changes_it() {
    let shrunk = DEPLOYMENT.replace(r#""f:selector":{},"#, "");
    assert_ne!(without(&shrunk, &["spec.replicas"]), without(DEPLOYMENT, &["spec.replicas"]));
    // Of the other container, which the path does not name.
    let shrunk = DEPLOYMENT.replace(r#"\"side\"}":{".":{},"f:image":{},"#, r#"\"side\"}":{".":{},"#);
    let image = ["spec.template.spec.containers[name=app].image"];
    assert_ne!(without(&shrunk, &image), without(DEPLOYMENT, &image));
    // A whole that the path only leads into.
    let shrunk = DEPLOYMENT.replace(r#""f:args":{},"#, "");
    let argument = ["spec.template.spec.containers[name=app].args[0]"];
    assert_ne!(without(&shrunk, &argument), without(DEPLOYMENT, &argument));
}

#[test]
fn what_held_only_ignored_fields_goes_with_them_and_an_element_stays() {
    let text = r#"{"f:a":{"f:b":{"f:c":{}}},"f:list":{"k:{\"name\":\"x\"}":{".":{},"f:y":{}}}}"#;
    assert_eq!(
        without(text, &["a.b.c"]),
        without(&text.replace(r#""f:a":{"f:b":{"f:c":{}}},"#, ""), &["a.b.c"])
    );
    let left = r#"{"f:a":{"f:b":{"f:c":{}}},"f:list":{"k:{\"name\":\"x\"}":{}}}"#;
    assert_eq!(without(text, &["list[name=x].y"]), without(left, &["list[name=x].y"]));
    assert_ne!(without(text, &["list[name=x].y"]), without(text, &["list"]));
    // An empty object that was asked for as such is in the set itself.
    assert_ne!(without(r#"{"f:a":{}}"#, &["a.b"]), without("{}", &["a.b"]));
}

#[test]
fn the_order_of_the_text_does_not_count_under_paths() {
    assert_eq!(without(r#"{"f:b":{},"f:a":{}}"#, &["c"]), without(r#"{"f:a":{}, "f:b":{}}"#, &["c"]));
}

#[test]
fn what_lies_at_or_below_a_path_is_cut_and_a_whole_is_not() {
    let cases = [
        ("spec.replicas", true),
        ("spec", true),
        ("spec.template", true),
        ("spec.paused", false),
        ("status", false),
        ("spec.template.spec.containers[name=app].image", true),
        ("spec.template.spec.containers[name=app]", true),
        ("spec.template.spec.containers[name=app].command", false),
        ("spec.template.spec.containers[name=other]", false),
        ("spec.template.spec.containers[name=app].args[0]", false),
        ("spec.selector.matchLabels.app", false),
        ("spec.template.spec.containers[=app]", false),
        ("spec.template.spec.containers.app", false),
    ];
    for (text, cut) in cases {
        assert_eq!(is_cut(DEPLOYMENT, &path(text)), cut, "{text}");
    }
    assert!(
        !is_cut(r#"{"f:list":{"k:{\"name\":\"x\"}":{}}}"#, &path("list[name=x].y")),
        "only the element is owned"
    );
}

#[test]
fn keys_that_the_set_does_not_have_are_found_by_the_manifest() {
    // The protocol is left out, as it mostly is.
    let manifest = json!({"spec": {"ports": [{"name": "http", "port": 80}, {"name": "https", "port": 81}]}});
    let taken = SERVICE.replacen(r#""f:nodePort":{},"#, "", 1);
    for text in [
        "spec.ports[name=http].nodePort",
        "spec.ports[0].nodePort",
        "spec.ports[port=80,protocol=TCP].nodePort",
    ] {
        let located = path(text).locate(&manifest);
        assert!(is_cut(SERVICE, &located), "{text}");
        assert!(!is_cut(&taken, &located), "{text}: the other port's is none of this");
        assert_eq!(digest(&taken, std::slice::from_ref(&located)), digest(SERVICE, &[located]), "{text}");
    }
    let other = path("spec.ports[1].nodePort").locate(&manifest);
    assert_ne!(digest(&taken, std::slice::from_ref(&other)), digest(SERVICE, &[other]));
    // Without the manifest it could be either.
    assert!(
        is_cut(&taken, &path("spec.ports[name=http].nodePort"))
            && is_cut(&taken, &path("spec.ports[0].nodePort"))
    );
    assert!(!is_cut(&taken, &path("spec.ports[port=80].nodePort")));
}

#[test]
fn a_default_counts_and_what_several_elements_fit_is_each_of_them() {
    let manifest = json!({"spec": {"ports": [{"port": 53}, {"port": 53, "protocol": "UDP"}, {"port": 54}]}});
    let udp = r#"{"f:spec":{"f:ports":{"k:{\"port\":53,\"protocol\":\"UDP\"}":{".":{},"f:nodePort":{}}}}}"#;
    let tcp = udp.replace("UDP", "TCP");
    for (text, set, cut) in [
        ("spec.ports[0].nodePort", udp, false),
        ("spec.ports[0].nodePort", &tcp, true),
        ("spec.ports[1].nodePort", udp, true),
        ("spec.ports[port=53].nodePort", udp, true),
        ("spec.ports[port=53].nodePort", &tcp, true),
        ("spec.ports[protocol=TCP].nodePort", &tcp.replace("53", "54"), true),
    ] {
        assert_eq!(is_cut(set, &path(text).locate(&manifest)), cut, "{text} {set}");
    }
}

#[test]
fn values_and_places_name_elements_too() {
    let text = r#"{"f:metadata":{"f:finalizers":{".":{},"v:\"a/b\"":{}}},"f:list":{"i:3":{"f:x":{}}},"f:n":{"v:5":{}}}"#;
    let manifest = json!({"metadata": {"finalizers": ["c/d", "a/b"]}});
    assert!(
        is_cut(text, &path("metadata.finalizers[='a/b']"))
            && !is_cut(text, &path("metadata.finalizers[='c/d']"))
    );
    assert!(is_cut(text, &path("metadata.finalizers[1]").locate(&manifest)));
    assert!(!is_cut(text, &path("metadata.finalizers[0]").locate(&manifest)));
    assert!(is_cut(text, &path("metadata.finalizers[0]")), "it could be");
    assert!(
        is_cut(text, &path("list[3].x")) && !is_cut(text, &path("list[2].x")) && is_cut(text, &path("n[=5]"))
    );
    assert!(!is_cut(text, &path("metadata.finalizers[name=x]")));
}

#[test]
fn what_is_no_set_owns_nothing() {
    let deep = format!("{}{{}}{}", r#"{"f:a":"#.repeat(200), "}".repeat(200));
    for text in ["", "null", "[]", "5", "\"f:a\"", "{\"f:a\":", deep.as_str()] {
        assert!(!is_cut(text, &path("a")), "{text}");
        assert_eq!(without(text, &["a"]), None, "{text}");
    }
    for odd in [
        r#"{"f:a":5}"#,
        r#"{"f:a":null}"#,
        r#"{"a":{},"x:a":{},":":{},"":{},"k:5":{},"k:{":{},"v:{":{},"i:-1":{}}"#,
    ] {
        assert!(without(odd, &["a.b", "a[0]", "a[name=x]", "a[=x]"]).is_some(), "{odd}");
        assert!(!is_cut(odd, &path("a.b")), "{odd}");
    }
}
