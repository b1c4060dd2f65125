//! The API of Muster, without a client and without async: what the kinds are called and look like, what Muster
//! writes on objects to know them again, and which conditions, reasons, Events and metrics people can meet.
//!
//! With the feature `schema` the crate also makes the CRDs; the programs that run do not need that.

pub mod applied_work;
pub mod clock;
pub mod cluster;
pub mod condition;
pub mod conditions;
#[cfg(feature = "schema")]
pub mod crds;
pub mod docs;
pub mod events;
pub mod marks;
pub mod metrics;
pub mod names;
pub mod object;
pub mod policy;
pub mod report;
pub mod resource;
#[cfg(feature = "schema")]
mod schema;
pub mod time;
pub mod work;

pub use condition::{Condition, Status};
pub use object::{Meta, Object, ObjectError};
pub use resource::{Resource, Scope};
pub use time::Time;
