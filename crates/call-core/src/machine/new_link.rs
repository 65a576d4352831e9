//! A new link: everybody who was let in moves to another room, and the old link leads nowhere.
//!
//! Media is not touched: only the way through the server is another one.

use crate::action::Action;
use crate::budget::{Allowance, Budget};
use crate::hex::Hex;
use crate::input::PeerKey;
use crate::machine::CallMachine;
use crate::machine::messages::Ways;
use crate::peer::Peer;
use crate::peer_message::PeerMessage;
use crate::standing::RoomRole;
use crate::time::Time;
use crate::timeline::Departure;
use trust::RoomKeys;

/// Times a minute that a host may move us.
pub(super) type Moves = Budget<6>;

impl CallMachine {
    /// As host: tells everybody let in, and moves.
    pub(super) fn new_link(&mut self, secret: [u8; 16], now: Time) {
        if self.rules.role() == RoomRole::Guest {
            return;
        }
        let message = PeerMessage::Moved { secret: Hex(secret) };
        for key in self.peer_keys() {
            if self.peers.get(&key).is_some_and(Peer::is_in) {
                self.send(key, &message, Ways::Best);
            }
        }
        self.move_to_room(secret, now);
    }

    /// The host has moved.
    pub(super) fn on_moved(&mut self, from: PeerKey, secret: [u8; 16], now: Time) {
        let is_host = |peer: &Peer| peer.role == RoomRole::Host && peer.is_let_in();
        if !self.peers.get(&from).is_some_and(is_host) {
            self.dropped.unentitled += 1;
        } else if RoomKeys::from_secret(&secret) == self.own.keys {
            self.dropped.duplicate += 1;
        } else if self.moves.take(now) == Allowance::UsedUp {
            self.dropped.overflow += 1;
        } else {
            self.move_to_room(secret, now);
        }
    }

    fn move_to_room(&mut self, secret: [u8; 16], now: Time) {
        for key in self.peer_keys() {
            if !self.peers.get(&key).is_some_and(Peer::is_in) {
                self.remove_peer(key, Departure::KeptOut, now);
            }
        }
        if self.is_over() {
            return;
        }
        self.own.keys = RoomKeys::from_secret(&secret);
        self.leave_room(now);
        self.act(Action::InviteChanged { secret });
    }
}
