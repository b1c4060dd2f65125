//! The control planes themselves.

use muster_tests::{ControlPlane, Options};

#[test]
fn one_plane_starts() {
    let started = std::time::Instant::now();
    let plane = ControlPlane::start(Options::named("one")).unwrap();
    println!("ready after {:?}", started.elapsed());
    println!("{}", plane.kubectl_ok(&["version"]).unwrap());
    println!("{}", plane.kubectl_ok(&["get", "sa", "-A"]).unwrap());
}
