//! Which options there are, and where.

use super::*;

const PREFIX: &str = "multicluster.coreos.com/";

fn annotations(options: &[(&str, &str)]) -> Value {
    options.iter().map(|(name, value)| (format!("{PREFIX}{name}"), Value::from(*value))).collect()
}

/// A Work with options, and one manifest with options of its own.
fn read(on_work: &[(&str, &str)], on_manifest: &[(&str, &str)]) -> Result<Work, WorkError> {
    let text = config(&json!({"name": "a", "annotations": annotations(on_manifest)}));
    Work::read(&object(&annotations(on_work), &json!({"workload": {"manifests": [text]}})))
}

fn on_work(name: &str, value: &str) -> Result<Options, String> {
    read(&[(name, value)], &[]).map(|work| work.options.as_ref().clone()).map_err(|error| {
        assert_eq!(error.reason(), "InvalidOption");
        error.to_string()
    })
}

fn on_manifest(name: &str, value: &str) -> Result<Options, String> {
    let slot = read(&[], &[(name, value)]).unwrap().manifests.remove(0);
    slot.manifest.map(|manifest| manifest.options.as_ref().clone()).map_err(|flaw| {
        assert_eq!(flaw.reason(), "InvalidOption");
        flaw.to_string()
    })
}

#[test]
fn every_option_is_read_where_it_may_be_and_refused_where_not() {
    let default = Options::default;
    let entry = |name: &str, path: &str| (name.into(), path.into());
    let cases = [
        ("suspend", "true", Options { suspend: true, ..default() }, false),
        ("suspend", "false", default(), false),
        ("plan-only", "true", Options { plan_only: true, ..default() }, false),
        ("service-account", "ci.a", Options { service_account: Some("ci.a".into()), ..default() }, false),
        ("deletion", "delete", default(), true),
        ("deletion", "orphan", Options { deletion: Deletion::Orphan, ..default() }, true),
        ("allow-deletion", "true", Options { allow_deletion: true, ..default() }, true),
        ("apply", "apply", default(), true),
        ("apply", "create", Options { apply: Apply::Create, ..default() }, true),
        ("apply", "replace", Options { apply: Apply::Replace, ..default() }, true),
        ("apply", "observe", Options { apply: Apply::Observe, ..default() }, true),
        ("on-conflict", "report", default(), true),
        ("on-conflict", "adopt", Options { on_conflict: OnConflict::Adopt, ..default() }, true),
        ("on-conflict", "force", Options { on_conflict: OnConflict::Force, ..default() }, true),
        ("on-drift", "correct", default(), true),
        ("on-drift", "report", Options { on_drift: OnDrift::Report, ..default() }, true),
        (
            "ignore",
            " a.b ,,c[0]\n a.b\n",
            Options { ignore: vec!["a.b".into(), "c[0]".into()], ..default() },
            true,
        ),
        (
            "ignore",
            "spec.ports[port=80,protocol=TCP].nodePort, metadata.annotations['a,b\\'c']\nspec.replicas",
            Options {
                ignore: vec![
                    "spec.ports[port=80,protocol=TCP].nodePort".into(),
                    "metadata.annotations['a,b\\'c']".into(),
                    "spec.replicas".into(),
                ],
                ..default()
            },
            true,
        ),
        ("ignore", "", default(), true),
        (
            "feedback",
            "ready = {.status.readyReplicas},{.status.phase}\n{.status.conditions[?(@.type==\"Ready\")].status}",
            Options {
                feedback: vec![
                    entry("ready", "{.status.readyReplicas}"),
                    entry("{.status.phase}", "{.status.phase}"),
                    entry(
                        "{.status.conditions[?(@.type==\"Ready\")].status}",
                        "{.status.conditions[?(@.type==\"Ready\")].status}",
                    ),
                ],
                ..default()
            },
            true,
        ),
    ];
    for (name, value, expected, everywhere) in cases {
        assert_eq!(on_work(name, value), Ok(expected.clone()), "{name}: {value}");
        let own = on_manifest(name, value);
        if everywhere {
            assert_eq!(own, Ok(expected), "{name}: {value}");
        } else {
            let error = format!("option {name} holds for a whole Work: write it there");
            assert_eq!(own, Err(format!("unable to use the manifest: metadata.annotations: {error}")));
        }
    }
}

