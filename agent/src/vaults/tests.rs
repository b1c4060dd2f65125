use muster_kit::testing::{Server, reply, soon};
use serde_json::Value;

use super::*;

const WORK: &str = "0a1b";

fn values(texts: &[&str]) -> (Key, Values) {
    use muster_api::resource::SECRETS;
    use muster_engine::{Target, item::Item, values::seal};
    let key = Key::new([1; 32]);
    let target = Target { resource: SECRETS, namespace: Some("n".into()), name: "a".into() };
    let data: serde_json::Map<String, Value> =
        texts.iter().map(|text| ((*text).to_owned(), json!(text))).collect();
    let values = seal(&Item::new(target).with("data", Value::Object(data)), &key).1;
    (key, values)
}

fn all(values: &Values) -> BTreeSet<Digest> {
    values.digests().cloned().collect()
}

/// A Secret as a server has it.
fn secret(vault: &Vault, label: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "data": vault.data(), "metadata": {
        "name": "muster-work-0a1b", "namespace": "muster-system", "uid": "u", "resourceVersion": "7",
        "labels": {VALUES_OF: label}}})
}

fn absent() -> Value {
    json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found",
        "details": {"name": "muster-work-0a1b", "kind": "secrets"}})
}

async fn sealed(
    there: Option<&Value>,
    keep: &Values,
    add: &Values,
) -> (Result<(BTreeSet<Digest>, Option<&'static str>), VaultError>, Vec<(String, Value)>) {
    let server = Server::start().await;
    let client = server.client();
    let vaults = Vaults { client: &client, namespace: "muster-system" };
    let (key, keep) = (Key::new([1; 32]), all(keep));
    let mut asked = Vec::new();
    let work = vaults.seal(WORK, &key, &keep, add);
    let answers = async {
        loop {
            let ask = server.next().await;
            let body: Value = serde_json::from_slice(&ask.body).unwrap_or_default();
            let answer = match (ask.method.as_str(), there) {
                ("GET", None) => reply(404, &absent()),
                ("GET", Some(there)) => reply(200, there),
                _ => reply(
                    200,
                    &secret(&Vault { key: key.clone(), values: Values::default(), there: true }, WORK),
                ),
            };
            asked.push((ask.method.to_string(), body));
            ask.answer(answer);
        }
    };
    let outcome = soon("the calls", async {
        tokio::select! { outcome = work => outcome, () = answers => unreachable!() }
    })
    .await;
    (outcome, asked)
}

#[tokio::test]
async fn values_are_kept_in_one_secret_which_is_replaced_as_it_was_seen() {
    let ((key, old), (_, new)) = (values(&["b2xk", "Z29uZQ=="]), values(&["bmV3"]));
    let old_kept = old.pick(|digest| *key.digest("b2xk") == *digest);
    let (outcome, asked) = sealed(None, &Values::default(), &new).await;
    assert_eq!(outcome.unwrap(), (all(&new), Some("create")));
    assert_eq!((asked[1].0.as_str(), asked.len()), ("POST", 2));
    let there = secret(&Vault { key: key.clone(), values: old.clone(), there: true }, WORK);
    let (outcome, asked) = sealed(Some(&there), &old_kept, &new).await;
    let (held, verb) = outcome.unwrap();
    assert_eq!(held, all(&old_kept).union(&all(&new)).cloned().collect());
    assert_eq!((verb, asked[1].0.as_str()), (Some("update"), "PUT"));
    let metadata = &asked[1].1["metadata"];
    assert_eq!((&metadata["uid"], &metadata["resourceVersion"]), (&json!("u"), &json!("7")));
    let written = asked[1].1["data"].as_object().unwrap();
    assert_eq!(written.len(), 3, "two values and the key");
    let (outcome, asked) = sealed(Some(&there), &old, &Values::default()).await;
    assert_eq!((outcome.unwrap(), asked.len()), ((all(&old), None), 1), "nothing is written twice");
}

#[tokio::test]
async fn what_somebody_else_made_is_neither_read_nor_written_nor_removed() {
    let (key, old) = values(&["b2xk"]);
    let there = secret(&Vault { key, values: old.clone(), there: true }, "another");
    let (outcome, asked) = sealed(Some(&there), &old, &old).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.failure(), asked.len()), (Failure::Conflict, 1));
    assert!(error.to_string().contains("muster-work-0a1b"), "{error}");
    let server = Server::start().await;
    let client = server.client();
    let vaults = Vaults { client: &client, namespace: "muster-system" };
    let answer = async { server.next().await.answer(reply(200, &there)) };
    let (outcome, ()) = soon("a call", async { tokio::join!(vaults.discard(WORK), answer) }).await;
    assert!(!outcome.unwrap());
}

#[tokio::test]
async fn where_nothing_is_kept_or_it_is_ruined_there_is_a_new_key() {
    let server = Server::start().await;
    let client = server.client();
    let vaults = Vaults { client: &client, namespace: "muster-system" };
    let (key, old) = values(&["b2xk"]);
    let mut ruined = secret(&Vault { key: key.clone(), values: old, there: true }, WORK);
    ruined["data"] = json!({"key": "AAAA"});
    for (answer, there) in [(reply(404, &absent()), false), (reply(200, &ruined), true)] {
        let answered = async { server.next().await.answer(answer) };
        let (vault, ()) = soon("a call", async { tokio::join!(vaults.unlock(WORK), answered) }).await;
        let vault = vault.unwrap();
        assert!(vault.values.is_empty() && vault.there == there && vault.key != key);
    }
}

#[tokio::test]
async fn what_is_too_much_is_refused_before_any_call() {
    let (_, large) = values(&[&"A".repeat(1_500_000)]);
    let (outcome, asked) = sealed(None, &Values::default(), &large).await;
    assert_eq!((outcome.unwrap_err().failure(), asked.len()), (Failure::TooLarge, 0));
}
