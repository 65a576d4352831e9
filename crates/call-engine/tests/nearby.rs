//! Two searches on one machine find each other over real multicast, see changes, and see who leaves.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::Duration;

use call_engine::nearby::{Announcement, Nearby, NearbyChange, NearbyError, NearbyPeer};

/// Ends a test that hangs; never part of what is asserted.
const PATIENCE: Duration = Duration::from_secs(20);

/// Not on a machine without any interface that takes part in multicast: there is nothing to see. The loopback
/// interface alone is enough.
fn start(own: Option<&Announcement>) -> Option<Nearby> {
    match Nearby::start(own.cloned()) {
        Err(NearbyError::NoNetwork) => {
            println!("no multicast on this machine, not even with itself: nothing to see");
            None
        }
        started => Some(started.unwrap()),
    }
}

/// Of this run alone: other searches may go on beside it.
fn announcement(name: &str, marker: u8) -> Announcement {
    let mut secret = [marker; 16];
    secret[..4].copy_from_slice(&std::process::id().to_be_bytes());
    Announcement {
        name: name.to_owned(),
        port: 4433,
        secret,
    }
}

/// The next time this one is found with this name.
async fn found(nearby: &mut Nearby, wanted: &Announcement) -> NearbyPeer {
    let search = async {
        loop {
            match nearby.next().await.unwrap() {
                NearbyChange::Found(peer) if peer.secret == wanted.secret && peer.name == wanted.name => return peer,
                NearbyChange::Found(_) | NearbyChange::Gone { .. } => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.unwrap()
}

async fn gone(nearby: &mut Nearby, wanted: &str) {
    let search = async {
        loop {
            match nearby.next().await.unwrap() {
                NearbyChange::Gone { id } if id == wanted => return,
                NearbyChange::Found(_) | NearbyChange::Gone { .. } => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_find_each_other_see_a_new_name_and_a_goodbye() {
    let (ada, bob) = (announcement("Ada", 1), announcement("Bob", 2));
    let (Some(mut at_ada), Some(mut at_bob)) = (start(Some(&ada)), start(Some(&bob))) else {
        return;
    };
    let bob_seen = found(&mut at_ada, &bob).await;
    let ada_seen = found(&mut at_bob, &ada).await;
    assert_ne!(ada_seen.id, bob_seen.id);
    assert_eq!((ada_seen.address.port(), bob_seen.address.port()), (4433, 4433));

    let countess = announcement("Countess of Lovelace", 1);
    at_ada.announce(Some(countess.clone())).unwrap();
    let renamed = found(&mut at_bob, &countess).await;
    assert_eq!(renamed.id, ada_seen.id);

    at_ada.announce(None).unwrap();
    gone(&mut at_bob, &ada_seen.id).await;
    // Hidden, one still sees the others; and may show oneself again.
    at_ada.announce(Some(ada.clone())).unwrap();
    assert_eq!(found(&mut at_bob, &ada).await.id, ada_seen.id);

    drop(at_bob);
    gone(&mut at_ada, &bob_seen.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_is_seen_by_nobody() {
    let (ada, bob) = (announcement("Ada", 3), announcement("Bob", 4));
    let (Some(mut watcher), Some(_visible)) = (start(None), start(Some(&ada))) else {
        return;
    };
    let seen = found(&mut watcher, &ada).await;
    // Another start has another name: days cannot be linked.
    let _again = start(Some(&bob));
    assert_ne!(found(&mut watcher, &bob).await.id, seen.id);
}
