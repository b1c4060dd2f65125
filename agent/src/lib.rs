//! The agent of Muster: keeps one replica in step with the directory.
//!
//! ```text
//!  session ──Link──▶ watches ──Event──▶ index ──Plan──▶ act ──Event──▶ index
//!     ▲                (directory,        │               (replica, directory)
//!   Secret              replica)          └──▶ report, heartbeat, metrics
//! ```
//!
//! Decisions are made in `muster_engine`; here is what carries them out. Types of the client stop in these modules.

pub mod act;
pub mod appliers;
pub mod clock;
pub mod facts;
pub mod failure;
mod files;
pub mod heard;
pub mod heartbeat;
pub mod hosted;
pub mod index;
pub mod ledgers;
pub mod metrics;
pub mod objects;
pub mod replica;
pub mod report;
pub mod run;
pub mod session;
pub mod settings;
pub mod standby;
pub mod store;
mod tenure;
pub mod vaults;
pub mod waking;
pub mod watches;

use muster_kit::client::ClientOptions;

/// How the agent calls itself to API servers.
pub const USER_AGENT: &str = concat!("muster-agent/", env!("CARGO_PKG_VERSION"));

/// Field manager of what the agent writes for itself: state, Leases and reports.
const MANAGER: &str = "muster-agent";

fn client_options() -> ClientOptions {
    ClientOptions { user_agent: USER_AGENT.to_owned(), ..ClientOptions::default() }
}
