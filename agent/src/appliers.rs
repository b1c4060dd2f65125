//! Clients of the replica as the accounts that apply Works. What a Work may do is what its account may do: no request
//! for one is ever made as the agent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use muster_api::names::{APPLIERS_NAMESPACE, WORKS_APPLIER};
use muster_kit::client::{Account, AccountError, Client};
use muster_kit::leader::{Claim, Leading};
use tokio::sync::watch;

/// Most clients that are kept. Names come from Works: however many there are, no more is kept of them.
const KEPT: usize = 16;

/// Clients as the accounts of `muster-appliers`, all over the connection of the agent's own, and behind one fence.
pub struct Appliers {
    /// Behind the fence, and as the agent itself: it leaves this module only with an account.
    own: Client,
    /// The one that was used last comes first.
    kept: Mutex<VecDeque<(String, Client)>>,
}

impl Appliers {
    /// Clients that write under this claim alone. `replica`: the agent's own client.
    #[must_use]
    pub fn new(replica: &Client, claim: &watch::Receiver<Claim>) -> Self {
        let own = replica.fenced(Arc::new(Leading(claim.clone())));
        Self { own, kept: Mutex::default() }
    }

    /// The client as the account of this name, or as the default one. Whether there is such an account, and whether the
    /// agent may act as it, the replica says with each call.
    ///
    /// # Errors
    /// Where no `ServiceAccount` can have this name.
    pub fn client(&self, name: Option<&str>) -> Result<Client, AccountError> {
        let name = name.unwrap_or(WORKS_APPLIER);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(known, _)| known == name);
        let entry = if let Some(entry) = known.and_then(|place| kept.remove(place)) {
            entry
        } else {
            let account = Account::service_account(APPLIERS_NAMESPACE, name)?;
            (name.to_owned(), self.own.acting_as(&account))
        };
        let client = entry.1.clone();
        kept.push_front(entry);
        kept.truncate(KEPT);
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use muster_api::resource::CONFIG_MAPS;
    use muster_kit::testing::{Server, reply, soon};
    use serde_json::json;

    use super::*;

    fn held() -> watch::Receiver<Claim> {
        watch::channel(Claim::Held { until: Instant::now() + Duration::from_secs(3600) }).1
    }

    fn names(appliers: &Appliers) -> Vec<String> {
        appliers.kept.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    #[tokio::test]
    async fn every_request_is_made_as_the_account_over_the_agents_connection() {
        let server = Server::start().await;
        let own = server.client();
        let appliers = Appliers::new(&own, &held());
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "c", "namespace": "n", "uid": "u", "resourceVersion": "1"}});
        // Twice each: as they are made, and as they are kept.
        for name in [None, Some("works"), Some("team-a"), Some("a.b"), None, Some("team-a")] {
            let client = appliers.client(name).unwrap();
            let calls = async {
                client.get(&CONFIG_MAPS, Some("n"), "c").await.unwrap();
                client.create(&CONFIG_MAPS, Some("n"), "m", b"{}".to_vec()).await.unwrap();
            };
            let asks = async {
                for _ in 0..2 {
                    let ask = server.next().await;
                    let user = format!("system:serviceaccount:muster-appliers:{}", name.unwrap_or("works"));
                    let users: Vec<_> = ask.headers.get_all("impersonate-user").iter().collect();
                    assert_eq!(users, [user.as_str()], "{name:?} {}", ask.method);
                    ask.answer(reply(200, &object));
                }
            };
            soon("the calls", async { tokio::join!(calls, asks) }).await;
        }
        assert_eq!(own.connections_opened(), 1);
    }

    #[tokio::test]
    async fn nothing_is_written_without_the_claim() {
        let server = Server::start().await;
        let (sender, claim) = watch::channel(Claim::Unknown);
        let appliers = Appliers::new(&server.client(), &claim);
        let write = |client: Client| async move {
            client.create(&CONFIG_MAPS, Some("n"), "m", b"{}".to_vec()).await.map(drop)
        };
        let client = appliers.client(None).unwrap();
        assert_eq!(soon("a write", write(client.clone())).await.unwrap_err().category(), "fenced");
        sender.send_replace(Claim::Held { until: Instant::now() + Duration::from_secs(3600) });
        let answered = async { server.next().await.answer(reply(409, &json!({}))) };
        let (written, ()) = soon("a write", async { tokio::join!(write(client), answered) }).await;
        assert_eq!(written.unwrap_err().category(), "conflict");
    }

    #[tokio::test]
    async fn what_is_no_name_of_an_account_has_no_client() {
        let appliers = Appliers::new(&Server::start().await.client(), &held());
        for bad in ["", "a:b", "A", "a b", "a/b", "a\n"] {
            assert_eq!(appliers.client(Some(bad)).err(), Some(AccountError::Name), "{bad:?}");
        }
        assert_eq!(names(&appliers), [""; 0]);
    }

    #[tokio::test]
    async fn few_are_kept_and_the_one_that_was_not_used_longest_goes() {
        let appliers = Appliers::new(&Server::start().await.client(), &held());
        for number in 0..16 {
            appliers.client(Some(&format!("a{number}"))).unwrap();
        }
        appliers.client(Some("a0")).unwrap();
        appliers.client(None).unwrap();
        let kept = names(&appliers);
        assert_eq!(kept.len(), 16);
        assert_eq!(kept[..3], ["works", "a0", "a15"]);
        assert!(!kept.contains(&"a1".to_owned()), "{kept:?}");
    }
}
