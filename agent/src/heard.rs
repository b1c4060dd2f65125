//! What one process says for the next: when it heard the directory last, and which Works it let go of late. It rides on
//! the Lease by which one process acts, which is written anyway.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use muster_api::marks;
use muster_api::names::{LEADER_LEASE, SYSTEM_NAMESPACE};
use muster_api::resource::LEASES;
use muster_engine::hold::Passed;
use muster_kit::client::{CallError, Client};
use tokio::time::sleep;

/// Time between two attempts to read it.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is tried. A process that does not know takes it for a gap, which asks people more than it need.
const ATTEMPTS: usize = 5;

/// What an earlier process heard last, `None` where nothing is known of it, and the Works that it let go.
pub async fn read(client: &Client) -> (Option<Timestamp>, Passed) {
    for _ in 0..ATTEMPTS {
        match client.get(&LEASES, Some(SYSTEM_NAMESPACE), LEADER_LEASE).await {
            Ok(lease) => {
                let said = |key: &str| lease.meta.annotations.get(key);
                let heard = said(marks::HEARD).and_then(|heard| heard.parse().ok());
                return (heard, said(marks::PASSED).map(|text| Passed::read(text)).unwrap_or_default());
            }
            Err(CallError::NotFound { .. }) => break,
            Err(_) => sleep(AGAIN).await,
        }
    }
    (None, Passed::default())
}

/// The annotations that say so, in whole seconds.
#[must_use]
pub fn annotations(heard: Option<Timestamp>, passed: &Passed) -> BTreeMap<String, String> {
    let whole = |heard: Timestamp| Timestamp::from_second(heard.as_second()).unwrap_or(heard).to_string();
    let heard = heard.map(|heard| (marks::HEARD.to_owned(), whole(heard)));
    heard.into_iter().chain([(marks::PASSED.to_owned(), passed.text())]).collect()
}
