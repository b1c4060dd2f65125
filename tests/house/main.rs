//! The rules of the house that a compiler does not check. Nothing here needs a server.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod crates;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod upgrade;
