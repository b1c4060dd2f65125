//! Works may hold Secrets in the clear: where the server is told to, it encrypts them at rest.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use muster_tests::scratch::Scratch;
use muster_tests::{ControlPlane, Options};
use serde_json::json;

use crate::fleet::install;

/// In a Work, and in a `ConfigMap`, which is not encrypted.
const HIDDEN: &str = "value-of-a-work-at-rest";
const PLAIN: &str = "value-of-a-config-map-at-rest";

/// Whether a file under a folder has this in it.
fn holds(folder: &Path, needle: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        // A file may go meanwhile, and a socket cannot be read.
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

#[test]
fn works_are_encrypted_at_rest_as_the_page_says() {
    let page = include_str!("../../../docs/works.md");
    let begin = page.find("apiVersion: apiserver.config.k8s.io/v1").unwrap();
    let end = begin + page[begin..].find("```").unwrap();
    let key = BASE64_STANDARD.encode([7; 32]);
    let files = Scratch::new("encryption").unwrap();
    let file = files.path().join("encryption.yaml");
    let config = page[begin..end].replace("BASE64_OF_32_RANDOM_BYTES", &key);
    assert!(config.contains(&key), "{config}");
    std::fs::write(&file, config).unwrap();
    let mut options = Options::named("encrypted");
    options.apiserver_flags = vec![format!("--encryption-provider-config={}", file.display())];
    let plane = ControlPlane::start(options).unwrap();
    install(&plane);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "default"},
        "stringData": {"password": HIDDEN}});
    let work = json!({"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "Work", "metadata": {"name": "app"},
        "spec": {"workload": {"manifests": [secret]}}});
    let works = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/default/works";
    plane.api().create(works, &work).unwrap();
    let beside = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"key": PLAIN}});
    plane.api().create("/api/v1/namespaces/default/configmaps", &beside).unwrap();
    assert!(plane.api().get(&format!("{works}/app")).unwrap().to_string().contains(HIDDEN));
    plane.kill().unwrap();
    assert!(holds(plane.folder(), PLAIN), "what is not encrypted is found");
    assert!(!holds(plane.folder(), HIDDEN), "what is encrypted is not");
}
