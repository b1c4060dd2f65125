//! Fields of objects: paths that people write, and the sets of fields that a server says a manager owns (server-side
//! apply, KEP-555). So one manifest can leave single fields to others:
//!
//! ```text
//!  `ignore` ─▶ Path::parse ─▶ Path ─┬▶ digest   our set without those fields: others may take them, and it is no drift
//!                                   └▶ leave    what others own of them is not sent; what we own is sent as it is there:
//!                                               what its only owner stops sending, the server deletes
//! ```

mod leave;
mod path;
mod set;
mod strip;
mod text;

pub use leave::leave;
pub use path::{LONGEST_PATH, Path, PathError};
pub use set::digest;
pub use strip::strip;
pub(crate) use text::{key_text, push_field, push_index, push_keys};
