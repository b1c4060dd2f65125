//! The suites that run against real control planes.

#[cfg(test)]
mod admin;
#[cfg(test)]
mod api;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod deletions;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod footprint;
#[cfg(test)]
mod guide;
#[cfg(test)]
mod herd;
#[cfg(test)]
mod hosted;
#[cfg(test)]
mod install;
#[cfg(test)]
mod leader;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod planes;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod previous;
#[cfg(test)]
mod process;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod random;
#[cfg(test)]
mod renewal;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod runbooks;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod tectonic;
#[cfg(test)]
mod trail;
#[cfg(test)]
mod tunnel;
#[cfg(test)]
mod viewing;
#[cfg(test)]
mod works;
