//! Which address of the directory a replica is told, and by which CA it knows the server there.

use std::net::IpAddr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use muster_api::cluster::Cluster;
use muster_api::{marks, names, resource};
use serde_json::Value;

use crate::api::Call;
use crate::args::Directory;
use crate::connect::Connection;
use crate::failure::Failure;

/// The `ConfigMap` with the CA that Kubernetes puts into every namespace.
const ROOT_CA: &str = "kube-root-ca.crt";

/// What a kubeconfig for the directory says of it.
pub(crate) struct Address {
    /// The server.
    pub(crate) server: Uri,
    /// The CA certificates as PEM.
    pub(crate) ca: String,
    /// The name that the server's certificate bears, where it is not the host's.
    pub(crate) tls_server_name: Option<String>,
    /// Where the server is from, for people.
    pub(crate) origin: String,
}

/// Where an address came from, and what came with it.
struct Found {
    server: Uri,
    ca: Option<String>,
    tls_server_name: Option<String>,
    origin: String,
}

/// Reads an address as an agent takes it: `https`, a host, at most a port and a path.
pub(crate) fn parse(text: &str) -> Result<Uri, String> {
    let remedy = "write it as https://HOST:PORT";
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
        Some(_) => return Err(format!("agents accept https alone; {remedy}")),
        None => return Err(format!("it has no https:// in front; {remedy}")),
    };
    if rest.contains(['?', '#', '@']) {
        return Err(format!("it holds a login, a query or a fragment, which agents refuse; {remedy}"));
    }
    let uri: Uri = text.parse().map_err(|_| format!("it is no address; {remedy}"))?;
    if uri.host().is_none_or(str::is_empty) {
        return Err(format!("it names no host; {remedy}"));
    }
    Ok(uri)
}

/// Whether only this machine, or nobody, reaches the address.
fn is_own(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let Ok(address) = literal.parse::<IpAddr>() else {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        return name == "localhost" || name.ends_with(".localhost");
    };
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    address.is_loopback() || address.is_unspecified() || is_link_local
}

/// Chooses the address: the flag, else the directory's own entry, else the caller's kubeconfig; of the latter two, none
/// that means the machine itself.
///
/// # Errors
/// Where none of them can be used, or there is no CA.
pub(crate) async fn choose(connection: &Connection, flags: &Directory) -> Result<Address, Failure> {
    let found = match &flags.server {
        Some(server) => {
            Found { server: server.clone(), ca: None, tls_server_name: None, origin: "--server".to_owned() }
        }
        None => match of_entry(connection).await? {
            Some(found) => found,
            None => of_caller(connection)?,
        },
    };
    if flags.server.is_none() && is_own(&found.server) {
        return Err(Failure::new(
            "unable to choose the address of the directory",
            format!(
                "{}, from {}, means the machine itself: no other cluster reaches the directory there",
                found.server, found.origin
            ),
            "name one that the cluster reaches: --server https://HOST:PORT",
        ));
    }
    let ca = match (&flags.certificate_authority, found.ca, &connection.ca) {
        (Some(path), ..) => read_ca(path)?,
        (None, Some(ca), _) => ca,
        (None, None, Some(ca)) => pem(ca),
        (None, None, None) => root_ca(connection).await?,
    };
    Ok(Address { server: found.server, ca, tls_server_name: found.tls_server_name, origin: found.origin })
}

fn of_caller(connection: &Connection) -> Result<Found, Failure> {
    let server = parse(&connection.server.to_string()).map_err(|why| {
        Failure::new(
            format!("unable to use the server {} of your kubeconfig for the cluster", connection.server),
            why,
            "name the address of the directory: --server https://HOST:PORT",
        )
    })?;
    let tls_server_name = connection.tls_server_name.clone();
    Ok(Found { server, ca: None, tls_server_name, origin: "your kubeconfig".to_owned() })
}

