//! What a process does while another one acts: nothing. Where the other one is of another install in the same cluster,
//! it says so in the report in its own namespace, for whoever waits for this install to do something. A deputy of the
//! acting install says nothing: that report is the acting process's.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use muster_api::condition::{self, Condition};
use muster_api::conditions::{Acting, ConditionType};
use muster_api::names::{LEADER_LEASE, SYSTEM_NAMESPACE};
use muster_api::report::ClusterReportStatus;
use muster_kit::events::Emitter;
use muster_kit::leader::Claim;
use tokio::sync::watch;

use crate::replica::Replica;
use crate::report::place::Place;
use crate::report::{about, announce, news};

/// How long after a write that failed the next is tried.
const AGAIN: Duration = Duration::from_secs(30);
/// Most characters of a holder that are repeated.
const LONGEST_HOLDER: usize = 256;

/// Who this process is, to the others that contend for the Lease: another one for each process, also for the next in
/// the same pod. It names the install.
#[must_use]
pub fn identity(replica: &Replica) -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "agent".to_owned());
    let started = jiff::Timestamp::now().as_millisecond();
    format!("{host}_{}_{}_{started}", replica.install, std::process::id())
}

/// Whether a holder of the Lease is a process of this install.
fn is_of(holder: &str, install: &str) -> bool {
    holder.split('_').any(|part| part == install)
}

/// The condition of a process that idles for this holder.
fn idle(holder: &str) -> Condition {
    let name: String = holder.chars().filter(|c| !c.is_control()).take(LONGEST_HOLDER).collect();
    let message = format!("{name} holds Lease {SYSTEM_NAMESPACE}/{LEADER_LEASE}");
    Condition::new(Acting::AnotherAgent, message, Timestamp::now().into())
}

/// The report of an install that idles. What it may have said of the directory before is void.
fn report(replica: &Replica, told: Option<&ClusterReportStatus>, holder: &str) -> ClusterReportStatus {
    let mut status = about(replica);
    let acting = |condition: &&Condition| condition.type_ == ConditionType::Acting.as_str();
    status.conditions = told.iter().flat_map(|told| &told.conditions).filter(acting).cloned().collect();
    condition::set(&mut status.conditions, idle(holder));
    status
}

/// Says who acts, for as long as it is polled.
pub async fn stand_by(replica: &Replica, emitter: &Emitter, mut claim: watch::Receiver<Claim>) -> Infallible {
    let mut place = Place::own(replica);
    loop {
        let holder = match &*claim.borrow_and_update() {
            Claim::Other { holder } if !is_of(holder, &replica.install) => Some(holder.clone()),
            _ => None,
        };
        let mut done = true;
        if let Some(holder) = holder {
            let told = place.read().await;
            let status = report(replica, told.as_ref(), &holder);
            done = place.write(&status).await;
            if done {
                announce(emitter, &place, news(&told.unwrap_or_default(), &status, 0)).await;
            }
        }
        let changed = async {
            if claim.changed().await.is_err() {
                std::future::pending::<()>().await; // the program ends
            }
        };
        if done {
            changed.await;
        } else {
            let _ = tokio::time::timeout(AGAIN, changed).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTALL: &str = "6f1d4d3e-8a55-4a7e-9b0f-111111111111";

    #[test]
    fn a_holder_is_of_the_install_that_it_names() {
        for ours in [format!("agent_{INSTALL}_1_2"), format!("a_b_{INSTALL}_1_2")] {
            assert!(is_of(&ours, INSTALL), "{ours}");
        }
        for other in ["", "agent", "agent_6f1d4d3e-8a55-4a7e-9b0f-222222222222_1_2", &format!("x{INSTALL}")] {
            assert!(!is_of(other, INSTALL), "{other}");
        }
    }

    #[test]
    fn a_message_names_the_holder_and_is_bounded() {
        let condition = idle("agent_x_1_2");
        assert_eq!(condition.message, "agent_x_1_2 holds Lease muster-system/muster-agent");
        assert_eq!(condition.reason, "AnotherAgent");
        let long = idle(&format!("a\n{}", "ü".repeat(10_000))).message;
        assert!(long.chars().count() < LONGEST_HOLDER + 64 && !long.contains('\n'), "{long}");
    }
}
