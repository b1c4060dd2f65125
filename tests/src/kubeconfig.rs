//! Kubeconfigs as text.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::pki::Identity;

/// The text given is no kubeconfig with a cluster.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// Not YAML.
    #[error("unable to read a kubeconfig: {0}")]
    Yaml(String),
    /// No cluster in it.
    #[error("unable to find a cluster in a kubeconfig")]
    NoCluster,
    /// It could not be written as text again.
    #[error("unable to write a kubeconfig: {0}")]
    Write(#[from] serde_json::Error),
}

/// How the user of a kubeconfig shows who it is.
pub enum Credential<'a> {
    /// A bearer token.
    Token(&'a str),
    /// A client certificate.
    Certificate(&'a Identity),
}

/// A kubeconfig with one cluster, one user and one context, all named `name`, everything inline.
#[must_use]
pub fn kubeconfig(name: &str, server: &str, ca_pem: &str, credential: &Credential<'_>) -> String {
    let ca = BASE64_STANDARD.encode(ca_pem);
    let user = match credential {
        Credential::Token(token) => format!("    token: {token}\n"),
        Credential::Certificate(identity) => format!(
            "    client-certificate-data: {}\n    client-key-data: {}\n",
            BASE64_STANDARD.encode(&identity.certificate),
            BASE64_STANDARD.encode(&identity.key)
        ),
    };
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: {name}\n  \
           cluster:\n    \
             server: {server}\n    \
             certificate-authority-data: {ca}\n\
         users:\n\
         - name: {name}\n  \
           user:\n{user}\
         contexts:\n\
         - name: {name}\n  \
           context:\n    \
             cluster: {name}\n    \
             user: {name}\n\
         current-context: {name}\n"
    )
}

/// The same kubeconfig for another address of the same cluster, as a proxy is one. The result is JSON, which is YAML.
///
/// # Errors
///
/// [`KubeconfigError`].
pub fn readdress(kubeconfig: &str, server: &str, ca_pem: &str) -> Result<String, KubeconfigError> {
    let mut config: Value =
        serde_saphyr::from_str(kubeconfig).map_err(|e| KubeconfigError::Yaml(e.to_string()))?;
    let clusters =
        config.pointer_mut("/clusters").and_then(Value::as_array_mut).ok_or(KubeconfigError::NoCluster)?;
    for cluster in clusters {
        let cluster = cluster.get_mut("cluster").ok_or(KubeconfigError::NoCluster)?;
        cluster["server"] = server.into();
        cluster["certificate-authority-data"] = BASE64_STANDARD.encode(ca_pem).into();
    }
    Ok(serde_json::to_string_pretty(&config)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readdressed_kubeconfig_keeps_the_user_and_changes_the_cluster() {
        let text = kubeconfig("east", "https://127.0.0.1:1", "CA", &Credential::Token("secret"));
        let other = readdress(&text, "https://127.0.0.1:2", "OTHER").unwrap();
        let config: Value = serde_saphyr::from_str(&other).unwrap();
        assert_eq!(config.pointer("/users/0/user/token").unwrap(), "secret");
        assert_eq!(config.pointer("/clusters/0/cluster/server").unwrap(), "https://127.0.0.1:2");
        let ca = config.pointer("/clusters/0/cluster/certificate-authority-data").unwrap();
        assert_eq!(ca, &BASE64_STANDARD.encode("OTHER"));
    }

    #[test]
    fn what_is_no_kubeconfig_is_an_error() {
        assert!(matches!(readdress("{}", "", ""), Err(KubeconfigError::NoCluster)));
        assert!(matches!(readdress("a: [", "", ""), Err(KubeconfigError::Yaml(_))));
    }
}
