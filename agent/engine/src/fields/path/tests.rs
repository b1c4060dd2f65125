use super::*;

#[test]
fn each_form_reads_and_is_written_in_one_way() {
    let cases = [
        ("spec.replicas", "spec.replicas"),
        (".spec.replicas", "spec.replicas"),
        ("['spec'][\"replicas\"]", "spec.replicas"),
        ("metadata.annotations['example.com/x']", "metadata.annotations['example.com/x']"),
        ("metadata.labels[\"a'b\"]", r"metadata.labels['a\'b']"),
        (r"data['\\\'\u{7f}']", r"data['\\\'\u{7f}']"),
        ("spec.template.spec.containers[name=app].image", "spec.template.spec.containers[name=app].image"),
        ("spec.ports[protocol=TCP,port=80].nodePort", "spec.ports[port=80,protocol=TCP].nodePort"),
        ("spec.ports['port'='80'].nodePort", "spec.ports[port=80].nodePort"),
        ("spec.x[name='a b'][0]", "spec.x[name='a b'][0]"),
        ("webhooks[00].clientConfig.caBundle", "webhooks[0].clientConfig.caBundle"),
        ("metadata.finalizers[='example.com/x']", "metadata.finalizers[=example.com/x]"),
        ("metadata.finalizers[='']", "metadata.finalizers[='']"),
        ("spec['ä']", "spec['ä']"),
        ("spec.0", "spec.0"),
    ];
    for (text, canonical) in cases {
        let path = Path::parse(text).unwrap();
        assert_eq!(path.to_string(), canonical, "{text}");
        assert_eq!(Path::parse(canonical).unwrap(), path, "{text}");
    }
}

#[test]
fn what_does_not_follow_the_syntax_is_refused_with_its_place() {
    let cases = [
        ("", "at byte 0"),
        (".", "at byte 1"),
        ("..a", "at byte 1"),
        ("a.", "at byte 2"),
        ("a..b", "at byte 2"),
        ("a b", "at byte 1"),
        ("/spec/replicas", "at byte 0"),
        ("$.spec", "at byte 0"),
        ("{.spec}", "at byte 0"),
        ("a[", "at byte 2"),
        ("a[]", "at byte 2"),
        ("a[*]", "at byte 2"),
        ("a[name]", "at byte 6"),
        ("a[-1]", "at byte 4"),
        ("a[99999999999999999999999]", "at byte 25"),
        ("a['x", "at byte 2"),
        ("a['x'", "at byte 5"),
        ("a[name=]", "at byte 7"),
        ("a[name=x,]", "at byte 9"),
        ("a[name=x,y]", "at byte 10"),
        ("a[x=1,x=2]", "twice"),
        ("a[?(@.name=='x')]", "at byte 2"),
        ("a['b']c", "at byte 6"),
        ("a[0]b", "at byte 4"),
        (r"a['\n']", "at byte 2"),
        (r"a['\u{110000}']", "at byte 2"),
        (r"a['\u41']", "at byte 2"),
        (r"a['\", "at byte 2"),
        ("[0].a", "an element"),
        ("[=x]", "an element"),
        ("a[=]", "at byte 3"),
        ("a[1=x,2=x,3=x,4=x,5=x,6=x,7=x,8=x,9=x]", "too many"),
        ("ä", "at byte 0"),
        ("a.b\n", "at byte 3"),
    ];
    for (text, place) in cases {
        let Err(error @ PathError::Malformed { .. }) = Path::parse(text) else { panic!("{text} was read") };
        assert!(error.to_string().contains(place), "{text}: {error}");
        assert!(!error.to_string().contains('\n'), "{text}: {error}");
    }
}

#[test]
fn length_and_steps_are_bounded() {
    assert!(Path::parse(&format!("a.{}", "x".repeat(LONGEST_PATH - 2))).is_ok());
    let error = Path::parse(&format!("a.{}", "x".repeat(LONGEST_PATH - 1))).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
    assert!(Path::parse(&vec!["a"; MOST_STEPS].join(".")).is_ok());
    assert!(Path::parse(&vec!["a"; MOST_STEPS + 1].join(".")).is_err());
    assert!(Path::parse(&format!("a{}", "[".repeat(1000))).is_err());
}

#[test]
fn what_makes_the_object_and_marks_it_stays_with_muster() {
    for text in [
        "apiVersion",
        "kind",
        "kind.x",
        "metadata",
        "metadata.name",
        "metadata['name']",
        "metadata.namespace",
        "metadata.labels",
        "metadata.labels['applyset.kubernetes.io/part-of']",
        "metadata.annotations",
        "metadata.annotations['multicluster.coreos.com/made-for']",
    ] {
        assert!(matches!(Path::parse(text), Err(PathError::Reserved { .. })), "{text}");
    }
    for text in [
        "metadata.labels.app",
        "metadata.annotations['a/b']",
        "metadata.finalizers",
        "spec.metadata.name",
        "spec",
    ] {
        assert!(Path::parse(text).is_ok(), "{text}");
    }
    let error = Path::parse("metadata.labels").unwrap_err();
    assert!(error.to_string().contains("metadata.labels['applyset.kubernetes.io/part-of']"), "{error}");
}

#[test]
fn what_was_seen_of_a_manifest_is_not_shown() {
    let manifest = serde_json::json!({"list": [{"name": "a", "token": "hunter2"}]});
    let path = Path::parse("list[0].x").unwrap().locate(&manifest);
    assert!(!format!("{path:?} {path}").contains("hunter2"));
    assert_ne!(path, Path::parse("list[0].x").unwrap());
}
