//! Documents that are nearly right, thousands of them, always the same ones.

use super::*;

/// A generator of numbers for tests: xorshift64, with a fixed seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length);
        let span = self.below(40);
        start..(start + span).min(length)
    }
}

/// What a change puts in: signs of YAML, and keys that count.
const PIECES: [&[u8]; 28] = [
    b"\n",
    b"  ",
    b"\t",
    b":",
    b"- ",
    b"? ",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"&a ",
    b"*a",
    b"!!str ",
    b"!x ",
    b"|\n",
    b">-\n",
    b"\"",
    b"'",
    b"#",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b"<<: ",
    b"\xff",
    b"\xef\xbb\xbf",
    b"exec: {}",
    b"\x00",
];

#[test]
fn documents_that_are_nearly_right_never_panic_and_never_leak() {
    let json = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "canary",
        "clusters": [{"name": "canary", "cluster": {"server": "https://canary", "certificate-authority-data": PKI.ca}}],
        "users": [{"name": "canary", "user": {"token": "canary"}}],
        "contexts": [{"name": "canary", "context": {"cluster": "canary", "user": "canary"}}],
    });
    let seeds = [document(), with_certificate(), json.to_string()].map(String::into_bytes);
    for seed in &seeds {
        Kubeconfig::parse(seed).unwrap();
    }
    let mut numbers = Numbers(0x5f1e_c0de_1234_5678);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut document = seeds[round % seeds.len()].clone();
        for _ in 0..=numbers.below(4) {
            let range = numbers.range(document.len());
            match numbers.below(6) {
                0 => drop(document.splice(range, [])),
                1 => {
                    let copy = document[range.clone()].to_vec();
                    document.splice(range.start..range.start, copy);
                }
                2 => document[range].reverse(),
                3 => document.truncate(range.start),
                4 => {
                    let piece = PIECES[numbers.below(PIECES.len())];
                    document.splice(range.start..range.start, piece.iter().copied());
                }
                _ => {
                    if let Some(byte) = document.get_mut(range.start) {
                        *byte ^= 1 << numbers.below(8);
                    }
                }
            }
        }
        match Kubeconfig::parse(&document) {
            Ok(_) => accepted += 1,
            Err(error) => {
                refused += 1;
                silent(&error);
            }
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(
        accepted > 200 && refused > 10_000,
        "{accepted} accepted, {refused} refused: the changes miss their aim"
    );
}
