mod leases;

use muster_api::Object;
use serde_json::json;
use serde_json::value::RawValue;

use super::*;
use crate::testing::soon;
use leases::*;

fn record(holder: &str, seconds: u64) -> Record {
    Record {
        holder: holder.to_owned(),
        duration: Duration::from_secs(seconds),
        acquired: None,
        renewed: None,
        transitions: 0,
    }
}

#[test]
fn a_holder_has_a_full_duration_from_when_its_renewal_was_seen() {
    let seen = Instant::now();
    let second = Duration::from_secs(1);
    let until = seen + 15 * second;
    let other = record("other", 15);
    assert_eq!(judge(&other, "me", seen, seen), Standing::Other { until });
    assert_eq!(judge(&other, "me", seen, seen + 14 * second), Standing::Other { until });
    assert_eq!(judge(&other, "me", seen, until), Standing::Free);
    assert_eq!(judge(&record("", 15), "me", seen, seen), Standing::Free, "released");
    assert_eq!(judge(&record("me", 15), "me", seen, until + second), Standing::Mine);
    // The holder's clock is of no account, however far it is off.
    for renewed in ["1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
        let odd = Record { renewed: Some(renewed.parse().unwrap()), ..other.clone() };
        assert_eq!(judge(&odd, "me", seen, seen), Standing::Other { until });
        assert_eq!(judge(&odd, "me", seen, until), Standing::Free);
    }
}

#[test]
fn a_claim_holds_until_its_end() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let claim = Claim::Held { until: now + 10 * second };
    let says = |claim: &Claim, at| (claim.holds(at), claim.is_unopposed(at));
    assert_eq!(says(&claim, now + 9 * second), (true, true));
    assert_eq!(says(&claim, now + 10 * second), (false, false), "a process that was paused");
    assert_eq!(says(&Claim::Unknown, now), (false, false));
    assert_eq!(says(&Claim::Adrift, now), (false, true));
    assert_eq!(says(&Claim::Other { holder: "x".to_owned() }, now), (false, false));
}

#[test]
fn a_claim_is_renewed_three_times_in_its_life_and_ends_before_the_lease() {
    for seconds in [3, 15, 3600] {
        let Election { duration, renew, margin, .. } =
            Election::new("n", "l", "i", "m", Duration::from_secs(seconds));
        assert_eq!((duration, renew), (Duration::from_secs(seconds), duration / 3));
        assert!(margin > Duration::ZERO && 2 * renew + margin < duration, "one renewal may fail");
    }
}

#[tokio::test]
async fn the_first_leads_and_renews_and_the_second_waits_without_polling() {
    play(|server, leases| async move {
        let mut first = Candidate::start(&server, "first");
        let begun = Instant::now();
        let until = first.leads().await;
        assert!(until <= begun + Duration::from_millis(1500), "counted from before the request");
        let mut second = Candidate::start(&server, "second");
        second.follows("first").await;
        let gets = leases.with(|held| held.gets);
        let later = until + Duration::from_secs(1);
        first.until("renewals", |claim| claim.holds(later)).await;
        let (after, puts) = leases.with(|held| (held.gets, held.puts));
        println!("{puts} renewals, {} reads", after - gets);
        assert_eq!(after, gets, "neither reads the Lease again");
        assert!((2..=12).contains(&puts), "{puts}");
        assert_eq!(*second.claim.borrow(), Claim::Other { holder: "first".to_owned() });
    })
    .await;
}

#[tokio::test]
async fn a_release_is_taken_up_at_once_and_a_silent_holder_only_after_its_time() {
    play(|server, leases| async move {
        let mut first = Candidate::start(&server, "first");
        first.leads().await;
        let mut second = Candidate::start(&server, "second");
        second.follows("first").await;
        first.cancel.cancel();
        let begun = Instant::now();
        soon("the first to end", first.task).await.unwrap();
        assert_eq!(*first.claim.borrow(), Claim::Unknown);
        second.leads().await;
        println!("taken up after {:?}", begun.elapsed());
        assert_eq!(leases.holder(), "second");
        assert_eq!(
            leases.with(|held| held.lease.as_ref().unwrap()["spec"]["leaseTransitions"].clone()),
            json!(1)
        );

        let mut third = Candidate::start(&server, "third");
        third.follows("second").await;
        second.task.abort();
        third.leads().await;
        assert!(leases.with(|held| held.gap()) >= Duration::from_secs(1));
    })
    .await;
}

#[tokio::test]
async fn whoever_acts_begins_anew_when_the_server_is_set_back() {
    play(|server, leases| async move {
        let (elector, _claim) = Elector::new(election("only"), Link::fixed(server.client()));
        let (begun, mut begins) = watch::channel(0);
        let (cancel, leader) = (CancellationToken::new(), IntGauge::new("leader", "leader").unwrap());
        let ends = cancel.clone();
        let acting = tokio::spawn(async move {
            let act = |stop: CancellationToken| -> BoxFuture<'_, ()> {
                begun.send_modify(|begun| *begun += 1);
                Box::pin(async move { stop.cancelled().await })
            };
            elector.lead(&ends, &leader, || Box::pin(std::future::pending()), act).await;
        });
        soon("it to act", begins.wait_for(|begun| *begun == 1)).await.unwrap();
        let backup = leases.with(|held| (held.version, held.lease.clone().unwrap()));
        soon("renewals", leases.renewed()).await;
        assert_eq!(*begins.borrow(), 1, "it goes on while the server counts up");
        leases.with(|held| (held.version, held.lease) = (backup.0, Some(backup.1)));
        soon("it to act anew", begins.wait_for(|begun| *begun == 2)).await.unwrap();
        soon("renewals", leases.renewed()).await;
        assert_eq!(*begins.borrow(), 2, "and goes on");
        cancel.cancel();
        soon("the end", acting).await.unwrap();
    })
    .await;
}

