use serde_json::{Value, json};

use super::path::{Scalar, Step};
use super::*;

fn key(key: &str) -> Step {
    Step::Key(key.into())
}

fn object() -> String {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "api-prod", "uid": "u", "generation": 4,
            "labels": {"app": "web", "app.kubernetes.io/name": "shop", "it's": "odd"},
            "annotations": {"note": "two\nlines"},
        },
        "spec": {"replicas": 3, "paused": false, "ratio": 0.25, "template": {"spec": {"hosts": ["a", "b"]}}},
        "status": {
            "readyReplicas": 2, "nothing": null, "empty": "",
            "conditions": [
                {"type": "Available", "status": "True", "observedGeneration": 3, "stale": true},
                {"type": "Ready", "status": "False", "observedGeneration": 4, "message": "two of \"three\""},
                {"type": "Ready", "status": "Unknown"},
                "Ready",
            ],
            "phases": ["a", "b"],
        },
    })
    .to_string()
}

/// What is reported of the object by one path.
fn found(path: &str) -> Value {
    let paths = [("value".into(), parse(path).unwrap())];
    let text = read(&paths, &object());
    let Value::Object(mut values) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
    let value = values.remove("value").unwrap_or_default();
    assert!(values.is_empty(), "{text}");
    value
}

fn named(names: &[(&str, &str)]) -> Vec<(Box<str>, Path)> {
    names.iter().map(|(name, path)| ((*name).into(), parse(path).unwrap())).collect()
}

