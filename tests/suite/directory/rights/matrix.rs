//! Each verb with each resource in each namespace that matters, asked of the server with the account's own token. What is
//! allowed stands in a file beside this one, and nothing else may be. It is asked while no admission policy of Muster is in
//! effect: they only refuse more, and what they are for is tested beside this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{env, fs, thread};

use http::Method;
use muster_tests::api::Api;
use muster_tests::plane::TokenOptions;
use muster_tests::pool::Leased;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::json;

use super::super::{controller, directory, enter, reason};
use super::{account, may, refused};
use crate::manifests::rights::{full_name, refused_and_allowed};

/// What requests do: asked of every resource.
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// What else RBAC knows, with the resources of which it means something.
const FURTHER: [(&str, &str, &[&str]); 8] = [
    ("bind", "rbac.authorization.k8s.io", &["roles", "clusterroles"]),
    ("escalate", "rbac.authorization.k8s.io", &["roles", "clusterroles"]),
    ("impersonate", "", &["users", "groups", "serviceaccounts"]),
    ("impersonate", "authentication.k8s.io", &["uids", "userextras/scopes"]),
    ("approve", "certificates.k8s.io", &["signers"]),
    ("sign", "certificates.k8s.io", &["signers"]),
    ("attest", "certificates.k8s.io", &["signers"]),
    ("*", "*", &["*"]),
];

/// What this server does not list, but a right may name.
const UNLISTED: [(&str, &str); 12] = [
    ("*", "*"),
    ("", "users"),
    ("", "groups"),
    ("", "nodes/metrics"),
    ("", "nodes/stats"),
    ("", "nodes/log"),
    ("authentication.k8s.io", "uids"),
    ("authentication.k8s.io", "userextras/scopes"),
    ("certificates.k8s.io", "signers"),
    ("about.k8s.io", "clusterproperties"),
    ("multicluster.x-k8s.io", "clusterprofiles"),
    ("multicluster.x-k8s.io", "clusterprofiles/status"),
];

/// Where it is asked: the namespaces of the cluster whose agent it is and of another one, those of Muster and Kubernetes,
/// and the cluster as a whole.
const SCOPES: [&str; 9] = [
    "",
    "muster-cluster-east",
    "muster-cluster-west",
    "muster-agents",
    "muster-appliers",
    "muster-inventory",
    "muster-system",
    "kube-system",
    "default",
];

/// Names that a right may be bound to.
const NAMES: [(&str, &str, &[&str]); 12] = [
    ("", "configmaps", &["muster-agent-state", "kube-root-ca.crt"]),
    ("", "namespaces", &["kube-system", "muster-cluster-east", "muster-cluster-west", "muster-system"]),
    ("", "secrets", &["directory-sync", "directory-sync-renewed", "east-joining", "west-joining"]),
    ("", "serviceaccounts", &["east", "west", "muster-directory", "works", "policies"]),
    ("", "serviceaccounts/token", &["east", "west", "muster-directory", "works", "policies"]),
    (
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        &[
            "clusters.multicluster.coreos.com",
            "clusterpolicies.multicluster.coreos.com",
            "clusterreports.multicluster.coreos.com",
            "works.multicluster.x-k8s.io",
            "appliedworks.multicluster.x-k8s.io",
        ],
    ),
    ("coordination.k8s.io", "leases", &["east", "west", "muster-agent", "muster-directory"]),
    ("multicluster.coreos.com", "clusters", &["east", "west"]),
    ("multicluster.coreos.com", "clusters/status", &["east", "west"]),
    ("multicluster.coreos.com", "clusterreports", &["east", "west", "directory-sync"]),
    ("multicluster.coreos.com", "clusterreports/status", &["east", "west", "directory-sync"]),
    (
        "rbac.authorization.k8s.io",
        "clusterroles",
        &["view-clusters", "muster-agent", "muster-directory", "cluster-admin", "view"],
    ),
];

/// The headings of what holds in each of these, and of what holds for the cluster as a whole but not in each.
const EVERYWHERE: &str = "everywhere";
const CLUSTER: &str = "the cluster as a whole";

/// How many questions are in flight.
const ASKERS: usize = 8;

/// Writes the files anew instead of comparing with them.
const RENEW: &str = "MUSTER_RENEW_RIGHTS";

/// A question, without its verb: in which namespace, of which group and resource, of which name if of one.
type Cell = (&'static str, String, String, &'static str);

/// All resources of all groups and versions that the server has, their subresources too.
fn resources(admin: &Api) -> BTreeSet<(String, String)> {
    let mut found: BTreeSet<_> =
        UNLISTED.iter().map(|(group, resource)| ((*group).to_owned(), (*resource).to_owned())).collect();
    let groups = admin.get("/apis").unwrap();
    let versions = groups["groups"].as_array().unwrap().iter().flat_map(|group| {
        let name = group["name"].as_str().unwrap();
        let versions = group["versions"].as_array().unwrap().iter();
        versions.map(move |version| (name, format!("/apis/{}", version["groupVersion"].as_str().unwrap())))
    });
    for (group, path) in versions.chain([("", "/api/v1".to_owned())]) {
        for resource in admin.get(&path).unwrap()["resources"].as_array().unwrap() {
            found.insert((group.to_owned(), resource["name"].as_str().unwrap().to_owned()));
        }
    }
    found
}

