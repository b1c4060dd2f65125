//! How often a ledger is written.

use super::documented;
use crate::plan::Step;

#[test]
fn a_ledger_that_is_lost_is_recorded_once() {
    let mut world = documented();
    let policy = world.uid("web-api");
    world.deferring = true;
    world.lose_ledger(&policy);
    // The policy is stirred by the loss, and by each of its objects, which are now in no ledger.
    let records = world.plans.iter().flat_map(|plan| &plan.steps);
    let records = records.filter(|step| matches!(step, Step::Record { .. }));
    assert_eq!(records.count(), 1, "{:?}", world.plans);
}
