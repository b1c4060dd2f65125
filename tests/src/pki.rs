//! Certificate authorities of a test's own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider, pki_types::pem::PemObject};

/// A key or certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// It could not be made.
    #[error("unable to make {what}: {source}")]
    Make {
        /// What.
        what: &'static str,
        /// Why.
        source: rcgen::Error,
    },
    /// Text that should be certificates in PEM is not.
    #[error("unable to read a CA bundle: {0}")]
    Bundle(#[from] rustls::pki_types::pem::Error),
    /// TLS refuses what was made.
    #[error("unable to configure TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A certificate and its key, both in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// PKCS #8.
    pub key: String,
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// The names under which API servers are called.
const SERVING_NAMES: [&str; 5] = [
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Authority {
    /// A new authority with a key of its own (ECDSA P-256).
    ///
    /// # Errors
    ///
    /// [`PkiError::Make`].
    pub fn new(common_name: &str) -> Result<Self, PkiError> {
        let make = |source| PkiError::Make { what: "a CA", source };
        let key = KeyPair::generate().map_err(make)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name(common_name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).map_err(make)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), pem })
    }

    /// Its certificate.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A serving certificate for 127.0.0.1, localhost and the names of the Service `kubernetes`.
    ///
    /// # Errors
    ///
    /// [`PkiError::Make`].
    pub fn serving(&self) -> Result<Identity, PkiError> {
        self.serving_also(&[])
    }

    /// The same, for further names or addresses too.
    ///
    /// # Errors
    ///
    /// [`PkiError::Make`].
    pub fn serving_also(&self, further: &[String]) -> Result<Identity, PkiError> {
        self.serve([serving_names().as_slice(), further].concat(), None)
    }

    /// A serving certificate for these names alone.
    ///
    /// # Errors
    ///
    /// [`PkiError::Make`].
    pub fn serving_only(&self, names: &[&str]) -> Result<Identity, PkiError> {
        self.serve(names.iter().map(|name| (*name).to_owned()).collect(), None)
    }

    /// The same as [`serving`](Self::serving), and its time is over since yesterday.
    ///
    /// # Errors
    ///
    /// [`PkiError::Make`].
    pub fn serving_expired(&self) -> Result<Identity, PkiError> {
        self.serve(serving_names(), Some(now().saturating_sub(DAY)))
    }

    /// The same as [`serving`](Self::serving), valid for `lifetime` from now.
    ///
    /// # Errors
    ///
    /// [`PkiError::Make`].
    pub fn serving_for(&self, lifetime: Duration) -> Result<Identity, PkiError> {
        self.serve(serving_names(), Some(now() + lifetime))
    }

    /// `ends`: since the epoch.
    fn serve(&self, names: Vec<String>, ends: Option<Duration>) -> Result<Identity, PkiError> {
        let make = |source| PkiError::Make { what: "a serving certificate", source };
        let mut params = CertificateParams::new(names).map_err(make)?;
        params.distinguished_name = name("kube-apiserver", &[]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if let Some(ends) = ends {
            limit(&mut params, ends);
        }
        self.sign(params).map_err(make)
    }

    /// A client certificate: `user` as the common name, `groups` as organizations, valid for `lifetime` from now.
    ///
    /// # Errors
    ///
    /// [`PkiError::Make`].
    pub fn client(&self, user: &str, groups: &[&str], lifetime: Duration) -> Result<Identity, PkiError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, groups);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        limit(&mut params, now() + lifetime);
        self.sign(params).map_err(|source| PkiError::Make { what: "a client certificate", source })
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity, rcgen::Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

/// A key pair for the tokens of `ServiceAccount`s: (private PKCS #8, public), both PEM, ECDSA P-256.
///
/// # Errors
///
/// [`PkiError::Make`].
pub fn token_keys() -> Result<(String, String), PkiError> {
    let key = KeyPair::generate().map_err(|source| PkiError::Make { what: "the token key", source })?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

/// What this process's TLS is made of.
pub(crate) fn provider() -> std::sync::Arc<CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS for a client that trusts the certificates in `ca_pem` and no others.
pub(crate) fn client_config(ca_pem: &str) -> Result<ClientConfig, PkiError> {
    let mut roots = RootCertStore::empty();
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn serving_names() -> Vec<String> {
    SERVING_NAMES.iter().map(|name| (*name).to_owned()).collect()
}

/// Time since the epoch.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Has a certificate end so long after the epoch.
fn limit(params: &mut CertificateParams, ends: Duration) {
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + ends;
}

fn name(common_name: &str, organizations: &[&str]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    for organization in organizations {
        name.push(DnType::OrganizationName, *organization);
    }
    name
}
