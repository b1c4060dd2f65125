//! What a watch makes of an answer that no server sends: for tests, and for what is fuzzed.

use kube::client::Body;
use tokio::sync::mpsc;
use tokio::time::Duration;

use super::run::Run;
use super::{Link, Target, WatchEvent, WatchOptions};
use crate::client::{CallError, Client, Lines, Page, page_of};

/// Longer than an answer that is there at once takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a watch says of an answer that ends. It goes on from the version `from`; where there is
/// none, the answer is a streamed listing. `limit`: most bytes of a line.
pub async fn stream(
    client: &Client,
    target: &Target,
    from: Option<&str>,
    body: Vec<u8>,
    limit: usize,
) -> Vec<WatchEvent> {
    let (out, mut said) = mpsc::channel(16);
    let route = Link::fixed(client.clone());
    let link = route.borrow().clone();
    let lines = Lines::replayed(Body::from(body), limit, &target.resource);
    let run = Run::new(target.clone(), route, out, WatchOptions::default());
    let played = async {
        let failed = match link {
            Some(link) => run.replay(&link, from, lines, PATIENCE).await,
            None => None,
        };
        failed.map(|error| WatchEvent::Failed(client.discreet(error)))
    };
    let reading = async {
        let mut events = Vec::new();
        while let Some(watched) = said.recv().await {
            events.push(watched.event);
        }
        events
    };
    let (failed, mut events) = futures::join!(played, reading);
    events.extend(failed);
    events
}

/// What is made of an answer that is to be a page of a list.
///
/// # Errors
/// Where it is none.
pub fn page(target: &Target, text: &str) -> Result<Page, CallError> {
    page_of(&target.resource, target.namespace.as_deref(), text, target.form)
}
