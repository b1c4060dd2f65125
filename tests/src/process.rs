//! What Linux says about a process: `/proc`.

use std::{collections::HashSet, fs, time::Duration};

/// One TCP socket of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Local port.
    pub local_port: u16,
    /// Port of the peer; 0 for a listening socket.
    pub remote_port: u16,
    /// The kernel's state: 1 is established, 10 is listening.
    pub state: u8,
}

impl Socket {
    /// The state of an established connection.
    pub const ESTABLISHED: u8 = 1;
}

/// Whether the process runs; a zombie does not.
#[must_use]
pub fn alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !matches!(after_name(&stat).chars().next(), None | Some('Z' | 'X')))
}

/// Resident memory in KiB (`VmRSS`); `None` if the process is gone.
#[must_use]
pub fn rss_kib(pid: u32) -> Option<u64> {
    status_field(pid, "VmRSS:")
}

/// The most resident memory so far in KiB (`VmHWM`); `None` if the process is gone.
#[must_use]
pub fn peak_kib(pid: u32) -> Option<u64> {
    status_field(pid, "VmHWM:")
}

/// CPU time of the first thread so far; `None` if the process is gone.
#[must_use]
pub fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Number of threads; `None` if the process is gone.
#[must_use]
pub fn threads(pid: u32) -> Option<u64> {
    status_field(pid, "Threads:")
}

/// How many of its threads a SIGSTOP has not reached; `None` if it is still, or gone.
#[must_use]
pub fn running_threads(pid: u32) -> Option<usize> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    let runs = |stat: &String| !matches!(after_name(stat).chars().next(), None | Some('T' | 'Z' | 'X'));
    Some(stats.filter(runs).count()).filter(|n| *n > 0)
}

/// Open file descriptors; `None` if the process is gone.
#[must_use]
pub fn open_files(pid: u32) -> Option<usize> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok().map(Iterator::count)
}

/// The TCP sockets (IPv4 and IPv6) that the process holds open.
#[must_use]
pub fn sockets(pid: u32) -> Vec<Socket> {
    of_tables(pid, &["tcp", "tcp6"])
}

/// How many sockets for datagrams (UDP and raw) it holds open.
#[must_use]
pub fn datagrams(pid: u32) -> usize {
    of_tables(pid, &["udp", "udp6", "udplite", "udplite6", "raw", "raw6"]).len()
}

fn of_tables(pid: u32, tables: &[&str]) -> Vec<Socket> {
    let inodes: HashSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    tables
        .iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok())
        .flat_map(|text| text.lines().skip(1).filter_map(|line| row(line, &inodes)).collect::<Vec<_>>())
        .collect()
}

/// A line of `/proc/net/tcp`: number, local, remote, state, …, inode as the tenth word.
fn row(line: &str, inodes: &HashSet<String>) -> Option<Socket> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let port = |word: &str| u16::from_str_radix(word.rsplit(':').next()?, 16).ok();
    inodes.contains(*words.get(9)?).then_some(())?;
    Some(Socket {
        local_port: port(words.get(1)?)?,
        remote_port: port(words.get(2)?)?,
        state: u8::from_str_radix(words.get(3)?, 16).ok()?,
    })
}

fn status_field(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The part of `/proc/PID/stat` after the name, which may hold blanks and parentheses.
fn after_name(stat: &str) -> &str {
    stat.rsplit_once(") ").map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};

    use super::*;
    use crate::wait::{DEADLINE, eventually};

    #[test]
    fn this_process_has_memory_threads_and_the_sockets_it_opened() {
        let pid = std::process::id();
        assert!(alive(pid));
        assert!(rss_kib(pid).unwrap() > 100);
        assert!(peak_kib(pid).unwrap() > 100);
        assert!(cpu(pid).is_some());
        assert!(threads(pid).unwrap() >= 1);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The kernel tells of its sockets a part at a time, while other tests open and close some.
        let seen = || {
            let sockets = sockets(pid);
            let listens = sockets.contains(&Socket { local_port: port, remote_port: 0, state: 10 });
            let to_port = |s: &&Socket| s.remote_port == port && s.state == Socket::ESTABLISHED;
            let told = listens && sockets.iter().filter(to_port).count() == 1 && datagrams(pid) >= 1;
            if told { Ok(()) } else { Err(format!("{sockets:?}")) }
        };
        let _datagram = UdpSocket::bind("127.0.0.1:0").unwrap();
        eventually("the sockets that were opened", DEADLINE, seen).unwrap();
    }

    #[test]
    fn a_number_that_is_no_process_is_not_alive() {
        assert!(!alive(u32::MAX));
        assert_eq!(rss_kib(u32::MAX), None);
    }
}
