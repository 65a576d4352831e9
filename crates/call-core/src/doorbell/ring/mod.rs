//! [`RingMachine`]: who rings whom, free of keys, topics and sessions.
//!
//! In go what the user wants, what devices say, which devices come and go, and the time; out come messages to
//! devices, and what became of a ring.
//!
//! ```text
//!     caller                                callee
//!       │ ── Ring, every 3 s ─────────────────► │  rings
//!       │ ◄──────────── Ringing, every time ─── │
//!       │ ◄───────────────────────── Accept ─── │  the user takes it
//!  call │ ── Start, until it is answered ─────► │  call
//!       │ ◄──────────────────────── Started ─── │
//! ```
//!
//! The caller decides: the first `Accept` it hears while it still rings makes the call, whatever else is on its way.
//! The callee is in the call when it hears so. Whatever was lost is asked again: `Ring` and `Start` are repeated, and
//! each answer says how the ring stands at that device, so that a connection may break at any moment. Who does not
//! hear `Ring` for 10 s stops by itself.
//!
//! * `outgoing.rs` – we ring
//! * `incoming.rs` – they ring
//! * `past.rs` – what is remembered of rings that are over

mod incoming;
mod outgoing;
mod past;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use signaling_protocol::RoomId;

use super::id::{DeviceId, RingId};
use super::pace::Pace;
use super::ring_message::RingMessage;
use super::snapshot::{RingDirection, RingOutcome, RingStage};
use crate::input::Switch;
use crate::standing::PublicKey;
use crate::time::Time;
use incoming::Incoming;
use outgoing::{Confirming, Outgoing};
use past::Past;

/// A ring ends by itself after this, on both sides.
pub const RING_LIMIT: Duration = Duration::from_secs(60);
/// How often `Ring` and `Start` are repeated.
pub const RING_REPEAT: Duration = Duration::from_secs(3);
/// Who has not heard from the caller for this long stops ringing.
pub const RING_SILENCE: Duration = Duration::from_secs(10);
/// A caller in the call whom the callee does not confirm gives up after this.
pub const CONFIRM_LIMIT: Duration = Duration::from_secs(20);
/// Devices of one party that are rung.
pub const MAX_DEVICES: usize = 16;
/// Rings of one person that are heard at once; more are not answered …
pub const MAX_RINGS: u32 = 12;
/// … but for one in this time.
pub const RING_INTERVAL: Duration = Duration::from_secs(5);

/// Whom one rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// Whoever proves to have this key.
    Person(PublicKey),
    /// Whoever owns this open doorbell, as far as one can tell.
    Nearby(RoomId),
}

/// One device that can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device {
    /// As whose device we know it.
    pub party: Party,
    /// Which.
    pub id: DeviceId,
    /// The key it proved.
    pub key: PublicKey,
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingIntent {
    /// Ring somebody. Taken as `Accept` when it is they who ring; ignored in a call and while something else rings.
    Ring {
        /// Whom.
        to: Party,
        /// 16 new random bytes.
        id: RingId,
        /// Our name for them.
        name: String,
        /// Whether we want to be seen.
        video: Switch,
        /// Where the call will be.
        link: String,
    },
    /// Stop ringing somebody.
    Cancel,
    /// Take the call that rings.
    Accept {
        /// Whether we want to be seen.
        video: Switch,
    },
    /// Do not take it; or, after `Accept` and before the call, no longer.
    Decline,
    /// Nobody rings through, or everybody again. What rings already goes on.
    DoNotDisturb(Switch),
    /// Whether we are in a call. [`RingOutput::StartCall`] counts as `On`; `Off` must follow when that call is over.
    InCall(Switch),
    /// What we call ourselves, from the next ring on.
    Rename(String),
}

/// Everything that can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingInput {
    /// The user, or the call.
    Local(RingIntent),
    /// A device said something.
    Message(Device, RingMessage),
    /// A device can be written to; also when it is the same one on a new connection, on which nothing has been said.
    DeviceCame(Device),
    /// A device cannot be written to any more.
    DeviceWent(Device),
}

