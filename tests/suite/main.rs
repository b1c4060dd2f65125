//! The suites that run against real control planes.

#[cfg(test)]
mod api;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod planes;
#[cfg(test)]
mod proxy;
