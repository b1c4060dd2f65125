//! Images without a container engine: what a Dockerfile's last stage says of one program, packed as a docker-archive.

pub mod archive;
pub mod dockerfile;
