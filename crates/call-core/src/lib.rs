//! The logic of a call, free of input and output.
//!
//! Inputs and the present time go in by [`CallMachine::handle`], actions come out of
//! [`CallMachine::poll_action`], and [`CallMachine::poll_deadline`] says when to call
//! [`CallMachine::handle_deadlines`] next. No clock, no thread, no network in here.

pub mod action;
pub mod input;
pub mod snapshot;
pub mod time;

pub use action::{Action, EndReason, OfferAcceptance};
pub use input::{
    Attempt, DescriptionKind, IceCandidate, IceMode, Input, LocalIntent, NegotiationFault, PeerInput, PeerKey,
    SignalingInput, SignalingLoss, Switch, TransportState,
};
pub use snapshot::{CallPhase, CallSnapshot, LinkState, LocalMedia, ParticipantSnapshot, SignalingState};
pub use time::Time;
