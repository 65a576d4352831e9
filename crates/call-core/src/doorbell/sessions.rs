//! Handshakes with whoever listens on our topics, the sessions that follow, and what is said in them.

use std::collections::BTreeMap;

use signaling_protocol::{RoomId, Slot};
use trust::session::{MessageKind, inspect};
use trust::{Answered, Initiator, Padding, PublicKey, Responder, Session, SessionError};

use super::bell::{Doorbell, Route};
use super::doors::{Behind, Door};
use super::ring::{Device, Party, RingInput};
use super::ring_message::RingMessage;
use super::server::Queued;
use super::visitor::{HANDSHAKE_LIMIT, Handshake, Hello, Open, Side, Visitor};
use crate::time::Time;

/// Whom a handshake has shown.
enum Shown {
    /// Somebody to talk to.
    Device(Device),
    /// Our own other device, or somebody else who rings at the same door.
    Bystander,
    /// Not who lives there.
    Impostor,
}

impl Doorbell {
    fn visitor_mut(&mut self, at: &Route) -> Option<&mut Visitor> {
        self.servers.get_mut(&at.server)?.visitor_mut(at.topic, at.slot)
    }

    /// The door of a topic and our place in front of it.
    fn door(&self, at: &Route) -> Option<(Door, Slot)> {
        let topic = self.servers.get(&at.server)?.topics.get(&at.topic)?;
        Some((topic.door.clone(), topic.slot))
    }

    fn hello(&self, door: &Door) -> Vec<u8> {
        let side = match door.behind {
            Behind::Contact(_) | Behind::Anybody => Side::Inside,
            Behind::Owner => Side::Outside,
        };
        Hello::new(self.device, side).to_json()
    }

    /// Who it is that has proved this key and said this.
    fn show(&self, door: &Door, key: PublicKey, payload: &[u8]) -> Shown {
        let Some(hello) = Hello::from_json(payload) else {
            return Shown::Impostor;
        };
        if key == self.identity.public() {
            return Shown::Bystander;
        }
        let party = match (door.behind, hello.side) {
            (Behind::Contact(contact), _) if contact == key => Party::Person(key),
            (Behind::Contact(_), _) => return Shown::Impostor,
            (Behind::Anybody, _) => Party::Person(key),
            (Behind::Owner, Side::Inside) => Party::Nearby(door.keys.topic),
            (Behind::Owner, Side::Outside) => return Shown::Bystander,
        };
        let id = hello.device;
        Shown::Device(Device { party, id, key })
    }

    fn refuse(&mut self, at: &Route, shown: &Shown) {
        if matches!(shown, Shown::Impostor) {
            self.dropped.impostors += 1;
        }
        if let Some(visitor) = self.visitor_mut(at) {
            visitor.handshake = Handshake::Refused;
        }
    }

    /// Posts a blob of a handshake or a session. When there is no place for it, all between the two begins anew.
    fn post(&mut self, at: &Route, blob: Vec<u8>, now: Time) {
        let Some(server) = self.servers.get_mut(&at.server) else {
            return;
        };
        if server.post(at.topic, at.slot, blob) == Queued::Full {
            self.dropped.overflow += 1;
            self.break_session(at, now);
        }
    }

    /// Begins one handshake that is due. False when there is none.
    pub(super) fn begin_handshake(&mut self, name: &str, now: Time) -> bool {
        let Some(due) = self.servers.get_mut(name).and_then(|server| server.next_handshake(now)) else {
            return false;
        };
        let at = Route {
            server: name.to_owned(),
            topic: due.0,
            slot: due.1,
        };
        let Some((door, own)) = self.door(&at) else {
            return false;
        };
        let Some(visitor) = self.visitor_mut(&at) else {
            return false;
        };
        if !visitor.pace.take(now) {
            visitor.begin_again(now);
            return true;
        }
        let terms = door.keys.terms(own, at.slot);
        let (state, blob) = Initiator::start(&terms, &self.identity, &mut self.entropy);
        if let Some(visitor) = self.visitor_mut(&at) {
            let until = now + HANDSHAKE_LIMIT;
            visitor.handshake = Handshake::Asked { state, until };
        }
        self.post(&at, blob, now);
        true
    }

