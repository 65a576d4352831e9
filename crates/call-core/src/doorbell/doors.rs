//! Which doors there are: topics of contacts, of today and of the days that are near, and the open ones of people nearby.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use signaling_protocol::RoomId;
use signaling_protocol::limits::MAX_TOPICS;
use trust::{DoorbellKeys, IdentityKey, PublicKey};

use super::io::DoorbellContact;
use crate::time::Time;

/// Servers one listens at for contacts; more are left out.
pub const MAX_SERVERS: usize = 8;
/// Servers of one contact that count.
pub const MAX_SERVERS_OF_CONTACT: usize = 4;
/// Contacts that count.
pub const MAX_CONTACTS: usize = 1_024;
/// Topics of contacts at one server: the others are for people nearby.
const MAX_DOORS: usize = MAX_TOPICS - 2;
const DAY_S: u64 = 24 * 60 * 60;
/// Clocks differ by less than this: so near to midnight both days count.
const NEAR_S: u64 = 60 * 60;

/// The time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    unix_s: u64,
    at: Time,
}

impl WallClock {
    pub(super) fn new(unix_s: u64, at: Time) -> Self {
        Self { unix_s, at }
    }

    pub(super) fn unix_s(&self, now: Time) -> u64 {
        self.unix_s.saturating_add((now - self.at).as_secs())
    }

    /// The days to listen on, today first.
    pub(super) fn days(&self, now: Time) -> Vec<u64> {
        let unix_s = self.unix_s(now);
        let (day, second) = (unix_s / DAY_S, unix_s % DAY_S);
        let other = match second {
            0..NEAR_S => day.checked_sub(1),
            _ if second >= DAY_S - NEAR_S => day.checked_add(1),
            _ => None,
        };
        std::iter::once(day).chain(other).collect()
    }

    /// When the days change next.
    pub(super) fn change_at(&self, now: Time) -> Time {
        let second = self.unix_s(now) % DAY_S;
        let next = [NEAR_S, DAY_S - NEAR_S, DAY_S].into_iter().find(|&at| at > second);
        now + Duration::from_secs(next.unwrap_or(DAY_S) - second)
    }
}

/// Who is behind a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// One contact, and our own other devices.
    Contact(PublicKey),
    /// It is our own open door: anybody.
    Anybody,
    /// It is somebody else's open door: they, and others who ring them.
    Owner,
}

/// A topic and what leads through it.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) behind: Behind,
    pub(super) keys: DoorbellKeys,
}

/// The doors of contacts. What it costs to compute them is paid once a contact and day.
#[derive(Debug, Default)]
pub(super) struct Doors(BTreeMap<(PublicKey, u64), Option<Door>>);

impl Doors {
    /// Computes what is missing and forgets what is not needed any more.
    pub(super) fn update(&mut self, own: &IdentityKey, contacts: &[DoorbellContact], days: &[u64]) {
        let known: BTreeSet<_> = contacts.iter().map(|contact| contact.key).collect();
        self.0.retain(|(key, day), _| known.contains(key) && days.contains(day));
        for key in known {
            for &day in days {
                self.0.entry((key, day)).or_insert_with(|| {
                    // Nobody rings who has a key that protects nothing.
                    let keys = DoorbellKeys::between(own, &key, day).ok()?;
                    let behind = Behind::Contact(key);
                    Some(Door { behind, keys })
                });
            }
        }
    }

    /// The doors of these contacts: today's of all first, so that none is left out for somebody's tomorrow.
    pub(super) fn of<'a>(
        &'a self,
        contacts: impl Iterator<Item = &'a DoorbellContact> + Clone,
        days: &[u64],
    ) -> BTreeMap<RoomId, Door> {
        let pairs = days
            .iter()
            .flat_map(|&day| contacts.clone().map(move |contact| (contact.key, day)));
        let doors = pairs.filter_map(|pair| self.0.get(&pair)?.clone());
        doors.take(MAX_DOORS).map(|door| (door.keys.topic, door)).collect()
    }
}

/// The servers to listen at for contacts, our own first.
pub(super) fn servers<'a>(home: Option<&'a str>, contacts: &'a [DoorbellContact]) -> Vec<&'a str> {
    let mut servers: Vec<&str> = Vec::new();
    let theirs = contacts.iter().flat_map(servers_of);
    for server in home.into_iter().filter(|_| !contacts.is_empty()).chain(theirs) {
        if servers.len() < MAX_SERVERS && !servers.contains(&server) {
            servers.push(server);
        }
    }
    servers
}

/// A contact's own servers.
pub(super) fn servers_of(contact: &DoorbellContact) -> impl Iterator<Item = &str> {
    contact.servers.iter().take(MAX_SERVERS_OF_CONTACT).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_days_count_near_midnight() {
        let noon = 20_000 * DAY_S + DAY_S / 2;
        let clock = WallClock::new(noon, Time::default());
        let after = |seconds| Time(Duration::from_secs(seconds));
        assert_eq!(clock.days(after(0)), [20_000]);
        assert_eq!(clock.change_at(after(0)), after(DAY_S / 2 - NEAR_S));
        assert_eq!(clock.days(after(DAY_S / 2 - NEAR_S)), [20_000, 20_001]);
        assert_eq!(clock.change_at(after(DAY_S / 2 - NEAR_S)), after(DAY_S / 2));
        assert_eq!(clock.days(after(DAY_S / 2)), [20_001, 20_000]);
        assert_eq!(clock.days(after(DAY_S / 2 + NEAR_S)), [20_001]);
    }

    #[test]
    fn our_own_server_comes_first_and_there_are_so_many_only() {
        let contact = |number: u8| DoorbellContact {
            key: PublicKey([number; 32]),
            name: String::new(),
            servers: vec!["home".to_owned(), format!("server {number}")],
        };
        let contacts: Vec<_> = (0..20).map(contact).collect();
        let found = servers(Some("home"), &contacts);
        assert_eq!(found.len(), MAX_SERVERS);
        assert_eq!(found[..2], ["home", "server 0"]);
        assert!(servers(Some("home"), &[]).is_empty());
    }
}
