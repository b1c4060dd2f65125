//! Calls that write, and questions that are posted.

use http::Method;
use muster_api::{Object, Resource};
use serde::Serialize;
use serde_json::value::RawValue;

use super::call::Call;
use super::{CallError, Client, answer};

/// What an object must still be for its deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preconditions {
    /// UID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `resourceVersion`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
}

impl Client {
    /// Creates an object.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::AlreadyExists`] where there is one of that name.
    pub async fn create(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("create", Method::POST, resource, namespace);
        self.object(call.ask("fieldManager", Some(manager)).json(body)).await
    }

    /// Asks what [`Self::create`] would store, and stores nothing. The answer is an object without a resourceVersion;
    /// what the server would drop is missing, what it would add is there.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::AlreadyExists`] where there is one of that name.
    pub async fn create_dry_run(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Box<RawValue>, CallError> {
        let call = Call::new("create", Method::POST, resource, namespace).json(body);
        self.ask(call.ask("fieldManager", Some(manager)).ask("dryRun", Some("All")), answer::typed).await
    }

    /// Replaces an object. With a resourceVersion in `body`, only if it still has that one.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where it has another resourceVersion.
    pub async fn replace(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("update", Method::PUT, resource, namespace).named(name);
        self.object(call.ask("fieldManager", Some(manager)).json(body)).await
    }

    /// Replaces the status of an object. With a resourceVersion in `body`, only if it still has that one.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where it has another resourceVersion.
    pub async fn replace_status(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("update", Method::PUT, resource, namespace).named(name).sub(Some("status"));
        self.object(call.ask("fieldManager", Some(manager)).json(body)).await
    }

    /// Merges a patch (RFC 7396) into an object or one of its subresources, such as `status`. With a
    /// `metadata.resourceVersion` in `body`, only if it still has that one; with a `metadata.uid`, only into the object
    /// of that UID. To the status of a custom resource servers give no heed to the UID (seen with Kubernetes
    /// 1.36): there, send the resourceVersion.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where it has another resourceVersion or UID.
    pub async fn merge_patch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        subresource: Option<&str>,
        manager: &str,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("patch", Method::PATCH, resource, namespace).named(name).sub(subresource);
        let call = call.ask("fieldManager", Some(manager));
        self.object(call.content("application/merge-patch+json", body)).await
    }

    /// Applies what `body`, JSON with `apiVersion`, `kind` and `metadata.name`, says of an object (server-side apply):
    /// creates it, or makes the fields of `manager` these and no others. With `force`, it takes them from whoever has
    /// them; without, a field that another manager set otherwise is a conflict. `body` says what must hold: with a `metadata.resourceVersion` of `"1"` the object is created and never changed; with
    /// a `metadata.uid` the object of that UID is changed and none is created.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where what `body` says does not hold.
    pub async fn apply(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        manager: &str,
        force: bool,
        body: Vec<u8>,
    ) -> Result<Object, CallError> {
        let call = Call::new("patch", Method::PATCH, resource, namespace).named(name);
        let call = call.ask("fieldManager", Some(manager)).ask("force", force.then_some("true"));
        // JSON is YAML, and the only name that all servers know for this.
        self.object(call.content("application/apply-patch+yaml", body)).await
    }

    /// Deletes an object, its dependents in the background.
    ///
    /// # Errors
    /// See [`CallError`]; [`CallError::Conflict`] where a precondition does not hold.
    pub async fn delete(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        preconditions: &Preconditions,
    ) -> Result<(), CallError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct DeleteOptions<'a> {
            api_version: &'static str,
            kind: &'static str,
            propagation_policy: &'static str,
            preconditions: &'a Preconditions,
        }
        let call = Call::new("delete", Method::DELETE, resource, namespace).named(name);
        let options = DeleteOptions {
            api_version: "v1",
            kind: "DeleteOptions",
            propagation_policy: "Background",
            preconditions,
        };
        let body = serde_json::to_vec(&options).map_err(|_| call.malformed("its preconditions"))?;
        self.ask(call.json(body), |_, _| Ok(())).await
    }

    /// Posts to a subresource of an object what is answered and never stored, such as a `TokenRequest`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn create_sub(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        subresource: &str,
        body: Vec<u8>,
    ) -> Result<Box<RawValue>, CallError> {
        let call = Call::new("create", Method::POST, resource, Some(namespace)).named(name);
        self.ask(call.sub(Some(subresource)).json(body), answer::json).await
    }

    /// Posts a question that is answered and never stored, such as a `SelfSubjectAccessReview`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn review(&self, resource: &Resource, body: Vec<u8>) -> Result<Box<RawValue>, CallError> {
        let call = Call::new("create", Method::POST, resource, None).json(body);
        self.ask(call, answer::json).await
    }
}

#[cfg(test)]
mod tests {
    use muster_api::resource::{APPLIED_WORKS, NAMESPACES};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Server, reply, soon, status};

    /// Answers one call of `make`.
    async fn answered<T>(make: impl AsyncFnOnce(Client) -> T, code: u16, body: &Value) -> T {
        let server = Server::start().await;
        let answer = async { server.next().await.answer(reply(code, body)) };
        soon("a call", async { tokio::join!(make(server.client()), answer) }).await.0
    }

    #[tokio::test]
    async fn a_dry_run_answers_with_what_is_stored_nowhere() {
        let stored = json!({
            "apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "AppliedWork",
            "metadata": {"name": "x", "uid": "u", "generation": 1}, "spec": {"workName": "w"},
        });
        let dry = async |client: Client| client.create_dry_run(&APPLIED_WORKS, None, "m", vec![]).await;
        assert_eq!(answered(dry, 201, &stored).await.unwrap().get(), stored.to_string());
        let mut other = stored;
        other["apiVersion"] = json!("multicluster.x-k8s.io/v1");
        assert_eq!(answered(dry, 201, &other).await.unwrap_err().category(), "malformed");
        let exists = answered(dry, 409, &status(409, "AlreadyExists", &json!({}))).await;
        assert_eq!(exists.unwrap_err().category(), "already_exists");
    }

    #[tokio::test]
    async fn a_guard_that_does_not_hold_is_a_conflict_whatever_the_server_calls_it() {
        let apply = async |client: Client| client.apply(&NAMESPACES, None, "n", "m", true, vec![]).await;
        let patch =
            async |client: Client| client.merge_patch(&NAMESPACES, None, "n", None, "m", vec![]).await;
        let because = |field: &str| json!({"causes": [{"reason": "FieldValueInvalid", "field": field}]});
        for (code, reason, field, category) in [
            (409, "Conflict", "", "conflict"),
            (422, "Invalid", "metadata.uid", "conflict"),
            (422, "Invalid", "metadata.name", "invalid"),
            (422, "Invalid", "metadata.ownerReferences[0].uid", "invalid"),
        ] {
            let body = status(code, reason, &because(field));
            assert_eq!(answered(apply, code, &body).await.unwrap_err().category(), category, "{body}");
            assert_eq!(answered(patch, code, &body).await.unwrap_err().category(), category, "{body}");
        }
    }
}
