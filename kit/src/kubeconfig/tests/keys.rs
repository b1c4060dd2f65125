//! Keys that are refused.

use super::*;

#[test]
fn each_key_that_kubectl_knows_is_refused_by_name() {
    type Make = fn(String) -> KubeconfigError;
    let user: [(&str, Make); 16] = [
        ("exec: {command: canary, apiVersion: client.authentication.k8s.io/v1}", |path| {
            KubeconfigError::Exec { path }
        }),
        ("exec: null", |path| KubeconfigError::Exec { path }),
        ("auth-provider: {name: gcp, config: {cmd-path: canary}}", |path| KubeconfigError::AuthProvider {
            path,
        }),
        ("tokenFile: /canary", |path| KubeconfigError::File { path, instead: "token" }),
        ("client-certificate: /canary", |path| KubeconfigError::File {
            path,
            instead: "client-certificate-data",
        }),
        ("client-key: /canary", |path| KubeconfigError::File { path, instead: "client-key-data" }),
        ("as: canary", |path| KubeconfigError::Impersonation { path }),
        ("as-uid: canary", |path| KubeconfigError::Impersonation { path }),
        ("as-groups: [canary]", |path| KubeconfigError::Impersonation { path }),
        ("as-user-extra: {canary: [canary]}", |path| KubeconfigError::Impersonation { path }),
        ("as-user-extra: {}", |path| KubeconfigError::Impersonation { path }),
        ("username: canary", |path| KubeconfigError::Password { path }),
        ("password: canary", |path| KubeconfigError::Password { path }),
        ("extensions: []", |path| KubeconfigError::Extensions { path }),
        ("canary: canary", |_| KubeconfigError::UnknownKey { number: 1, within: "users[0].user".into() }),
        ("server: canary", |_| KubeconfigError::UnknownKey { number: 1, within: "users[0].user".into() }),
    ];
    for (line, make) in user {
        let key = line.split(':').next().unwrap();
        for piece in [format!("{line}\n    {TOKEN}"), line.to_owned()] {
            assert_eq!(refused(but(TOKEN, &piece)), make(format!("users[0].user.{key}")), "{line}");
        }
    }
    let cluster: [(&str, Make); 8] = [
        ("certificate-authority: /canary", |path| KubeconfigError::File {
            path,
            instead: "certificate-authority-data",
        }),
        ("proxy-url: http://canary", |path| KubeconfigError::Proxy { path }),
        ("insecure-skip-tls-verify: true", |_| KubeconfigError::InsecureTls),
        ("insecure-skip-tls-verify: \"true\"", |_| KubeconfigError::InsecureTls),
        ("insecure-skip-tls-verify: \"false\"", |_| KubeconfigError::InsecureTls),
        ("disable-compression: true", |path| KubeconfigError::Needless { path }),
        ("extensions: [{name: canary}]", |path| KubeconfigError::Extensions { path }),
        ("token: canary", |_| KubeconfigError::UnknownKey {
            number: 2,
            within: "clusters[0].cluster".into(),
        }),
    ];
    for (line, make) in cluster {
        let key = line.split(':').next().unwrap();
        let error = refused(but(SERVER, &format!("{SERVER}\n    {line}")));
        assert_eq!(error, make(format!("clusters[0].cluster.{key}")), "{line}");
    }
    let elsewhere: [(&str, &str, &str); 7] = [
        ("kind: Config", "kind: Config\nextensions: [canary]", "extensions"),
        ("preferences: {}", "preferences: {extensions: [canary]}", "preferences.extensions"),
        ("preferences: {}", "preferences: {colors: true}", "preferences.colors"),
        ("kind: Config", "kind: Config\nexec: canary", "exec"),
        ("- name: canary-user", "- tokenFile: canary\n  name: canary-user", "users[0].tokenFile"),
        ("- name: canary-context", "- extensions: canary\n  name: canary-context", "contexts[0].extensions"),
        (
            "    user: canary-user",
            "    extensions: canary\n    user: canary-user",
            "contexts[0].context.extensions",
        ),
    ];
    for (piece, other, path) in elsewhere {
        let error = refused(but(piece, other)).to_string();
        assert!(error.starts_with(&format!("unable to use {path}: ")), "{error}");
    }
}

#[test]
fn unknown_keys_are_named_by_their_position() {
    let cases = [
        ("kind: Config", "kind: Config\ncanary: {}", 3, "the top level"),
        ("preferences: {}", "preferences: {canary: 1}", 1, "preferences"),
        ("- name: canary-cluster", "- canary: 1\n  name: canary-cluster", 1, "clusters[0]"),
        (SERVER, "Server: https://canary.example.com", 1, "clusters[0].cluster"),
        ("    namespace: canary-namespace", "    Namespace: canary", 3, "contexts[0].context"),
        ("- name: canary-context", "- 7: 1\n  name: canary-context", 1, "contexts[0]"),
        ("- name: canary-user", "- user.exec: 1\n  name: canary-user", 1, "users[0]"),
        (TOKEN, "Token: canary", 1, "users[0].user"),
        (TOKEN, "token : canary\n    canary-token:", 2, "users[0].user"),
    ];
    for (piece, other, number, within) in cases {
        let expected = KubeconfigError::UnknownKey { number, within: within.to_owned() };
        assert_eq!(refused(but(piece, other)), expected, "{other}");
    }
}

/// However much else is wrong, what runs or opens something is told first.
#[test]
fn commands_and_files_come_first() {
    for (danger, name) in [
        ("exec: {command: canary}", "users[1].user.exec"),
        ("auth-provider: {}", "users[1].user.auth-provider"),
        ("tokenFile: canary", "users[1].user.tokenFile"),
        ("client-certificate: canary", "users[1].user.client-certificate"),
        ("client-key: canary", "users[1].user.client-key"),
    ] {
        let document = format!(
            "canary: 1\nkind: 7\nclusters: [7, {{cluster: {{server: http://canary, proxy-url: canary}}}}]\n\
             users:\n- 7\n- user:\n    token: 7\n    as: canary\n    {danger}\n"
        );
        let error = refused(document).to_string();
        assert!(error.starts_with(&format!("unable to use {name}: ")), "{error}");
    }
    let error = refused("clusters: [{canary: 1, cluster: {certificate-authority: canary}}]").to_string();
    assert!(error.starts_with("unable to use clusters[0].cluster.certificate-authority: "), "{error}");
}
