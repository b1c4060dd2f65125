//! Objects that no server sends.

use super::*;

/// A linear congruential generator (Knuth's MMIX): the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// What is put in the place of other values.
fn odd(number: usize) -> Value {
    let odd: [fn() -> Value; 18] = [
        || Value::Null,
        || json!(true),
        || json!(-1),
        || json!(i64::MIN),
        || json!(i64::MAX),
        || json!(u64::MAX),
        || json!(1.5),
        || json!(1e300),
        || json!(""),
        || json!("True"),
        || json!("\u{0}\u{202e}\u{1f600}\n"),
        || json!("x".repeat(5000)),
        || json!([]),
        || json!({}),
        || json!([[], {}, null, "Ready"]),
        || json!({"type": "Ready"}),
        || json!([{"type": "Ready", "status": {}}, {"type": 7}, {"type": "Stalled", "status": "True", "message": []}]),
        || (0..120).fold(json!(0), |inner, _| Value::Array(vec![inner])),
    ];
    odd[number % odd.len()]()
}

/// Puts an odd value somewhere in a value.
fn spoil(value: &mut Value, numbers: &mut Numbers) {
    let inner: Vec<&mut Value> = match value {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => Vec::new(),
    };
    let count = inner.len();
    if count == 0 || numbers.below(5) == 0 {
        *value = odd(numbers.below(1000));
    } else if let Some(inner) = inner.into_iter().nth(numbers.below(count)) {
        spoil(inner, numbers);
    }
}

fn check_bounds(found: &Readiness) {
    if let Readiness::InProgress { reason, message } | Readiness::Failed { reason, message } = found {
        assert!(message.len() <= 256, "{message}");
        assert!(!message.chars().any(char::is_control), "{message:?}");
        assert!(!reason.is_empty() && reason.len() <= 64);
    }
}

#[test]
fn no_object_however_spoilt_makes_a_rule_panic() {
    let mut numbers = Numbers(7);
    for (group, kind) in samples::KINDS {
        for _ in 0..200 {
            let mut object = sample(group, kind);
            for _ in 0..=numbers.below(4) {
                spoil(&mut object, &mut numbers);
            }
            check_bounds(&readiness(group, kind, &object.to_string()));
        }
    }
}

#[test]
fn no_text_however_broken_makes_a_rule_panic() {
    let mut numbers = Numbers(11);
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ",",
        ":",
        "null",
        "\"status\":",
        "\\ud800",
        "\u{1f600}",
        "-",
        "1e9",
        "",
    ];
    for (group, kind) in samples::KINDS {
        for _ in 0..200 {
            let mut text = sample(group, kind).to_string();
            for _ in 0..=numbers.below(3) {
                let mut at = numbers.below(text.len());
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                let end = text[at..].chars().next().map_or(at, |letter| at + letter.len_utf8());
                text.replace_range(at..end, pieces[numbers.below(pieces.len())]);
            }
            check_bounds(&readiness(group, kind, &text));
        }
    }
}

#[test]
fn what_is_no_object_is_never_ready() {
    for raw in
        ["", "{", "null", "7", "\"Current\"", "[]", "[{},{},{}]", "{} {}", "\u{feff}{}", "{\"status\":{}"]
    {
        for (group, kind) in [("apps", "Deployment"), ("", "ConfigMap"), ("example.com", "Database")] {
            assert_eq!(short(&readiness(group, kind, raw)), "InProgress Unreadable", "{kind}: {raw}");
        }
    }
}

#[test]
fn a_field_of_another_type_is_as_one_that_is_absent() {
    for (pointer, value, expected) in [
        ("/status/readyReplicas", json!("3"), "InProgress LessReady"),
        ("/status/readyReplicas", json!(3.0), "InProgress LessReady"),
        ("/status/readyReplicas", json!([3]), "InProgress LessReady"),
        ("/spec/replicas", json!({}), "InProgress ExtraPods"),
        ("/spec", json!([]), "InProgress ExtraPods"),
        ("/status", json!("Ready"), "InProgress LessReplicas"),
        (
            "/status/conditions",
            json!({"type": "Available", "status": "True"}),
            "InProgress ReplicaSetNotAvailable",
        ),
        ("/status/conditions/0", json!(["Available", "True"]), "InProgress DeploymentNotAvailable"),
        ("/metadata/generation", json!("5"), "Current"),
        ("/metadata", json!(["2026-01-01T00:00:00Z"]), "Current"),
        ("/metadata/deletionTimestamp", json!(7), "Current"),
    ] {
        let found =
            readiness("apps", "Deployment", &edited("apps", "Deployment", &[(pointer, value.clone())]));
        assert_eq!(short(&found), expected, "{pointer}: {value}");
    }
}

#[test]
fn the_largest_and_smallest_numbers_are_counted_with() {
    for (wanted, there) in [(i64::MAX, i64::MIN), (i64::MIN, i64::MAX), (i64::MIN, i64::MIN)] {
        let edits = [
            ("/spec/replicas", json!(wanted)),
            ("/status/replicas", json!(there)),
            ("/status/readyReplicas", json!(there)),
        ];
        for kind in ["Deployment", "ReplicaSet"] {
            check_bounds(&readiness("apps", kind, &edited("apps", kind, &edits)));
        }
        let mut edits = edits.to_vec();
        edits.push(("/spec/updateStrategy/rollingUpdate/partition", json!(i64::MAX)));
        check_bounds(&readiness("apps", "StatefulSet", &edited("apps", "StatefulSet", &edits)));
    }
}

#[test]
fn depth_and_length_are_no_danger() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for raw in [
        format!(r#"{{"spec":{deep},"status":{{"conditions":{deep}}}}}"#),
        format!(r#"{{"status":{{"conditions":[{}{{}}]}}}}"#, "{},".repeat(50_000)),
        format!(
            r#"{{"status":{{"conditions":[{{"type":"Ready","status":"False","message":"{}"}}]}}}}"#,
            "\\n".repeat(50_000)
        ),
    ] {
        for (group, kind) in [("apps", "Deployment"), ("", "Pod"), ("example.com", "Database")] {
            check_bounds(&readiness(group, kind, &raw));
        }
    }
}