/// What to do, or what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingOutput {
    /// Say this to a device.
    Send(Device, RingMessage),
    /// There is a call.
    StartCall(CallToStart),
    /// There is no call after all: whoever accepted changed their mind or was lost. Leave it, unless somebody is
    /// connected in it.
    CallOff(RingId),
    /// It rings here.
    Rings,
    /// A ring ended without a call.
    Ended {
        /// Which.
        ring: RingId,
        /// Who rang whom.
        direction: RingDirection,
        /// Whom we rang, or who rang.
        party: Party,
        /// Our name for them when we rang, theirs for themselves when they did.
        name: String,
        /// How.
        outcome: RingOutcome,
    },
    /// A call we did not take. Once a ring.
    Missed {
        /// Which ring.
        ring: RingId,
        /// Who rang.
        key: PublicKey,
        /// Their name for themselves.
        name: String,
    },
}

/// A call that both want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallToStart {
    /// Which ring led to it.
    pub ring: RingId,
    /// Whose link it is.
    pub role: CallRole,
    /// Where.
    pub link: String,
    /// With whom.
    pub with: PublicKey,
    /// Our name for them, or theirs when they are no contact.
    pub name: String,
    /// Whether we want to be seen.
    pub video: Switch,
}

/// Whose ring it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallRole {
    /// Ours.
    Caller,
    /// Theirs; also when we rang at the same time and ours gave way.
    Callee,
}

/// The ring as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingView {
    /// Which.
    pub id: RingId,
    /// Who rings whom.
    pub direction: RingDirection,
    /// Whom we ring, or who rings.
    pub party: Party,
    /// Who they proved to be.
    pub key: Option<PublicKey>,
    /// Our name for them when we ring, theirs for themselves when they do.
    pub name: String,
    /// Whether the caller wants to be seen.
    pub video: Switch,
    /// How far it is.
    pub stage: RingStage,
}

/// What came in and was not used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingDropped {
    /// Messages about a ring that is over or another's, and intents that make no sense now.
    pub stale: u64,
    /// Rings and devices beyond the bounds.
    pub overflow: u64,
}

#[derive(Clone, Debug, Default)]
enum Ring {
    #[default]
    None,
    Outgoing(Outgoing),
    Confirming(Confirming),
    Incoming(Incoming),
}

/// All there is about rings. See the module.
#[derive(Debug)]
pub struct RingMachine {
    name: String,
    do_not_disturb: Switch,
    in_call: Switch,
    ring: Ring,
    devices: BTreeSet<Device>,
    past: Past,
    rates: BTreeMap<PublicKey, Pace>,
    outputs: VecDeque<RingOutput>,
    dropped: RingDropped,
}

impl RingMachine {
    /// Nothing rings. `name`: what we call ourselves.
    pub fn new(name: String) -> Self {
        Self {
            name,
            do_not_disturb: Switch::Off,
            in_call: Switch::Off,
            ring: Ring::None,
            devices: BTreeSet::new(),
            past: Past::default(),
            rates: BTreeMap::new(),
            outputs: VecDeque::new(),
            dropped: RingDropped::default(),
        }
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, input: RingInput, now: Time) {
        self.past.forget(now);
        match input {
            RingInput::Local(intent) => self.on_intent(intent, now),
            RingInput::Message(from, message) => self.on_message(from, message, now),
            RingInput::DeviceCame(device) => self.on_device_came(device),
            RingInput::DeviceWent(device) => self.on_device_went(device, now),
        }
    }

