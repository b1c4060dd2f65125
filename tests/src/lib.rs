//! Real control planes on loopback, and what the suites need around them.
//!
//! ```text
//! binaries ──▶ keeper ──▶ plane (etcd, kube-apiserver, kube-controller-manager)
//!                │          ├── api, kubectl, accounts, audit     what a test asks it
//!                │          ├── pool                              planes shared between tests
//!                │          ├── proxy                             faults between it and a client
//!                │          ├── connect                           a proxy that does nothing but CONNECT
//!                │          └── webhook                           what an API server asks before it stores an object
//!                └──────▶ agent, directory (the product's own binaries), previous (those of an earlier state)
//! ```
//!
//! Everything here blocks, so that a test is a plain function; what must be asynchronous runs on a runtime of the
//! library's own. Nothing listens on any address but 127.0.0.1.

pub mod agent;
pub mod api;
pub mod binaries;
pub mod cli;
pub mod clock;
pub mod connect;
pub mod directory;
pub mod guards;
pub mod image;
pub mod keeper;
pub mod kubeconfig;
pub mod pki;
pub mod plane;
pub mod pool;
pub mod previous;
pub mod process;
pub mod proxy;
pub mod scratch;
pub mod wait;
pub mod webhook;

mod etcd;
mod ports;
mod runtime;

pub use plane::{ControlPlane, Options};
