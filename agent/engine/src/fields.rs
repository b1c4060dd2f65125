//! Fields of objects: paths that people write, and the sets of fields that a server says a manager owns (server-side
//! apply, KEP-555). So one manifest can leave single fields to others:
//!
//! ```text
//!  `ignore` ─▶ Path::parse ─▶ Path ─┬▶ digest   our set without those fields: others may take them, and it is no drift
//!                                   ├▶ owns     while we own such a field, it is sent: what its only owner stops
//!                                   │           sending, the server deletes
//!                                   └▶ strip    once others own it, it is left out
//! ```

mod path;
mod set;
mod strip;
mod text;

pub use path::{LONGEST_PATH, Path, PathError};
pub use set::{digest, owns};
pub use strip::strip;
pub(crate) use text::{key_text, push_field, push_index, push_keys};