/// The first address of the entry that people marked as the directory itself; of several such entries, of the one whose
/// identity is that of this directory.
async fn of_entry(connection: &Connection) -> Result<Option<Found>, Failure> {
    let api = &connection.api;
    let call = Call::new("list", &resource::CLUSTERS, None, None);
    let entries = api.list(&resource::CLUSTERS, None).await.map_err(|error| api.failure(call, error))?;
    let mut marked: Vec<&Value> = entries
        .iter()
        .filter(|entry| {
            let annotations = entry.pointer("/metadata/annotations");
            annotations.and_then(|all| all.get(marks::DIRECTORY)).and_then(Value::as_str) == Some("true")
        })
        .collect();
    if marked.len() > 1 {
        let id = identity(connection).await?;
        marked.retain(|entry| entry.pointer("/status/id").and_then(Value::as_str) == Some(&id));
        if marked.len() != 1 {
            return Err(Failure::new(
                "unable to choose the address of the directory",
                format!("several entries have the annotation {}: \"true\"", marks::DIRECTORY),
                "name the address: --server https://HOST:PORT",
            ));
        }
    }
    let Some(entry) = marked.first() else { return Ok(None) };
    let name = entry.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let spec = serde_json::from_value::<Cluster>((*entry).clone())
        .ok()
        .and_then(|entry| entry.spec)
        .unwrap_or_default();
    let (first, ca) = match (spec.registry_endpoints, spec.kubernetes_api_endpoints) {
        (Some(endpoints), _) => {
            (endpoints.server_endpoints.into_iter().find_map(|one| one.server_address), endpoints.ca_bundle)
        }
        (None, Some(endpoints)) => {
            (endpoints.server_endpoints.into_iter().find_map(|one| one.server_address), endpoints.ca_bundle)
        }
        (None, None) => (None, None),
    };
    let Some(first) = first else { return Ok(None) };
    // The registry's own documents have addresses without a scheme too.
    let address = if first.contains("://") { first } else { format!("https://{first}") };
    let origin = format!("the entry {name}");
    let server = parse(&address).map_err(|why| {
        Failure::new(
            format!("unable to use the address of the directory in clusters.multicluster.coreos.com {name}"),
            why,
            format!(
                "{}, or name one by --server https://HOST:PORT",
                api.kubectl().run(&format!("edit mcl {name}"))
            ),
        )
    })?;
    let ca = ca.and_then(|text| STANDARD.decode(text.replace(['\r', '\n'], "")).ok());
    let ca = ca.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|pem| has_certificate(pem));
    Ok(Some(Found { server, ca, tls_server_name: None, origin }))
}

/// The identity of the directory: the UID of its namespace `kube-system`.
///
/// # Errors
/// Where it may not be read.
pub(crate) async fn identity(connection: &Connection) -> Result<String, Failure> {
    let api = &connection.api;
    let (resource, name) = (&resource::NAMESPACES, names::IDENTITY_NAMESPACE);
    let call = Call::new("get", resource, None, Some(name));
    let namespace = api.get(resource, None, name).await.map_err(|error| api.failure(call, error))?;
    Ok(namespace.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned())
}

fn read_ca(path: &Path) -> Result<String, Failure> {
    let what = || format!("unable to use the CA file {}", path.display());
    let next = "name a file with CERTIFICATE blocks in PEM: --certificate-authority FILE";
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::new(what(), error.to_string(), next))?;
    if has_certificate(&text) {
        Ok(text)
    } else {
        Err(Failure::new(what(), "there is no certificate in it", next))
    }
}

/// What is between the marks is judged by the agent.
fn has_certificate(pem: &str) -> bool {
    pem.contains("-----BEGIN CERTIFICATE-----") && pem.contains("-----END CERTIFICATE-----")
}

fn pem(certificates: &[Vec<u8>]) -> String {
    let mut text = String::new();
    for der in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let base64 = STANDARD.encode(der);
        for line in base64.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// The CA that the directory gives to its own pods, where the caller's kubeconfig names none.
async fn root_ca(connection: &Connection) -> Result<String, Failure> {
    let namespace = Some(names::AGENTS_NAMESPACE);
    let found = connection.api.get(&resource::CONFIG_MAPS, namespace, ROOT_CA).await.ok();
    let pem = found.as_ref().and_then(|map| map.pointer("/data/ca.crt")).and_then(Value::as_str);
    pem.filter(|pem| has_certificate(pem)).map(str::to_owned).ok_or_else(|| {
        Failure::new(
            "unable to find the CA of the directory",
            format!(
                "your kubeconfig has none, and neither has configmaps {}/{ROOT_CA}",
                names::AGENTS_NAMESPACE
            ),
            "name a file with it: --certificate-authority FILE",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_an_agent_reads_them() {
        for good in ["https://d.example.com", "https://10.0.0.1:6443/k8s/c-1", "https://[fd00::1]:6443"] {
            assert_eq!(parse(good).unwrap().to_string().trim_end_matches('/'), good);
        }
        for bad in
            ["d.example.com", "http://d", "https://", "https://u:hunter2@d", "https://d/?a=b", "https://d#a"]
        {
            let why = parse(bad).unwrap_err();
            assert!(why.contains("https://HOST:PORT") && !why.contains("hunter2"), "{bad}: {why}");
        }
    }

    #[test]
    fn addresses_that_mean_the_machine_itself_are_known() {
        for own in [
            "https://127.0.0.1:6443",
            "https://localhost",
            "https://a.localhost",
            "https://[::1]:1",
            "https://0.0.0.0",
            "https://169.254.0.1",
            "https://[::ffff:127.0.0.1]",
        ] {
            assert!(is_own(&own.parse().unwrap()), "{own}");
        }
        for other in ["https://10.0.0.1", "https://localhost.example.com", "https://[fd00::1]"] {
            assert!(!is_own(&other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn certificates_are_written_in_lines_of_64() {
        let text = pem(&[vec![7; 60]]);
        assert!(has_certificate(&text) && text.lines().all(|line| line.len() <= 64), "{text}");
    }
}
