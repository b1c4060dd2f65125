//! What YAML can do to a reader.

use std::{fmt::Write as _, time::Instant};

use super::*;

/// Ten times what a slow machine needs for 64 KiB in a build without optimisation.
const QUICK: std::time::Duration = std::time::Duration::from_secs(5);

fn quickly(document: impl AsRef<[u8]>) -> KubeconfigError {
    let start = Instant::now();
    let error = refused(document);
    assert!(start.elapsed() < QUICK, "{:?}", start.elapsed());
    error
}

#[test]
fn aliases_are_refused_however_many() {
    let mut bomb = String::from("a0: &a0 [canary, canary]\n");
    for level in 1..60 {
        let below = level - 1;
        let _infallible =
            writeln!(bomb, "a{level}: &a{level} [{}]", vec![format!("*a{below}"); 30].join(","));
    }
    assert_eq!(quickly(bomb), KubeconfigError::Alias { line: 1 });
    assert_eq!(refused(but(TOKEN, "token: &canary canary-token")), KubeconfigError::Alias { line: 19 });
    assert_eq!(refused(but(TOKEN, "token: *canary")), KubeconfigError::Alias { line: 19 });
    let itself = "&canary [*canary]";
    assert_eq!(quickly(itself), KubeconfigError::Alias { line: 1 });
    let merged = but(TOKEN, "<<: {token: canary}");
    assert_eq!(refused(merged), KubeconfigError::MergeKey { line: 19 });
}

#[test]
fn size_and_depth_are_bounded() {
    use KubeconfigError::{Syntax, TooComplex};
    let padded = |length: usize| {
        let document = document();
        format!("{document}#{}\n", "c".repeat(length - document.len() - 2))
    };
    accepted(&padded(64 * 1024));
    assert_eq!(refused(padded(64 * 1024 + 1)), KubeconfigError::TooLarge { limit: 65536 });
    assert_eq!(quickly(vec![b'a'; 1024 * 1024]), KubeconfigError::TooLarge { limit: 65536 });
    assert_eq!(quickly(vec![0xff; 1024 * 1024]), KubeconfigError::TooLarge { limit: 65536 });

    for opening in ["[", "{", "{a: ", "- ", "? ", "!!seq [", "a: {\"b\": ["] {
        let error = quickly(opening.repeat(60 * 1024 / opening.len()));
        assert!(matches!(error, TooComplex { .. } | Syntax { .. }), "{opening:?}: {error}");
    }
    for sign in ["\"", "'", "|\n", ">", "!", "%", "\t", "#", "-", "é", "&a ", "*a "] {
        let error = quickly(sign.repeat(60 * 1024 / sign.len()));
        println!("{sign:?}: {error}");
    }
    let mut nested = String::new();
    let mut wide = String::new();
    for number in 0..300 {
        let _infallible = writeln!(nested, "{}a:", " ".repeat(number));
    }
    for number in 0..8000 {
        let _infallible = writeln!(wide, "{number}: 1");
    }
    assert!(matches!(quickly(nested), TooComplex { .. }));
    assert!(matches!(quickly(wide), TooComplex { .. }));
    let list = format!("users: [{}]", "1,".repeat(30_000));
    assert!(matches!(quickly(list), TooComplex { .. }));
    let levels =
        |levels: usize| format!("canary: {}canary{}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert!(matches!(refused(levels(16)), KubeconfigError::UnknownKey { .. }));
    assert!(matches!(refused(levels(17)), TooComplex { .. } | Syntax { .. }));
    let blocks = |levels: usize| (0..levels).map(|level| " ".repeat(level) + "canary:\n").collect::<String>();
    assert!(matches!(refused(blocks(16)), KubeconfigError::UnknownKey { .. }));
    assert!(matches!(refused(blocks(17)), TooComplex { .. }));
    let deep = but(TOKEN, &format!("exec: {}canary{}", "[".repeat(8), "]".repeat(8)));
    assert!(
        matches!(refused(deep), KubeconfigError::Exec { .. }),
        "by name, where it is no deeper than can be"
    );
}

#[test]
fn what_is_no_single_document_is_refused() {
    use KubeconfigError::{DuplicateKey, Empty, MultipleDocuments, NotUtf8, Tag};
    for empty in ["", " ", "\n\n", "# canary\n", "---\n", "null", "~", "\u{feff}"] {
        assert_eq!(refused(empty), Empty, "{empty:?}");
    }
    assert_eq!(refused(b"\xff\xfecanary"), NotUtf8);
    assert_eq!(refused([document().as_bytes(), b"\xff"].concat()), NotUtf8);
    let utf16: Vec<u8> = document().encode_utf16().flat_map(u16::to_le_bytes).collect();
    silent(&refused(utf16));
    for second in ["---\ncanary: 1\n", "---\n", "...\n---\n[canary\n", "--- canary\n"] {
        let error = refused(format!("{}{second}", document()));
        assert!(matches!(error, MultipleDocuments | KubeconfigError::Syntax { .. }), "{second:?}: {error}");
    }
    for trailing in ["...\ncanary\n", "]\n", "canary\n", "\"canary", "\t- canary\n", "%canary\n"] {
        let error = refused(format!("{}{trailing}", document()));
        assert!(matches!(error, MultipleDocuments | KubeconfigError::Syntax { .. }), "{trailing:?}: {error}");
    }
    for (piece, twice, line) in [
        ("kind: Config", "kind: Config\nkind: Config", 3),
        (TOKEN, "token: canary\n    token: canary", 20),
        (TOKEN, "\"token\": canary\n    token: canary", 20),
        (TOKEN, "{token: canary, token: canary}", 19),
        ("kind: Config", "canary: 1\ncanary: 2", 3),
    ] {
        assert_eq!(refused(but(piece, twice)), DuplicateKey { line }, "{twice}");
    }
    let json = r#"{"users":[{"user":{"token":"canary","token":"canary"}}]}"#;
    assert_eq!(refused(json), DuplicateKey { line: 1 });
    assert_eq!(refused(but(TOKEN, "token: !canary canary")), Tag { line: 19 });
    for tagged in [
        "!!binary canary!",
        "!!float canary",
        "!!int canary",
        "!!python/object:canary {}",
        "!include /canary",
    ] {
        let error = refused(but(TOKEN, &format!("token: {tagged}")));
        let is_right =
            matches!(error, Tag { .. } | KubeconfigError::Syntax { .. } | KubeconfigError::WrongType { .. });
        assert!(is_right, "{tagged}: {error}");
    }
    for broken in [
        "token: [canary",
        "token: {canary",
        "token: \"canary",
        "token: 'canary",
        "token: @canary",
        "token: canary: canary",
    ] {
        let error = refused(but(TOKEN, broken));
        assert!(matches!(error, KubeconfigError::Syntax { .. }), "{broken}: {error}");
    }
    for key in ["? [canary]\n    : 1", "? {canary: 1}\n    : 1", "~: canary", "[canary]: 1"] {
        let error = refused(but(TOKEN, key));
        let is_right = matches!(error, KubeconfigError::Syntax { .. } | KubeconfigError::UnknownKey { .. });
        assert!(is_right, "{key}: {error}");
    }
}
