//! What no policy may ask for. Each message names the policy, the field, and what to do.

use super::*;

#[test]
fn a_selector_must_be_there_and_mean_one_thing() {
    let cases = [
        (json!({}), "spec.selector: is missing or null: give labels, or {} for every cluster"),
        (json!({"selector": null}), "spec.selector: is missing or null"),
        (json!({"selector": {"matchLabels": null}}), "spec.selector.matchLabels: is missing or null"),
        (
            json!({"selector": {"matchExpressions": null}}),
            "spec.selector.matchExpressions: is missing or null",
        ),
        (json!({"selector": {"matchLabels": {}, "cloud": "aws"}}), "stands beside matchLabels"),
        (json!({"selector": {"directory": true}}), "put it in quotes"),
        (json!({"selector": {"cloud": null}}), "put it in quotes"),
        (json!({"selector": "cloud=aws"}), "spec.selector: "),
        (json!({"selector": []}), "spec.selector: "),
        (json!({"selector": {"matchLabels": "aws"}}), "spec.selector: "),
        (json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Above"}]}}), "spec.selector: "),
    ];
    for (spec, message) in cases {
        let error = Policy::read(&object(&spec)).expect_err(&spec.to_string());
        assert!(matches!(error, PolicyError::Selector { .. }), "{spec}: {error:?}");
        let error = error.to_string();
        assert!(error.starts_with("unable to tell which clusters policy web-api selects: "), "{error}");
        assert!(error.contains(message), "{spec}: {error}");
    }
}

#[test]
fn a_spec_of_another_shape_is_refused_part_by_part() {
    let cases = [
        (json!({"authorisation": {}}), "spec: unknown field `authorisation`"),
        (json!({"authorization": {"bindings": []}}), "spec.authorization: unknown field `bindings`"),
        (
            json!({"authorization": {"clusterBindings": [{"users": ["a"]}]}}),
            "spec.authorization: missing field",
        ),
        (json!({"namespaces": {}}), "spec: invalid type: map, expected a sequence"),
        (json!({"namespaces": [{"name": "a"}, {}]}), "spec.namespaces[1]: missing field `name`"),
        (json!({"namespaces": [{"name": "a", "quota": {}}]}), "spec.namespaces[0]: unknown field `quota`"),
        (json!({"namespaces": [{"name": "a", "labels": {"b": 1}}]}), "spec.namespaces[0]: invalid type"),
        (
            json!({"namespaces": [{"name": "a", "resourceQuota": {"hard": {"cpu": 1.5}}}]}),
            "spec.namespaces[0]: data did not match",
        ),
    ];
    for (spec, message) in cases {
        let error = refusal(&spec);
        assert!(error.starts_with("unable to read policy web-api: "), "{error}");
        assert!(error.contains(message), "{spec}: {error}");
    }
    let error = Policy::read(&parse(&json!({
        "metadata": {"name": "web-api", "uid": "p", "resourceVersion": "7"},
    })));
    assert_eq!(error.unwrap_err().to_string(), "unable to read policy web-api: spec: is missing");
}

#[test]
fn names_keys_and_values_must_be_legal() {
    let namespace = |field: &str, value: Value| json!({"namespaces": [{"name": "a", field: value}]});
    let long = "x".repeat(64);
    let cases = [
        (namespace("name", json!("A")), "spec.namespaces[0].name: \"A\" is no name of a namespace"),
        (namespace("name", json!("")), "spec.namespaces[0].name: \"\" is no name of a namespace"),
        (namespace("name", json!("a.b")), "is no name of a namespace"),
        (namespace("name", json!("../x")), "is no name of a namespace"),
        (namespace("name", json!(long)), "is no name of a namespace"),
        (namespace("labels", json!({"a b": "c"})), "spec.namespaces[0].labels: \"a b\" is no key"),
        (namespace("labels", json!({"a": "b c"})), "labels: \"b c\" is no value of a label"),
        (namespace("labels", json!({"a": long})), "is no value of a label"),
        (namespace("annotations", json!({"/a": "b"})), "spec.namespaces[0].annotations: \"/a\" is no key"),
    ];
    for (spec, message) in cases {
        let error = refusal(&spec);
        assert!(error.contains(message), "{spec}: {error}");
    }
}

#[test]
fn marks_are_not_for_policies_to_set() {
    let keys = [
        "applyset.kubernetes.io/part-of",
        "multicluster.coreos.com/made-for",
        "multicluster.coreos.com/let-go",
        "kubernetes.io/metadata.name",
        "kubectl.kubernetes.io/last-applied-configuration",
    ];
    for field in ["labels", "annotations"] {
        for key in keys {
            let error = refusal(&json!({"namespaces": [{"name": "a", field: {key: "x"}}]}));
            let message = format!("spec.namespaces[0].{field}: {key:?} is not for policies to set");
            assert!(error.contains(&message), "{error}");
        }
    }
    let near = json!({"name": "a", "labels": {"example.multicluster.coreos.com/a": "x", "part-of": "y"}});
    assert_eq!(items(json!({"namespaces": [near]})).len(), 1);
}

#[test]
fn a_namespace_or_a_role_means_one_thing() {
    let error = refusal(&json!({"namespaces": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}));
    assert!(
        error.contains("spec.namespaces[2].name: namespace \"a\" is named twice: merge the two"),
        "{error}"
    );
    let allow = |verb: &str| json!([{"verbs": [verb], "apiGroups": [""], "resources": ["pods"]}]);
    let roles = json!([{"name": "r", "rules": allow("get")}, {"name": "r", "rules": allow("list")}]);
    let error = refusal(&json!({"authorization": {"clusterRoles": roles}}));
    assert!(
        error.contains("spec.authorization.clusterRoles[1].name: role \"r\" is defined twice"),
        "{error}"
    );
    let error = refusal(&json!({"namespaces": [{"name": "a", "authorization": {"roles": roles}}]}));
    assert!(
        error.contains("spec.namespaces[0].authorization.roles[1].name: role \"r\" is defined"),
        "{error}"
    );
}

#[test]
fn a_binding_names_one_role_and_somebody() {
    let field = "spec.namespaces[0].authorization.bindings[0]";
    let cases = [
        (json!({"users": ["a"]}), format!("{field}: the binding must name one role")),
        (
            json!({"users": ["a"], "role": "r", "clusterRole": "r"}),
            format!("{field}: the binding must name one role"),
        ),
        (json!({"role": "r"}), format!("{field}: the binding is for nobody: give users, groups")),
        (json!({"role": "r", "users": [], "groups": []}), format!("{field}: the binding is for nobody")),
        (json!({"role": "r", "users": ["a", ""]}), format!("{field}.users[1]: \"\" is no name of a user")),
        (json!({"role": "r", "groups": ["x".repeat(1025)]}), format!("{field}.groups[0]: \"xxx")),
        (json!({"role": "", "users": ["a"]}), format!("{field}.role: \"\" is no name of a role")),
        (json!({"clusterRole": "..", "users": ["a"]}), format!("{field}.clusterRole: \"..\" is no name")),
        (json!({"role": "a/b", "users": ["a"]}), format!("{field}.role: \"a/b\" is no name of a role")),
        (json!({"role": "a%2f", "users": ["a"]}), format!("{field}.role: \"a%2f\" is no name of a role")),
        (json!({"role": "x".repeat(254), "users": ["a"]}), format!("{field}.role: ")),
    ];
    for (binding, message) in cases {
        let error = refusal(&bindings(&json!([binding])));
        assert!(error.contains(&message), "{binding}: {error}");
    }
    for account in ["deployer", "/deployer", "ci/", "ci/a/b", "CI/deployer", "c.i/deployer", "ci/ "] {
        let error = refusal(&bindings(&json!([{"role": "r", "serviceAccounts": [account]}])));
        let message =
            format!("{field}.serviceAccounts[0]: {account:?} is no service account: write NAMESPACE/NAME");
        assert!(error.contains(&message), "{error}");
    }
    let error = refusal(&json!({"authorization": {"clusterBindings": [{"clusterRole": "view"}]}}));
    assert!(error.contains("spec.authorization.clusterBindings[0]: the binding is for nobody"), "{error}");
}

#[test]
fn a_new_role_has_a_name_for_urls_and_complete_rules() {
    let refused = |name: &str, rule: &Value| {
        refusal(&json!({"authorization": {"clusterRoles": [{"name": name, "rules": [rule]}]}}))
    };
    let fine = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
    for name in ["", "a b", "a?dryRun=All", "a#b", "ä", "..", "a/b"] {
        let error = refused(name, &fine);
        let message = format!("spec.authorization.clusterRoles[0].name: {name:?} is no name for a new role");
        assert!(error.contains(&message), "{error}");
    }
    let rules = [
        json!({"verbs": [], "apiGroups": [""], "resources": ["pods"]}),
        json!({"verbs": ["get"]}),
        json!({"verbs": ["get"], "apiGroups": [""]}),
        json!({"verbs": ["get"], "resources": ["pods"]}),
        json!({"verbs": ["get"], "apiGroups": [""], "resources": []}),
        json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "nonResourceURLs": ["/a"]}),
        json!({"verbs": ["get"], "apiGroups": [""], "nonResourceURLs": ["/a"]}),
        json!({"verbs": ["get"], "resourceNames": ["a"], "nonResourceURLs": ["/a"]}),
    ];
    for rule in rules {
        let error = refused("r", &rule);
        assert!(error.contains("clusterRoles[0].rules[0]: the rule is incomplete: "), "{rule}: {error}");
    }
    let role = json!({"name": "r", "rules": [{"verbs": [], "apiGroups": [""], "resources": ["pods"]}]});
    let error = refusal(&json!({"namespaces": [{"name": "a", "authorization": {"roles": [role]}}]}));
    assert!(error.contains("spec.namespaces[0].authorization.roles[0].rules[0]: the rule"), "{error}");
}

