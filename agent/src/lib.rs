//! The agent of Muster: keeps one replica in step with the directory.

pub mod settings;
