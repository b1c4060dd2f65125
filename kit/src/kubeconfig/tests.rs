//! In every document here each value holds the word "canary", or is made of the certificates of [`pki`]. No error may
//! repeat any of it.

mod frame;
mod fuzz;
mod keys;
mod server;
mod yaml;

use std::sync::LazyLock;

use super::*;

/// A CA, a client certificate and its key, each as the base64 of its PEM.
struct Pki {
    ca: String,
    certificate: String,
    key: String,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    // Ed25519 with a fixed key signs without chance, so that every run sees the same bytes. The prefix is RFC 8410's.
    let mut pkcs8 = STANDARD.decode("MC4CAQAwBQYDK2VwBCIEIA==").unwrap();
    pkcs8.extend([7; 32]);
    let key = rcgen::KeyPair::try_from(pkcs8).unwrap();
    let ca = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["client".into()]).unwrap().self_signed(&key).unwrap();
    Pki {
        ca: STANDARD.encode(ca.pem()),
        certificate: STANDARD.encode(certificate.pem()),
        key: STANDARD.encode(key.serialize_pem()),
    }
});

const TOKEN: &str = "token: canary-token";
const SERVER: &str = "server: https://canary.example.com:6443";

fn document() -> String {
    let ca = &PKI.ca;
    format!(
        "apiVersion: v1
kind: Config
preferences: {{}}
current-context: canary-context
clusters:
- name: canary-cluster
  cluster:
    {SERVER}
    certificate-authority-data: {ca}
contexts:
- name: canary-context
  context:
    cluster: canary-cluster
    user: canary-user
    namespace: canary-namespace
users:
- name: canary-user
  user:
    {TOKEN}
"
    )
}

fn with_certificate() -> String {
    let Pki { certificate, key, .. } = &*PKI;
    document().replace(TOKEN, &format!("client-certificate-data: {certificate}\n    client-key-data: {key}"))
}

/// The document with one piece replaced, which must be there.
fn but(piece: &str, other: &str) -> String {
    let document = document();
    assert!(document.contains(piece), "{piece}");
    document.replace(piece, other)
}

