//! Random bytes, from the operating system by way of the crypto provider that TLS uses.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(bytes::<32>().unwrap(), bytes::<32>().unwrap());
    }
}
