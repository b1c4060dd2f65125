//! The fuzzer of `muster_properties::admin`.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if muster_properties::admin::holds(bytes) { Corpus::Keep } else { Corpus::Reject }
});
