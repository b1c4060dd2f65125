//! Ranges of addresses: those of many nodes, told as few.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most ranges that are looked at: more than the nodes of any cluster have.
const MOST: usize = 20_000;

/// Ranges of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeSet<Range>);

/// One range: whether it is of IPv6, its first address, and how many bits all its addresses begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    is_v6: bool,
    first: u128,
    bits: u32,
}

impl Ranges {
    /// Adds a range such as 10.244.1.0/24. What is none is left out.
    pub(super) fn add(&mut self, text: &str) {
        if self.0.len() < MOST {
            self.0.extend(Range::parse(text));
        }
    }

    /// So many of them at most, as few as stand for the same addresses, in their order.
    pub(super) fn told(&self, most: usize) -> Vec<String> {
        let mut told: Vec<Range> = Vec::new();
        // In order, so that a range comes after all that hold it, and next to the one that it makes a greater one with.
        for range in &self.0 {
            if told.last().is_some_and(|last| last.holds(range)) {
                continue;
            }
            told.push(*range);
            while let [.., left, right] = told.as_slice()
                && let Some(both) = left.joined(right)
            {
                told.truncate(told.len() - 2);
                told.push(both);
            }
        }
        told.iter().take(most).map(Range::text).collect()
    }
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let bits: u32 = bits.parse().ok()?;
        let (is_v6, first) = match address.parse().ok()? {
            IpAddr::V4(address) => (false, u128::from(u32::from(address))),
            IpAddr::V6(address) => (true, u128::from(address)),
        };
        let range = Self { is_v6, first, bits };
        (bits <= range.width()).then(|| Self { first: first & !range.rest(), ..range })
    }

    fn width(&self) -> u32 {
        if self.is_v6 { 128 } else { 32 }
    }

    /// The bits in which its addresses differ.
    fn rest(&self) -> u128 {
        let free = self.width().saturating_sub(self.bits);
        1_u128.checked_shl(free).map_or(u128::MAX, |bit| bit - 1)
    }

    fn holds(&self, other: &Self) -> bool {
        self.is_v6 == other.is_v6 && self.bits <= other.bits && other.first & !self.rest() == self.first
    }

    /// The range of both, where they are its halves.
    fn joined(&self, other: &Self) -> Option<Self> {
        let both = Self { bits: self.bits.checked_sub(1)?, ..*self };
        let halves = self.bits == other.bits && self.first != other.first;
        (halves && both.first & both.rest() == 0 && both.holds(other)).then_some(both)
    }

    fn text(&self) -> String {
        let address = match u32::try_from(self.first) {
            Ok(first) if !self.is_v6 => IpAddr::V4(Ipv4Addr::from(first)),
            _ => IpAddr::V6(Ipv6Addr::from(self.first)),
        };
        format!("{address}/{}", self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(texts: &[&str]) -> Vec<String> {
        let mut ranges = Ranges::default();
        for text in texts {
            ranges.add(text);
        }
        ranges.told(16)
    }

    #[test]
    fn ranges_that_adjoin_are_one() {
        assert_eq!(told(&["10.244.1.0/24", "10.244.0.0/24"]), ["10.244.0.0/23"]);
        assert_eq!(told(&["10.244.1.0/24", "10.244.2.0/24"]), ["10.244.1.0/24", "10.244.2.0/24"]);
        let all: Vec<String> = (0..256).map(|node| format!("10.244.{node}.0/24")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(told(&all), ["10.244.0.0/16"]);
        assert_eq!(told(&all[..7]), ["10.244.0.0/22", "10.244.4.0/23", "10.244.6.0/24"]);
        assert_eq!(told(&["10.0.0.0/8", "10.1.0.0/16"]), ["10.0.0.0/8"]);
        assert_eq!(told(&["fd00::/64", "fd00:0:0:1::/64", "10.0.0.0/8"]), ["10.0.0.0/8", "fd00::/63"]);
        assert_eq!(told(&["0.0.0.0/1", "128.0.0.0/1"]), ["0.0.0.0/0"]);
        assert_eq!(told(&["::/1", "8000::/1"]), ["::/0"]);
        assert_eq!(told(&["10.0.0.7/24"]), ["10.0.0.0/24"], "as it is meant");
    }

    #[test]
    fn what_is_no_range_is_left_out_and_no_more_are_told_than_asked_for() {
        assert!(told(&["", "/", "10.0.0.0", "10.0.0.0/33", "x/8", "::/129", "10.0.0.0/-1"]).is_empty());
        let mut ranges = Ranges::default();
        (0..100).for_each(|node| ranges.add(&format!("10.{node}.0.0/24")));
        assert_eq!(ranges.told(16).len(), 16);
    }
}
