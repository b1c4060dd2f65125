//! How a cluster leaves.
