//! Random bytes for keys, from the operating system by way of the crypto provider that TLS uses; and numbers that keep a
//! fleet from acting together.

use std::hash::{BuildHasher, RandomState};

/// There are no random bytes to be had.
#[derive(Debug, thiserror::Error)]
#[error("unable to get random bytes: the operating system gives none")]
pub struct RandomError;

/// So many random bytes, good enough for keys.
///
/// # Errors
/// Where the operating system gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    let source = rustls::crypto::ring::default_provider().secure_random;
    source.fill(&mut bytes).map_err(|_| RandomError)?;
    Ok(bytes)
}

/// What to salt a [backoff](muster_api::clock::backoff) with that is of no object: another number each time. The number of
/// a process is none, since in containers all have the same. The standard library's hasher is seeded from the operating
/// system.
#[must_use]
pub fn salt() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// A number in `0.0..1.0`.
#[must_use]
pub fn fraction() -> f64 {
    let bits = u32::try_from(salt() >> 32).unwrap_or_default();
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_spread() {
        let drawn: Vec<f64> = (0..64).map(|_| fraction()).collect();
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)), "{drawn:?}");
        assert!(
            drawn.iter().any(|number| *number < 0.5) && drawn.iter().any(|number| *number >= 0.5),
            "{drawn:?}"
        );
    }

    #[test]
    fn no_two_salts_are_the_same() {
        assert_ne!(salt(), salt());
    }

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(bytes::<32>().unwrap(), bytes::<32>().unwrap());
    }
}
