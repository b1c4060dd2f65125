//! The agent is killed at each write while it makes an object anew, of which drift is only to be told.

use serde_json::{Value, json};

use super::gate::{Gate, Moment};
use super::{Bench, manifest, put_work, until_told, version};

const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";

fn bound(name: &str, role: &str) -> Value {
    let options =
        json!({"multicluster.coreos.com/apply": "replace", "multicluster.coreos.com/on-drift": "report"});
    let mut binding = manifest(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "default",
        name,
        json!({"subjects": [{"kind": "ServiceAccount", "name": "x", "namespace": "default"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}}),
    );
    binding["metadata"]["annotations"] = options;
    binding
}

fn is_made_anew(moment: Moment) {
    let mut bench = Bench::new();
    for last in 1.. {
        assert!(last < 20, "no end of writes");
        let name = format!("r{last}");
        let path = format!("{BINDINGS}/{name}");
        put_work(&bench.fleet, &name, &json!([bound(&name, "view")]));
        until_told(&bench.fleet, &bench.agent, &name, "Applied", "Applied");
        let before = bench.api().get(&path).unwrap();
        let gate = Gate::new(&bench, moment, last);
        put_work(&bench.fleet, &name, &json!([bound(&name, "edit")]));
        let is_right = |bench: &Bench| {
            let seen = bench.api().get(&path).map_err(|error| error.to_string())?;
            if seen["roleRef"]["name"] == "edit" { Ok(seen) } else { Err(seen["roleRef"].to_string()) }
        };
        let what = format!("killed at write {last}, {moment:?}");
        bench.until(&what, || {
            if gate.has_killed() {
                return Ok(());
            }
            is_right(&bench)?;
            let told = super::work(&bench.fleet, &name);
            let current = told.pointer("/status/conditions/0/observedGeneration")
                == told.pointer("/metadata/generation");
            let reason = super::of_manifest(&told, 0, "Applied").0;
            if current && reason == "Applied" { Ok(()) } else { Err(told["status"].to_string()) }
        });
        let killed = gate.disarm();
        bench.open();
        if killed {
            bench.fleet.revive(&mut bench.agent);
        }
        bench.until(&format!("{what}: made anew"), || is_right(&bench).map(drop));
        until_told(&bench.fleet, &bench.agent, &name, "Applied", "Applied");
        let after = is_right(&bench).unwrap();
        assert_ne!(version(&after), version(&before));
        assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
        if !killed {
            assert!(last > 4, "record, disown, delete, create, settle: {last}");
            return;
        }
    }
}

#[test]
fn what_makes_room_is_made_anew_after_a_kill_at_any_write() {
    is_made_anew(Moment::Answered);
}

#[test]
fn what_makes_room_is_made_anew_after_a_kill_before_the_answer_to_any_write() {
    is_made_anew(Moment::Unanswered);
}
