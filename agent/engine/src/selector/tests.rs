use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Each selector against `env=prod, tier=db, nodes=5, empty=`.
#[test]
fn requirements_hold_as_kubernetes_has_them() {
    let object = labels(&[("env", "prod"), ("tier", "db"), ("nodes", "5"), ("empty", "")]);
    let yes = [
        "",
        "  ",
        "env",
        "env=prod",
        "env==prod",
        " env = prod , tier = db ",
        "env!=dev",
        "absent!=dev",
        "!absent",
        "env in (prod,dev)",
        "env\tin\n( dev , prod )",
        "env notin (dev)",
        "absent notin (dev)",
        "empty=",
        "empty=,env=prod",
        "empty in (a,)",
        "empty in (,a)",
        "empty in (a,,b)",
        "empty in (,)",
        "absent!=",
        "nodes>4",
        "nodes<6,nodes>4",
        "nodes > 0",
    ];
    for text in yes {
        assert!(Selector::parse(text).unwrap().matches(&object), "{text:?} must select");
    }
    let no = [
        "absent",
        "env=dev",
        "env=",
        "!env",
        "env in (dev)",
        "absent in (a,)",
        "env notin (prod,dev)",
        "env=prod,tier=web",
        "env!=prod",
        "empty!=",
        "nodes>5",
        "nodes<5",
        "env>1",
        "absent>1",
        "absent<1",
    ];
    for text in no {
        assert!(!Selector::parse(text).unwrap().matches(&object), "{text:?} must not select");
    }
}

#[test]
fn keys_and_values_may_be_named_as_operators() {
    let selector = Selector::parse("in in (in,notin),notin=in,!exists").unwrap();
    assert!(selector.matches(&labels(&[("in", "notin"), ("notin", "in")])));
    assert!(!selector.matches(&labels(&[("in", "x"), ("notin", "in")])));
}

#[test]
fn the_canonical_text_is_sorted_and_reads_back_the_same() {
    let cases = [
        ("", ""),
        ("b==1,a", "a,b=1"),
        ("z notin ( y,x ), !q ,a in(c,b,c)", "a in (b,c),!q,z notin (x,y)"),
        ("example.com/a!=1", "example.com/a!=1"),
        ("n>3,m<04", "m<4,n>3"),
        ("a in (b,)", "a in (,b)"),
        ("a in (,)", "a in (,)"),
        ("a=", "a="),
    ];
    for (text, canonical) in cases {
        let selector = Selector::parse(text).unwrap();
        assert_eq!(selector.to_string(), canonical, "of {text:?}");
        assert_eq!(canonical.parse::<Selector>().unwrap(), selector, "of {text:?}");
    }
}

#[test]
fn what_is_no_selector_is_refused_with_what_would_be_right() {
    let long = "x".repeat(64);
    let cases = [
        (",", "expected a label key but found \",\""),
        ("a,", "expected a label key but found the end"),
        ("a,,b", "expected a label key but found \",\""),
        ("!", "expected a label key but found the end"),
        ("!!a", "expected a label key but found \"!\""),
        ("!a=b", "expected ',' or the end but found \"=\""),
        ("a b", "expected '=', '==', '!=', '>', '<', 'in' or 'notin' but found \"b\""),
        ("a=b c", "expected ',' or the end but found \"c\""),
        ("a===b", "expected a label value but found \"=\""),
        ("a=(b)", "expected a label value but found \"(\""),
        ("a in b", "expected '(' but found \"b\""),
        ("a in", "expected '(' but found the end"),
        ("a in ()", "expected at least one label value but found \")\""),
        ("a in (b", "expected ',' or ')' but found the end"),
        ("a in (b c)", "expected ',' or ')' but found \"c\""),
        ("a in (=)", "expected a label value, ',' or ')' but found \"=\""),
        ("a)", "but found \")\""),
        ("a>b", "\"b\" is not a whole number"),
        ("a>-1", "\"-1\" is not a label value"),
        ("a>", "\"\" is not a whole number"),
        ("-a=b", "\"-a\" is not a label key"),
        ("/a", "\"/a\" is not a label key"),
        ("p/", "\"p/\" is not a label key"),
        ("P/a", "\"P/a\" is not a label key"),
        ("p..q/a", "is not a label key"),
        ("p/q/a", "is not a label key"),
        ("ü=1", "\"ü\" is not a label key"),
        ("a=b_", "\"b_\" is not a label value"),
        ("a in (b,-)", "\"-\" is not a label value"),
        (&format!("{long}=1"), "is not a label key"),
        (&format!("a={long}"), "is not a label value"),
        (&format!("{}/a", "x".repeat(254)), "is not a label key"),
    ];
    for (text, message) in cases {
        let error = Selector::parse(text).unwrap_err().to_string();
        assert!(error.contains(message), "{text:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{text:?}: {error}");
    }
}
