//! The fuzzer of `muster_properties::manifests`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if muster_properties::manifests::holds(bytes) { Corpus::Keep } else { Corpus::Reject }
});
