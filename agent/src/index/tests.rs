//! A plan that panics, and a loop that turns no more.

use std::time::Duration;

use muster_api::cluster::Mode;
use muster_engine::Scope;
use muster_kit::testing::{Server, soon};

use super::*;
use crate::replica::Replica;
use crate::store::Store;

/// An index around an engine that knows nothing yet.
fn index(server: &Server) -> (Index, watch::Receiver<View>) {
    index_of(server, Pulse::new(Instant::now()))
}

/// The same, whose progress is seen here.
fn index_of(server: &Server, pulse: Pulse) -> (Index, watch::Receiver<View>) {
    let client = server.client();
    let replica = Replica {
        client: client.clone(),
        applier: client.clone(),
        namespace: "n".to_owned(),
        install: "i".to_owned(),
        id: "r".to_owned(),
        version: None,
        mode: Mode::Pull,
    };
    let claim = watch::channel(Claim::Held { until: Instant::now() + Duration::from_secs(600) }).1;
    let store = Store::new(client, "n", claim.clone());
    let metrics = Metrics::new().unwrap();
    let actor = Actor::new(
        &replica,
        watch::channel(None).1,
        claim.clone(),
        store,
        mpsc::channel(1).0,
        metrics.clone(),
    );
    let telling = Telling {
        watched: watch::Sender::default(),
        awaited: watch::Sender::default(),
        heard: watch::Sender::default(),
        beat: watch::Sender::default(),
        era: watch::Sender::default(),
    };
    let engine = Engine::new(Scope::All, "n".to_owned());
    Index::new(engine, actor, metrics, pulse, claim, telling)
}

#[tokio::test]
async fn a_plan_that_panics_ends_alone_and_the_index_goes_on() {
    let server = Server::start().await;
    let (mut index, mut views) = index(&server);
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    index.begin(PlanId(1_000_001), async { panic!("over one object") });
    index.begin(PlanId(1_000_002), async {
        finished.await.unwrap();
        Vec::new()
    });
    let done = soon("the panic", index.tasks.join_next_with_id()).await.unwrap();
    assert!(done.as_ref().is_err_and(JoinError::is_panic));
    index.done(done);
    assert_eq!(
        index.plans.values().copied().collect::<Vec<_>>(),
        [PlanId(1_000_002)],
        "the other one goes on"
    );

    // What happens next is taken in and told.
    let (events, taken) = mpsc::channel(1);
    let cancel = CancellationToken::new();
    let running = tokio::spawn(index.run(taken, cancel.clone()));
    events.send(Event::LedgerTried(Ok(()))).await.unwrap();
    soon("a condition", views.wait_for(|view| !view.conditions.is_empty())).await.unwrap();
    finish.send(()).unwrap();
    cancel.cancel();
    soon("the end", running).await.unwrap();
}

/// Heartbeats, and what `/livez` says, go by the pulse.
#[tokio::test]
async fn the_pulse_is_that_of_the_loop_and_ends_where_it_turns_no_more() {
    const MINUTE: Duration = Duration::from_secs(60);
    let server = Server::start().await;
    let pulse = Pulse::new(Instant::now().checked_sub(MINUTE * 2).unwrap());
    let (index, mut views) = index_of(&server, pulse.clone());
    assert!(!pulse.is_alive(Instant::now()), "it has not turned yet");
    let (events, taken) = mpsc::channel(1);
    let mut running = Box::pin(index.run(taken, CancellationToken::new()));
    let turned = async {
        events.send(Event::LedgerTried(Ok(()))).await.unwrap();
        soon("a condition", views.wait_for(|view| !view.conditions.is_empty())).await.unwrap();
    };
    tokio::select! {
        () = &mut running => unreachable!("it runs for ever"),
        () = turned => {}
    }
    // From now on nobody polls it: whatever it is that holds it up, it does not come round any more.
    let now = Instant::now();
    assert!(pulse.is_alive(now));
    events.send(Event::Tick).await.unwrap();
    assert!(!pulse.is_alive(now + MINUTE), "it is stuck");
    drop(running);
}
