//! A replica leaves its directory: its entry is deleted there, or its owner says so. Grants and copies go, namespaces
//! stay. Nothing else ends the membership.

use http::Method;
use muster_tests::proxy::{Action, Rule};
use serde_json::json;

use super::bench::{Bench, STATE};
use super::{drop_policy, until_made};
use crate::fleet::{CLUSTERS, MULTICLUSTER, OWN, condition_of, install};

/// Something of the replica's own in a namespace that a policy made.
const CONTENT: &str = "/api/v1/namespaces/api-prod/configmaps";

fn fill(bench: &Bench) {
    let content = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "content"}});
    bench.fleet.replica.api().create(CONTENT, &content).unwrap();
}

/// The UID of the own entry that the agent remembers.
fn remembered(bench: &Bench) -> String {
    let state = bench.fleet.replica.api().get(STATE).unwrap();
    let pin: serde_json::Value = serde_json::from_str(state["data"]["pin"].as_str().unwrap()).unwrap();
    pin["entry"].as_str().unwrap().to_owned()
}

/// Waits until the agent remembers the entry that the directory has now.
fn registered(bench: &Bench) {
    let entry = bench.fleet.directory.api().get(&format!("{CLUSTERS}/{OWN}")).unwrap();
    bench.until("the own entry remembered", || match remembered(bench) {
        uid if entry["metadata"]["uid"] == uid => Ok(()),
        uid => Err(uid),
    });
}

#[test]
fn the_entry_is_deleted_and_one_of_its_name_is_made_anew() {
    let mut bench = Bench::new();
    fill(&bench);
    let mark = bench.mark();
    bench.delete_own_entry();
    let message = bench.told("Deregistered", "EntryDeleted");
    assert!(message.contains(OWN), "{message}");
    bench.cleared();
    bench.fleet.replica.api().get(&format!("{CONTENT}/content")).unwrap();
    let deleted = bench.deleted(mark);
    let expected = [
        ("appliedworks", 2),
        ("clusterpolicies", 2),
        ("clusterrolebindings", 1),
        ("clusters", 2),
        ("rolebindings", 4),
    ];
    assert_eq!(deleted, expected.map(|(kind, number)| (kind.to_owned(), number)).into());
    bench.told_upstream("Deregistered", "EntryDeleted");
    bench.told("EntryPresent", "Missing");
    bench.told("MirrorInSync", "Left");
    bench.told("PoliciesApplied", "Left");

    // Whatever the directory says and people do, the agent idles.
    let mark = bench.mark();
    bench.policy("later", &["later"]);
    bench.fleet.entry("west", &json!({"stage": "changed"}));
    bench.fleet.replica.kubectl_ok(&["label", "namespace", "api-prod", "edited=by-hand"]).unwrap();
    bench.writes_nothing(mark);
    drop_policy(&bench.fleet, "later");

    let pid = bench.agent.pid();
    bench.make_own_entry();
    bench.back();
    assert_eq!(bench.agent.pid(), pid);

    // The same with a restart in between.
    bench.delete_own_entry();
    bench.told("Deregistered", "EntryDeleted");
    bench.cleared();
    let (mark, since) = (bench.mark(), bench.log_end());
    bench.restart();
    bench.says(since, "EntryPresent", "Missing");
    bench.writes_nothing(mark);
    bench.says(since, "Deregistered", "EntryDeleted");
    bench.make_own_entry();
    bench.back();
}

#[test]
fn leaving_goes_on_where_it_was_broken_off() {
    let mut bench = Bench::new();
    fill(&bench);
    let mark = bench.mark();
    // The first deletion passes, and no other.
    let rest = bench.replica.add(Rule::on("", Action::Hold).method(Method::DELETE).skip(1));
    bench.delete_own_entry();
    bench.until("one deletion made and another one sent", || {
        match (bench.replica.hits(rest), bench.deleted(mark).values().sum::<usize>()) {
            (1.., 1) => Ok(()),
            seen => Err(format!("{seen:?}")),
        }
    });
    bench.agent.kill().unwrap();
    println!("    deleted before the end: {:?}", bench.deleted(mark));
    bench.directory.cut().unwrap();
    bench.replica.clear();
    bench.restart();
    bench.cleared();
    bench.told("Deregistered", "EntryDeleted");
    bench.told("DirectoryReachable", "Unreachable");
    bench.fleet.replica.api().get(&format!("{CONTENT}/content")).unwrap();
    let (mark, since) = (bench.mark(), bench.log_end());
    bench.directory.restore().unwrap();
    bench.says(since, "EntryPresent", "Missing");
    bench.writes_nothing(mark);
    bench.make_own_entry();
    bench.back();
}

