//! The signaling server in memory: rooms, with the semantics of the signaling protocol.

use std::collections::BTreeMap;

use call_core::Time;
use signaling_protocol::limits::RESUME_LIFETIME;
use signaling_protocol::{
    ClientMessage, LeaveReason, PROTOCOL_VERSION, Resume, ResumeToken, RoomId, ServerMessage, Slot,
};

/// One WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket(pub u64);

struct Member {
    room: RoomId,
    token: ResumeToken,
    socket: Option<Socket>,
    away_since: Time,
}

/// Whether a socket goes on after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Open,
    Close,
}

/// Rooms and who is in them. Slots are counted over all rooms.
#[derive(Default)]
pub struct Server {
    members: BTreeMap<Slot, Member>,
    last_slot: u32,
    incarnation: u8,
    /// Messages to be sent, in order.
    pub out: Vec<(Socket, ServerMessage)>,
}

impl Server {
    /// Forgets everything, as a killed process does.
    pub fn restart(&mut self) {
        self.members.clear();
        self.incarnation += 1;
        self.last_slot = 0;
        self.out.clear();
    }

    pub fn receive(&mut self, socket: Socket, message: ClientMessage) -> Verdict {
        let own = self.slot_of(socket);
        match (message, own) {
            (ClientMessage::Join { room, resume, .. }, None) => self.join(socket, room, resume),
            (ClientMessage::Relay { to, blob }, Some(from)) => {
                if self.room_of(from) == self.room_of(to)
                    && let Some(socket) = self.socket_of(to)
                {
                    self.out.push((socket, ServerMessage::Relay { from, blob }));
                }
            }
            (ClientMessage::Leave, Some(slot)) => {
                let reason = LeaveReason::Left;
                self.tell_others(slot, ServerMessage::PeerLeft { slot, reason });
                self.members.remove(&slot);
                return Verdict::Close;
            }
            (ClientMessage::Join { .. }, Some(_))
            | (ClientMessage::Relay { .. } | ClientMessage::Leave, None)
            | (ClientMessage::Listen { .. } | ClientMessage::Post { .. }, _) => {
                return Verdict::Close;
            }
        }
        Verdict::Open
    }

    pub fn lost(&mut self, socket: Socket, now: Time) {
        if let Some(slot) = self.slot_of(socket) {
            let member = self.members.get_mut(&slot).expect("slot_of found it");
            member.socket = None;
            member.away_since = now;
            self.tell_others(slot, ServerMessage::PeerAway { slot });
        }
    }

    pub fn tick(&mut self, now: Time) {
        let is_lost = |member: &Member| member.socket.is_none() && now - member.away_since > RESUME_LIFETIME;
        let lost: Vec<Slot> = self
            .members
            .iter()
            .filter(|(_, member)| is_lost(member))
            .map(|(&slot, _)| slot)
            .collect();
        for slot in lost {
            let reason = LeaveReason::Lost;
            self.tell_others(slot, ServerMessage::PeerLeft { slot, reason });
            self.members.remove(&slot);
        }
    }

    fn join(&mut self, socket: Socket, room: RoomId, resume: Option<Resume>) {
        let taken_back = resume.filter(|resume| {
            self.members
                .get(&resume.slot)
                .is_some_and(|member| member.token == resume.token && member.room == room)
        });
        let (slot, token, resumed) = match taken_back {
            Some(resume) => (resume.slot, resume.token, true),
            None => {
                self.last_slot += 1;
                let mut token = [self.incarnation; 16];
                token[..4].copy_from_slice(&self.last_slot.to_be_bytes());
                (Slot(self.last_slot), ResumeToken(token), false)
            }
        };
        let away_since = Time::default();
        let socket = Some(socket);
        let member = Member {
            room,
            token,
            socket,
            away_since,
        };
        self.members.insert(slot, member);
        let others = self
            .members
            .iter()
            .filter(|(other, member)| **other != slot && member.room == room);
        let members = others.map(|(&other, _)| other).collect();
        let joined = ServerMessage::Joined {
            v: PROTOCOL_VERSION,
            slot,
            token,
            members,
            resumed,
        };
        self.out.extend(socket.map(|socket| (socket, joined)));
        let notice = match resumed {
            false => ServerMessage::PeerJoined { slot },
            true => ServerMessage::PeerBack { slot },
        };
        self.tell_others(slot, notice);
    }

    fn room_of(&self, slot: Slot) -> Option<RoomId> {
        self.members.get(&slot).map(|member| member.room)
    }

    pub fn socket_of(&self, slot: Slot) -> Option<Socket> {
        self.members.get(&slot).and_then(|member| member.socket)
    }

    pub fn slot_of(&self, socket: Socket) -> Option<Slot> {
        self.members
            .iter()
            .find(|(_, member)| member.socket == Some(socket))
            .map(|(&slot, _)| slot)
    }

    fn tell_others(&mut self, about: Slot, message: ServerMessage) {
        let room = self.room_of(about);
        let others = self
            .members
            .iter()
            .filter(|(slot, member)| **slot != about && Some(member.room) == room);
        self.out
            .extend(others.filter_map(|(_, member)| Some((member.socket?, message.clone()))));
    }
}
