//! What servers say, without the values of objects that they repeat: these may hold what is not for everybody.

/// What a value follows in an error about a field, and what may follow the value: why it is refused. Apimachinery,
/// `field.Error.ErrorBody`: <https://pkg.go.dev/k8s.io/apimachinery/pkg/util/validation/field>. The other kinds of such
/// errors name none.
const BEFORE: [&str; 4] = ["Invalid value: ", "Unsupported value: ", "Duplicate value: ", "Not found: "];

/// What follows is the value that a field of another type was to have (structured-merge-diff).
const TYPED: &str = ", got &";

/// How the refusal of an object begins. After the first line of it, servers show the old and the new object.
const INVALID: &str = " is invalid: ";

/// The same without values. What cannot be told from a value is left out with it.
pub(super) fn without_values(message: &str) -> String {
    let message = message.split_once(TYPED).map_or(message, |(before, _)| before);
    let line = message.find(INVALID).and_then(|at| Some(at + message.get(at..)?.find('\n')?));
    let message = line.and_then(|end| message.get(..end)).unwrap_or(message);
    let (mut kept, mut rest) = (String::new(), message);
    while let Some(start) = BEFORE.iter().filter_map(|words| Some(rest.find(words)? + words.len())).min() {
        let (before, value) = rest.split_at(start);
        kept.push_str(before);
        let Some(after) = after(value) else { return kept };
        rest = after.strip_prefix(": ").unwrap_or(after);
    }
    kept + rest
}

/// What follows a value at the beginning of a text; `None` where that cannot be told.
fn after(text: &str) -> Option<&str> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let is_quoted = text.starts_with('"');
    for (at, letter) in text.char_indices() {
        let rest = text.get(at..)?;
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            _ if depth == 0 && is_end(rest) => return Some(rest),
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.checked_sub(1)?,
            // Outside of quotes and brackets these are no part of a value, but may be one of a text without quotes.
            ' ' | ':' if depth == 0 => return None,
            _ if is_quoted && depth == 0 => return None,
            _ => {}
        }
    }
    (depth == 0 && !quoted).then_some("")
}

/// Whether a value ends here: what is wrong with it follows, another error, or the end of all.
fn is_end(rest: &str) -> bool {
    rest.starts_with(": ") || rest.starts_with(", ") || rest == "]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_of_an_object_is_not_told() {
        for (said, told) in [
            (
                r#"ConfigMap "a" is invalid: data: Invalid value: "s3cret": must be text"#,
                r#"ConfigMap "a" is invalid: data: Invalid value: must be text"#,
            ),
            (
                r#"Service "a" is invalid: spec.type: Unsupported value: "s3cret": supported values: "ClusterIP", "NodePort""#,
                r#"Service "a" is invalid: spec.type: Unsupported value: supported values: "ClusterIP", "NodePort""#,
            ),
            (
                r#"Service "a" is invalid: spec.ports[1]: Duplicate value: {"port":80,"name":"s3cret: x"}"#,
                r#"Service "a" is invalid: spec.ports[1]: Duplicate value: "#,
            ),
            (
                r#"Pod "a" is invalid: spec.containers[0].volumeMounts[0].name: Not found: "s3cret""#,
                r#"Pod "a" is invalid: spec.containers[0].volumeMounts[0].name: Not found: "#,
            ),
            (
                r#"X "a" is invalid: [a: Invalid value: "s3cret, b: \"x\": y": bad, b: Duplicate value: "s3cret", c: Invalid value: 7: too few]"#,
                r#"X "a" is invalid: [a: Invalid value: bad, b: Duplicate value: , c: Invalid value: too few]"#,
            ),
            (
                r#"RoleBinding "a" is invalid: roleRef: Invalid value: rbac.RoleRef{APIGroup:"x", Name:"s3cret: }"}: cannot change roleRef"#,
                r#"RoleBinding "a" is invalid: roleRef: Invalid value: cannot change roleRef"#,
            ),
            (
                r#"failed to create typed patch object (web/a; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:"s3cret"}"#,
                "failed to create typed patch object (web/a; /v1, Kind=ConfigMap): .data.a: expected string",
            ),
            (
                "Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.x`\n  core.PodSpec{\n- \tValue: \"s3cret\"",
                "Pod \"a\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.x`",
            ),
            // A quantity, and an address.
            (
                r#"X "a" is invalid: spec.size: Invalid value: 1Gi: field can not be less"#,
                r#"X "a" is invalid: spec.size: Invalid value: field can not be less"#,
            ),
            // What has no end where it should, and what says by itself that there is one.
            (
                r#"X "a" is invalid: a: Invalid value: s3cret words: s3cret"#,
                r#"X "a" is invalid: a: Invalid value: "#,
            ),
            (r#"a: Invalid value: "s3cret"s3cret: x"#, "a: Invalid value: "),
            (r#"a: Invalid value: "s3cret: x"#, "a: Invalid value: "),
            (r#"a: Invalid value: "s3cret: x\"#, "a: Invalid value: "),
            ("a: Invalid value: {\"a\": s3cret", "a: Invalid value: "),
            ("a: Invalid value: }: s3cret", "a: Invalid value: "),
            ("Invalid value: s3cret", "Invalid value: "),
            (
                "the server could not find the requested resource",
                "the server could not find the requested resource",
            ),
            (
                r#"X "a" is invalid: a: Required value: say it"#,
                r#"X "a" is invalid: a: Required value: say it"#,
            ),
        ] {
            assert_eq!(without_values(said), told);
        }
    }
}