#[test]
fn an_unknown_option_or_value_is_refused_without_repeating_the_value() {
    let many = vec!["p"; MOST_IGNORED + 1].join(",");
    let values = (0..=MOST_FEEDBACK).map(|n| format!("n{n}=.status.p")).collect::<Vec<_>>().join(",");
    let long = "p".repeat(LONGEST_PATH + 1);
    let cases = [
        ("deletoin", "hunter2", "\"deletoin\" is no option that this agent knows: correct or remove it"),
        ("", "hunter2", "\"\" is no option that this agent knows: correct or remove it"),
        ("deletion", "hunter2", "option deletion has an unknown value: write delete or orphan"),
        ("deletion", "Orphan", "option deletion has an unknown value: write delete or orphan"),
        ("deletion", "", "option deletion has an unknown value: write delete or orphan"),
        ("suspend", "True", "option suspend has an unknown value: write \"true\" or \"false\""),
        ("suspend", "", "option suspend has an unknown value: write \"true\" or \"false\""),
        ("plan-only", "1", "option plan-only has an unknown value: write \"true\" or \"false\""),
        ("allow-deletion", "yes", "option allow-deletion has an unknown value: write \"true\" or \"false\""),
        ("apply", "hunter2", "option apply has an unknown value: write apply, create, replace or observe"),
        ("on-conflict", "hunter2", "option on-conflict has an unknown value: write report, adopt or force"),
        ("on-drift", "hunter2", "option on-drift has an unknown value: write correct or report"),
        (
            "service-account",
            "hunter2/hunter2",
            "option service-account has an unknown value: write the name of a ServiceAccount, without its namespace",
        ),
        ("ignore", &many, "option ignore has more than 64 entries"),
        ("ignore", &long, "entry 1 of option ignore is no field path: it is longer than 1024 bytes"),
        ("ignore", "a,hun\tter2", "entry 2 of option ignore is no field path: it has control characters"),
        ("feedback", &values, "option feedback has more than 16 entries"),
        (
            "ignore",
            "spec.a\nspec[hunter2,spec.b",
            "entry 2 of option ignore is no field path: at byte 12, a quoted name, a place such as 0, or keys such as name=app are wanted",
        ),
        (
            "ignore",
            "metadata.labels",
            "entry 1 of option ignore is no field path: metadata.labels['applyset.kubernetes.io/part-of'] cannot be left to others",
        ),
        ("feedback", "a=.status.p,hunter2=", "entry 2 of option feedback is no field path: it is empty"),
        (
            "feedback",
            ".status.a,.status.hunter2[*]",
            "entry 2 of option feedback is no field path: at byte 16: wanted a number, a key in quotes, or a filter",
        ),
        (
            "feedback",
            ".data.hunter2",
            "entry 1 of option feedback is no field path: write one below .status, .spec, .metadata.labels, .metadata.annotations, .metadata.generation or .metadata.name",
        ),
        (
            "feedback",
            "hunter2=.status.p,b=.status.p,hunter2=.status.q",
            "entries 1 and 3 of option feedback bear the same name",
        ),
    ];
    for (name, value, message) in cases {
        let error = on_work(name, value).expect_err(value);
        assert_eq!(error, format!("unable to follow Work web: metadata.annotations: {message}"));
    }
    let huge = format!("{}\u{1b}[2J", "x".repeat(10_000));
    let error = on_work(&huge, "hunter2").unwrap_err();
    assert!(error.len() < 500 && !error.contains('\u{1b}'), "{error}");
    assert!(on_manifest("deletion", "hunter2").is_err());
}

#[test]
fn an_option_on_a_manifest_wins_over_that_of_the_work_and_leaves_the_others() {
    let on_work = [("deletion", "orphan"), ("ignore", "a,b"), ("suspend", "true"), ("on-drift", "report")];
    let work = read(&on_work, &[("deletion", "delete"), ("ignore", "c"), ("apply", "create")]).unwrap();
    let manifest = work.manifests[0].manifest.as_ref().unwrap();
    let expected = Options {
        suspend: true,
        apply: Apply::Create,
        on_drift: OnDrift::Report,
        ignore: vec!["c".into()],
        ..Options::default()
    };
    assert_eq!(*manifest.options, expected);
    assert_eq!(work.options.deletion, Deletion::Orphan);
    let none = read(&on_work, &[("ignore", "")]).unwrap();
    assert!(none.manifests[0].manifest.as_ref().unwrap().options.ignore.is_empty());
    let plain = read(&on_work, &[]).unwrap();
    let shared = &plain.manifests[0].manifest.as_ref().unwrap().options;
    assert!(Arc::ptr_eq(shared, &plain.options), "options that are the same are kept once");
}

