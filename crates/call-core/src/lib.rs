//! The logic of a call, free of input and output.
//!
//! Inputs and the present time go in by [`CallMachine::handle`], actions come out of
//! [`CallMachine::poll_action`], and [`CallMachine::poll_deadline`] says when to call
//! [`CallMachine::handle_deadlines`] next. No clock, no thread, no network in here.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod action;
pub mod blockage;
mod budget;
mod deadlines;
pub mod doorbell;
mod hex;
pub mod input;
pub mod machine;
mod negotiation;
mod peer;
pub mod peer_message;
mod random;
mod replay_window;
mod sealing;
pub mod snapshot;
pub mod standing;
pub mod time;
pub mod timeline;

pub use action::{Action, EndReason, NotAdmitted, OfferAcceptance};
pub use blockage::{Blockage, CandidateKinds, PathFacts, RelayFacts, diagnose};
pub use input::{
    Attempt, DescriptionKind, IceCandidate, IceMode, Input, LocalIntent, NegotiationFault, PeerInput, PeerKey,
    SignalingInput, SignalingLoss, Switch, TransportState, VideoSource,
};
pub use machine::{CallConfig, CallMachine, TrustConfig, WhenEmpty};
pub use peer_message::{ParticipantId, clean_name};
pub use snapshot::{CallPhase, CallSnapshot, LinkState, LocalMedia, ParticipantSnapshot, SendTimings, SignalingState};
pub use standing::{
    Admission, Alarm, Badge, Door, IdentityLifetime, KnownContact, PublicKey, RoomRole, RoomState, Symbols,
    Verification,
};
pub use time::Time;
pub use timeline::{Departure, Dropped, Milestone, MilestoneKind};
