//! Putting a used control plane back to how it was when it was new.
//!
//! Through the API this would take long and be fragile: a namespace takes five seconds to go, finalizers wait for
//! programs that run no more, and the very admission policies under test refuse deletions. So the keys are put back
//! in etcd. The API server and the controllers learn of it as of any other change, by their watches.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::json;

use super::{ControlPlane, PlaneError, programs};
use crate::{
    etcd::{self, Step, Stored},
    wait::{DEADLINE, eventually},
};

/// What a control plane held when it was new.
#[derive(Clone, Debug)]
pub struct Baseline {
    cluster: String,
    groups: BTreeSet<String>,
    keys: BTreeMap<String, Stored>,
}

/// What the servers keep for themselves, and change all the time.
const OWN: [&str; 6] = [
    "/registry/configmaps/kube-system/",
    "/registry/ipaddresses/",
    "/registry/leases/kube-system/",
    "/registry/masterleases/",
    "/registry/peerserverleases/",
    "/registry/ranges/",
];

/// A namespace that goes with the rest of what is not to stay.
const PROBE: &str = "reset";

/// How long the controllers may take for it. A new plane takes less than waiting longer.
const FOLLOW: Duration = Duration::from_secs(5);

/// Their definitions go after the custom objects: without them nobody would tell the watchers of the objects' end.
const DEFINITIONS: &str = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

impl ControlPlane {
    /// Remembers what it holds now.
    ///
    /// # Errors
    ///
    /// etcd or the API server does not answer.
    pub fn baseline(&self) -> Result<Baseline, PlaneError> {
        Ok(Baseline {
            cluster: self.cluster_uid()?,
            groups: self.groups()?,
            keys: etcd::range(&self.folder().join(programs::ETCD_SOCKET), true)?,
        })
    }

    /// Puts it back to what it held then: what came since goes, what changed or went since is put back.
    ///
    /// # Errors
    ///
    /// It is another cluster by now, one of its servers does not run, etcd or the API server does not answer, or does not follow.
    pub fn reset(&self, baseline: &Baseline) -> Result<(), PlaneError> {
        let mut running = self.running();
        running.forget_ended()?;
        let servers = running.named().len();
        drop(running);
        if servers < if self.options.controllers { 3 } else { 2 } {
            return Err(PlaneError::NotReset("a server does not run".to_owned()));
        }
        if self.cluster_uid()? != baseline.cluster {
            return Err(PlaneError::NotReset("it is another cluster".to_owned()));
        }
        if self.options.controllers {
            self.await_controllers()?;
        }
        let socket = self.folder().join(programs::ETCD_SOCKET);
        let now = etcd::range(&socket, false)?;
        etcd::carry_out(&socket, &steps(&baseline.keys, &now))?;
        eventually("the API server to serve only what it did at first", DEADLINE, || {
            let groups = self.groups().map_err(|e| e.to_string())?;
            if groups == baseline.groups { Ok(()) } else { Err(format!("{groups:?}")) }
        })
        .map_err(|late| PlaneError::NotReset(late.to_string()))
    }

    /// Waits until the controllers have done in a new namespace what they do in every one: the next test must not wait
    /// for some that back off, or have lost their watches.
    fn await_controllers(&self) -> Result<(), PlaneError> {
        let api = self.api();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROBE}});
        api.create("/api/v1/namespaces", &namespace)?;
        eventually("the controllers to serve a new namespace", FOLLOW, || {
            for object in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
                api.get(&format!("/api/v1/namespaces/{PROBE}/{object}")).map_err(|e| e.to_string())?;
            }
            Ok::<_, String>(())
        })
        .map_err(|late| PlaneError::NotReset(late.to_string()))
    }

    /// The API groups that it serves.
    fn groups(&self) -> Result<BTreeSet<String>, PlaneError> {
        let list = self.api().get("/apis")?;
        let groups = list.get("groups").and_then(|groups| groups.as_array()).into_iter().flatten();
        Ok(groups.filter_map(|group| Some(group.get("name")?.as_str()?.to_owned())).collect())
    }
}

/// What leads from `now` to `then`.
fn steps(then: &BTreeMap<String, Stored>, now: &BTreeMap<String, Stored>) -> Vec<Step> {
    let own = |key: &str| OWN.iter().any(|prefix| key.starts_with(prefix));
    let new = now.keys().filter(|key| !then.contains_key(*key) && !own(key));
    let (definitions, others): (Vec<_>, Vec<_>) = new.partition(|key| key.starts_with(DEFINITIONS));
    let changed = then.iter().filter(|(key, stored)| {
        !own(key) && now.get(*key).is_none_or(|found| found.revision != stored.revision)
    });
    others
        .into_iter()
        .chain(definitions)
        .map(|key| Step::Delete(key.clone()))
        .chain(changed.map(|(key, stored)| Step::Put(key.clone(), stored.value.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(list: &[(&str, &str)]) -> BTreeMap<String, Stored> {
        let stored = |revision: &str| Stored { revision: revision.to_owned(), value: "v".to_owned() };
        list.iter().map(|(key, revision)| ((*key).to_owned(), stored(revision))).collect()
    }

    #[test]
    fn new_keys_go_definitions_last_and_old_ones_come_back() {
        let then = keys(&[("/registry/a", "1"), ("/registry/b", "1"), ("/registry/c", "1")]);
        let definition = format!("{DEFINITIONS}x");
        let now = keys(&[
            ("/registry/a", "1"),
            ("/registry/b", "2"),
            (definition.as_str(), "3"),
            ("/registry/muster/x", "3"),
        ]);
        let put = |key: &str| Step::Put(key.to_owned(), "v".to_owned());
        assert_eq!(
            steps(&then, &now),
            [
                Step::Delete("/registry/muster/x".to_owned()),
                Step::Delete(definition),
                put("/registry/b"),
                put("/registry/c")
            ]
        );
    }

    #[test]
    fn what_the_servers_keep_for_themselves_is_left_alone() {
        let then = keys(&[("/registry/leases/kube-system/apiserver-1", "1")]);
        let now = keys(&[
            ("/registry/leases/kube-system/apiserver-1", "2"),
            ("/registry/leases/kube-system/apiserver-2", "3"),
        ]);
        assert_eq!(steps(&then, &now), []);
    }
}
