//! A directory that is its own replica: it is governed as any other cluster, and its list stays its own.

use std::collections::BTreeMap;

use muster_tests::agent::AgentProcess;
use muster_tests::api::MERGE_PATCH;
use muster_tests::plane::{AuditEvent, ControlPlane, TokenOptions};
use muster_tests::pool;
use muster_tests::scratch::Scratch;
use muster_tests::wait::{DEADLINE, timed};
use serde_json::{Value, json};

use super::{DOCUMENTED, LEDGERS, POLICIES, count, made, objects};
use crate::fleet::{CLUSTERS, DIRECTORY, ENROL, OWN, condition_of, install, put_secret, until, version};
use crate::trail::{self, REPLICA_USER, directory_user, lines};
use crate::works::{config_map, works};

/// What a Work makes.
const MAPS: [&str; 2] = ["own-a", "own-b"];

/// All entries and policies, as they are.
fn list(plane: &ControlPlane) -> BTreeMap<String, Value> {
    [CLUSTERS, POLICIES]
        .into_iter()
        .flat_map(|path| plane.api().get(path).unwrap()["items"].as_array().cloned().unwrap())
        .map(|object| (object["metadata"]["name"].as_str().unwrap().to_owned(), object))
        .collect()
}

/// Waits until the cluster holds so many objects of policies.
fn until_made(plane: &ControlPlane, agent: &AgentProcess, number: usize) {
    until(agent, &format!("{number} objects of policies"), || {
        let made = made(plane);
        if made.len() == number { Ok(()) } else { Err(format!("{:?}", made.keys())) }
    });
}

/// The one binding of the whole cluster.
fn grant(plane: &ControlPlane) -> Value {
    let made = made(plane);
    let (_, grant) = made.into_iter().find(|(key, _)| key.starts_with("ClusterRoleBinding ")).unwrap();
    grant
}

/// The UIDs of what the Work asks for.
fn maps(plane: &ControlPlane) -> Result<Vec<String>, String> {
    let uid = |name: &str| {
        let map = plane.api().get(&format!("/api/v1/namespaces/default/configmaps/{name}"));
        map.map(|map| version(&map).0).map_err(|error| error.to_string())
    };
    MAPS.into_iter().map(uid).collect()
}

