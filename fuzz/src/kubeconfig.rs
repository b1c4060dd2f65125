//! Any kubeconfig: an error that carries no control characters, or an endpoint of HTTPS. Nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_kit::kubeconfig::Kubeconfig;

/// Most bytes of a message: an Event takes 1,024, and says it is cut.
const LONGEST: usize = 4_096;

fuzz_target!(|bytes: &[u8]| {
    match Kubeconfig::parse(bytes) {
        Ok(kubeconfig) => {
            let _ = kubeconfig.warnings().len();
            let endpoint = kubeconfig.endpoint();
            assert_eq!(endpoint.server().scheme_str(), Some("https"), "nothing else is spoken");
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.len() <= LONGEST, "{} bytes", text.len());
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
});