#[test]
fn options_are_no_content() {
    let own = config(&json!({
        "name": "a",
        "annotations": {"note": "n", "multicluster.coreos.com/apply": "create", "multicluster.coreos.company/x": "y"},
    }));
    let expected = json!({"note": "n", "multicluster.coreos.company/x": "y"});
    assert_eq!(item(&CONFIG_MAPS, &own)["metadata"]["annotations"], expected);
    let only = config(&json!({"name": "a", "annotations": {"multicluster.coreos.com/apply": "create"}}));
    assert_eq!(item(&CONFIG_MAPS, &only)["metadata"], json!({"name": "a", "namespace": "default"}));
}

#[test]
fn marks_and_the_words_of_people_on_a_work_are_no_options() {
    let on_work = [("made-for", "a/b/c/d/e"), ("let-go", "true"), ("release", "h-1")];
    assert_eq!(*read(&on_work, &[]).unwrap().options, Options::default());
    assert!(read(&[("copied-from", "a/b")], &[]).is_err());
    assert!(Work::read(&object(&json!({"example.com/deletion": "x"}), &json!({"workload": {}}))).is_ok());
}

#[test]
fn options_read_back_from_their_map_and_defaults_are_not_written() {
    assert!(Options::default().to_map().is_empty());
    let options = Options {
        suspend: true,
        plan_only: true,
        deletion: Deletion::Orphan,
        allow_deletion: true,
        apply: Apply::Observe,
        on_conflict: OnConflict::Force,
        on_drift: OnDrift::Report,
        ignore: vec!["a".into(), "b".into()],
        feedback: vec![
            ("n".into(), ".spec.p[?(@.q==1)]".into()),
            ("{.status.a[?(@.b==1)]}".into(), "{.status.a[?(@.b==1)]}".into()),
            (".status.m".into(), ".status.m".into()),
        ],
        service_account: Some("ci".into()),
    };
    let map = options.to_map();
    let text = serde_json::to_value(&map).unwrap();
    assert_eq!(
        text,
        json!({
            "suspend": "true", "plan-only": "true", "deletion": "orphan", "allow-deletion": "true", "apply": "observe",
            "on-conflict": "force", "on-drift": "report", "ignore": "a,b", "feedback": "n=.spec.p[?(@.q==1)],{.status.a[?(@.b==1)]},.status.m",
            "service-account": "ci",
        })
    );
    assert_eq!(Options::from_map(&map), Ok(options));
    let unknown = [("new".to_owned(), "x".to_owned())].into();
    assert_eq!(Options::from_map(&unknown), Err(OptionError::Unknown("new".into())));
    let wrong = [("apply".to_owned(), "x".to_owned())].into();
    assert!(Options::from_map(&wrong).is_err());
}

#[test]
fn whatever_lists_of_paths_are_read_they_read_back_the_same() {
    let mut random = hostile::Random(3);
    let letters = [
        ".status.a",
        "spec.b",
        "x=",
        "=",
        ",",
        "\n",
        " ",
        ".",
        "['",
        "']",
        "[0]",
        "[a=1,b=2]",
        "[?(@.a==1)]",
        "\\",
        "ä",
    ];
    let mut read = 0;
    for _ in 0..5_000 {
        let text: String = (0..random.below(7)).map(|_| letters[random.below(letters.len())]).collect();
        for option in ["ignore", "feedback"] {
            if let Ok(options) = Options::default().with([(option, text.as_str())], Level::Work) {
                read += usize::from(options != Options::default());
                assert_eq!(Options::from_map(&options.to_map()), Ok(options), "{text:?}");
            }
        }
    }
    assert!(read > 300, "only {read} were legal");
}

#[test]
fn values_of_a_secret_are_not_asked_for() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    let given = annotations(&[("feedback", ".metadata.name")]);
    let work = Work::read(&object(&given, &json!({"workload": {"manifests": [secret]}}))).unwrap();
    let flaw = work.manifests[0].manifest.clone().unwrap_err();
    assert_eq!(flaw, Flaw::Option(OptionError::OfSecret));
}