/// The questions: each resource in each scope, and each name that a right may be bound to.
fn cells(admin: &Api) -> Vec<Cell> {
    let resources = resources(admin);
    assert!(resources.len() > 120, "{resources:?}");
    let mut cells: Vec<Cell> = Vec::new();
    for scope in SCOPES {
        cells.extend(resources.iter().map(|(group, resource)| (scope, group.clone(), resource.clone(), "")));
        for (group, resource, names) in NAMES {
            let known = (group.to_owned(), resource.to_owned());
            assert!(resources.contains(&known), "the server has no {resource} of {group:?}");
            cells.extend(names.iter().map(|name| (scope, known.0.clone(), known.1.clone(), *name)));
        }
    }
    cells
}

/// What may be asked of a resource.
fn verbs(group: &str, resource: &str) -> impl Iterator<Item = &'static str> {
    let of = |(verb, own, resources): (_, &str, &[&str])| {
        (own == group && resources.contains(&resource)).then_some(verb)
    };
    let further: Vec<_> = FURTHER.into_iter().filter_map(of).collect();
    VERBS.into_iter().chain(further)
}

/// All that the account may do, by scope: lines `VERBS RESOURCE[ NAME]`. What holds without a name is not said again of
/// each name, nor what holds everywhere of each scope.
fn matrix(api: &Api, cells: &[Cell]) -> String {
    let next = AtomicUsize::new(0);
    let ask = || {
        let mut said = Vec::new();
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            said.extend(
                verbs(&cell.1, &cell.2)
                    .filter(|verb| may(api, verb, &cell.1, &cell.2, cell.0, cell.3))
                    .map(|verb| (cell, verb)),
            );
        }
        said
    };
    let said: BTreeSet<(&Cell, &'static str)> = thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS).map(|_| scope.spawn(ask)).collect();
        askers.into_iter().flat_map(|asker| asker.join().unwrap()).collect()
    });
    let also = |scope, (_, group, resource, _): &Cell, name, verb| {
        said.contains(&(&(scope, group.clone(), resource.clone(), name), verb))
    };
    let mut by_place: BTreeMap<(&'static str, String), BTreeSet<&'static str>> = BTreeMap::new();
    for (cell, verb) in &said {
        let (scope, group, resource, name) = cell;
        if !name.is_empty() && also(*scope, cell, "", *verb) {
            continue;
        }
        let everywhere = SCOPES.into_iter().all(|scope| also(scope, cell, *name, *verb));
        let place = match *scope {
            _ if everywhere => EVERYWHERE,
            "" => CLUSTER,
            namespace => namespace,
        };
        let what = format!("{} {name}", full_name(group, resource)).trim_end().to_owned();
        by_place.entry((place, what)).or_default().insert(verb);
    }
    let mut lines = Vec::new();
    for place in [EVERYWHERE, CLUSTER].into_iter().chain(SCOPES.into_iter().skip(1)) {
        lines.extend([String::new(), format!("{place}:")]);
        let own = by_place.iter().filter(|((of, _), _)| *of == place);
        lines.extend(own.map(|((_, what), verbs)| {
            format!("  {} {what}", verbs.iter().copied().collect::<Vec<_>>().join(","))
        }));
    }
    lines.join("\n") + "\n"
}

/// Compares with the account's file, or writes that.
fn compare(account: &str, seen: &str) {
    let path = format!("{}/suite/directory/rights/{account}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = format!(
        "# What the account may that {account} runs on: each verb with each resource in each of these places was asked of the\n\
         # server, and all that was allowed is here. {RENEW}=1 makes the test write it anew.\n{seen}"
    );
    if env::var_os(RENEW).is_some() {
        fs::write(&path, &text).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let (had, has): (BTreeSet<_>, BTreeSet<_>) = (known.lines().collect(), text.lines().collect());
    let gone: Vec<_> = had.difference(&has).collect();
    let new: Vec<_> = has.difference(&had).collect();
    assert!(
        known == text,
        "{account} may {new:#?} besides what {path} says, and may no more {gone:#?}; if that is meant, run the test with \
         {RENEW}=1"
    );
}

/// Deletes every admission policy of Muster, and waits until the server judges by none.
fn without_admission(directory: &Leased) {
    let admin = directory.api();
    for kind in ["validatingadmissionpolicybindings", "validatingadmissionpolicies"] {
        let path = format!("/apis/admissionregistration.k8s.io/v1/{kind}");
        let own = admin.get(&format!("{path}?labelSelector=app.kubernetes.io%2Fpart-of%3Dmuster")).unwrap();
        let own = own["items"].as_array().unwrap();
        assert!(own.len() > 3, "{kind}: {own:?}");
        for object in own {
            admin.delete(&format!("{path}/{}", object["metadata"]["name"].as_str().unwrap())).unwrap();
        }
    }
    let controller = account(directory);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}});
    let admitted = || controller.create("/api/v1/namespaces?dryRun=All", &namespace);
    timed("no admission policy in effect", DEADLINE, admitted).unwrap();
}

