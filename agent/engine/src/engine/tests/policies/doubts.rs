//! What is told where something is to go and evidence is lacking.

use super::*;
use crate::pin::Reading;

#[test]
fn what_stays_for_want_of_evidence_is_told_with_the_reason() {
    type Doubt = (&'static str, fn(&mut PolicyWorld));
    let doubts: [Doubt; 3] = [
        ("own entry: it is missing", |world| drop(world.entries.remove("own"))),
        ("CRD clusterpolicies.multicluster.coreos.com: 403", |world| {
            world.landmarks.policies_crd = Reading::Unreadable("403".into());
        }),
        ("another cluster answers", |world| world.landmarks.directory = super::super::landmark("y")),
    ];
    for (why, cast) in doubts {
        let mut world =
            PolicyWorld::in_step(&[("p", grant("web", &["view"])), ("q", grant("other", &["view"]))]);
        let (landmarks, entries) = (world.landmarks.clone(), world.entries.clone());
        world.delete_policy("p");
        cast(&mut world);
        world.tick(60);
        let (reason, message) = world.condition("PoliciesApplied");
        assert_eq!(reason, "Pending");
        assert!(
            message.starts_with("what 1 policies asked for stays: ") && message.contains(why),
            "{message}"
        );

        // Once the directory is itself again and the policy is there, nothing of that is told any more.
        (world.landmarks, world.entries) = (landmarks, entries);
        world.policy("p", &grant("web", &["view"]));
        world.connect();
        world.tick(40);
        assert_eq!(world.reason("PoliciesApplied"), "Applied", "{why}");
    }
}
