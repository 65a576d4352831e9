//! Ringing a contact.

mod id;
pub mod ring;
pub mod ring_message;
pub mod snapshot;

pub use id::{DeviceId, RingId};
pub use ring::{CallRole, CallToStart, Device, Party, RingInput, RingIntent, RingMachine, RingOutput, RingView};
pub use ring_message::RingMessage;
pub use snapshot::{ContactPresence, DoorbellState, RingDirection, RingOutcome, RingSnapshot, RingStage};
