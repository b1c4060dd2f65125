//! Calls that read.

use http::Method;
use muster_api::{Object, Resource};

use super::answer::{Form, Page, page};
use super::call::Call;
use super::{CallError, Client};

/// What a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Label selector.
    pub labels: Option<String>,
    /// Field selector.
    pub fields: Option<String>,
    /// Most items of a page.
    pub limit: Option<u32>,
    /// Where the page begins: [`Page::next`] of the one before.
    pub continue_token: Option<String>,
}

impl Client {
    /// Reads one object.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Object, CallError> {
        self.object(Call::new("get", Method::GET, resource, namespace).named(name)).await
    }

    /// Reads one page of a list, and checks that the answer is a list of this very kind.
    ///
    /// # Errors
    /// See [`CallError`]. A page with one malformed item is malformed.
    pub async fn list_page(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &ListQuery,
    ) -> Result<Page, CallError> {
        self.page(resource, namespace, query, Form::Whole).await
    }

    /// Reads one page of a list whose items are the `metadata` of objects of any kind and nothing else of them: of
    /// Secrets, no value (save where an annotation repeats one). There is nothing in the collection only where the
    /// page has neither an item nor [`Page::next`].
    ///
    /// # Errors
    /// See [`CallError`]. A server that cannot leave the rest out is [`CallError::Invalid`] or
    /// [`CallError::Malformed`].
    pub async fn metadata_page(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &ListQuery,
    ) -> Result<Page, CallError> {
        self.page(resource, namespace, query, Form::Metadata).await
    }

    pub(crate) async fn page(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        query: &ListQuery,
        form: Form,
    ) -> Result<Page, CallError> {
        let limit = query.limit.map(|limit| limit.to_string());
        let call = Call::new("list", Method::GET, resource, namespace)
            .accepting(form.of_lists())
            .ask("labelSelector", query.labels.as_deref())
            .ask("fieldSelector", query.fields.as_deref())
            .ask("limit", limit.as_deref())
            .ask("continue", query.continue_token.as_deref());
        self.ask(call, |call, text| page(call, &text, form)).await
    }
}

/// Reads a page that no server sent.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn page_of(
    resource: &Resource,
    namespace: Option<&str>,
    text: &str,
    form: Form,
) -> Result<Page, CallError> {
    page(&Call::new("list", Method::GET, resource, namespace), text, form)
}

#[cfg(test)]
mod tests {
    use muster_api::resource::SECRETS;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Server, reply, soon};

    const META: &str = "meta.k8s.io/v1";

    fn metadata(items: &Value) -> Value {
        let meta = json!({"resourceVersion": "7", "continue": "more"});
        json!({"kind": "PartialObjectMetadataList", "apiVersion": META, "metadata": meta, "items": items})
    }

    fn item(namespace: &str) -> Value {
        let meta = json!({"name": "s", "namespace": namespace, "uid": "u", "resourceVersion": "5"});
        json!({"kind": "PartialObjectMetadata", "apiVersion": META, "metadata": meta})
    }

    async fn listed(answer: &Value) -> Result<Page, CallError> {
        let server = Server::start().await;
        let client = server.client();
        let query = ListQuery { limit: Some(1), ..ListQuery::default() };
        let asked = async {
            let ask = server.next().await;
            assert_eq!((ask.path.as_str(), ask.asked("limit")), ("/api/v1/namespaces/n/secrets", Some("1")));
            let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
            assert_eq!(ask.headers["accept"], accept, "the whole of a Secret is never asked for");
            ask.answer(reply(200, answer));
        };
        let list = async { client.metadata_page(&SECRETS, Some("n"), &query).await };
        soon("a list", async { tokio::join!(list, asked) }).await.0
    }

    #[tokio::test]
    async fn metadata_alone_is_asked_for_and_taken() {
        let page = listed(&metadata(&json!([item("n")]))).await.unwrap();
        let names: Vec<_> = page.items.iter().map(|object| object.meta.name.as_str()).collect();
        assert_eq!((names, page.next.as_deref()), (vec!["s"], Some("more")));
        assert!(listed(&metadata(&Value::Null)).await.unwrap().items.is_empty());
        let secret = json!({
            "kind": "Secret", "apiVersion": "v1",
            "metadata": {"name": "s", "namespace": "n", "uid": "u", "resourceVersion": "5"},
        });
        let whole = json!({
            "kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [],
        });
        for bad in [whole, metadata(&json!([secret])), metadata(&json!([item("other")]))] {
            assert_eq!(listed(&bad).await.unwrap_err().category(), "malformed", "{bad}");
        }
    }
}
