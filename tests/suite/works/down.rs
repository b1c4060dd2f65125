//! The replica's API is down while Works come, change and go: the directory goes on hearing of the agent, no Work claims what
//! nobody can know, and all happens once when the API is back.

use std::time::{Duration, Instant};

use muster_tests::wait::throughout;
use serde_json::Value;

use super::rounds::Rounds;
use super::troubles::Side;
use super::{work, works};
use crate::rotation::{LONGEST_PAUSE, beats};

/// For how long the API is down after that was told: a few heartbeats.
const LASTS: Duration = Duration::from_secs(25);

/// The conditions of a Work and of its manifests that claim something of the generation that it has now.
fn claims(work: &Value) -> Vec<String> {
    let generation = &work["metadata"]["generation"];
    let of_manifests = work["status"]["manifestConditions"].as_array().cloned().unwrap_or_default();
    let all = of_manifests.iter().chain(std::iter::once(&work["status"]));
    let conditions = all.filter_map(|one| one["conditions"].as_array()).flatten();
    let claims = |condition: &&Value| {
        condition["status"] == "True"
            && ["Applied", "Available"].iter().any(|claim| condition["type"] == *claim)
            && condition["observedGeneration"] == *generation
    };
    conditions.filter(claims).map(ToString::to_string).collect()
}

#[test]
fn no_work_claims_what_nobody_can_know_while_the_api_of_the_replica_is_down_and_all_happens_once_later() {
    let mut rounds = Rounds::new();
    rounds.prepare();
    let steady = work(&rounds.bench.fleet, "steady");
    assert!(!claims(&steady).is_empty(), "{steady:#}");
    let began = Instant::now();
    rounds.bench.replica.cut().unwrap();
    Side::Replica.noticed(&rounds.bench);
    rounds.ask();
    let bench = &rounds.bench;
    let honest = || {
        for name in ["grown-1", "new-1"] {
            let claims = claims(&work(&bench.fleet, name));
            if !claims.is_empty() {
                return Err(format!("{name} says {claims:?}"));
            }
        }
        // It ends when what it made is gone, and that nobody can see.
        let gone = bench
            .fleet
            .directory
            .api()
            .get(&format!("{}/gone-1", works()))
            .map_err(|error| error.to_string())?;
        if gone["metadata"]["finalizers"].is_array() { Ok(()) } else { Err(gone.to_string()) }
    };
    throughout("no claims", LASTS, honest).unwrap_or_else(|late| panic!("{late}\n{}", bench.agent.log()));
    for name in ["steady", "grown-1", "new-1", "gone-1"] {
        println!("{name}: {}", work(&bench.fleet, name)["status"]["conditions"]);
    }
    assert!(rounds.is_amid(), "something was done in a replica whose API is down");
    let beats = beats(&bench.directory.requests(), &[began, Instant::now()]);
    let longest = beats.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    println!("{} heartbeats, {longest:?} between two of them at most", beats.len() - 2);
    assert!(longest <= LONGEST_PAUSE, "{longest:?}");
    bench.replica.restore().unwrap();
    rounds.done("the API of the replica was down");
    assert_eq!(claims(&steady), claims(&work(&rounds.bench.fleet, "steady")));
}
