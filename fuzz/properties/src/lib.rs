//! What holds whatever comes in. Each function here takes any bytes, does with them what Muster does, and ends in a panic
//! where a property does not hold. The fuzzer makes bytes up; the tests here take what `fuzz/seeds` has.

// A property that does not hold is a panic.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

pub mod admin;
pub mod kubeconfig;
pub mod manifests;
pub mod options;
mod planted;
mod said;
pub mod watch;
mod world;

/// What any bytes are given to. False: they are nothing to begin from.
pub type Property = fn(&[u8]) -> bool;

/// All of them, each by the name of its target and of the folder of its seeds.
pub const ALL: [(&str, Property); 5] = [
    ("admin", admin::holds),
    ("kubeconfig", kubeconfig::holds),
    ("manifests", manifests::holds),
    ("options", options::holds),
    ("watch", watch::holds),
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn what_holds_for_anything_holds_for_the_seeds() {
        for (name, holds) in ALL {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds").join(name);
            let mut seeds = 0;
            for seed in fs::read_dir(&folder).unwrap() {
                let path = seed.unwrap().path();
                println!("{}", path.display());
                assert!(holds(&fs::read(&path).unwrap()), "{} is nothing to begin from", path.display());
                seeds += 1;
            }
            assert!(seeds >= 10, "{name} has {seeds} seeds");
        }
    }
}
