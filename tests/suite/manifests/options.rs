//! The options that a Work may bear: the directory refuses what its agent would refuse, and says what to write instead.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use http::StatusCode;
use muster_api::marks::WORK_FINALIZER;
use muster_api::names;
use muster_api::resource::WORKS;
use muster_engine::work::{Level, MOST_FEEDBACK, MOST_IGNORED, MOST_MANIFESTS, Options};
use muster_tests::api::{Api, ApiError, MERGE_PATCH};
use muster_tests::pool;
use muster_tests::wait::{DEADLINE, eventually, saw};
use serde_json::{Value, json};

use super::rights::account;
use super::works::{refusal, work};
use super::{enrol, manifest, plane};
use crate::fleet::install;

const PREFIX: &str = "multicluster.coreos.com/";
/// Stands for a secret.
const CANARY: &str = "hunter2";

/// Sends a Work in rehearsal.
fn rehearse(namespace: &str, work: &Value) -> Result<Value, ApiError> {
    plane().api().create(&format!("{}?dryRun=All", WORKS.path(Some(namespace), None)), work)
}

fn annotations(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| (format!("{PREFIX}{name}"), json!(value))).collect()
}

/// A Work with these annotations.
fn on_work(pairs: &[(&str, &str)]) -> Value {
    work(json!({"name": "optional", "annotations": annotations(pairs)}))
}

/// A Work with these manifests.
fn of(manifests: &[Value]) -> Value {
    let mut work = work(json!({"name": "optional"}));
    work["spec"]["workload"]["manifests"] = json!(manifests);
    work
}

/// A manifest with this metadata beside its name.
#[allow(clippy::needless_pass_by_value)] // what callers give is made on the spot, by `json!`
fn config(name: &str, metadata: Value) -> Value {
    let mut manifest =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": CANARY}});
    manifest["metadata"]["name"] = json!(name);
    manifest
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})
}

/// One option, and whether it is refused where it stands: what to write instead.
struct Case {
    name: &'static str,
    value: String,
    on_work: Option<&'static str>,
    on_manifest: Option<&'static str>,
}

/// Every option with every value that it can have, and with some that it cannot.
fn cases() -> Vec<Case> {
    const NONE: &str = "which is no option: correct or remove it";
    const PLACE: &str = "which holds for a whole Work: write it there";
    const ACCOUNT: &str = "unknown value: write the name of a ServiceAccount, without its namespace";
    let case = |name, value: &str, on_work, on_manifest| Case {
        name,
        value: value.to_owned(),
        on_work,
        on_manifest,
    };
    let mut cases = Vec::new();
    for (name, words, remedy) in [
        ("deletion", &["delete", "orphan"][..], "unknown value: write delete or orphan"),
        ("allow-deletion", &["true", "false"], "unknown value: write true or false"),
        (
            "apply",
            &["apply", "create", "replace", "observe"],
            "unknown value: write apply or create or replace or observe",
        ),
        ("on-conflict", &["report", "adopt", "force"], "unknown value: write report or adopt or force"),
        ("on-drift", &["correct", "report"], "unknown value: write correct or report"),
    ] {
        cases.extend(words.iter().map(|word| case(name, word, None, None)));
        let wrong = [CANARY, "", "Delete", "TRUE", " true"];
        cases.extend(wrong.map(|word| case(name, word, Some(remedy), Some(remedy))));
    }
    for name in ["suspend", "plan-only"] {
        cases.extend(["true", "false"].map(|word| case(name, word, None, Some(PLACE))));
        let remedy = Some("unknown value: write true or false");
        cases.extend([CANARY, "", "True"].map(|word| case(name, word, remedy, Some(PLACE))));
    }
    for (name, most, remedy) in [
        ("ignore", MOST_IGNORED, "too many entries: write at most 64"),
        ("feedback", MOST_FEEDBACK, "too many entries: write at most 16"),
    ] {
        let entries = |count: usize, between: &str| {
            (0..count).map(|n| format!(".spec.f{n}")).collect::<Vec<_>>().join(between)
        };
        cases.push(case(name, "", None, None));
        cases.push(case(name, "\n.spec.a,, .spec.b ,\n", None, None));
        cases.push(case(name, &entries(most, ", \n ,"), None, None));
        for between in [",", "\n"] {
            cases.push(case(name, &entries(most + 1, between), Some(remedy), Some(remedy)));
        }
    }
    for legal in ["works", "a.b-c", "0", &"x".repeat(253)] {
        cases.push(case("service-account", legal, None, Some(PLACE)));
    }
    for wrong in ["", "ns/hunter2", "Hunter2", "-a", "a-", "a..b", "a\n", &"x".repeat(254)] {
        cases.push(case("service-account", wrong, Some(ACCOUNT), Some(PLACE)));
    }
    for name in ["deletoin", "Deletion", "pause", "leave", "copied-from", "namespace-deletion"] {
        cases.push(case(name, "true", Some(NONE), Some(NONE)));
    }
    cases
}

