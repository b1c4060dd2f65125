use secrecy::SecretString;

use super::*;

const DAY: i64 = 24 * 60 * 60;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn token(payload: &str) -> Credential {
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
    Credential::Token(SecretString::from(format!("eyJhbGciOiJSUzI1NiJ9.{payload}.c2lnbmF0dXJl")))
}

#[test]
fn a_service_account_token_tells_its_life() {
    let payload = r#"{"aud":["https://kubernetes.default.svc"],"exp":1800000000,"iat":1700000000,"iss":"x",
        "kubernetes.io":{"namespace":"muster-agents"},"nbf":1700000000,
        "sub":"system:serviceaccount:muster-agents:east"}"#;
    let facts = Facts::of(&token(payload));
    assert_eq!(facts.issued_at, Some(at(1_700_000_000)));
    assert_eq!(facts.expires_at, Some(at(1_800_000_000)));
}

#[test]
fn padding_and_fractions_are_allowed() {
    let padded = base64::engine::general_purpose::URL_SAFE.encode(r#"{"exp":1.5}"#);
    assert!(padded.ends_with('='), "{padded}");
    let facts = Facts::of(&Credential::Token(SecretString::from(format!("h.{padded}.s"))));
    assert_eq!(facts.expires_at, Some("1970-01-01T00:00:01.5Z".parse().unwrap()));
}

#[test]
fn an_opaque_or_malformed_token_has_no_facts() {
    for payload in [
        "",
        "{",
        "[]",
        "null",
        "7",
        r#"{"exp":"soon"}"#,
        r#"{"exp":1,"exp":2}"#,
        r#"{"sub":1}"#,
        r#"{"exp":1e999}"#,
    ] {
        assert_eq!(Facts::of(&token(payload)), Facts::default(), "{payload}");
    }
    for payload in [r#"{"exp":1e300}"#, r#"{"exp":-1e18}"#, r#"{"iat":1e18}"#, r#"{"exp":null}"#, "{}"] {
        assert_eq!(Facts::of(&token(payload)), Facts::default(), "{payload}");
    }
    for opaque in ["", ".", "..", "...", "abcdef.0123456789abcdef", "a.b", "a.?.c", "a.e30.c.d", "a.\u{e4}.c"]
    {
        assert_eq!(Facts::of(&Credential::Token(opaque.into())), Facts::default(), "{opaque}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(Facts::of(&token(&format!(r#"{{"x":{deep}"#))), Facts::default());
    assert_eq!(Facts::of(&Credential::None), Facts::default());
}

#[test]
fn a_certificate_tells_its_life() {
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, 1, 2);
    params.not_after = rcgen::date_time_ymd(2027, 3, 4);
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let of = |chain: &str| {
        Facts::of(&Credential::Certificate { chain_pem: chain.into(), key_pem: key.serialize_pem().into() })
    };
    let facts = of(&pem);
    assert_eq!(facts.issued_at, Some("2026-01-02T00:00:00Z".parse().unwrap()));
    assert_eq!(facts.expires_at, Some("2027-03-04T00:00:00Z".parse().unwrap()));
    assert_eq!(of("garbage"), Facts::default());
    assert_eq!(of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), Facts::default());
}

#[test]
fn the_end_is_announced_a_week_or_a_third_before() {
    let life = |issued: Option<i64>, expires: Option<i64>, now: i64| {
        Facts { issued_at: issued.map(at), expires_at: expires.map(at) }.lifetime(at(now))
    };
    // A life of 90 days: a third is longer than a week.
    let long = |now| life(Some(0), Some(90 * DAY), now);
    assert_eq!(long(0), Lifetime::Valid);
    assert_eq!(long(60 * DAY), Lifetime::Valid);
    assert_eq!(long(60 * DAY + 1), Lifetime::ExpiresSoon);
    assert_eq!(long(90 * DAY - 1), Lifetime::ExpiresSoon);
    assert_eq!(long(90 * DAY), Lifetime::Expired);
    assert_eq!(long(900 * DAY), Lifetime::Expired);
    // A life of 15 days: a week is longer than a third.
    assert_eq!(life(Some(0), Some(15 * DAY), 8 * DAY), Lifetime::Valid);
    assert_eq!(life(Some(0), Some(15 * DAY), 8 * DAY + 1), Lifetime::ExpiresSoon);
    assert_eq!(life(Some(0), Some(DAY), 1), Lifetime::ExpiresSoon);
    // Half of the facts, or none.
    assert_eq!(life(None, Some(8 * DAY), 0), Lifetime::Valid);
    assert_eq!(life(None, Some(7 * DAY), 1), Lifetime::ExpiresSoon);
    assert_eq!(life(Some(0), None, i64::from(i32::MAX)), Lifetime::Valid);
    assert_eq!(life(None, None, 0), Lifetime::Valid);
    // An end before the beginning, and ends of time.
    assert_eq!(life(Some(9 * DAY), Some(8 * DAY), 0), Lifetime::Valid);
    let facts = Facts { issued_at: Some(Timestamp::MIN), expires_at: Some(Timestamp::MAX) };
    assert_eq!(facts.lifetime(Timestamp::MIN), Lifetime::Valid);
}

#[test]
fn only_service_accounts_are_accounts() {
    assert_eq!(account("system:serviceaccount:a:b.c"), Some(("a", "b.c")));
    for other in [
        "",
        "east",
        "system:node:a",
        "system:serviceaccount:a",
        "system:serviceaccount::b",
        "system:serviceaccount:a:",
        "system:serviceaccount:a:b:c",
        "system:serviceaccount:a.b:c",
        "system:serviceaccount:A:b",
        "system:serviceaccount:a:b\n",
        "xsystem:serviceaccount:a:b",
        "system:serviceaccounts:a:b",
    ] {
        assert_eq!(account(other), None, "{other:?}");
    }
}
