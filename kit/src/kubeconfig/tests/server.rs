//! The address of the directory.

use super::*;

#[test]
fn the_server_is_an_https_address() {
    use KubeconfigError::{NoAddress, NotHttps, ServerLinkLocal, ServerLogin, ServerQuery};
    for (server, expected) in [
        ("http://canary.example.com", NotHttps),
        ("HTTP://canary.example.com", NotHttps),
        ("ftp://canary", NotHttps),
        ("unix:///canary", NotHttps),
        ("canary.example.com:6443", NoAddress),
        ("//canary", NoAddress),
        ("https:canary", NoAddress),
        ("https:/canary", NoAddress),
        ("https://", NoAddress),
        ("https:///canary", NoAddress),
        ("https://:6443", NoAddress),
        ("https://canary:", NoAddress),
        ("https://canary:0", NoAddress),
        ("https://canary:65536", NoAddress),
        ("https://canary:+1", NoAddress),
        ("https://canary:canary", NoAddress),
        ("https://canary:1:2", NoAddress),
        ("https://[::1", NoAddress),
        ("https://[canary]", NoAddress),
        ("https://::1", NoAddress),
        ("https://canary canary", NoAddress),
        ("https://canary_canary", NoAddress),
        ("https://canary%2ecom", NoAddress),
        ("https://canäry.example.com", NoAddress),
        ("https://canary\\canary", NoAddress),
        ("https://canary\n", NoAddress),
        ("https://canary\0", NoAddress),
        ("https://user:canary@example.com", ServerLogin),
        ("https://canary@example.com/", ServerLogin),
        ("https://@canary", ServerLogin),
        ("https://canary?canary", ServerQuery),
        ("https://canary/?", ServerQuery),
        ("https://canary#canary", ServerQuery),
        ("https://canary/path#", ServerQuery),
        ("https://169.254.169.254", ServerLinkLocal),
        ("https://[fe80::1]:6443", ServerLinkLocal),
        ("https://[::ffff:169.254.1.1]", ServerLinkLocal),
    ] {
        assert_eq!(refused(but(SERVER, &format!("server: {server:?}"))), expected, "{server}");
    }
    for (server, host, path) in [
        ("https://canary", "canary", "/"),
        ("HTTPS://Canary.Example.com./", "Canary.Example.com.", "/"),
        ("https://10.0.0.1:443", "10.0.0.1", "/"),
        ("https://[2001:db8::1]:6443/", "[2001:db8::1]", "/"),
        ("https://canary/k8s/clusters/c-x7k2p", "canary", "/k8s/clusters/c-x7k2p"),
        ("https://canary/a@b:c/", "canary", "/a@b:c/"),
    ] {
        let kubeconfig = accepted(&but(SERVER, &format!("server: {server}")));
        assert_eq!(kubeconfig.warnings(), [], "{server}");
        let endpoint = kubeconfig.endpoint();
        assert_eq!((endpoint.server().host(), endpoint.server().path()), (Some(host), path), "{server}");
    }
    for own in [
        "localhost",
        "LOCALHOST.",
        "a.localhost:1",
        "127.0.0.1",
        "127.9.9.9:6443",
        "[::1]:6443",
        "[::ffff:127.0.0.1]",
        "0.0.0.0:6443",
        "[::]",
    ] {
        let kubeconfig = accepted(&but(SERVER, &format!("server: https://{own}")));
        assert_eq!(kubeconfig.warnings(), [Warning::Loopback], "{own}");
        assert!(!kubeconfig.warnings()[0].to_string().contains(own));
    }
    for name in ["canary canary", "canary_", "*.canary", "https://canary", ".", "canary:1"] {
        let document = but(SERVER, &format!("{SERVER}\n    tls-server-name: '{name}'"));
        assert_eq!(refused(document), KubeconfigError::ServerName, "{name}");
    }
    for name in ["canary", "Canary.example.com", "10.0.0.1", "::1"] {
        accepted(&but(SERVER, &format!("{SERVER}\n    tls-server-name: '{name}'")));
    }
}