/// Compares what is said with what should be.
fn judged(what: &str, answer: Result<Value, ApiError>, remedy: Option<&str>, wrong: &mut String) {
    let told = match (answer, remedy) {
        (Ok(_), None) => return,
        (Ok(_), Some(remedy)) => format!("admitted, and not {remedy}"),
        (Err(error), remedy) => {
            let text = error.to_string();
            let right = error.status() == Some(StatusCode::UNPROCESSABLE_ENTITY)
                && remedy.is_some_and(|remedy| text.contains(remedy))
                && !text.to_lowercase().contains(CANARY);
            if right {
                return;
            }
            text
        }
    };
    let _ = writeln!(wrong, "{what}: {told}");
}

#[test]
fn each_option_is_judged_as_the_agent_judges_it() {
    let namespace = enrol(plane(), "judged");
    let mut wrong = String::new();
    for Case { name, value, on_work: work_remedy, on_manifest: manifest_remedy } in cases() {
        let shown: String = value.chars().take(40).collect();
        for (level, remedy) in [(Level::Work, work_remedy), (Level::Manifest, manifest_remedy)] {
            let agent = Options::default().with([(name, value.as_str())], level);
            assert_eq!(agent.is_ok(), remedy.is_none(), "the agent: {level:?} {name}={shown:?}: {agent:?}");
        }
        let here = [(name, value.as_str())];
        let marked = config("m", json!({"annotations": annotations(&here)}));
        let plain = config("a", json!({}));
        let what = |at: &str| format!("{at} {name}={shown:?}");
        let answer = rehearse(&namespace, &on_work(&here));
        judged(&what("Work"), answer, work_remedy, &mut wrong);
        let answer = rehearse(&namespace, &of(&[plain.clone(), marked.clone()]));
        judged(&what("manifest"), answer, manifest_remedy, &mut wrong);
        let answer =
            rehearse(&namespace, &of(&[list(std::slice::from_ref(&plain)), list(&[plain.clone(), marked])]));
        judged(&what("item"), answer, manifest_remedy, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_refusal_names_where_the_option_is() {
    let namespace = enrol(plane(), "told");
    let bad = json!({"annotations": annotations(&[("on-drift", CANARY)])});
    let message = |work: &Value| refusal(rehearse(&namespace, work), StatusCode::UNPROCESSABLE_ENTITY);
    let told = message(&on_work(&[("deletion", "orphan"), ("deletoin", CANARY)]));
    assert!(
        told.contains(": The Work has the annotation multicluster.coreos.com/deletoin, which is no option"),
        "{told}"
    );
    for work in [
        of(&[config("a", json!({})), config("b", bad.clone())]),
        of(&[list(&[config("a", json!({})), config("b", bad.clone())])]),
    ] {
        let told = message(&work);
        let place = ": Manifest ConfigMap b has the annotation multicluster.coreos.com/on-drift with an unknown value";
        assert!(told.contains(place) && !told.contains(CANARY), "{told}");
    }
    // Options hold for nothing on a list.
    let mut listed = list(&[config("a", json!({}))]);
    listed["metadata"] = json!({"name": "l", "annotations": annotations(&[("deletion", "orphan")])});
    let told = message(&of(&[listed]));
    assert!(told.contains("Manifest List l") && told.contains("write options on its items"), "{told}");
}

#[test]
fn what_is_no_option_is_left_alone() {
    let namespace = enrol(plane(), "alone");
    let own = |kind: &str, names: &[(&str, &str)]| {
        json!({
            "apiVersion": "multicluster.coreos.com/v1", "kind": kind,
            "metadata": {"name": "x", "annotations": annotations(names)}, "spec": {},
        })
    };
    let near = json!({"multicluster.coreos.company/x": "y", "multicluster.coreos.com": "z", "deletion": "w"});
    for work in [
        on_work(&[("made-for", "a/b"), ("let-go", "true"), ("release", "h-1")]),
        work(json!({"name": "optional", "annotations": near})),
        of(&[config("a", json!({"annotations": near}))]),
        of(&[
            own("Cluster", &[("directory", "true"), ("console-url", "https://x.example.com")]),
            own("ClusterPolicy", &[("namespace-deletion", "delete"), ("apply", "create")]),
        ]),
        of(&[]),
        json!({"apiVersion": WORKS.api_version(), "kind": WORKS.kind, "metadata": {"name": "optional"}}),
    ] {
        rehearse(&namespace, &work).unwrap();
    }
    let console = [("console-url", "https://x.example.com")];
    for work in [on_work(&console), of(&[config("a", json!({"annotations": annotations(&console)}))])] {
        refusal(rehearse(&namespace, &work), StatusCode::UNPROCESSABLE_ENTITY);
    }
}

/// What is no object, or has fields of other types, is the agent's to judge, one by one. It must not be an error here.
#[test]
fn manifests_that_nobody_can_read_are_let_through() {
    let namespace = enrol(plane(), "unread");
    let strange = [
        json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {}, "items": {"a": 1}}),
        json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": null}),
        json!({"apiVersion": "example.com/v1", "kind": "Playlist", "metadata": {"name": "p"}, "items": "none"}),
        list(&[
            json!("text"),
            json!(null),
            json!(7),
            json!([]),
            json!({}),
            json!({"metadata": null}),
            json!({"metadata": "m"}),
            json!({"metadata": []}),
            json!({"kind": 7, "apiVersion": [], "metadata": {"annotations": null}}),
            json!({"metadata": {"annotations": "a"}}),
            json!({"metadata": {"annotations": ["a"]}}),
            json!({"metadata": {"annotations": {"note": {"a": 1}}}}),
            list(&[json!({})]),
        ]),
    ];
    for manifest in &strange {
        rehearse(&namespace, &of(&[config("a", json!({})), manifest.clone()])).unwrap();
    }
    rehearse(&namespace, &of(&strange)).unwrap();
    for value in [json!(true), json!(1), json!(null), json!({"a": CANARY}), json!(["delete"])] {
        for name in ["deletion", "ignore", "feedback", "unheard-of"] {
            let item = json!({"metadata": {"annotations": {format!("{PREFIX}{name}"): value}}});
            let answer = rehearse(&namespace, &of(&[list(&[item])]));
            let told = refusal(answer, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(!told.contains(CANARY), "{told}");
        }
    }
}

/// The server counts what an expression costs, and refuses what costs too much.
#[test]
fn a_work_of_the_largest_size_is_judged_to_its_last_manifest() {
    let namespace = enrol(plane(), "large");
    let plain = json!({"labels": {"app": "shop"}, "annotations": {"helm.sh/hook": "no", "a": "b"}});
    let optional = json!({"annotations": annotations(&[("deletion", "orphan"), ("on-drift", "report")])});
    for (what, metadata, count) in [("plain", plain, MOST_MANIFESTS), ("optional", optional, 4_000)] {
        let mut manifests: Vec<Value> =
            (0..count).map(|n| config(&format!("c{n}"), metadata.clone())).collect();
        for listed in [false, true] {
            let work =
                |manifests: &[Value]| of(&if listed { vec![list(manifests)] } else { manifests.to_vec() });
            let large = work(&manifests);
            let size = large.to_string().len() / 1024;
            let began = Instant::now();
            rehearse(&namespace, &large).unwrap();
            saw(&format!("{what}, in a list: {listed}, {size} KiB"), began.elapsed());
            let last = manifests.len() - 1;
            let good = manifests[last].clone();
            manifests[last] = config("last", json!({"annotations": annotations(&[("deletion", CANARY)])}));
            let told = refusal(rehearse(&namespace, &work(&manifests)), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(told.contains("Manifest ConfigMap last has"), "{told}");
            manifests[last] = good;
        }
    }
}

/// Else a Work with an option of another version could not be deleted.
#[test]
fn a_work_from_before_is_judged_when_it_changes() {
    let plane = pool::plane().unwrap();
    install(&plane);
    let namespace = names::execution_namespace("early");
    plane.kubectl_ok(&["create", "namespace", &namespace]).unwrap();
    let (admin, path) = (plane.api(), WORKS.path(Some(&namespace), Some("optional")));
    let made = on_work(&[("deletoin", "orphan")]);
    admin.create(&WORKS.path(Some(&namespace), None), &made).unwrap();
    plane.apply(&manifest("directory.yaml")).unwrap();
    plane.apply(&manifest("enrol-by-hand.yaml").replace("CLUSTER_NAME", "early")).unwrap();
    let agent: Api = account(&plane, names::AGENTS_NAMESPACE, "early");
    eventually("the admission policy in force", DEADLINE, || {
        let rehearsal = format!("{}?dryRun=All", WORKS.path(Some(&namespace), None));
        let mut bad = made.clone();
        bad["metadata"]["name"] = json!("other");
        admin.create(&rehearsal, &bad).map_or_else(|_| Ok(()), |admitted| Err(admitted.to_string()))
    })
    .unwrap();

    let finalizers = |list: &[&str]| json!({"metadata": {"finalizers": list}});
    agent.patch(&path, MERGE_PATCH, &finalizers(&[WORK_FINALIZER])).unwrap();
    admin.patch(&path, MERGE_PATCH, &json!({"metadata": {"labels": {"a": "b"}}})).unwrap();
    for change in [
        json!({"metadata": {"annotations": {"note": "n"}}}),
        json!({"spec": {"workload": {"manifests": []}}}),
    ] {
        let told = refusal(admin.patch(&path, MERGE_PATCH, &change), StatusCode::UNPROCESSABLE_ENTITY);
        assert!(told.contains("deletoin, which is no option"), "{told}");
    }
    admin.delete(&path).unwrap();
    agent.patch(&path, MERGE_PATCH, &finalizers(&[])).unwrap();
    assert_eq!(admin.get(&path).unwrap_err().status(), Some(StatusCode::NOT_FOUND));
}

/// Expressions that cannot hold for the kind are told of in the policy's status.
#[test]
fn the_server_has_no_warnings_about_the_policies() {
    for policy in ["muster-protect", "muster-works"] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{policy}");
        eventually("the policy checked", DEADLINE, || {
            let policy = plane().api().get(&path).map_err(|error| error.to_string())?;
            let checked = &policy["status"]["typeChecking"];
            let of_now = policy["status"]["observedGeneration"] == policy["metadata"]["generation"];
            if of_now && checked == &json!({}) { Ok(()) } else { Err(policy["status"].to_string()) }
        })
        .unwrap();
    }
}

/// The table of docs/works.md names each option, and gives each of its words.
#[test]
fn the_page_lists_all_options() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/works.md")).unwrap();
    let code = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let (_, options) = page.split_once("\n## Options\n").unwrap();
    let (options, _) = options.split_once("\n## ").unwrap();
    let mut listed = BTreeSet::new();
    for row in options.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split(" | ").collect();
        let [name] = &code(cells[0])[..] else { panic!("{row}") };
        listed.insert(name.clone());
        for word in code(cells[1]) {
            let legal = |level| Options::default().with([(name.as_str(), word.as_str())], level).is_ok();
            assert!(legal(Level::Work), "{name}: {word}");
            assert_eq!(legal(Level::Manifest), !row.contains("On the Work only."), "{name}");
        }
    }
    let known: BTreeSet<_> =
        cases().into_iter().filter(|case| case.on_work.is_none()).map(|case| case.name.to_owned()).collect();
    assert_eq!(listed, known);
}