#[test]
fn two_objects_never_get_one_name() {
    // Names that are spelt alike and whose hashes begin alike: found by trying.
    let entries = ["a驱丂", "a阎丂"].map(|role| json!({"clusterRole": role, "users": ["a"]}));
    let object = |entries: &[Value]| {
        parse(&json!({
            "metadata": {"name": "p", "uid": "p", "resourceVersion": "7"},
            "spec": {"selector": {}, "authorization": {"clusterBindings": entries}},
        }))
    };
    for one in &entries {
        assert_eq!(Policy::read(&object(std::slice::from_ref(one))).unwrap().items.len(), 1);
    }
    let error = Policy::read(&object(&entries)).unwrap_err().to_string();
    assert_eq!(
        error,
        "unable to follow policy p: spec: two objects get the name \"p-a-9f4de3eb\": rename a role"
    );
}

#[test]
fn a_policy_that_asks_for_too_much_is_refused_as_a_whole() {
    let namespaces = |count: usize| {
        let names = (0..count).map(|number| json!({"name": format!("n{number}")}));
        object(&json!({"selector": {}, "namespaces": names.collect::<Vec<_>>()}))
    };
    assert_eq!(Policy::read(&namespaces(MOST_ITEMS)).unwrap().items.len(), MOST_ITEMS);
    let error = Policy::read(&namespaces(MOST_ITEMS + 1)).unwrap_err();
    assert_eq!(error, PolicyError::TooLarge { policy: "web-api".to_owned() });
    assert_eq!(
        error.to_string(),
        "unable to follow policy web-api: it asks for more than 5000 objects: split it"
    );
}
