//! The fuzzer of `muster_properties::watch`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if muster_properties::watch::holds(bytes) { Corpus::Keep } else { Corpus::Reject }
});
