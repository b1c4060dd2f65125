//! Sums of amounts as Kubernetes writes them (apimachinery's `resource.Quantity`).

/// A thousand millionth: what amounts are counted in.
const ONE: u128 = 1_000_000_000;
/// Longest text that is taken for an amount, in bytes.
const LONGEST: usize = 64;
/// Suffixes of powers of ten, from the greatest.
const DECIMAL: [(&str, u128); 7] = [
    ("E", 1_000_000_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
    ("", 1),
];
/// Suffixes of powers of two, from the greatest.
const BINARY: [(&str, u128); 6] =
    [("Ei", 1 << 60), ("Pi", 1 << 50), ("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
/// Suffixes of parts, in what amounts are counted in.
const PARTS: [(&str, u128); 3] = [("m", 1_000_000), ("u", 1_000), ("n", 1)];

/// A sum of amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    amount: u128,
    /// Whether any amount was given in powers of two: the sum is, then.
    binary: bool,
    /// Whether something was no amount: a sum without it would mislead.
    spoilt: bool,
}

impl Sum {
    /// Adds an amount.
    pub(super) fn add(&mut self, text: &str) {
        let sum = parse(text).and_then(|(amount, binary)| Some((self.amount.checked_add(amount)?, binary)));
        match sum {
            Some((amount, binary)) => (self.amount, self.binary) = (amount, self.binary || binary),
            None => self.spoilt = true,
        }
    }

    /// The sum as Kubernetes would write it: with the greatest suffix that loses nothing. `None`: it is nothing, or is not
    /// known.
    pub(super) fn text(&self) -> Option<String> {
        if self.spoilt || self.amount == 0 {
            return None;
        }
        let whole = self.amount / ONE;
        if whole * ONE != self.amount {
            let (suffix, unit) = PARTS.iter().find(|(_, unit)| self.amount.is_multiple_of(*unit))?;
            return Some(format!("{}{suffix}", self.amount / unit));
        }
        let binary = BINARY.iter().filter(|_| self.binary);
        let (suffix, unit) = binary
            .chain(&DECIMAL[..])
            .find(|(suffix, unit)| (!self.binary || suffix.len() != 1) && whole.is_multiple_of(*unit))?;
        Some(format!("{}{suffix}", whole / unit))
    }
}

/// The amount, and whether it is given in powers of two.
fn parse(text: &str) -> Option<(u128, bool)> {
    if text.len() > LONGEST {
        return None;
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let of = |list: &[(&str, u128)]| list.iter().find(|(name, _)| *name == suffix).map(|(_, unit)| *unit);
    let (unit, binary) = match (of(&PARTS), of(&BINARY), of(&DECIMAL)) {
        (Some(unit), ..) => (unit, false),
        (_, Some(unit), _) => (unit.checked_mul(ONE)?, true),
        (.., Some(unit)) => (unit.checked_mul(ONE)?, false),
        _ => (power(suffix.strip_prefix(['e', 'E'])?)?, false),
    };
    let divisor = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    // Servers round up what is smaller than they count in.
    Some((digits.checked_mul(unit)?.div_ceil(divisor), binary))
}

/// A power of ten, in what amounts are counted in.
fn power(exponent: &str) -> Option<u128> {
    let exponent: i32 = exponent.parse().ok()?;
    10_u128.checked_pow(u32::try_from(exponent.checked_add(9)?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(texts: &[&str]) -> Option<String> {
        let mut sum = Sum::default();
        for text in texts {
            sum.add(text);
        }
        sum.text()
    }

    #[test]
    fn amounts_are_added_whatever_their_suffixes() {
        for (texts, expected) in [
            (&["4", "3920m"][..], "7920m"),
            (&["3500m", "500m"], "4"),
            (&["16393244Ki", "16393244Ki"], "32786488Ki"),
            (&["1Gi", "512Mi", "512Mi"], "2Gi"),
            (&["1Gi", "1"], "1073741825"),
            (&["110", "890"], "1k"),
            (&["1.5Gi", "0.5Gi"], "2Gi"),
            (&["1e3", "1E3", "2k"], "4k"),
            (&["1E"], "1E"),
            (&["100n", "900n"], "1u"),
            (&[".5", "1."], "1500m"),
            (&["12e-1"], "1200m"),
            (&["2000Ki", "48Ki"], "2Mi"),
            (&["1Ki", "999"], "2023"),
            (&["1Ki", "976"], "2000"),
        ] {
            assert_eq!(sum(texts).as_deref(), Some(expected), "{texts:?}");
        }
    }

    #[test]
    fn nothing_and_what_is_no_amount_is_not_told() {
        assert_eq!(sum(&[]), None);
        assert_eq!(sum(&["0", "0Ki"]), None);
        let long = "9".repeat(65);
        for text in
            ["", "lots", "-1", "+1", "1 Gi", "1KiB", "1e", "1e99", "1e-10", ".", "1.2.3", "٣", "Ki", &long]
        {
            assert_eq!(sum(&["1", text]), None, "{text}");
        }
        assert_eq!(sum(&["99999999999999999999E", "1"]), None, "too great to be counted");
    }
}
