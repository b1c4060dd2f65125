//! What servers say about Secrets. They, and the webhooks and policies that they ask, may repeat what is in one, so only
//! words are kept that are known to repeat nothing.

/// After these, others than the server have the word.
const OTHERS: [&str; 3] = ["denied the request", "denied request", "failed calling webhook"];

/// Sentences of the server's own, which name objects, users, fields and numbers alone.
const HARMLESS: [&str; 6] = [
    " is forbidden: User \"",
    " is forbidden: exceeded quota: ",
    " because it is being terminated",
    "Precondition failed: ",
    ": the object has been modified; ",
    "Apply failed with ",
];
/// Such sentences by how they end.
const HARMLESS_ENDS: [&str; 2] = ["\" not found", "\" already exists"];

/// Kinds of errors about a field (apimachinery, `field.ErrorType`). A value may follow each of them.
const KINDS: [&str; 8] = [
    ": Invalid value",
    ": Required value",
    ": Forbidden",
    ": Unsupported value",
    ": Duplicate value",
    ": Too long",
    ": Too many",
    ": Not found",
];

/// Why a field cannot be changed, as servers say it.
const IMMUTABLE: [&str; 2] = ["field is immutable when `immutable` is set", "field is immutable"];

/// As much of a message as repeats no value. `None`: nothing.
pub(super) fn harmless(message: &str) -> Option<String> {
    // Those that stand first: what follows them may hold any words.
    if let Some(words) =
        OTHERS.iter().filter_map(|others| until(message, others)).min_by_key(|words| words.len())
    {
        return Some(words.to_owned());
    }
    if let Some(start) = until(message, "\" is invalid: ") {
        let fields = message.get(start.len()..)?;
        let (at, kind) = KINDS.iter().filter_map(|kind| Some((fields.find(kind)?, kind))).min()?;
        let why = IMMUTABLE.iter().find(|words| fields.contains(**words));
        let why = why.map_or_else(String::new, |words| format!(": {words}"));
        return Some(format!("{start}{}{kind}{why}", fields.get(..at)?));
    }
    let harmless = HARMLESS.iter().any(|words| message.contains(words))
        || HARMLESS_ENDS.iter().any(|words| message.ends_with(words));
    harmless.then(|| message.to_owned())
}

/// A text up to these words, and with them.
fn until<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    text.get(..text.find(words)? + words.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_a_server_repeats_a_value() {
        let immutable =
            "Secret \"a\" is invalid: data: Forbidden: field is immutable when `immutable` is set";
        for (said, kept) in [
            (immutable, Some(immutable)),
            (
                "Secret \"a\" is invalid: type: Invalid value: \"canary\": field is immutable",
                Some("Secret \"a\" is invalid: type: Invalid value: field is immutable"),
            ),
            (
                "Secret \"a\" is invalid: data[.dockerconfigjson]: Invalid value: \"canary\": is bad",
                Some("Secret \"a\" is invalid: data[.dockerconfigjson]: Invalid value"),
            ),
            (
                "Secret \"a\" is invalid: [data[a b]: Invalid value: \"canary\": x, data[c]: Required value]",
                Some("Secret \"a\" is invalid: [data[a b]: Invalid value"),
            ),
            (
                "secrets \"a\" is forbidden: User \"u\" cannot patch resource \"secrets\"",
                Some("secrets \"a\" is forbidden: User \"u\" cannot patch resource \"secrets\""),
            ),
            (
                "admission webhook \"w.example.com\" denied the request: password canary is weak",
                Some("admission webhook \"w.example.com\" denied the request"),
            ),
            (
                "secrets \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: \"canary\" not found",
                Some(
                    "secrets \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request",
                ),
            ),
            (
                "admission webhook \"w\" denied request: canary, which \"x\" denied the request",
                Some("admission webhook \"w\" denied request"),
            ),
            (
                "failed calling webhook \"w\": canary: denied request: canary denied the request",
                Some("failed calling webhook"),
            ),
            ("namespaces \"web\" not found", Some("namespaces \"web\" not found")),
            (
                "Apply failed with 1 conflict: conflict with \"kubectl\" using v1: .data.password",
                Some("Apply failed with 1 conflict: conflict with \"kubectl\" using v1: .data.password"),
            ),
            ("Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data: canary", None),
            ("the server says canary", None),
            ("\"a\" is invalid: canary", None),
        ] {
            assert_eq!(harmless(said).as_deref(), kept);
        }
    }
}
