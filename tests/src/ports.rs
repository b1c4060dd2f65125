//! Ports that stay a plane's own while its server is down.

use std::{
    collections::BTreeSet,
    fs,
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Ports that this process has given out.
static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port on 127.0.0.1, reserved within this process until it is dropped.
///
/// It lies below the kernel's ephemeral range: no outgoing connection takes it while the server that owns it is down.
#[derive(Debug)]
pub(crate) struct Port(u16);

impl Port {
    /// A port on which nothing listens now. Another process may take it before the caller does.
    pub(crate) fn free() -> Option<Self> {
        let range = below_ephemeral();
        // a start of its own for each caller: test processes that run side by side do not collide
        let offset = RandomState::new().hash_one(std::process::id());
        let width = u64::from(range.end - range.start);
        (0..width).find_map(|step| {
            let number = range.start + u16::try_from((offset.wrapping_add(step)) % width).ok()?;
            let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
            if taken.contains(&number) || TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_err() {
                return None;
            }
            taken.insert(number);
            Some(Self(number))
        })
    }

    /// Its number.
    pub(crate) fn number(&self) -> u16 {
        self.0
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// From 10000 to where the kernel's own choice begins.
fn below_ephemeral() -> Range<u16> {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .filter(|first| *first > 12000)
        .unwrap_or(32768);
    10000..first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_out_twice_while_it_is_held() {
        let ports: Vec<Port> = (0..50).map(|_| Port::free().unwrap()).collect();
        let numbers: BTreeSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        assert!(numbers.iter().all(|number| below_ephemeral().contains(number)));
        drop(ports);
        assert!(TAKEN.lock().unwrap().is_disjoint(&numbers));
    }
}
