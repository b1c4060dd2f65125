//! The address of the directory, as a kubeconfig gives it.

use std::net::IpAddr;

use http::Uri;

use super::{KubeconfigError, Warning};

/// Reads the address: `https`, a host, and nothing but a port and a path beside it. A path is what servers behind
/// a shared gate such as Rancher's have.
pub(super) fn read(text: &str) -> Result<(Uri, Option<Warning>), KubeconfigError> {
    let (scheme, rest) = text.split_once("://").ok_or(KubeconfigError::NoAddress)?;
    if !scheme.eq_ignore_ascii_case("https") {
        return Err(KubeconfigError::NotHttps);
    }
    // Before the parser, which drops a fragment without a word.
    if rest.contains(['?', '#']) {
        return Err(KubeconfigError::ServerQuery);
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Err(KubeconfigError::ServerLogin);
    }
    let uri: Uri = text.parse().map_err(|_| KubeconfigError::NoAddress)?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or(KubeconfigError::NoAddress)?;
    let port = authority.strip_prefix(host).ok_or(KubeconfigError::NoAddress)?;
    // The type's own parser takes a sign.
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse().is_ok_and(|number: u16| number > 0)
    };
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(KubeconfigError::NoAddress);
    }
    let warning = judge(host)?;
    Ok((uri, warning))
}

/// Whether a text can be the name that a server's certificate bears.
pub(super) fn is_name(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || muster_api::names::is_subdomain(&text.to_ascii_lowercase())
}

fn judge(host: &str) -> Result<Option<Warning>, KubeconfigError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let literal = bare.unwrap_or(host);
    let Ok(address) = literal.parse::<IpAddr>() else {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        if bare.is_some() || !muster_api::names::is_subdomain(&name) {
            return Err(KubeconfigError::NoAddress);
        }
        let is_local = name == "localhost" || name.ends_with(".localhost");
        return Ok(is_local.then_some(Warning::Loopback));
    };
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    if is_link_local {
        return Err(KubeconfigError::ServerLinkLocal);
    }
    // The unspecified address reaches the own machine too.
    Ok((address.is_loopback() || address.is_unspecified()).then_some(Warning::Loopback))
}
