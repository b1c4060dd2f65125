//! Entries whose names lead to what is another's.

use muster_api::names::execution_namespace;
use serde_json::{Value, json};

use super::{controller, directory, enter, entry, reason, until};
use crate::fleet::CLUSTERS;
use muster_tests::wait::DEADLINE;

#[test]
fn a_name_that_is_anothers_is_refused_and_changes_nothing() {
    let directory = directory();
    let api = directory.api();
    let default = "/api/v1/namespaces/muster-agents/serviceaccounts/default";
    let (account, _) =
        muster_tests::wait::timed("the account of Kubernetes", DEADLINE, || api.get(default)).unwrap();
    let controller = controller(&directory, &[]);
    let namespace = execution_namespace("a.b");
    let hashed = namespace.strip_prefix("muster-cluster-").unwrap();
    enter(&directory, "a.b");
    reason(&directory, &controller, "a.b", "Enrolled", "Enrolled");
    let rights =
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings/muster-agent");
    let before = [api.get(&format!("/api/v1/namespaces/{namespace}")).unwrap(), api.get(&rights).unwrap()];
    assert_eq!(before[0]["metadata"]["annotations"]["multicluster.coreos.com/cluster"], "a.b");
    for (name, says) in [(hashed, "is that of cluster a.b"), ("default", "is Kubernetes' own")] {
        enter(&directory, name);
        let (message, _) = reason(&directory, &controller, name, "Enrolled", "NameRefused");
        assert!(message.contains(says), "{message}");
        let refused = entry(&directory, name).unwrap();
        assert_eq!(
            (&refused["metadata"]["finalizers"], &refused["status"]["executionNamespace"]),
            (&Value::Null, &Value::Null)
        );
        api.delete(&format!("{CLUSTERS}/{name}")).unwrap();
        until(&controller, "the entry gone", DEADLINE, || match entry(&directory, name) {
            Err(_) => Ok(()),
            Ok(there) => Err(there.to_string()),
        });
    }
    let after = [api.get(&format!("/api/v1/namespaces/{namespace}")).unwrap(), api.get(&rights).unwrap()];
    assert_eq!(json!(after), json!(before));
    assert_eq!(api.get(default).unwrap(), account);
}
