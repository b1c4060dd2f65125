//! The directory's controller of Muster: enrols clusters, watches over them, and lets them go.
//!
//! ```text
//!  watches ──Event──▶ index ──Plan──▶ act ──Event──▶ index
//!   (directory)         │          (directory)
//!                       └──▶ Events, metrics
//! ```
//!
//! Decisions are made in [`fleet`], which has neither a client nor a runtime; here is what carries them out.

pub mod act;
pub mod fleet;
pub mod index;
pub mod inventory;
pub mod metrics;
pub mod run;
pub mod settings;
pub mod watches;

/// How the controller calls itself to the API server.
pub const USER_AGENT: &str = concat!("muster-directory/", env!("CARGO_PKG_VERSION"));

/// Field manager of all that the controller writes.
const MANAGER: &str = muster_api::names::CONTROLLER;

#[cfg(test)]
mod testing;