/// The requests themselves, which is what counts.
fn what_is_of_others_is_refused(agent: &Api, controller: &Api) {
    let core = "/api/v1/namespaces";
    let lease = "/apis/coordination.k8s.io/v1/namespaces/muster-cluster-west/leases";
    let report = "/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-west/clusterreports";
    let works =
        |cluster| format!("/apis/multicluster.x-k8s.io/v1alpha1/namespaces/muster-cluster-{cluster}/works");
    let (own, west) = (works("east"), works("west"));
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let entries = "/apis/multicluster.coreos.com/v1/clusters";
    refused_and_allowed(
        agent,
        &[
            (Method::GET, &west),
            (Method::POST, &west),
            (Method::GET, &format!("{west}/w")),
            (Method::PATCH, &format!("{west}/w")),
            (Method::PATCH, &format!("{west}/w/status")),
            (Method::DELETE, &format!("{west}/w")),
            (Method::GET, &format!("{lease}/west")),
            (Method::PUT, &format!("{lease}/west")),
            (Method::PATCH, &format!("{lease}/west")),
            (Method::GET, &format!("{report}/west")),
            (Method::PUT, &format!("{report}/west/status")),
            (Method::PATCH, &format!("{report}/west/status")),
            (Method::POST, &format!("{core}/muster-agents/serviceaccounts/west/token")),
            (Method::POST, &format!("{core}/muster-system/serviceaccounts/muster-directory/token")),
            (Method::GET, &format!("{core}/muster-agents/secrets")),
            (Method::POST, &format!("{core}/muster-agents/pods")),
            (Method::POST, &format!("{core}/muster-cluster-east/pods")),
            (Method::POST, &own),
            (Method::PUT, &format!("{own}/w")),
            (Method::DELETE, &format!("{own}/w")),
            (Method::PATCH, &format!("{entries}/east")),
            (Method::PATCH, &format!("{entries}/west/status")),
            (Method::POST, &format!("{rbac}/namespaces/muster-cluster-east/rolebindings")),
            (Method::POST, &format!("{rbac}/clusterrolebindings")),
        ],
        &[(Method::GET, &own), (Method::GET, entries)],
    );
    refused_and_allowed(
        controller,
        &[
            (Method::POST, &west),
            (Method::PUT, &format!("{west}/w")),
            (Method::DELETE, &format!("{west}/w")),
            (Method::PATCH, &format!("{west}/w/status")),
            (Method::PATCH, &format!("{report}/west/status")),
            (Method::POST, entries),
            (Method::DELETE, &format!("{entries}/west")),
            (Method::GET, &format!("{core}/muster-agents/secrets")),
            (Method::GET, &format!("{core}/muster-agents/secrets/west-joining")),
            (Method::POST, &format!("{core}/default/serviceaccounts/default/token")),
            (Method::POST, &format!("{core}/muster-agents/pods")),
            (Method::POST, &format!("{rbac}/clusterroles")),
            (Method::PATCH, &format!("{rbac}/clusterroles/muster-directory")),
            (Method::POST, &format!("{rbac}/namespaces/default/roles")),
        ],
        &[(Method::GET, &west), (Method::GET, entries)],
    );
    let all = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "x"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "muster-directory", "namespace": "muster-system"}],
    });
    let answer = controller.create(&format!("{rbac}/clusterrolebindings"), &all);
    refused("all rights", answer, "attempting to grant");
}

#[test]
fn the_accounts_may_do_what_their_files_say_and_no_more_without_admission() {
    let directory = directory();
    let enroller = controller(&directory, &[]);
    for name in ["east", "west"] {
        enter(&directory, name);
        reason(&directory, &enroller, name, "Enrolled", "Enrolled");
    }
    let token = directory.service_account_token("muster-agents", "east", &TokenOptions::default()).unwrap();
    let (agent, controller) = (directory.api_with(&token).unwrap(), account(&directory));
    let cells = cells(&directory.api());
    without_admission(&directory);
    for (name, api) in [("muster-agent", &agent), ("muster-directory", &controller)] {
        let started = Instant::now();
        compare(name, &matrix(api, &cells));
        println!("{name}: {} cells in {:?}", cells.len(), started.elapsed());
    }
    what_is_of_others_is_refused(&agent, &controller);
}
