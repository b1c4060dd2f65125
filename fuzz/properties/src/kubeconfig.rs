//! Any kubeconfig: an error that carries no control characters, or an endpoint of HTTPS. Nothing panics.

use muster_kit::kubeconfig::Kubeconfig;

use crate::said::message;

/// Most bytes of a message: an Event takes 1,024, and says it is cut.
const LONGEST: usize = 4_096;

/// See the module.
#[must_use]
pub fn holds(bytes: &[u8]) -> bool {
    match Kubeconfig::parse(bytes) {
        Ok(kubeconfig) => {
            let _ = kubeconfig.warnings().len();
            let endpoint = kubeconfig.endpoint();
            assert_eq!(endpoint.server().scheme_str(), Some("https"), "nothing else is spoken");
        }
        Err(error) => message(&error.to_string(), LONGEST),
    }
    true
}
