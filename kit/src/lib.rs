//! What every program of Muster needs once: a client of API servers, watches that resume, leases, the admin
//! server, Events, settings, logs and shutdown.
//!
//! ```text
//!  Endpoint ──▶ Client ──▶ calls: each with a deadline, a limit on the answer and an error with a category
//!                 │
//!    Link = Client + epoch + era + Gate ──▶ watch ──▶ Watched { epoch, era, event }
//!                 └────────────────▶ leader (a lease that one process holds)
//! ```
//!
//! A [`watch::Link`] is how a program hands a client to what runs for long: it can be replaced or taken away at any
//! time, and whoever uses it goes on from where it was.

pub mod admin;
pub mod client;
pub mod endpoint;
pub mod events;
pub mod kubeconfig;
pub mod leader;
pub mod lease;
pub mod log;
pub mod metrics;
pub mod program;
pub mod pulse;
pub mod random;
pub mod settings;
pub mod shutdown;
pub mod watch;

pub use client::{CallError, Client, ClientOptions};
pub use endpoint::{Credential, Endpoint};

#[cfg(any(test, feature = "testing"))]
pub mod testing;
