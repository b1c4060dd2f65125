//! What must be there, and how often.

use super::*;

#[test]
fn the_frame_must_be_whole() {
    use KubeconfigError::{Missing, NoMapping, NoSuchName, NotAKubeconfig, NotOne, WrongType};
    let missing = |path: &str| Missing { path: path.to_owned() };
    let wrong = |path: &str, expected| WrongType { path: path.to_owned(), expected };
    let text = "a text, in quotes";
    let cases = [
        ("apiVersion: v1", "apiVersion: v1beta1", NotAKubeconfig { path: "apiVersion", right: "v1" }),
        ("kind: Config", "kind: canary", NotAKubeconfig { path: "kind", right: "Config" }),
        ("kind: Config", "kind: 7", wrong("kind", text)),
        ("preferences: {}", "preferences: canary", wrong("preferences", "a mapping")),
        ("- name: canary-user", "- name: 7", wrong("users[0].name", text)),
        ("- name: canary-user", "- name: true", wrong("users[0].name", text)),
        ("- name: canary-user", "- name: ''", missing("users[0].name")),
        ("- name: canary-user\n  user", "- user", missing("users[0].name")),
        (TOKEN, "token: 1234567890", wrong("users[0].user.token", text)),
        (TOKEN, "token: [canary]", wrong("users[0].user.token", text)),
        (SERVER, "server: ''", missing("clusters[0].cluster.server")),
        (&PKI.ca, "", missing("clusters[0].cluster.certificate-authority-data")),
        (&PKI.ca, "''", missing("clusters[0].cluster.certificate-authority-data")),
        (
            "    namespace: canary-namespace",
            "    namespace: [canary]",
            wrong("contexts[0].context.namespace", text),
        ),
        (
            "    user: canary-user",
            "    user: canary-other",
            NoSuchName { path: "contexts[0].context.user", other: "users[0].name" },
        ),
        (
            "    cluster: canary-cluster",
            "    cluster: canary-other",
            NoSuchName { path: "contexts[0].context.cluster", other: "clusters[0].name" },
        ),
        (
            "    cluster: canary-cluster\n",
            "",
            NoSuchName { path: "contexts[0].context.cluster", other: "clusters[0].name" },
        ),
        (
            "current-context: canary-context",
            "current-context: canary-other",
            NoSuchName { path: "current-context", other: "contexts[0].name" },
        ),
    ];
    for (piece, other, expected) in cases {
        assert_eq!(refused(but(piece, other)), expected, "{other}");
    }
    for list in ["clusters", "users", "contexts"] {
        let parts: Vec<String> = document().split_inclusive('\n').map(str::to_owned).collect();
        let start = parts.iter().position(|line| *line == format!("{list}:\n")).unwrap() + 1;
        let length = parts[start..].iter().take_while(|line| line.starts_with(['-', ' '])).count();
        let entry = parts[start..start + length].concat();
        assert_eq!(refused(but(&entry, &entry.repeat(2))), NotOne { path: list, found: 2 });
        for none in [format!("{list}: []\n"), format!("{list}:\n"), String::new()] {
            let document = but(&format!("{list}:\n{entry}"), &none);
            assert_eq!(refused(document), NotOne { path: list, found: 0 });
        }
        let document = but(&format!("{list}:\n{entry}"), &format!("{list}: canary\n"));
        assert_eq!(refused(document), WrongType { path: list.to_owned(), expected: "a list" });
        let document = but(&format!("{list}:\n{entry}"), &format!("{list}: [canary]\n"));
        assert_eq!(refused(document), wrong(&format!("{list}[0]"), "a mapping"));
    }
    for garbage in ["canary", "[canary]", "7", "true", "\"canary\"", "eyJhbGciOiJSUzI1NiJ9.canary.canary"] {
        assert_eq!(refused(garbage), NoMapping, "{garbage}");
    }
}

