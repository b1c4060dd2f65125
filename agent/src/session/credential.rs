//! What a credential says of itself: how long it lives and whose it is.
//!
//! Nothing here is verified, so nothing here decides who may do what: the server does. It is for warnings in time, for
//! renewal, and for the convention that the account bears the name of the cluster.

#[cfg(test)]
mod tests;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jiff::{SignedDuration, Timestamp};
use muster_api::names;
use muster_kit::endpoint::{self, Credential};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

/// A credential with less life left than this ends soon, however long it lived: a week is what people need to notice
/// a warning and to act.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What a credential says of itself. What it does not say, or not in the agreed form, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// From when on it holds: `iat` of a token, notBefore of a certificate.
    pub issued_at: Option<Timestamp>,
    /// Until when it holds: `exp` of a token, notAfter of a certificate.
    pub expires_at: Option<Timestamp>,
}

/// How much of its life a credential has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Enough, or nobody knows an end.
    Valid,
    /// Less than seven days, or less than a third of the whole.
    ExpiresSoon,
    /// None.
    Expired,
}

/// The claims of a `ServiceAccount` token that matter, after RFC 7519 §4.1.
#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970, possibly with a fraction.
    exp: Option<f64>,
    iat: Option<f64>,
}

// === impl Facts ===

impl Facts {
    /// The facts of a credential.
    #[must_use]
    pub fn of(credential: &Credential) -> Self {
        match credential {
            Credential::Token(token) => Self::of_token(token.expose_secret()),
            Credential::Certificate { chain_pem, .. } => {
                Self::of_certificate(chain_pem.expose_secret().as_bytes())
            }
            Credential::None | Credential::TokenFile(_) => Self::default(),
        }
    }

    /// How much life is left at `now`.
    #[must_use]
    pub fn lifetime(&self, now: Timestamp) -> Lifetime {
        let Some(end) = self.expires_at else { return Lifetime::Valid };
        let left = end.duration_since(now);
        let whole = self.issued_at.map(|start| end.duration_since(start));
        if left <= SignedDuration::ZERO {
            Lifetime::Expired
        } else if left < SOON || whole.is_some_and(|whole| left < whole / 3) {
            Lifetime::ExpiresSoon
        } else {
            Lifetime::Valid
        }
    }

    fn of_token(token: &str) -> Self {
        claims(token).map_or_else(Self::default, |claims| Self {
            issued_at: claims.iat.and_then(instant),
            expires_at: claims.exp.and_then(instant),
        })
    }

    /// Of the first certificate in the chain: the one that stands for the client.
    fn of_certificate(pem: &[u8]) -> Self {
        let Some(der) = endpoint::certificates(pem).ok().and_then(|chain| chain.into_iter().next()) else {
            return Self::default();
        };
        let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der) else { return Self::default() };
        let validity = certificate.validity();
        let instant = |seconds: i64| Timestamp::from_second(seconds).ok();
        Self {
            issued_at: instant(validity.not_before.timestamp()),
            expires_at: instant(validity.not_after.timestamp()),
        }
    }
}

/// Namespace and name of a `ServiceAccount` from its user name, `system:serviceaccount:NAMESPACE:NAME`.
#[must_use]
pub fn account(username: &str) -> Option<(&str, &str)> {
    let (namespace, name) = username.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (names::is_label(namespace) && names::is_subdomain(name)).then_some((namespace, name))
}

fn claims(token: &str) -> Option<Claims> {
    // The alphabet of RFC 7515 §2, whose padding some makers leave on.
    const BASE64URL: GeneralPurpose = GeneralPurpose::new(
        &alphabet::URL_SAFE,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let [_header, payload, _signature] = token.split('.').collect::<Vec<_>>().try_into().ok()?;
    serde_json::from_slice(&BASE64URL.decode(payload).ok()?).ok()
}

fn instant(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_duration(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}
