//! The agent's binary as a process: what the other suites rely on.

use muster_tests::{
    agent::AgentProcess,
    pool, process,
    wait::{DEADLINE, eventually, timed},
};
use rustix::process::Signal;

#[test]
fn it_starts_is_asked_restarts_and_ends() {
    let replica = pool::plane().unwrap();
    let kubeconfig = replica.admin_kubeconfig();
    let args = ["--kubeconfig", kubeconfig.to_str().unwrap(), "--cluster-name", "east"];
    let mut agent = AgentProcess::start(&args, &[("MUSTER_LOG_LEVEL", "debug")]).unwrap();
    timed("the admin server", DEADLINE, || match agent.admin("/livez") {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
    let metrics = agent.metrics().unwrap();
    assert_eq!(metrics.get("muster_build_info", &[]), Some(1.0), "{}", metrics.text());
    let port = replica.url().rsplit(':').next().unwrap().parse().unwrap();
    eventually("a connection to the replica", DEADLINE, || match agent.connections_to(port) {
        0 => Err(agent.log()),
        n => Ok(n),
    })
    .unwrap();
    let listening: u16 = agent.listen().rsplit(':').next().unwrap().parse().unwrap();
    let sockets = agent.open_sockets();
    let all_listening: Vec<u16> =
        sockets.iter().filter(|s| s.remote_port == 0).map(|s| s.local_port).collect();
    assert_eq!((all_listening, agent.datagrams()), (vec![listening], 0), "{sockets:?}");
    println!("{} KiB, {} threads", agent.rss_kib().unwrap(), agent.threads().unwrap());

    let first = agent.pid();
    agent.restart().unwrap();
    assert!(!process::alive(first) && agent.pid() != first);
    eventually("the admin server again", DEADLINE, || agent.admin("/livez")).unwrap();
    agent.signal(Signal::TERM).unwrap();
    let status = agent.exit(DEADLINE).unwrap();
    assert_eq!(status.code(), Some(0), "{}", agent.log());
}

#[test]
fn it_ends_with_its_code_and_its_words() {
    let mut agent = AgentProcess::start(&["--no-such-flag"], &[]).unwrap();
    let status = agent.exit(DEADLINE).unwrap();
    assert_eq!(status.code(), Some(64), "{}", agent.log());
    assert!(agent.log().contains("no-such-flag"), "{}", agent.log());
}
