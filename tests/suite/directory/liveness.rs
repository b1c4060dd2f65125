//! Whether a cluster is alive.
