//! Servers with a TLS that nobody should speak.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// The beginning of a handshake of an earlier version: a `ServerHello` with a cipher of that time, and nothing after it.
fn server_hello(minor: u8) -> Vec<u8> {
    // Version, random, no session, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, no compression.
    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let mut handshake = vec![2, 0, 0, u8::try_from(hello.len()).unwrap()];
    handshake.extend(hello);
    let mut record = vec![22, 3, minor, 0, u8::try_from(handshake.len()).unwrap()];
    record.extend(handshake);
    record
}

/// Answers the first bytes of a client so, and gives these bytes and what came after the answer.
async fn answer(listener: TcpListener, answer: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = vec![0; 5];
    stream.read_exact(&mut hello).await.unwrap();
    let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
    stream.read_exact(&mut rest).await.unwrap();
    hello.extend(rest);
    stream.write_all(&answer).await.unwrap();
    let mut after = Vec::new();
    // A client may go with a reset.
    let _ = stream.read_to_end(&mut after).await;
    (hello, after)
}

#[tokio::test]
async fn a_server_with_old_tls_or_none_is_refused_before_anything_is_said_to_it() {
    let plain = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    for (what, said) in [
        ("SSL 3.0", server_hello(0)),
        ("TLS 1.0", server_hello(1)),
        ("TLS 1.1", server_hello(2)),
        ("no TLS", plain),
    ] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let credential = Credential::Token(SecretString::from(CANARY));
        let endpoint = Endpoint::new(server, vec![Authority::new().der()], None, credential).unwrap();
        let client = Client::new(&endpoint, ClientOptions::default()).unwrap();
        let (result, (hello, after)) = soon("a call", async {
            tokio::join!(client.get(&CLUSTERS, None, "east"), answer(listener, said))
        })
        .await;
        let error = result.unwrap_err();
        println!("{what}: {error}; then {after:?}");
        assert_eq!(error.category(), "unreachable", "{what}: {error}");
        // An alert that is fatal, and neither a key nor the token.
        assert_eq!(after.get(..6).map(|alert| (alert[0], alert[5])), Some((21, 2)), "{what}: {after:?}");
        assert_eq!(after.len(), 7, "{what}: {after:?}");
        // supported_versions: 1.3 and 1.2 are offered, and nothing before them.
        let offered = [0, 43, 0, 5, 4, 3, 4, 3, 3];
        assert!(hello.windows(offered.len()).any(|part| part == offered), "{what}: {hello:?}");
    }
}