#[test]
fn a_directory_governs_itself_and_leaves_itself() {
    let plane = pool::plane().unwrap();
    install(&plane);
    plane.apply(DIRECTORY).unwrap();
    plane.apply(&ENROL.replace("CLUSTER_NAME", OWN)).unwrap();
    for (name, labels) in [(OWN, json!({"cloud": "aws"})), ("west", json!({}))] {
        let entry = json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
            "metadata": {"name": name, "labels": labels,
                "annotations": {"multicluster.coreos.com/directory": "true"}}});
        plane.api().create(CLUSTERS, &entry).unwrap();
    }
    plane.apply(DOCUMENTED).unwrap();
    let token = |namespace: &str, name: &str| {
        plane.service_account_kubeconfig(namespace, name, &TokenOptions::default()).unwrap()
    };
    put_secret(&plane, token("muster-agents", OWN).as_bytes());
    let folder = Scratch::new("own").unwrap();
    let path = folder.path().join("replica.kubeconfig");
    std::fs::write(&path, token("muster-system", "directory-sync")).unwrap();
    let (entries, mark) = (list(&plane), trail::mark(&plane));
    assert_eq!(entries.len(), 4);
    let agent = AgentProcess::start(&["--kubeconfig", path.to_str().unwrap()], &[]).unwrap();

    let upstream =
        format!("/apis/multicluster.coreos.com/v1/namespaces/muster-cluster-{OWN}/clusterreports/{OWN}");
    let told = |condition: &str, reason: &str| {
        let looked = timed(&format!("{condition} {reason}"), DEADLINE * 2, || {
            let report = plane.api().get(&upstream).map_err(|error| error.to_string())?;
            match condition_of(&report, condition) {
                Some((seen, _)) if seen == reason => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        });
        looked.unwrap_or_else(|late| panic!("{late}\n{}", agent.log()));
    };
    // What the agent was to change of the list, under any of its names.
    let of_the_list = || -> Vec<AuditEvent> {
        let users = [REPLICA_USER, &directory_user()];
        let writes = users.into_iter().flat_map(|user| trail::writes(&plane, mark, user));
        writes.filter(|write| ["clusters", "clusterpolicies"].contains(&&*write.resource)).collect()
    };

    // It registers, and is governed.
    told("EntryPresent", "Present");
    told("HeartbeatAccepted", "Accepted");
    told("MirrorInSync", "SameCluster");
    told("PoliciesApplied", "Applied");
    until_made(&plane, &agent, 7);
    assert_eq!(count(&made(&plane))["RoleBinding"], 4);
    let before = grant(&plane);
    let binding = super::bench::path(&before);
    plane.api().patch(&binding, MERGE_PATCH, &json!({"subjects": null})).unwrap();
    until(&agent, "a hand edit undone", || {
        let now = plane.api().get(&binding).map_err(|error| error.to_string())?;
        if now["subjects"] == before["subjects"] { Ok(()) } else { Err(now.to_string()) }
    });
    assert_eq!(list(&plane), entries);
    let manifests: Vec<Value> = MAPS.iter().map(|name| config_map("default", name, "one")).collect();
    let work = json!({"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": "app"},
        "spec": {"workload": {"manifests": manifests}}});
    plane.api().create(&works(), &work).unwrap();
    until(&agent, "what its own Work asks for", || maps(&plane).map(drop));
    let kept = maps(&plane).unwrap();

    // Its list is edited as ever.
    let change = json!({"metadata": {"labels": {"changed": "by-hand"}}});
    let west = plane.api().patch(&format!("{CLUSTERS}/west"), MERGE_PATCH, &change).unwrap();
    plane.api().delete(&format!("{POLICIES}/ldap-group-admin")).unwrap();
    until_made(&plane, &agent, 6);

    // It leaves itself.
    plane.api().delete(&format!("{CLUSTERS}/{OWN}")).unwrap();
    told("Deregistered", "EntryDeleted");
    until_made(&plane, &agent, 0);
    until(&agent, "no ledger", || {
        let ledgers = plane.api().get(LEDGERS).unwrap();
        let mut names =
            ledgers["items"].as_array().unwrap().iter().map(|ledger| ledger["metadata"]["name"].clone());
        // That of the Work stays, with what it made.
        if names.all(|name| name == "app") { Ok(()) } else { Err(ledgers.to_string()) }
    });
    assert_eq!(maps(&plane), Ok(kept.clone()));
    let left = list(&plane);
    assert_eq!(left.keys().collect::<Vec<_>>(), ["web-api", "west"]);
    assert_eq!(version(&left["west"]), version(&west));
    assert_eq!(version(&left["web-api"]), version(&entries["web-api"]));
    assert!(objects(&plane).contains_key("Namespace api-prod"));
    assert!(of_the_list().is_empty(), "{}", lines(&of_the_list()));

    // And comes back.
    plane
        .api()
        .create(
            CLUSTERS,
            &json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {"name": OWN, "labels": {"cloud": "aws"}}}),
        )
        .unwrap();
    until_made(&plane, &agent, 4);
    told("Deregistered", "Member");
    told("WorksApplied", "Applied");
    assert_eq!(maps(&plane), Ok(kept));
    let writes = trail::writes(&plane, mark, REPLICA_USER);
    assert!(
        !writes.iter().any(|write| write.verb == "delete" && write.resource == "configmaps"),
        "{}",
        lines(&writes)
    );
    assert!(of_the_list().is_empty(), "{}", lines(&of_the_list()));
}
