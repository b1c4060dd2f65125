//! HMAC-SHA-256 (RFC 2104).

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes that SHA-256 takes at once.
const BLOCK: usize = 64;

/// The code of a text under a key, in hexadecimal digits.
pub(super) fn sha256(key: &[u8; 32], text: &[u8]) -> Box<str> {
    // A key that fills a block is taken as it is; a shorter one is padded with zeros to one.
    let mut block = [0; BLOCK];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte = *key);
    let code = Hmac::<Sha256>::new(&block.into()).chain_update(text).finalize().into_bytes();
    let mut hex = String::with_capacity(2 * code.len());
    for byte in code {
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
