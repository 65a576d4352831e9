//! How far a participant is known: from the contact book, by the key they proved to hold.

use trust::PublicKey;

use crate::input::PeerKey;
use crate::machine::CallMachine;
use crate::machine::greeting::Stranger;
use crate::peer::{Decision, Word};
use crate::peer_message::clean_name;
use crate::standing::{Badge, KnownContact, Verification};

impl CallMachine {
    /// Notes what there is to know of a participant who greeted, and decides about them.
    pub(super) fn look_at(&mut self, key: PeerKey, stranger: &Stranger, decision: Decision) -> Decision {
        let is_alone = self
            .peers
            .iter()
            .all(|(&other, peer)| other == key || peer.key.is_none());
        let role = self.rules.role_of(&stranger.key);
        let is_first_time = self.peers.get(&key).is_some_and(|peer| peer.word == Word::Unheard);
        // A name is what they said first: who could change it later could become somebody else.
        if is_first_time {
            let badge = self.badge(&stranger.key, &stranger.name, is_alone);
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.name.clone_from(&stranger.name);
                peer.badge = badge;
                peer.role = role;
            }
        }
        let Some(peer) = self.peers.get_mut(&key) else {
            return decision;
        };
        let is_in_doubt = matches!(peer.badge, Badge::KeyChanged { .. }) && !self.rules.is_accepted(&stranger.key);
        peer.decision = match decision {
            Decision::Open if is_in_doubt => Decision::KeyChanged,
            Decision::Open
            | Decision::KeyChanged
            | Decision::Knock
            | Decision::Refused
            | Decision::Locked
            | Decision::Expired => decision,
        };
        if peer.decision == Decision::Open {
            self.rules.admit(stranger.key);
        }
        peer.decision
    }

    /// How far somebody is known, from the contact book.
    fn badge(&self, key: &PublicKey, name: &str, is_alone: bool) -> Badge {
        if *key == self.own.identity.public() {
            return Badge::Verified { at_unix_s: None };
        }
        if let Some(expected) = self.own.expected.filter(|expected| expected != key && is_alone) {
            let contact = self.own.contacts.iter().find(|contact| contact.key == expected);
            let contact = contact.map_or_else(|| name.to_owned(), |contact| contact.name.clone());
            return Badge::KeyChanged { contact };
        }
        if let Some(contact) = self.own.contacts.iter().find(|contact| contact.key == *key) {
            return match contact.verified {
                Verification::Symbols { at_unix_s } => Badge::Verified {
                    at_unix_s: Some(at_unix_s),
                },
                Verification::No | Verification::Link { .. } if contact.calls > 0 => {
                    Badge::SameDevice { calls: contact.calls }
                }
                Verification::No | Verification::Link { .. } => Badge::Unverified,
            };
        }
        let is_known = |contact: &&KnownContact| contact.calls > 0 || contact.verified != Verification::No;
        let is_called_so = |contact: &&KnownContact| is_same_name(&contact.name, name);
        match self.own.contacts.iter().filter(is_known).find(is_called_so) {
            Some(contact) => Badge::KeyChanged {
                contact: contact.name.clone(),
            },
            None => Badge::Unverified,
        }
    }
}

fn is_same_name(a: &str, b: &str) -> bool {
    let plain = |name: &str| clean_name(name).to_lowercase();
    !plain(a).is_empty() && plain(a) == plain(b)
}
