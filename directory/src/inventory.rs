//! The inventory that other tools of the ecosystem read: a `ClusterProfile` (KEP-4322) for each cluster that is enrolled, in
//! one namespace. Kept only where that kind is defined.
//!
//! ```text
//!  watches ──Event──▶ book ──Plan──▶ run ──Event──▶ book
//! ```
//!
//! [`book`] and [`profile`] decide, and have neither a client nor a clock; [`run`] carries out.

pub mod book;
pub mod profile;
pub mod run;

pub use self::run::{Wiring, keep};

/// How Muster calls itself as a manager of clusters: `spec.clusterManager.name`, and the label of that.
pub const CLUSTER_MANAGER: &str = "muster";
/// The label that has the name of the manager.
pub const MANAGER_LABEL: &str = "x-k8s.io/cluster-manager";