#[test]
fn a_path_leads_to_one_value() {
    for (path, value) in [
        (".status.readyReplicas", json!(2)),
        ("{.status.readyReplicas}", json!(2)),
        ("{$.status.readyReplicas}", json!(2)),
        ("$.status['readyReplicas']", json!(2)),
        ("['status'][\"readyReplicas\"]", json!(2)),
        (".spec.paused", json!(false)),
        (".spec.ratio", json!(0.25)),
        (".metadata.name", json!("web")),
        (".metadata.generation", json!(4)),
        (".metadata.annotations.note", json!("two\nlines")),
        (".metadata.labels['app.kubernetes.io/name']", json!("shop")),
        (r".metadata.labels.app\.kubernetes\.io/name", json!("shop")),
        (r".metadata.labels['it\'s']", json!("odd")),
        (".metadata.labels[\"it's\"]", json!("odd")),
        ("{.status.conditions[0].type}", json!("Available")),
        (".status.phases[1]", json!("b")),
        (".status.empty", json!("")),
        (".spec.template.spec.hosts", json!(r#"["a","b"]"#)),
        (".spec.template", json!(r#"{"spec":{"hosts":["a","b"]}}"#)),
    ] {
        assert_eq!(found(path), value, "{path}");
    }
}

#[test]
fn a_filter_leads_to_the_first_element_that_matches() {
    for (path, value) in [
        (r#".status.conditions[?(@.type=="Ready")].status"#, json!("False")),
        (r".status.conditions[?(@.type=='Ready')].message", json!("two of \"three\"")),
        (r#".status.conditions[?( @['type'] == "Available" )].status"#, json!("True")),
        (".status.conditions[?(@.observedGeneration==4)].type", json!("Ready")),
        (".status.conditions[?(@.stale==true)].type", json!("Available")),
        (r#".status.phases[?(@=="b")]"#, json!("b")),
        (r#".status.conditions[?(@.type=="Other")].status"#, Value::Null),
        (r#".status.conditions[?(@.observedGeneration=="4")].type"#, Value::Null),
        (".status.conditions[?(@.stale==false)].type", Value::Null),
        // The first match counts, even where the path ends there.
        (r#".status.conditions[?(@.type=="Available")].message"#, Value::Null),
    ] {
        assert_eq!(found(path), value, "{path}");
    }
}

#[test]
fn what_is_absent_or_null_or_of_another_shape_is_left_out() {
    for path in [
        ".status.other",
        ".status.nothing",
        ".status.readyReplicas.of",
        ".status.readyReplicas[0]",
        ".status.conditions.type",
        ".status.conditions[9].type",
        ".status['conditions[0]']",
        ".metadata.labels.none",
    ] {
        assert_eq!(read(&named(&[("value", path)]), &object()), "{}", "{path}");
    }
    let paths = named(&[("a", ".status.a")]);
    for raw in
        ["", "{", "null", "[]", "{\"status\":7}", r#"{"status":{"a":"\ud800"}}"#, r#"{"status":{"a":1}"#]
    {
        assert_eq!(read(&paths, raw), "{}", "{raw}");
    }
    assert_eq!(read(&[], &object()), "{}");
}

#[test]
fn steps_are_read_as_kubectl_reads_them() {
    let path = parse(r#"{.status.conditions[?(@.type=="Ready")].a\.b["c.d"][7]}"#).unwrap();
    let filter = Step::Where([key("type")].into(), Scalar::Text("Ready".into()));
    let steps = [key("status"), key("conditions"), filter, key("a.b"), key("c.d"), Step::Index(7)];
    assert_eq!(*path.0, steps);
}

#[test]
fn a_path_that_is_none_says_where_it_is_wrong() {
    for (path, at) in [
        ("", 0),
        ("status", 0),
        ("{}", 1),
        ("$", 1),
        (".", 1),
        ("..status", 1),
        (".status.", 8),
        (".status..a", 8),
        (".status[*]", 8),
        (".status.*", 8),
        (".status[-1]", 8),
        (".status[0:2]", 9),
        (".status[0", 9),
        (".status['a'", 11),
        (".status['a','b']", 11),
        (".status['a", 10),
        (".status[99999999999999999999999]", 31),
        (".status.a b", 9),
        (".status.a}", 9),
        ("{.status.a", 10),
        ("{.status.a}{.status.b}", 11),
        (r".status.a\", 10),
        (".status[?(@.a)]", 13),
        (".status[?(@.a!=1)]", 13),
        (".status[?(@.a=1)]", 14),
        (".status[?(@.a==b)]", 15),
        (".status[?(@.a==null)]", 15),
        (".status[?(@.a==1 && @.b==2)]", 17),
        (".status[?(@.a[?(@.b==1)]==2)]", 14),
        (".status[?(.a==1)]", 10),
        (".status.a | length", 9),
    ] {
        match parse(path) {
            Err(PathError::Malformed { at: found, .. }) => assert_eq!(found, at, "{path}"),
            other => panic!("{path} reads as {other:?}"),
        }
    }
    let error = parse(".status[*]").unwrap_err().to_string();
    assert_eq!(error, "unable to read the path: at byte 8: wanted a number, a key in quotes, or a filter");
}

#[test]
fn a_path_has_a_bound_of_length_and_of_steps() {
    let of = |length: usize| format!(".status.{}", "a".repeat(length - 8));
    assert!(parse(&of(256)).is_ok());
    assert_eq!(parse(&of(257)), Err(PathError::TooLong));
    let of = |steps: usize| format!(".status{}", ".a".repeat(steps - 1));
    assert!(parse(&of(16)).is_ok());
    assert_eq!(parse(&of(17)), Err(PathError::TooDeep));
}

#[test]
fn only_status_spec_and_a_few_fields_of_the_metadata_may_be_asked_for() {
    for path in [".status", ".spec", "['spec'].a", ".metadata.labels", ".metadata.annotations['a/b']"] {
        assert!(parse(path).is_ok(), "{path}");
    }
    for path in [
        ".data.password",
        ".stringData",
        ".kind",
        ".metadata",
        "['data']",
        "[0]",
        ".metadata.managedFields",
        ".metadata.uid",
        ".metadata[0]",
        ".Status",
        "[?(@.a==1)]",
    ] {
        assert_eq!(parse(path), Err(PathError::OutOfBounds), "{path}");
    }
}

#[test]
fn nothing_of_a_secret_may_be_asked_for() {
    assert!(!allowed("", "Secret") && !allowed("vault.example.com", "Secret"));
    assert!(allowed("", "ConfigMap") && allowed("apps", "Deployment") && allowed("", "Service"));
}

#[test]
fn values_are_sorted_by_name_and_the_first_of_a_name_counts() {
    let paths = named(&[
        ("ready", ".status.readyReplicas"),
        ("asked", ".spec.replicas"),
        ("ready", ".spec.paused"),
        ("\"odd\"\n", ".metadata.name"),
    ]);
    assert_eq!(read(&paths, &object()), r#"{"\"odd\"\n":"web","asked":3,"ready":2}"#);
}

#[test]
fn numbers_stay_as_the_server_writes_them() {
    let number = "123456789012345678901234567890.000000000000000000000000001e-7";
    let raw = format!(r#"{{"status":{{"a":{number}}}}}"#);
    assert_eq!(read(&named(&[("a", ".status.a")]), &raw), format!(r#"{{"a":{number}}}"#));
    let digits = "7".repeat(1000);
    let cut = read(&named(&[("a", ".status.a")]), &format!(r#"{{"status":{{"a":{digits}}}}}"#));
    assert_eq!(cut, format!(r#"{{"a":"{}…"}}"#, "7".repeat(251)));
}

#[test]
fn an_object_is_a_text_without_the_spaces_between_its_parts() {
    let raw = r#"{"status" : {"a" :  [ "b  c\" ] d" , {"e\\" : 1 } ]}}"#;
    let read = read(&named(&[("a", ".status.a")]), raw);
    let value: Value = serde_json::from_str(&read).unwrap();
    assert_eq!(value["a"], json!(r#"["b  c\" ] d",{"e\\":1}]"#));
}

#[test]
fn of_a_field_that_stands_twice_the_last_counts() {
    let raw = r#"{"status":{"a":1},"status":{"a":2,"a":3}}"#;
    assert_eq!(read(&named(&[("a", ".status.a")]), raw), r#"{"a":3}"#);
}

#[test]
fn a_long_value_is_cut_and_says_so() {
    let paths = named(&[("a", ".status.a")]);
    for value in [json!("ä".repeat(4000)), json!(vec!["ä\n"; 4000]), json!("\u{7}".repeat(4000))] {
        let text = read(&paths, &json!({"status": {"a": value}}).to_string());
        assert!(text.len() <= 256 + 6, "{text}");
        let read: Value = serde_json::from_str(&text).unwrap();
        assert!(read["a"].as_str().unwrap().ends_with('…'), "{text}");
    }
}

/// An object with texts of these lengths in fields a, b, c and so on, and what is reported of it.
fn of_lengths(lengths: &[usize]) -> String {
    let name = |index: usize| char::from(b'a' + u8::try_from(index).unwrap()).to_string();
    let fields = lengths.iter().enumerate().map(|(index, length)| (name(index), json!("x".repeat(*length))));
    let status: serde_json::Map<String, Value> = fields.collect();
    let paths: Vec<(Box<str>, Path)> = (0..lengths.len())
        .map(|index| (name(index).into(), parse(&format!(".status.{}", name(index))).unwrap()))
        .collect();
    read(&paths, &json!({"status": status}).to_string())
}

#[test]
fn all_values_together_have_a_bound_and_what_is_left_out_is_counted() {
    // Each entry is 6 bytes longer than its text, and one more for what separates it.
    let fits = of_lengths(&[250, 250, 250, 245]);
    assert!(fits.len() == 1024 && !fits.contains('…'), "{fits}");
    let over = of_lengths(&[250, 250, 250, 246]);
    let read: Value = serde_json::from_str(&over).unwrap();
    assert_eq!(read["…"], json!(1), "{over}");
    assert!(over.len() <= 1024 && read.get("c").is_some() && read.get("d").is_none(), "{over}");
    let filled = of_lengths(&[250, 250, 250, 237, 250]);
    assert!(filled.len() == 1024 && filled.ends_with(r#","…":1}"#), "{filled}");
    let overfilled = of_lengths(&[250, 250, 250, 238, 250]);
    assert!(overfilled.ends_with(r#","…":2}"#), "{overfilled}");
    let small_ones_still_fit = of_lengths(&[250, 250, 250, 250, 1, 250, 1]);
    let read: Value = serde_json::from_str(&small_ones_still_fit).unwrap();
    assert_eq!(read["…"], json!(2));
    assert!(read.get("e").is_some() && read.get("g").is_some() && small_ones_still_fit.len() <= 1024);
}

#[test]
fn a_name_that_is_too_long_is_left_out() {
    let paths = vec![
        ("n".repeat(5000).into(), parse(".spec.replicas").unwrap()),
        ("z".into(), parse(".metadata.name").unwrap()),
    ];
    assert_eq!(read(&paths, &object()), r#"{"z":"web","…":1}"#);
}

#[test]
fn no_path_and_no_object_however_spoilt_makes_reading_panic() {
    let mut number = 3_u64;
    let mut below = |bound: usize| {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(number >> 33).unwrap() % bound
    };
    let pieces = [
        ".",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "\\",
        "?",
        "(",
        ")",
        "@",
        "==",
        "status",
        "spec",
        "7",
        "é",
        "\u{1f600}",
        " ",
        "null",
        ",",
        ":",
        "-",
        "true",
        "\\u00",
    ];
    let whole = named(&[
        ("a", r#".status.conditions[?(@.type=="Ready")].message"#),
        ("b", ".status.conditions[0].type"),
        ("c", ".spec"),
    ]);
    for _ in 0..1500 {
        let text: String = (0..below(12)).map(|_| pieces[below(pieces.len())]).collect();
        let spoilt = format!(".status{text}");
        for path in [&text, &spoilt] {
            if let Ok(path) = parse(path) {
                assert!(read(&[("a".into(), path)], &object()).len() <= 1024);
            }
        }
        let mut raw = object();
        for _ in 0..=below(3) {
            let at = below(raw.len());
            if raw.is_char_boundary(at) && raw.is_char_boundary(at + 1) {
                raw.replace_range(at..=at, pieces[below(pieces.len())]);
            }
        }
        let values = read(&whole, &raw);
        assert!(values.len() <= 1024 && serde_json::from_str::<Value>(&values).is_ok(), "{values}");
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let raw = format!(r#"{{"data":{deep},"status":{{"a":{deep},"b":1}}}}"#);
    let text = read(&named(&[("a", ".status.a"), ("b", ".status.b")]), &raw);
    let values: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(values["b"], json!(1));
    assert!(values["a"].as_str().unwrap().ends_with("[…"));
}
