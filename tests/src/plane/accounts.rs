//! Credentials that are not the admin's.

use std::time::Duration;

use serde_json::json;

use super::{ControlPlane, PlaneError};
use crate::{api::Api, kubeconfig::Credential, pki::Identity};

/// How long a token lives where nothing is said.
const LIFE: Duration = Duration::from_secs(24 * 3600);

/// What a `TokenRequest` asks for.
#[derive(Clone, Debug, Default)]
pub struct TokenOptions {
    /// Lifetime; the server refuses less than ten minutes. `None`: a day, so that no agent renews it in a test.
    pub expiration: Option<Duration>,
    /// Audience; `None`: the API server's own.
    pub audience: Option<String>,
}

impl ControlPlane {
    /// A token for a `ServiceAccount`, by `TokenRequest`.
    ///
    /// # Errors
    ///
    /// There is no such account, or the server refuses.
    pub fn service_account_token(
        &self,
        namespace: &str,
        name: &str,
        options: &TokenOptions,
    ) -> Result<String, PlaneError> {
        let mut spec = json!({});
        spec["expirationSeconds"] = options.expiration.unwrap_or(LIFE).as_secs().into();
        if let Some(audience) = &options.audience {
            spec["audiences"] = json!([audience]);
        }
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let answer = self.api().create(&path, &request)?;
        Ok(answer.pointer("/status/token").and_then(|token| token.as_str()).unwrap_or_default().to_owned())
    }

    /// A kubeconfig with a new token for a `ServiceAccount`.
    ///
    /// # Errors
    ///
    /// As for [`ControlPlane::service_account_token`].
    pub fn service_account_kubeconfig(
        &self,
        namespace: &str,
        name: &str,
        options: &TokenOptions,
    ) -> Result<String, PlaneError> {
        let token = self.service_account_token(namespace, name, options)?;
        Ok(self.token_kubeconfig(&token))
    }

    /// A kubeconfig for this plane with any token.
    #[must_use]
    pub fn token_kubeconfig(&self, token: &str) -> String {
        self.kubeconfig(&Credential::Token(token))
    }

    /// A kubeconfig for this plane with a client certificate of the authority that it serves with.
    #[must_use]
    pub fn certificate_kubeconfig(&self, identity: &Identity) -> String {
        self.kubeconfig(&Credential::Certificate(identity))
    }

    /// A client with another token than the admin's; anonymous if it is empty.
    ///
    /// # Errors
    ///
    /// The client could not be made.
    pub fn api_with(&self, token: &str) -> Result<Api, PlaneError> {
        Ok(Api::new(&self.url(), &self.ca_pem(), token)?)
    }
}
