//! HMAC-SHA-256 (RFC 2104).

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Bytes that SHA-256 takes at once.
const BLOCK: usize = 64;

/// The code of a text under a key of at most 64 bytes, in hexadecimal digits.
pub(super) fn sha256(key: &[u8; 32], text: &[u8]) -> Box<str> {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    let mut hex = String::with_capacity(2 * outer.len());
    for byte in outer {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
    }
    hex.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_4231() {
        // Shorter keys are padded with zeros to a block, so they are the same as their 32 bytes with zeros behind.
        let key = |bytes: &[u8]| {
            let mut key = [0; 32];
            key[..bytes.len()].copy_from_slice(bytes);
            key
        };
        let counted: Vec<u8> = (1..=25).collect();
        for (key, text, code) in [
            (
                key(&[0x0b; 20]),
                b"Hi There".to_vec(),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                key(b"Jefe"),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                key(&[0xaa; 20]),
                vec![0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                key(&counted),
                vec![0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
        ] {
            assert_eq!(*sha256(&key, &text), *code);
        }
    }
}
