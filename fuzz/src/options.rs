//! The fuzzer of `muster_properties::options`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if muster_properties::options::holds(bytes) { Corpus::Keep } else { Corpus::Reject }
});