    /// The next thing to do. Drain it after every `handle` and `handle_deadlines`.
    pub fn poll_output(&mut self) -> Option<RingOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_deadlines`] next.
    pub fn poll_deadline(&self) -> Option<Time> {
        match &self.ring {
            Ring::None => None,
            Ring::Outgoing(ring) => Some(ring.next_deadline()),
            Ring::Confirming(ring) => Some(ring.next_deadline()),
            Ring::Incoming(ring) => Some(ring.next_deadline()),
        }
    }

    /// Does what is due. Harmless when nothing is.
    pub fn handle_deadlines(&mut self, now: Time) {
        match &self.ring {
            Ring::None => {}
            Ring::Outgoing(_) => self.outgoing_due(now),
            Ring::Confirming(_) => self.confirming_due(now),
            Ring::Incoming(_) => self.incoming_due(now),
        }
    }

    /// The ring as it stands.
    pub fn view(&self) -> Option<RingView> {
        match &self.ring {
            Ring::None => None,
            Ring::Outgoing(ring) => Some(self.outgoing_view(ring)),
            Ring::Confirming(ring) => Some(ring.view()),
            Ring::Incoming(ring) => Some(ring.view()),
        }
    }

    /// Whether we are in a call, as far as the machine knows.
    pub fn in_call(&self) -> Switch {
        self.in_call
    }

    /// What came in and was not used.
    pub fn dropped(&self) -> RingDropped {
        self.dropped
    }

    fn on_intent(&mut self, intent: RingIntent, now: Time) {
        match intent {
            RingIntent::Ring {
                to,
                id,
                name,
                video,
                link,
            } => self.ring(Outgoing::new(id, to, name, video, link, now), now),
            RingIntent::Cancel => self.cancel(now),
            RingIntent::Accept { video } => self.accept(video, now),
            RingIntent::Decline => self.decline(now),
            RingIntent::DoNotDisturb(switch) => self.do_not_disturb = switch,
            RingIntent::InCall(switch) => self.on_in_call(switch, now),
            RingIntent::Rename(name) => self.name = name,
        }
    }

    fn on_message(&mut self, from: Device, message: RingMessage, now: Time) {
        let rung = self.as_rung(from);
        match message {
            RingMessage::Ring { id, video, link, name } => {
                self.on_ring(Incoming::new(id, from, video, link, name, now), now);
            }
            RingMessage::Ringing { id } => self.on_ringing(rung, id),
            RingMessage::Accept {
                id,
                video: _,
                instead_of,
            } => {
                if let Some(given_up) = instead_of {
                    self.on_over(from, given_up, RingOutcome::AnsweredElsewhere, now);
                }
                self.on_accept(rung, id, now);
            }
            RingMessage::Decline { id } => self.on_decline(rung, id, now),
            RingMessage::Busy { id } => self.on_busy(rung, id, now),
            RingMessage::Cancel { id } => self.on_over(from, id, RingOutcome::Cancelled, now),
            RingMessage::AnsweredElsewhere { id } => self.on_over(from, id, RingOutcome::AnsweredElsewhere, now),
            RingMessage::Start { id } => self.on_start(from, id, now),
            RingMessage::Started { id } => self.on_started(rung, id),
        }
    }

    fn on_device_came(&mut self, device: Device) {
        if !self.devices.contains(&device) {
            if self.devices_of(device.party).count() >= MAX_DEVICES {
                self.dropped.overflow += 1;
                return;
            }
            self.devices.insert(device);
        }
        self.past.verdicts_for(device).for_each(|verdict| {
            self.outputs.push_back(RingOutput::Send(device, verdict));
        });
        match &self.ring {
            Ring::Outgoing(ring) if ring.to == device.party => self.send_ring(device),
            Ring::Confirming(ring) if ring.device == device => {
                self.send(device, RingMessage::Start { id: ring.call.ring })
            }
            Ring::Incoming(ring) if ring.from == device => self.send(device, ring.standing()),
            Ring::None | Ring::Outgoing(_) | Ring::Confirming(_) | Ring::Incoming(_) => {}
        }
    }

    fn on_device_went(&mut self, device: Device, now: Time) {
        if self.devices.remove(&device) {
            self.end_if_all_busy(now);
        }
    }

    fn on_in_call(&mut self, switch: Switch, now: Time) {
        self.in_call = switch;
        match (&self.ring, switch) {
            // A call that was not rung for began.
            (Ring::Outgoing(_), Switch::On) => self.cancel(now),
            (Ring::Incoming(_), Switch::On) => self.refuse_as_busy(now),
            // The call was left before the other was in it.
            (Ring::Confirming(_), Switch::Off) => self.leave_unconfirmed(now),
            (Ring::None | Ring::Confirming(_), Switch::On) => {}
            (Ring::None | Ring::Outgoing(_) | Ring::Incoming(_), Switch::Off) => {}
        }
    }

    /// Devices of somebody that can be written to.
    fn devices_of(&self, party: Party) -> impl Iterator<Item = Device> {
        let first = Device {
            party,
            id: DeviceId([0; 16]),
            key: PublicKey([0; 32]),
        };
        self.devices
            .range(first..)
            .take_while(move |device| device.party == party)
            .copied()
    }

    fn send(&mut self, to: Device, message: RingMessage) {
        self.outputs.push_back(RingOutput::Send(to, message));
    }

    fn start_call(&mut self, call: CallToStart) {
        self.in_call = Switch::On;
        self.outputs.push_back(RingOutput::StartCall(call));
    }
}
