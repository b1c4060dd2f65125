//! Files that cannot be used, or not as they are.

use muster_tests::pool;

use super::{check_all, user};
use crate::fleet::install;

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_place_in_it() {
    let plane = pool::plane().unwrap();
    let admin = plane.admin_kubeconfig();
    install(&plane);
    let file = |name: &str, content: &str| {
        let path = plane.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (broken, empty) = (file("broken.yaml", "a: [b"), file("empty.yaml", "# nothing\n"));
    let kind = file("kind.yaml", "apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: thing}\n");
    let policy = file(
        "policy.yaml",
        "apiVersion: multicluster.coreos.com/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec: {selector: {}, namespace: []}\n",
    );
    let address = file(
        "address.yaml",
        "apiVersion: multicluster.coreos.com/v1\nkind: Cluster\nmetadata: {name: a}\nspec: {deregistration: Sometimes}\n",
    );
    let config =
        file("config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n");
    let nobody = user(&plane, "nobody", &[]);
    check_all(&[
        (
            "no such file",
            &admin,
            &["lint", "-f", "/no/such/file.yaml"],
            1,
            &["/no/such/file.yaml", "No such file", "-f FILE"],
        ),
        (
            "no YAML",
            &admin,
            &["apply", "-f", &broken],
            1,
            &["broken.yaml", "line 1", "kubectl muster lint -f"],
        ),
        ("no document", &admin, &["lint", "-f", &empty], 1, &["empty.yaml", "no document", "-f FILE"]),
        (
            "a kind that is not served",
            &admin,
            &["apply", "-f", &kind],
            1,
            &["Nothing thing", "does not serve Nothing of example.com/v1", "api-resources"],
        ),
        (
            "a field that no policy has",
            &admin,
            &["lint", "-f", &policy],
            1,
            &["document 1, ClusterPolicy p", "unknown field `namespace`", "docs/policies.md"],
        ),
        (
            "a value that the server refuses",
            &admin,
            &["apply", "-f", &address],
            1,
            &["Cluster a", "deregistration", "correct it"],
        ),
        (
            "may not write it",
            &nobody,
            &["apply", "-f", &config],
            1,
            &["patch configmaps default/a", "forbidden", "auth can-i patch configmaps/a -n default"],
        ),
    ]);
}
