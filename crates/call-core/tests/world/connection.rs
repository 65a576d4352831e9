//! A peer connection in memory: as strict about the order of steps as a real one, and it pairs up only when both
//! descriptions and a candidate have crossed.

use call_core::{Attempt, DescriptionKind, IceMode, OfferAcceptance, PeerKey, Time};

/// Index into the world's list of connections; unique for ever.
pub type ConnectionId = usize;

/// Offer and answer (RFC 8829, section 3.2), as far as these tests need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalingState {
    Stable,
    HaveLocalOffer,
}

/// What was last reported of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathState {
    New,
    Connected,
    Silent,
    Failed,
}

/// The other end, as its description named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    pub connection: ConnectionId,
    pub ice_generation: u32,
}

/// One end of a peer connection.
#[derive(Debug)]
pub struct Connection {
    pub end: usize,
    pub peer: PeerKey,
    pub attempt: Attempt,
    pub is_open: bool,
    pub state: SignalingState,
    /// A step that has been asked for and not answered.
    pub is_busy: bool,
    pub ice_generation: u32,
    /// The network of its end when this generation was gathered.
    pub gathered_in: u32,
    pub last_offer: u32,
    pub remote: Option<Remote>,
    pub remote_candidates: u32,
    pub path: PathState,
    /// With whom, and the networks of both ends, that the pair was found in.
    pub pair: Option<(ConnectionId, u32, u32)>,
    pub control_open: bool,
    pub unhealthy_since: Option<Time>,
}

/// What stands in every description, and what no server may learn.
pub const ADDRESS: &str = "192.0.2.77";
pub const UFRAG: &str = "uFrAgUfRaG";
pub const FINGERPRINT: &str = "AB:CD:EF:01:23:45:67:89";

/// A candidate of a connection.
pub fn candidate_line(id: ConnectionId, ice_generation: u32) -> String {
    format!("candidate:{id} 1 udp {ice_generation} {ADDRESS} 50000 typ host")
}

/// A description as text, so that it passes through the messages like a real one.
pub struct Sdp {
    pub connection: ConnectionId,
    pub ice_generation: u32,
    /// Offer number, or the number of the offer it answers.
    pub offer: u32,
    /// In an answer: whose offer.
    pub answers: Option<ConnectionId>,
}

impl Sdp {
    pub fn to_text(&self) -> String {
        let answers = self.answers.map_or("-".to_owned(), |id| id.to_string());
        format!(
            "v=0\r\no=- 1 2 IN IP4 {ADDRESS}\r\na=ice-ufrag:{UFRAG}\r\na=fingerprint:sha-256 {FINGERPRINT}\r\n\
             s={} {} {} {answers}\r\n",
            self.connection, self.ice_generation, self.offer
        )
    }

    pub fn parse(text: &str) -> Self {
        let fields: Vec<&str> = text.trim().rsplit("s=").next().expect("has s=").split(' ').collect();
        let number = |at: usize| fields[at].parse().expect("a number");
        Self {
            connection: number(0) as ConnectionId,
            ice_generation: number(1),
            offer: number(2),
            answers: fields[3].parse().ok(),
        }
    }
}

/// What a step came to.
pub type StepResult = Result<Option<(DescriptionKind, String)>, String>;

impl Connection {
    pub fn new(end: usize, peer: PeerKey, attempt: Attempt, network: u32) -> Self {
        Self {
            end,
            peer,
            attempt,
            is_open: true,
            state: SignalingState::Stable,
            is_busy: false,
            ice_generation: 1,
            gathered_in: network,
            last_offer: 0,
            remote: None,
            remote_candidates: 0,
            path: PathState::New,
            pair: None,
            control_open: false,
            unhealthy_since: None,
        }
    }

    pub fn create_offer(&mut self, id: ConnectionId, ice: IceMode, network: u32) -> StepResult {
        assert_eq!(self.state, SignalingState::Stable, "an offer while one is out");
        if ice == IceMode::Restart {
            assert!(self.remote.is_some(), "an ICE restart before the first exchange");
            self.ice_generation += 1;
        }
        if ice == IceMode::Restart || self.remote.is_none() {
            self.gathered_in = network;
        }
        self.last_offer += 1;
        self.state = SignalingState::HaveLocalOffer;
        let sdp = Sdp {
            connection: id,
            ice_generation: self.ice_generation,
            offer: self.last_offer,
            answers: None,
        };
        Ok(Some((DescriptionKind::Offer, sdp.to_text())))
    }

    pub fn accept_offer(
        &mut self,
        id: ConnectionId,
        sdp: &str,
        acceptance: OfferAcceptance,
        network: u32,
    ) -> StepResult {
        let expected = match acceptance {
            OfferAcceptance::Plain => SignalingState::Stable,
            OfferAcceptance::RollbackFirst => SignalingState::HaveLocalOffer,
        };
        assert_eq!(self.state, expected, "the wrong way to accept an offer");
        self.state = SignalingState::Stable;
        let offer = Sdp::parse(sdp);
        assert!(offer.answers.is_none(), "an answer taken for an offer");
        let theirs = Remote {
            connection: offer.connection,
            ice_generation: offer.ice_generation,
        };
        match self.remote {
            Some(remote) if remote.connection != theirs.connection => return Err("another fingerprint".to_owned()),
            Some(remote) if remote.ice_generation != theirs.ice_generation => {
                self.ice_generation += 1;
                self.gathered_in = network;
                self.remote_candidates = 0;
            }
            Some(_) => {}
            None => self.gathered_in = network,
        }
        self.remote = Some(theirs);
        let answer = Sdp {
            connection: id,
            ice_generation: self.ice_generation,
            offer: offer.offer,
            answers: Some(offer.connection),
        };
        Ok(Some((DescriptionKind::Answer, answer.to_text())))
    }

    pub fn accept_answer(&mut self, id: ConnectionId, sdp: &str) -> StepResult {
        assert_eq!(self.state, SignalingState::HaveLocalOffer, "an answer to nothing");
        let answer = Sdp::parse(sdp);
        assert_eq!(answer.answers, Some(id), "an answer to somebody else's offer");
        assert_eq!(answer.offer, self.last_offer, "an answer to an offer that is over");
        if self.remote.is_some_and(|remote| remote.connection != answer.connection) {
            return Err("another fingerprint".to_owned());
        }
        if self
            .remote
            .is_some_and(|remote| remote.ice_generation != answer.ice_generation)
        {
            self.remote_candidates = 0;
        }
        self.state = SignalingState::Stable;
        self.remote = Some(Remote {
            connection: answer.connection,
            ice_generation: answer.ice_generation,
        });
        Ok(None)
    }

    /// Whether this end's idea of the pair is the other's too.
    pub fn fits(&self, own: ConnectionId, other: &Self, other_id: ConnectionId) -> bool {
        let points_to = |from: &Self, to: &Self, to_id: ConnectionId| {
            from.remote
                .is_some_and(|remote| remote.connection == to_id && remote.ice_generation == to.ice_generation)
        };
        points_to(self, other, other_id)
            && points_to(other, self, own)
            && (self.remote_candidates > 0 || other.remote_candidates > 0)
    }
}