#[test]
fn an_entry_that_is_replaced_or_merely_missing_ends_nothing() {
    let mut bench = Bench::new();
    let (versions, mark) = (bench.versions(), bench.mark());

    // kubectl replace --force: a deletion that is seen live, and a new entry.
    let before = remembered(&bench);
    let entry = json!({"apiVersion": "multicluster.coreos.com/v1", "kind": "Cluster",
        "metadata": {"name": OWN, "labels": {"cloud": "aws"}},
        "spec": {"KubernetesAPIEndpoints": {"ServerEndpoints": []}}});
    let args = ["replace", "--force", "-f", "-"];
    let output = bench.fleet.directory.kubectl_with(&args, &entry.to_string()).unwrap();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    registered(&bench);
    assert_ne!(remembered(&bench), before);
    bench.corrects("RoleBinding");

    // Deleted while the agent is down.
    bench.stop();
    bench.delete_own_entry();
    bench.agent.restart().unwrap();
    let message = bench.told("EntryPresent", "Missing");
    assert!(message.contains("nothing is removed"), "{message}");
    bench.corrects("ClusterRoleBinding");
    bench.fleet.replica.api().delete(&bench.binding("RoleBinding").0).unwrap();
    until_made(&bench.fleet, &bench.agent, 7);
    // So is what the directory still says of it: the labels of an entry that is not there are unknown.
    bench.policy("later", &["later"]);
    drop_policy(&bench.fleet, "ldap-group-admin");
    bench.told("Deregistered", "Member");
    assert_eq!(bench.deleted(mark), [].into(), "{}", bench.agent.log());

    bench.make_own_entry();
    registered(&bench);
    // The policy of then is applied, and the revoked one ends: one grant went, a namespace and a grant came.
    until_made(&bench.fleet, &bench.agent, 8);
    let expected = [("appliedworks", 1), ("clusterpolicies", 1), ("clusterrolebindings", 1)];
    let expected = expected.map(|(kind, number)| (kind.to_owned(), number)).into();
    bench.until("the revoked grant gone, with the copy of its policy", || match bench.deleted(mark) {
        deleted if deleted == expected => Ok(()),
        deleted => Err(format!("{deleted:?}")),
    });
    let now = bench.versions();
    let kept = |key: &&String| key.starts_with("Namespace api");
    assert!(versions.keys().filter(kept).all(|key| now[key] == versions[key]), "{now:?} {versions:?}");
}

#[test]
fn the_account_goes_before_the_entry_and_the_owner_has_the_last_word() {
    let bench = Bench::new();
    let (versions, mark) = (bench.versions(), bench.mark());
    let account = ["-n", "muster-agents", "delete", "serviceaccount", OWN];
    bench.fleet.directory.kubectl_ok(&account).unwrap();
    // The server knows the token for some seconds longer. A watch that is open goes on for minutes, and shows that the
    // entry is deleted; what else is there can be read no more.
    let message = bench.told("HeartbeatAccepted", "Failed");
    let command =
        "kubectl -n muster-system annotate clusterreport directory-sync multicluster.coreos.com/leave=true";
    assert!(message.ends_with(command), "{message}");
    bench.delete_own_entry();
    bench.told("EntryPresent", "Missing");
    bench.writes_nothing(mark);
    bench.directory.disconnect();
    let message = bench.told("DirectoryReachable", "CredentialsRejected");
    assert!(message.ends_with(command), "{message}");
    bench.corrects("RoleBinding");
    assert_eq!(bench.deleted(mark), [].into(), "{}", bench.agent.log());
    assert_eq!(condition_of(&bench.report(), "Deregistered").unwrap().0, "Member");
    assert_eq!(bench.versions().keys().collect::<Vec<_>>(), versions.keys().collect::<Vec<_>>());

    // As the message says.
    let args: Vec<&str> = command.split(' ').skip(1).collect();
    bench.fleet.replica.kubectl_ok(&args).unwrap();
    bench.told("Deregistered", "OwnerLeft");
    bench.cleared();
}

#[test]
fn the_owner_leaves_while_the_directory_is_away_and_comes_back() {
    let mut bench = Bench::new();
    fill(&bench);
    bench.directory.cut().unwrap();
    bench.told("DirectoryReachable", "Unreachable");
    bench.annotate("multicluster.coreos.com/leave=true");
    bench.told("Deregistered", "OwnerLeft");
    bench.cleared();
    bench.fleet.replica.api().get(&format!("{CONTENT}/content")).unwrap();

    // The directory is back, and says what it said: the owner's word counts, also after a restart.
    let (mark, since) = (bench.mark(), bench.log_end());
    bench.directory.restore().unwrap();
    bench.says(since, "DirectoryReachable", "Reachable");
    bench.writes_nothing(mark);
    let since = bench.log_end();
    bench.restart();
    bench.says(since, "EntryPresent", "Present");
    bench.writes_nothing(mark);

    bench.annotate("multicluster.coreos.com/leave-");
    bench.back();
}

#[test]
fn the_definition_of_entries_goes_and_with_it_the_own_entry() {
    let mut bench = Bench::new();
    let (versions, mark) = (bench.versions(), bench.mark());
    let crd = "clusters.multicluster.coreos.com";
    let directory = &bench.fleet.directory;
    directory.kubectl_ok(&["annotate", "crd", crd, "multicluster.coreos.com/allow-deletion=true"]).unwrap();
    directory.kubectl_ok(&["delete", "crd", crd]).unwrap();
    bench.told("DirectoryReachable", "BeingRemoved");
    bench.corrects("RoleBinding");
    let since = bench.log_end();
    bench.restart();
    bench.says(since, "DirectoryReachable", "BeingRemoved");
    bench.corrects("ClusterRoleBinding");
    // Applied again, without entries.
    assert!(MULTICLUSTER.contains(crd));
    install(&bench.fleet.directory);
    bench.directory.disconnect();
    bench.told("DirectoryReachable", "BeingRemoved");
    bench.corrects("RoleBinding");
    bench.told("Deregistered", "Member");
    assert_eq!(bench.deleted(mark), [].into(), "{}", bench.agent.log());
    assert_eq!(bench.versions().len(), versions.len());
    assert_eq!(bench.fleet.replica.api().get(CLUSTERS).unwrap()["items"].as_array().unwrap().len(), 2);
}
