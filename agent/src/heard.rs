//! What one process says for the next: when it heard the directory last, which Works it let go of late, and which heartbeat
//! the directory acknowledged last. It rides on the Lease by which one process acts, which is written anyway.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use muster_api::marks;
use muster_api::names::{LEADER_LEASE, SYSTEM_NAMESPACE};
use muster_api::resource::LEASES;
use muster_engine::era::Beat;
use muster_engine::hold::Passed;
use muster_engine::time::backoff;
use muster_kit::client::Client;
use tokio::time::sleep;

/// First and longest wait before it is read again.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// What a process says for the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// When it heard the directory last; `None` where nothing is known of it.
    pub at: Option<Timestamp>,
    /// The Works that it let go.
    pub passed: Passed,
    /// The last heartbeat that was acknowledged.
    pub beat: Option<Beat>,
}

/// What an earlier process said, trying until that can be read: who does not know of a heartbeat that was acknowledged takes
/// a directory that was set back for the one that it was.
pub async fn read(client: &Client) -> Heard {
    let mut failures = 0;
    loop {
        match client.get(&LEASES, Some(SYSTEM_NAMESPACE), LEADER_LEASE).await {
            Ok(lease) => {
                let said = |key: &str| lease.meta.annotations.get(key);
                return Heard {
                    at: said(marks::HEARD).and_then(|heard| heard.parse().ok()),
                    passed: said(marks::PASSED).map(|text| Passed::read(text)).unwrap_or_default(),
                    beat: said(marks::BEAT).and_then(|beat| Beat::read(beat)),
                };
            }
            Err(error) if error.proves_absence() => return Heard::default(),
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    tracing::warn!(%error, "what an earlier process said is not read; trying again");
                }
                let (first, longest) = AGAIN;
                sleep(backoff(failures, first, longest, muster_kit::random::salt())).await;
            }
        }
    }
}

impl Heard {
    /// The annotations that say so; when it heard the directory in whole seconds. One that is empty takes back what an earlier
    /// process said.
    #[must_use]
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let whole = |heard: Timestamp| Timestamp::from_second(heard.as_second()).unwrap_or(heard).to_string();
        let heard = self.at.map(|heard| (marks::HEARD, whole(heard)));
        let beat = self.beat.as_ref().map(Beat::text).unwrap_or_default();
        let rest = [(marks::PASSED, self.passed.text()), (marks::BEAT, beat)];
        heard.into_iter().chain(rest).map(|(key, text)| (key.to_owned(), text)).collect()
    }
}
