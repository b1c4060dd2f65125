//! The account that a request is made as.

use http::HeaderValue;
use http::header::HeaderName;
use muster_api::names::{is_label, is_subdomain};

/// The header that names it. The server makes sure that the caller may `impersonate` it, and from then on judges and
/// records the request as that account's.
const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// An account that requests can be made as, with [`super::Client::acting_as`]. There is none without a name: to a
/// server, an empty one means the caller itself, with all that the caller may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    user: HeaderValue,
}

/// Why there is no such account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// The namespace is no legal one.
    #[error("unable to act as a service account: its namespace is no legal name")]
    Namespace,
    /// The name is no legal one.
    #[error("unable to act as a service account: its name is no legal name")]
    Name,
}

impl Account {
    /// A `ServiceAccount`. Its user name alone is sent: the server adds the groups of service accounts by itself, and
    /// only where no group is sent with it.
    ///
    /// # Errors
    /// Where a part is no legal name: what is not `system:serviceaccount:NAMESPACE:NAME` would be the name of a user.
    pub fn service_account(namespace: &str, name: &str) -> Result<Self, AccountError> {
        if !is_label(namespace) {
            return Err(AccountError::Namespace);
        }
        if !is_subdomain(name) {
            return Err(AccountError::Name);
        }
        let user = HeaderValue::try_from(format!("system:serviceaccount:{namespace}:{name}"));
        Ok(Self { user: user.map_err(|_| AccountError::Name)? })
    }

    /// Makes a request one of this account.
    pub(super) fn sign<B>(&self, request: &mut http::Request<B>) {
        request.headers_mut().insert(IMPERSONATE_USER, self.user.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, Request};
    use kube::client::Body;
    use muster_api::resource::LEASES;
    use serde_json::json;

    use super::*;
    use crate::client::{Client, Form, ListQuery, Preconditions, WatchQuery};
    use crate::testing::{Server, reply, soon};

    #[test]
    fn only_legal_names_are_accounts() {
        for bad in ["", " ", "a:b", "A", "a b", "a\n", "a/b", "a.b"] {
            assert_eq!(Account::service_account(bad, "n"), Err(AccountError::Namespace), "{bad:?}");
        }
        for bad in ["", " ", "a:b", "A", "a b", "a\n", "a/b"] {
            assert_eq!(Account::service_account("n", bad), Err(AccountError::Name), "{bad:?}");
        }
        let mut request = Request::new(());
        Account::service_account("muster-appliers", "a.b").unwrap().sign(&mut request);
        assert_eq!(request.headers()[IMPERSONATE_USER], "system:serviceaccount:muster-appliers:a.b");
    }

    /// Makes a call of each kind, and returns what each sent.
    async fn headers_of_all_calls(server: &Server, client: &Client) -> Vec<(String, HeaderMap)> {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "l", "namespace": "n", "uid": "u", "resourceVersion": "1"},
        });
        let (ns, body) = (Some("n"), || b"{}".to_vec());
        let query = WatchQuery {
            labels: None,
            fields: None,
            form: Form::Whole,
            from: Some("1"),
            timeout_seconds: 600,
        };
        let calls = async {
            let _ = client.get(&LEASES, ns, "l").await;
            let _ = client.list_page(&LEASES, ns, &ListQuery::default()).await;
            let _ = client.metadata_page(&LEASES, ns, &ListQuery::default()).await;
            let _ = client.create(&LEASES, ns, "m", body()).await;
            let _ = client.create_dry_run(&LEASES, ns, "m", body()).await;
            let _ = client.replace(&LEASES, ns, "l", "m", body()).await;
            let _ = client.replace_status(&LEASES, ns, "l", "m", body()).await;
            let _ = client.merge_patch(&LEASES, ns, "l", None, "m", body()).await;
            let _ = client.apply(&LEASES, ns, "l", "m", true, body()).await;
            let _ = client.delete(&LEASES, ns, "l", &Preconditions::default()).await;
            let _ = client.review(&LEASES, body()).await;
            let _ = client.resources().await;
            let _ = client.kinds("apps", "v1").await;
            let _ = client.watch(&LEASES, ns, &query).await;
            let _ = client.kube().send(Request::get("/version").body(Body::empty()).unwrap()).await;
        };
        let asks = async {
            let mut seen = Vec::new();
            for _ in 0..15 {
                let ask = server.next().await;
                seen.push((format!("{} {}", ask.method, ask.path), ask.headers.clone()));
                ask.answer(reply(200, &lease));
            }
            seen
        };
        soon("the calls", async { tokio::join!(calls, asks) }).await.1
    }

    #[tokio::test]
    async fn every_request_names_the_account_and_no_group() {
        let server = Server::start().await;
        let own = server.client();
        let first = own.acting_as(&Account::service_account("a", "a").unwrap());
        let account = Account::service_account("muster-appliers", "policies").unwrap();
        let acting = first.acting_as(&account).with_deadline(Duration::from_secs(29));
        for (what, headers) in headers_of_all_calls(&server, &acting).await {
            let users: Vec<_> = headers.get_all(IMPERSONATE_USER).iter().collect();
            assert_eq!(users, ["system:serviceaccount:muster-appliers:policies"], "{what}");
            let impersonate = headers.keys().filter(|name| name.as_str().starts_with("impersonate-"));
            assert_eq!(impersonate.count(), 1, "{what}: {headers:?}");
        }
        for (what, headers) in headers_of_all_calls(&server, &own).await {
            assert!(!headers.contains_key(IMPERSONATE_USER), "{what}");
        }
        assert_eq!(own.connections_opened(), 1, "all accounts share the connection");
    }
}
