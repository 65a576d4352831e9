//! Whole calls between machines on a good network.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::time::Duration;

use call_core::{CallPhase, WhenEmpty};
use world::World;

#[test]
fn two_join_and_connect() {
    let mut world = World::new(1);
    world.join(WhenEmpty::Wait);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.phase(0), CallPhase::Waiting);
    world.join(WhenEmpty::Wait);
    world.run_until(Duration::from_secs(1), "connected", World::is_full_mesh);
    assert_eq!(world.phase(0), CallPhase::Active);
    assert_eq!(world.live_pairs(), [(0, 1)]);
}
