//! The API of Muster, without a client and without async: what the kinds are called and look like, what Muster
//! writes on objects to know them again, and which conditions, reasons, Events and metrics people can meet.
//!
//! With the feature `schema` the crate also makes the CRDs; the programs that run do not need that.

pub mod marks;
pub mod names;
pub mod object;
pub mod resource;

pub use object::{Meta, Object, ObjectError};
pub use resource::{Resource, Scope};
