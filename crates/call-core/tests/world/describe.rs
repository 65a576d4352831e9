//! What can be seen of a world from outside: who is connected with whom, and a picture in words when a test fails.

use call_core::{CallPhase, LinkState, ParticipantSnapshot};

use super::World;

impl World {
    pub fn describe(&self) -> String {
        let mut text = format!("at {:?}\n", self.now.0);
        for (index, end) in self.ends.iter().enumerate() {
            let snapshot = end.machine.snapshot();
            let dropped = end.machine.dropped();
            text += &format!(
                "end {index}: killed {}, {:?}, {:?}\n",
                end.is_killed, snapshot.phase, snapshot.signaling
            );
            text += &format!("   {dropped:?}, {} actions, {:?}\n", end.actions.len(), snapshot.room);
            for known in snapshot.participants {
                let ParticipantSnapshot {
                    peer,
                    name,
                    link,
                    admission,
                    ..
                } = known;
                text += &format!("   {peer:?} {name:?} {link:?} {admission:?}\n");
            }
            for milestone in end.milestones.iter().rev().take(12).rev() {
                text += &format!("   {:?} {:?} {}\n", milestone.at.0, milestone.peer, milestone.kind);
            }
        }
        text
    }

    /// Ends that take part.
    pub fn staying(&self) -> Vec<usize> {
        (0..self.ends.len())
            .filter(|&end| !self.ends[end].is_killed && self.ends[end].finished.is_none())
            .collect()
    }

    /// Whether everybody who stays is connected with everybody who stays, and with nobody else.
    pub fn is_full_mesh(&self) -> bool {
        let staying = self.staying();
        staying.iter().all(|&end| {
            let participants = self.ends[end].machine.snapshot().participants;
            let mut names: Vec<String> = participants
                .iter()
                .map(|participant| participant.name.clone())
                .collect();
            names.sort();
            let others = staying
                .iter()
                .filter(|other| **other != end)
                .map(|other| format!("end {other}"));
            let is_connected = |link: LinkState| matches!(link, LinkState::Connected { .. });
            names == others.collect::<Vec<_>>() && participants.iter().all(|participant| is_connected(participant.link))
        })
    }

    pub fn phase(&self, end: usize) -> CallPhase {
        self.ends[end].machine.snapshot().phase
    }

    /// The peer connections that are open at both ends and belong together, as pairs of ends.
    pub fn live_pairs(&self) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        for connection in self.connections.iter().filter(|connection| connection.is_open) {
            if let Some((other, ..)) = connection.pair
                && self.connections[other].is_open
                && connection.end < self.connections[other].end
            {
                pairs.push((connection.end, self.connections[other].end));
            }
        }
        pairs
    }
}
