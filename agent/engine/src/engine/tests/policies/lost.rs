//! Ledgers that are not served for a while.

use super::documented;

#[test]
fn a_ledger_that_was_there_all_the_time_is_no_trouble_once_it_is_shown() {
    let mut world = documented();
    let policy = world.uid("web-api");
    let kept = world.ledgers[&policy].clone();
    world.deferring = true;
    world.lose_ledger(&policy);
    world.ledgers.insert(policy, kept.clone());
    world.carry_all();
    world.deferring = false;
    assert_eq!(world.written(), ["refused record web-api"]);
    world.keep(kept);
    world.tick(60);
    assert_eq!(world.written(), [""; 0]);
    assert_eq!(world.reason("PoliciesApplied"), "Applied");
}