#[test]
fn there_is_one_credential() {
    use KubeconfigError::{Base64, Certificates, Missing, NoCredential, PrivateKey, Token, TwoCredentials};
    let Pki { ca, certificate, key } = &*PKI;
    let chain = |data: &str| format!("client-certificate-data: {data}\n    client-key-data: {key}");
    let keyed = |data: &str| format!("client-certificate-data: {certificate}\n    client-key-data: {data}");
    let pem =
        |label: &str| STANDARD.encode(format!("-----BEGIN {label}-----\ncanary==\n-----END {label}-----\n"));
    let with_passphrase = STANDARD.encode(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\ncanary==\n-----END RSA PRIVATE KEY-----\n",
    );
    let missing = |key: &str| Missing { path: format!("users[0].user.{key}") };
    let key_path = "users[0].user.client-key-data";
    let cases = [
        ("{}".to_owned(), NoCredential),
        ("token: ''".to_owned(), NoCredential),
        (format!("{TOKEN}\n    client-certificate-data: {certificate}"), TwoCredentials),
        (format!("{TOKEN}\n    client-key-data: {key}"), TwoCredentials),
        (format!("{TOKEN}\n    {}", chain(certificate)), TwoCredentials),
        (format!("client-certificate-data: {certificate}"), missing("client-key-data")),
        (format!("client-key-data: {key}"), missing("client-certificate-data")),
        (chain("canary!"), Base64 { path: CERTIFICATE }),
        (chain("canary"), Base64 { path: CERTIFICATE }),
        (chain(key), Certificates { path: CERTIFICATE }),
        (chain(&pem("CERTIFICATE")), Certificates { path: CERTIFICATE }),
        (chain("Y2FuYXJ5"), Certificates { path: CERTIFICATE }),
        (keyed("canary!"), Base64 { path: key_path }),
        (keyed(ca), PrivateKey),
        (keyed("Y2FuYXJ5"), PrivateKey),
        (keyed("//79/A=="), PrivateKey),
        (keyed(&pem("ENCRYPTED PRIVATE KEY")), PrivateKey),
        (keyed(&with_passphrase), PrivateKey),
        ("token: |\n      canary-token".to_owned(), Token),
        ("token: \"canary\\r\\nHost: canary\"".to_owned(), Token),
        ("token: canary token".to_owned(), Token),
        ("token: canäry".to_owned(), Token),
    ];
    for (user, expected) in cases {
        let document =
            if user == "{}" { but(&format!("user:\n    {TOKEN}"), "user: {}") } else { but(TOKEN, &user) };
        assert_eq!(refused(document), expected, "{user}");
    }
    for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"] {
        accepted(&but(TOKEN, &keyed(&pem(label))));
    }
    let nothing = but(&format!("user:\n    {TOKEN}"), "user:");
    assert_eq!(refused(nothing), Missing { path: "users[0].user".to_owned() });
}

#[test]
fn the_ca_must_be_there_and_usable() {
    use KubeconfigError::{Base64, Certificates};
    let garbage = STANDARD.encode("-----BEGIN CERTIFICATE-----\nMIIcanary\n-----END CERTIFICATE-----\n");
    let more = STANDARD.decode(&PKI.ca).unwrap();
    let trailing =
        [more.as_slice(), b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"].concat();
    for (data, expected) in [
        ("canary!", Base64 { path: CA }),
        ("canary", Base64 { path: CA }),
        ("Y2FuYXJ5", Certificates { path: CA }),
        (&PKI.key, Certificates { path: CA }),
        (&garbage, Certificates { path: CA }),
        (&STANDARD.encode(trailing), Certificates { path: CA }),
    ] {
        assert_eq!(refused(but(&PKI.ca, data)), expected, "{data}");
    }
    let without = but(&format!("    certificate-authority-data: {}\n", PKI.ca), "");
    assert_eq!(refused(without), KubeconfigError::Missing { path: CA.to_owned() });
}