fn accepted(document: &str) -> Kubeconfig {
    Kubeconfig::parse(document.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{document}"))
}

/// The error, after a look for what it must not hold.
fn refused(document: impl AsRef<[u8]>) -> KubeconfigError {
    let document = document.as_ref();
    let shown = || String::from_utf8_lossy(document);
    let Err(error) = Kubeconfig::parse(document) else { panic!("accepted:\n{}", shown()) };
    silent(&error);
    error
}

fn silent(error: &KubeconfigError) {
    let texts = [error.to_string(), format!("{error:?}"), format!("{error:#?}")];
    for text in &texts {
        for secret in ["canary", &PKI.ca[..8], &PKI.certificate[..8], &PKI.key[..8]] {
            assert!(!text.to_lowercase().contains(&secret.to_lowercase()), "a leak: {text}");
        }
    }
    assert!(!texts[0].contains(char::is_control) && texts[0].len() < 300, "{}", texts[0]);
}

#[test]
fn the_look_for_leaks_finds_one() {
    let leak = KubeconfigError::Missing { path: "users[0].user.canary".to_owned() };
    assert!(std::panic::catch_unwind(|| silent(&leak)).is_err());
}

#[test]
fn what_is_allowed_is_taken_over() {
    let kubeconfig = accepted(&document());
    assert_eq!(kubeconfig.warnings(), []);
    assert_eq!(format!("{kubeconfig:?}"), "Kubeconfig { warnings: [], .. }");
    let endpoint = kubeconfig.endpoint();
    assert_eq!(endpoint.server(), "https://canary.example.com:6443/");
    assert_eq!(endpoint.ca().len(), 1);
    assert_eq!(endpoint.tls_server_name(), None);
    let Credential::Token(token) = endpoint.credential() else { panic!("{:?}", endpoint.credential()) };
    assert_eq!(token.expose_secret(), "canary-token");

    let endpoint = accepted(&with_certificate()).endpoint();
    let Credential::Certificate { chain_pem, key_pem } = endpoint.credential() else { panic!() };
    assert!(chain_pem.expose_secret().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(key_pem.expose_secret().starts_with("-----BEGIN PRIVATE KEY-----"));
    let named = accepted(&but(SERVER, &format!("{SERVER}\n    tls-server-name: kubernetes.default")));
    assert_eq!(named.endpoint().tls_server_name(), Some("kubernetes.default"));
    let pems = STANDARD.decode(&PKI.ca).unwrap().repeat(3);
    let bundle = but(&PKI.ca, &STANDARD.encode(pems));
    assert_eq!(accepted(&bundle).endpoint().ca().len(), 3);
}

#[test]
fn what_changes_nothing_is_allowed() {
    let plain = document();
    for harmless in [
        but("preferences: {}\n", ""),
        but("preferences: {}", "preferences: null"),
        but("current-context: canary-context\n", ""),
        but("    namespace: canary-namespace\n", ""),
        but(SERVER, &format!("{SERVER}\n    insecure-skip-tls-verify: false")),
        but(SERVER, &format!("{SERVER}\n    tls-server-name: \"\"")),
        but(TOKEN, &format!("{TOKEN}\n    client-key-data: \"\"\n    client-certificate-data: null")),
        but("kind: Config", "kind: \"Config\" # canary"),
        but("kind: Config", "kind: !!str Config"),
        but(TOKEN, "token: !!binary Y2FuYXJ5LXRva2Vu"),
        plain.replace('\n', "\r\n"),
        format!("---\n{plain}...\n"),
        format!("# canary\n\n{plain}\n# canary\n"),
        plain.replace('\n', &format!("\n{}", "# canary\n".repeat(100))),
        but(&PKI.ca, &format!("|\n      {}\n      {}", &PKI.ca[..64], &PKI.ca[64..])),
    ] {
        let endpoint = accepted(&harmless).endpoint();
        assert_eq!(endpoint.server(), "https://canary.example.com:6443/");
        assert_eq!(endpoint.ca(), accepted(&plain).endpoint().ca());
    }
}

/// What `kubectl config view --raw --minify` prints, in both forms, and what the registry's Console offers.
#[test]
fn files_of_the_known_makers_are_allowed() {
    let Pki { ca, certificate, key } = &*PKI;
    let kubectl = format!(
        "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: https://10.1.2.3:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
preferences: {{}}
users:
- name: kubernetes-admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
"
    );
    let json = format!(
        r#"{{
    "kind": "Config",
    "apiVersion": "v1",
    "preferences": {{}},
    "clusters": [
        {{
            "name": "kubernetes",
            "cluster": {{
                "server": "https://10.1.2.3:6443",
                "certificate-authority-data": "{ca}"
            }}
        }}
    ],
    "users": [{{"name": "a\/b", "user": {{"token": "canary\u002dtoken"}}}}],
    "contexts": [
	{{"name": "c", "context": {{"cluster": "kubernetes", "user": "a/b"}}}}
    ],
    "current-context": "c"
}}
"#
    );
    let compact: serde_json::Value = serde_json::from_str(&json).unwrap();
    let console = format!(
        "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: https://west-api.example.com:443
  name: west-coast-production
contexts:
- context:
    cluster: west-coast-production
    namespace: tectonic-multi-cluster
    user: east-coast-production-token-x7k2p
  name: east-coast-production-token-x7k2p
current-context: east-coast-production-token-x7k2p
kind: Config
preferences: {{}}
users:
- name: east-coast-production-token-x7k2p
  user:
    token: {}
",
        "eyJhbGciOiJSUzI1NiJ9.".repeat(60)
    );
    let rancher = console.replace("west-api.example.com:443", "rancher.example.com/k8s/clusters/c-m-x7k2p");
    for file in [kubectl, json, compact.to_string(), console, rancher] {
        assert_eq!(accepted(&file).warnings(), [], "{file}");
    }
}

#[test]
fn another_token_takes_the_place_of_any_credential() {
    let token = SecretString::from("canary-renewed");
    for given in [
        document(),
        document().replace(SERVER, &format!("{SERVER}\n    tls-server-name: canary.example.com")),
    ] {
        let before = Kubeconfig::parse(given.as_bytes()).unwrap().endpoint();
        let renewed = Kubeconfig::with_token(given.as_bytes(), &token).unwrap();
        let after = Kubeconfig::parse(renewed.expose_secret().as_bytes()).unwrap().endpoint();
        assert_eq!(before.server(), after.server());
        assert_eq!(before.ca(), after.ca());
        assert_eq!(before.tls_server_name(), after.tls_server_name());
        let Credential::Token(kept) = after.credential() else { panic!("{after:?}") };
        assert_eq!(kept.expose_secret(), "canary-renewed");
        assert!(!renewed.expose_secret().contains("canary-token"));
    }
    assert!(Kubeconfig::with_token(b"{}", &token).is_err());
}
