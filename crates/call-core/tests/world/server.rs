//! The signaling server in memory: one room, with the semantics of the signaling protocol.

use std::collections::BTreeMap;

use call_core::Time;
use signaling_protocol::limits::RESUME_LIFETIME;
use signaling_protocol::{ClientMessage, LeaveReason, PROTOCOL_VERSION, Resume, ResumeToken, ServerMessage, Slot};

/// One WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket(pub u64);

struct Member {
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

/// A room and who is in it.
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
            (ClientMessage::Join { resume, .. }, None) => self.join(socket, resume),
            (ClientMessage::Relay { to, blob }, Some(from)) => {
                if let Some(socket) = self.members.get(&to).and_then(|member| member.socket) {
                    self.out.push((socket, ServerMessage::Relay { from, blob }));
                }
            }
            (ClientMessage::Leave, Some(slot)) => {
                let reason = LeaveReason::Left;
                self.members.remove(&slot);
                self.tell_others(slot, ServerMessage::PeerLeft { slot, reason });
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
            self.members.remove(&slot);
            let reason = LeaveReason::Lost;
            self.tell_others(slot, ServerMessage::PeerLeft { slot, reason });
        }
    }

    fn join(&mut self, socket: Socket, resume: Option<Resume>) {
        let taken_back = resume.filter(|resume| {
            self.members
                .get(&resume.slot)
                .is_some_and(|member| member.token == resume.token)
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
            token,
            socket,
            away_since,
        };
        self.members.insert(slot, member);
        let members = self.members.keys().copied().filter(|other| *other != slot).collect();
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
        let others = self.members.iter().filter(|(slot, _)| **slot != about);
        self.out
            .extend(others.filter_map(|(_, member)| Some((member.socket?, message.clone()))));
    }
}