    /// Begins again with those who have not answered in time.
    pub(super) fn handshakes_due(&mut self, name: &str, now: Time) {
        let Some(server) = self.servers.get_mut(name) else {
            return;
        };
        for visitor in server.topics.values_mut().flat_map(|topic| topic.visitors.values_mut()) {
            match &visitor.handshake {
                Handshake::Asked { until, .. } | Handshake::Answered { until, .. } if *until <= now => {
                    match visitor.open {
                        // What they began led nowhere, but nothing is lost.
                        Some(_) => visitor.handshake = Handshake::None,
                        None => visitor.begin_again(now),
                    }
                }
                Handshake::Asked { .. }
                | Handshake::Answered { .. }
                | Handshake::None
                | Handshake::Due { .. }
                | Handshake::Refused => {}
            }
        }
    }

    /// Another listener has sent something.
    pub(super) fn on_posted(&mut self, server: &str, topic: RoomId, from: Slot, blob: &[u8], now: Time) {
        let at = Route {
            server: server.to_owned(),
            topic,
            slot: from,
        };
        if self.visitor_mut(&at).is_none() {
            self.dropped.stale += 1;
            return;
        }
        match inspect(blob) {
            Ok((MessageKind::First, _)) => self.on_first(&at, blob, now),
            Ok((MessageKind::Second, _)) => self.on_second(&at, blob, now),
            Ok((MessageKind::Third, _)) => self.on_third(&at, blob, now),
            Ok((MessageKind::Sealed, _)) => self.on_sealed(&at, blob, now),
            Err(_) => self.dropped.malformed += 1,
        }
    }

    fn on_first(&mut self, at: &Route, blob: &[u8], now: Time) {
        let Some((door, own)) = self.door(at) else { return };
        let hello = self.hello(&door);
        let Some(server) = self.servers.get_mut(&at.server) else {
            return;
        };
        let is_answerable = server.answers.take(now);
        let Some(visitor) = server.visitor_mut(at.topic, at.slot) else {
            return;
        };
        let is_unwanted = match &visitor.handshake {
            // Both began at once: the one who came later goes on.
            Handshake::Asked { .. } => own > at.slot,
            Handshake::Refused => true,
            Handshake::None | Handshake::Due { .. } | Handshake::Answered { .. } => false,
        };
        if is_unwanted {
            self.dropped.stale += 1;
            return;
        }
        if !is_answerable || !visitor.pace.take(now) {
            self.dropped.overflow += 1;
            return;
        }
        let terms = door.keys.terms(at.slot, own);
        match Responder::answer(&terms, &self.identity, &mut self.entropy, blob, &hello) {
            Ok((state, answer)) => {
                let until = now + HANDSHAKE_LIMIT;
                visitor.handshake = Handshake::Answered { state, until };
                self.post(at, answer, now);
            }
            Err(_) => self.dropped.malformed += 1,
        }
    }

    fn on_second(&mut self, at: &Route, blob: &[u8], now: Time) {
        let Some(visitor) = self.visitor_mut(at) else { return };
        match std::mem::take(&mut visitor.handshake) {
            Handshake::Asked { state, until } => match state.receive(blob) {
                Ok(answered) => self.complete(at, answered, now),
                Err((state, error)) => {
                    visitor.handshake = Handshake::Asked { state, until };
                    self.count(error);
                }
            },
            other @ (Handshake::None | Handshake::Due { .. } | Handshake::Answered { .. } | Handshake::Refused) => {
                visitor.handshake = other;
                self.dropped.stale += 1;
            }
        }
    }

    fn complete(&mut self, at: &Route, answered: Answered, now: Time) {
        let Some((door, _)) = self.door(at) else { return };
        match self.show(&door, answered.remote, &answered.payload) {
            Shown::Device(device) => match answered.complete(&self.hello(&door)) {
                Ok((third, session)) => {
                    self.open(at, session, device, third, now);
                }
                Err(error) => self.count(error),
            },
            shown @ (Shown::Bystander | Shown::Impostor) => self.refuse(at, &shown),
        }
    }

