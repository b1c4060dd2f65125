//! A proxy that does nothing but `CONNECT`, and remembers what it was asked for and what went through it.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// Longest request that is read.
const LONGEST: usize = 8 * 1024;
/// How much is remembered of what went through, in bytes.
const REMEMBERED: usize = 4 * 1024 * 1024;

/// The proxy. It takes no new connection once it is dropped.
pub struct ConnectProxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    /// The header that it wants, if it wants one.
    login: Option<String>,
    gone: AtomicBool,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    asked: Vec<String>,
    refused: usize,
    passed: Vec<u8>,
}

impl ConnectProxy {
    /// A proxy on a loopback port. `login`: the value of `Proxy-Authorization` without which it answers 407.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub fn start(login: Option<&str>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            login: login.map(str::to_owned),
            gone: AtomicBool::new(false),
            facts: Mutex::default(),
        });
        let sharing = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if sharing.gone.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&sharing);
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Ok(Self { port, shared })
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whereto it was asked to connect, as `HOST:PORT`, once for each connection.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shared.facts().asked.clone()
    }

    /// How many requests it refused for their login.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.shared.facts().refused
    }

    /// The bytes that went through it in both directions, the first of them.
    #[must_use]
    pub fn passed(&self) -> Vec<u8> {
        self.shared.facts().passed.clone()
    }
}

impl Drop for ConnectProxy {
    fn drop(&mut self) {
        self.shared.gone.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, bytes: &[u8]) {
        let mut facts = self.facts();
        let room = REMEMBERED.saturating_sub(facts.passed.len());
        facts.passed.extend(bytes.iter().take(room));
    }
}

fn serve(mut client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let target = lines.next().and_then(|line| line.strip_prefix("CONNECT ")?.split(' ').next());
    let Some(target) = target else { return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n") };
    let login = lines.find_map(|line| line.strip_prefix("Proxy-Authorization: "));
    if shared.login.is_some() && login != shared.login.as_deref() {
        shared.facts().refused += 1;
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    }
    shared.facts().asked.push(target.to_owned());
    let server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    client.set_read_timeout(None)?;
    let (up, down) = ((client.try_clone()?, server.try_clone()?), (server, client));
    let sharing = Arc::clone(shared);
    thread::spawn(move || drop(pump(up, &sharing)));
    pump(down, shared)
}

fn pump((mut from, mut to): (TcpStream, TcpStream), shared: &Shared) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        shared.pass(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}