/// As by a renewal that is carried out, and whose answer nobody waits for any more.
#[tokio::test]
async fn a_lease_that_changed_unseen_is_released_too() {
    play(|server, leases| async move {
        let mut only = Candidate::start(&server, "only");
        only.leads().await;
        leases.with(|held| {
            let lease = held.lease.clone().unwrap();
            held.store(lease);
        });
        only.cancel.cancel();
        soon("the end", only.task).await.unwrap();
        assert_eq!(leases.holder(), "");
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_cannot_be_renewed_runs_out_and_comes_back() {
    play(|server, leases| async move {
        let mut only = Candidate::with(&server, patient("only"));
        let until = only.leads().await;
        leases.with(|held| held.broken = true);
        only.until("the claim to run out", |claim| !matches!(claim, Claim::Held { .. })).await;
        println!("ran out {:?} after its end", Instant::now().saturating_duration_since(until));
        assert!(Instant::now() >= until);
        only.until("the server not to answer", |claim| *claim == Claim::Adrift).await;
        leases.with(|held| held.broken = false);
        only.leads().await;
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_somebody_keeps_writing_is_tried_less_and_less_often() {
    play(|server, leases| async move {
        let [duration, renew, margin] = [12, 4, 2].map(Duration::from_secs);
        let mut only = Candidate::with(&server, Election { duration, renew, margin, ..election("only") });
        only.leads().await;
        leases.with(|held| held.contested = true);
        soon("the first attempt that is refused", async {
            while leases.with(|held| held.refused) == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        tokio::time::sleep(Duration::from_secs(5)).await; // the time in which attempts are counted
        let tried = leases.with(|held| held.refused);
        println!("{tried} attempts in five seconds");
        assert!((2..=12).contains(&tried), "{tried}");
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_is_deleted_is_still_its_holders() {
    play(|server, leases| async move {
        let mut first = Candidate::start(&server, "first");
        first.leads().await;
        let mut second = Candidate::start(&server, "second");
        second.follows("first").await;
        soon("the second to watch", async {
            while leases.with(|held| held.watches.is_empty()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        first.task.abort();
        leases.with(Held::delete);
        second.leads().await;
        assert!(leases.with(|held| held.gap()) >= Duration::from_secs(1));
        // Its holder makes it anew.
        leases.with(Held::delete);
        soon("the Lease to be back", async {
            while leases.holder() != "second" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_another_took_is_given_up() {
    play(|server, leases| async move {
        let mut first = Candidate::start(&server, "first");
        first.leads().await;
        leases.with(|held| {
            let mut lease = held.lease.clone().unwrap();
            lease["spec"]["holderIdentity"] = json!("thief");
            lease["spec"]["leaseDurationSeconds"] = json!(3600);
            held.store(lease);
        });
        first.follows("thief").await;
    })
    .await;
}

/// As after a SIGSTOP: the first one's task stands still while its claim runs out and another one takes over.
#[tokio::test]
async fn whoever_wakes_after_its_claim_looks_before_it_writes() {
    play(|server, leases| async move {
        let (elector, mut claim) = Elector::new(election("first"), Link::fixed(server.client()));
        let cancel = CancellationToken::new();
        let mut first = Box::pin(elector.run(cancel.clone()));
        let led = claim.wait_for(|claim| matches!(claim, Claim::Held { .. }));
        tokio::select! { () = &mut first => panic!("it ended"), led = led => { led.unwrap(); } }
        let mut second = Candidate::start(&server, "second");
        second.leads().await;
        let fence = Leading(claim.clone());
        assert!(!fence.admits(Instant::now()), "before it ran again");
        let by_first = |held: &mut Held| held.refused;
        let before = leases.with(by_first);
        let other = claim.wait_for(|claim| matches!(claim, Claim::Other { .. }));
        tokio::select! { () = &mut first => panic!("it ended"), other = other => { other.unwrap(); } }
        assert_eq!(leases.with(by_first), before, "it tried to renew what was another's");
    })
    .await;
}

/// While the whole program stands still, the claim runs out and the Lease too; then the server does not answer.
#[tokio::test]
async fn whoever_was_away_when_its_claim_ran_out_is_not_adrift() {
    play(|server, leases| async move {
        let mut only = Candidate::with(&server, patient("only"));
        only.leads().await;
        leases.with(|held| held.broken = true);
        std::thread::sleep(patient("only").duration);
        let asked = leases.with(|held| held.failed);
        soon("questions", async {
            while leases.with(|held| held.failed) < asked + 3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert!(!only.claim.borrow().is_unopposed(Instant::now()), "{:?}", only.claim);
            }
        })
        .await;
        leases.with(|held| held.broken = false);
        only.leads().await;
    })
    .await;
}

#[tokio::test]
async fn annotations_go_with_each_renewal() {
    play(|server, leases| async move {
        let (annotations, receiver) = watch::channel(BTreeMap::new());
        let mut only = Candidate::with(&server, Election { annotations: receiver, ..election("only") });
        only.leads().await;
        annotations.send_replace(BTreeMap::from([("k".to_owned(), "v".to_owned())]));
        let written = |leases: &Leases| {
            leases.with(|held| held.lease.as_ref().unwrap()["metadata"]["annotations"]["k"] == "v")
        };
        soon("the annotation", async {
            while !written(&leases) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let lease = leases.with(|held| held.lease.clone()).unwrap();
        let object = Object::parse(RawValue::from_string(lease.to_string()).unwrap()).unwrap();
        assert_eq!(Record::of(&object).unwrap().holder, "only");
    })
    .await;
}