    fn on_third(&mut self, at: &Route, blob: &[u8], now: Time) {
        let Some((door, _)) = self.door(at) else { return };
        let Some(visitor) = self.visitor_mut(at) else { return };
        match std::mem::take(&mut visitor.handshake) {
            Handshake::Answered { state, until } => match state.complete(blob) {
                Ok((payload, session)) => match self.show(&door, session.remote(), &payload) {
                    Shown::Device(device) => self.open(at, session, device, Vec::new(), now),
                    shown @ (Shown::Bystander | Shown::Impostor) => self.refuse(at, &shown),
                },
                Err((state, error)) => {
                    visitor.handshake = Handshake::Answered { state, until };
                    self.count(error);
                }
            },
            other @ (Handshake::None | Handshake::Due { .. } | Handshake::Asked { .. } | Handshake::Refused) => {
                visitor.handshake = other;
                self.dropped.stale += 1;
            }
        }
    }

    /// A session is there; what is still to be said of the handshake goes first.
    fn open(&mut self, at: &Route, session: Session, device: Device, last: Vec<u8>, now: Time) {
        let Some(visitor) = self.visitor_mut(at) else { return };
        visitor.open = Some(Open { session, device });
        visitor.handshake = Handshake::None;
        if !last.is_empty() {
            self.post(at, last, now);
        }
        self.update_routes(Some(device), now);
    }

    fn on_sealed(&mut self, at: &Route, blob: &[u8], now: Time) {
        let Some(open) = self.visitor_mut(at).and_then(|visitor| visitor.open.as_mut()) else {
            self.dropped.stale += 1;
            return;
        };
        let device = open.device;
        match open.session.open(blob) {
            Ok(json) => match RingMessage::from_json(&json) {
                Ok(message) => self.ring.handle(RingInput::Message(device, message), now),
                Err(error) => {
                    tracing::debug!(%error, "a contact sent something else");
                    self.dropped.malformed += 1;
                }
            },
            Err(error @ SessionError::NotOurs) => self.count(error),
            Err(error @ (SessionError::Malformed | SessionError::Forged | SessionError::TooLarge(_))) => {
                self.count(error);
                self.break_session(at, now);
            }
        }
    }

    fn count(&mut self, error: SessionError) {
        match error {
            SessionError::NotOurs => self.dropped.stale += 1,
            SessionError::Malformed | SessionError::Forged | SessionError::TooLarge(_) => self.dropped.malformed += 1,
        }
    }

    /// Nothing more can be said in this session: shake hands anew.
    fn break_session(&mut self, at: &Route, now: Time) {
        if let Some(visitor) = self.visitor_mut(at) {
            visitor.open = None;
            visitor.begin_again(now);
        }
        self.update_routes(None, now);
    }

    /// Says something to a device, by one of the ways to it.
    pub(super) fn send(&mut self, device: Device, message: &RingMessage, now: Time) {
        let Some(at) = self.routes.get(&device).and_then(|routes| routes.first().cloned()) else {
            return;
        };
        let Some(open) = self.visitor_mut(&at).and_then(|visitor| visitor.open.as_mut()) else {
            return;
        };
        match open.session.seal(&message.to_json(), Padding::Small) {
            Ok(blob) => self.post(&at, blob, now),
            Err(error) => self.count(error),
        }
    }

    /// Tells who came and who went. A device that lost one of its ways may have lost words on it: for the ring it came
    /// again, as it did when it opened a new one.
    pub(super) fn update_routes(&mut self, opened: Option<Device>, now: Time) {
        let mut routes: BTreeMap<Device, Vec<Route>> = BTreeMap::new();
        for (name, server) in &self.servers {
            for (topic, slot, visitor) in server.visitors() {
                if let Some(open) = &visitor.open {
                    let server = name.clone();
                    routes
                        .entry(open.device)
                        .or_default()
                        .push(Route { server, topic, slot });
                }
            }
        }
        let before = std::mem::replace(&mut self.routes, routes);
        for (device, ways) in &before {
            match self.routes.get(device) {
                None => self.ring.handle(RingInput::DeviceWent(*device), now),
                Some(left) if ways.iter().any(|way| !left.contains(way)) => {
                    self.ring.handle(RingInput::DeviceCame(*device), now);
                }
                Some(_) => {}
            }
        }
        if let Some(device) = opened.filter(|device| self.routes.contains_key(device)) {
            self.ring.handle(RingInput::DeviceCame(device), now);
        }
    }
}
