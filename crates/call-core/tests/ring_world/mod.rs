//! Ring machines of several people with several devices each, in virtual time, over connections that delay, break
//! and come back. Checks after every event what must hold at every moment, and `check_rest` what must hold at the end.

// Each test file uses its own part of it.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use call_core::doorbell::ring::RING_SILENCE;
use call_core::doorbell::{
    CallRole, Device, DeviceId, Party, RingDirection, RingId, RingInput, RingIntent, RingMachine, RingMessage,
    RingOutcome, RingOutput, RingStage, RingView,
};
use call_core::{PublicKey, Switch, Time};

/// Longest way of a message.
pub const LONGEST_WAY: Duration = Duration::from_millis(800);
/// Longest time until a broken connection is noticed.
const LONGEST_UNNOTICED: u64 = 8_000;
/// A broken connection comes back after this at the latest.
const LONGEST_BREAK: Duration = Duration::from_secs(60);

const INCOMING: RingDirection = RingDirection::Incoming;

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Which way a phone counts.
pub type PhoneId = usize;

/// One device.
pub struct Phone {
    pub person: u8,
    pub machine: RingMachine,
    /// The call it is in; none of the rings' when it was not rung for.
    pub call: Option<RingId>,
    /// Rings it has heard.
    pub rung: BTreeSet<RingId>,
    /// Rings it has called itself busy for.
    pub refused: BTreeSet<RingId>,
    pub declined: BTreeSet<RingId>,
    pub started: BTreeMap<RingId, CallRole>,
    pub missed: BTreeMap<RingId, u32>,
    pub ended: Vec<(RingId, RingDirection, RingOutcome)>,
    pub called_off: u32,
}

/// What is known of one ring from its caller's side.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    pub caller: PhoneId,
    pub begun: Time,
    pub over: Option<Time>,
}

/// The connection of two phones.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// Counts connections; odd while there is one.
    epoch: u32,
    /// When both sides may use it.
    open_at: Time,
    /// The connection each side believes in.
    believed: [Option<u32>; 2],
    /// When the last message of each side arrives: a connection keeps the order.
    arrives: [Time; 2],
}

enum Event {
    Heal((PhoneId, PhoneId)),
    Came(PhoneId, PhoneId, u32),
    Went(PhoneId, PhoneId, u32),
    Message(PhoneId, PhoneId, u32, RingMessage),
}

pub struct World {
    pub now: Time,
    pub dice: Dice,
    pub phones: Vec<Phone>,
    pub rings: BTreeMap<RingId, Told>,
    /// Which ring gave way to which.
    gave_way: BTreeMap<RingId, RingId>,
    links: BTreeMap<(PhoneId, PhoneId), Link>,
    events: BTreeMap<(Time, u64), Event>,
    next_event: u64,
    /// What went wrong, if anything has.
    pub broken: Option<String>,
}

pub fn key(person: u8) -> PublicKey {
    PublicKey([person; 32])
}

impl World {
    /// `people`: how many devices each has. All are connected with all.
    pub fn new(seed: u64, people: &[usize]) -> Self {
        let owners = people
            .iter()
            .zip(1..)
            .flat_map(|(&devices, person)| vec![person; devices]);
        let phone = |person: u8| Phone {
            person,
            machine: RingMachine::new(format!("person {person}")),
            call: None,
            rung: BTreeSet::new(),
            refused: BTreeSet::new(),
            declined: BTreeSet::new(),
            started: BTreeMap::new(),
            missed: BTreeMap::new(),
            ended: Vec::new(),
            called_off: 0,
        };
        let mut world = Self {
            now: Time::default(),
            dice: Dice(seed),
            phones: owners.map(phone).collect(),
            rings: BTreeMap::new(),
            gave_way: BTreeMap::new(),
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            broken: None,
        };
        world.heal_all();
        world.run_for(LONGEST_WAY);
        world
    }

    pub fn pairs(&self) -> Vec<(PhoneId, PhoneId)> {
        let all = (0..self.phones.len()).flat_map(|a| (a + 1..self.phones.len()).map(move |b| (a, b)));
        all.filter(|&(a, b)| self.phones[a].person != self.phones[b].person)
            .collect()
    }

    pub fn heal_all(&mut self) {
        for pair in self.pairs() {
            self.heal(pair);
        }
    }

    /// A new connection between two that have none.
    pub fn heal(&mut self, pair: (PhoneId, PhoneId)) {
        let link = self.links.entry(pair).or_default();
        if link.epoch % 2 == 1 {
            return;
        }
        link.epoch += 1;
        let epoch = link.epoch;
        let ways = [self.dice.below(400), self.dice.below(400)].map(|ms| self.now + Duration::from_millis(ms));
        let link = self.links.get_mut(&pair).unwrap();
        link.open_at = ways[0].max(ways[1]);
        link.arrives = ways;
        // What one side sends arrives when the other knows of the connection.
        link.arrives.swap(0, 1);
        self.at(ways[0], Event::Came(pair.0, pair.1, epoch));
        self.at(ways[1], Event::Came(pair.1, pair.0, epoch));
    }

    /// The connection breaks: what is on its way is lost, and each side notices when it does.
    pub fn cut(&mut self, pair: (PhoneId, PhoneId)) {
        let Some(link) = self.links.get_mut(&pair) else { return };
        if link.epoch % 2 == 0 {
            return;
        }
        let epoch = link.epoch;
        link.epoch += 1;
        self.at(self.now + LONGEST_BREAK, Event::Heal(pair));
        for (side, other) in [pair, (pair.1, pair.0)] {
            let noticed = Duration::from_millis(self.dice.below(LONGEST_UNNOTICED));
            self.at(self.now + noticed, Event::Went(side, other, epoch));
        }
    }

    fn at(&mut self, time: Time, event: Event) {
        self.events.insert((time, self.next_event), event);
        self.next_event += 1;
    }

    fn device(&self, phone: PhoneId) -> Device {
        let key = key(self.phones[phone].person);
        Device {
            party: Party::Person(key),
            id: DeviceId([phone as u8; 16]),
            key,
        }
    }

    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.broken.is_none() {
            let due = self
                .phones
                .iter()
                .filter_map(|phone| phone.machine.poll_deadline())
                .min();
            let event = self.events.keys().next().map(|&(time, _)| time);
            let next = due.into_iter().chain(event).min().filter(|&time| time <= end);
            let Some(time) = next else { break };
            self.now = time.max(self.now);
            match event {
                Some(event) if event <= time => self.next_event(),
                Some(_) | None => self.deadlines(),
            }
            self.check_moment();
        }
        self.now = end;
        self.check_moment();
    }

    fn deadlines(&mut self) {
        for phone in 0..self.phones.len() {
            self.phones[phone].machine.handle_deadlines(self.now);
            let left = self.phones[phone].machine.poll_deadline();
            self.complain_if(
                left.is_some_and(|at| at <= self.now),
                format!("{phone} leaves undone what is due"),
            );
            self.drain(phone);
        }
    }

    fn next_event(&mut self) {
        let Some((_, event)) = self.events.pop_first() else {
            return;
        };
        match event {
            Event::Heal(pair) => self.heal(pair),
            Event::Came(phone, other, epoch) => {
                if self.link(phone, other).epoch == epoch {
                    self.believe(phone, other, Some(epoch));
                    self.feed(phone, RingInput::DeviceCame(self.device(other)));
                }
            }
            Event::Went(phone, other, epoch) => {
                if self.belief(phone, other) == Some(epoch) {
                    self.believe(phone, other, None);
                    self.feed(phone, RingInput::DeviceWent(self.device(other)));
                }
            }
            Event::Message(to, from, epoch, message) => {
                if self.link(to, from).epoch == epoch {
                    self.feed(to, RingInput::Message(self.device(from), message));
                }
            }
        }
    }

    fn link(&mut self, a: PhoneId, b: PhoneId) -> &mut Link {
        self.links
            .get_mut(&(a.min(b), a.max(b)))
            .expect("all pairs of strangers have a link")
    }

    fn belief(&mut self, phone: PhoneId, other: PhoneId) -> Option<u32> {
        self.link(phone, other).believed[usize::from(phone > other)]
    }

    fn believe(&mut self, phone: PhoneId, other: PhoneId, epoch: Option<u32>) {
        self.link(phone, other).believed[usize::from(phone > other)] = epoch;
    }

    pub fn feed(&mut self, phone: PhoneId, input: RingInput) {
        self.phones[phone].machine.handle(input, self.now);
        self.drain(phone);
        self.note_rings();
    }

    /// A user does something. Nothing happens where the window would not offer it.
    pub fn intend(&mut self, phone: PhoneId, intent: RingIntent) {
        let view = self.phones[phone].machine.view();
        let takes = matches!(&view, Some(view) if view.direction == RingDirection::Incoming);
        match (&intent, &view) {
            (RingIntent::Decline, Some(view)) if takes => {
                self.phones[phone].declined.insert(view.id);
            }
            _ => {}
        }
        self.feed(phone, RingInput::Local(intent));
    }

    pub fn ring(&mut self, phone: PhoneId, person: u8, video: Switch) -> RingId {
        let mut id = [0; 16];
        id.fill_with(|| self.dice.below(256) as u8);
        let id = RingId(id);
        self.ring_as(phone, person, id, video);
        id
    }

    pub fn ring_as(&mut self, phone: PhoneId, person: u8, id: RingId, video: Switch) {
        let intent = RingIntent::Ring {
            to: Party::Person(key(person)),
            id,
            name: format!("friend {person}"),
            video,
            link: format!("https://example.org/j#1.{id}"),
        };
        self.intend(phone, intent);
        let is_taken = self.phones[phone].machine.view().is_some_and(|view| view.id == id);
        if is_taken {
            let (caller, begun, over) = (phone, self.now, None);
            self.rings.insert(id, Told { caller, begun, over });
        }
    }

    /// Leaves a call, and with it whoever is in it.
    pub fn hang_up(&mut self, phone: PhoneId) {
        let Some(call) = self.phones[phone].call else { return };
        for phone in 0..self.phones.len() {
            if self.phones[phone].call == Some(call) {
                self.phones[phone].call = None;
                self.feed(phone, RingInput::Local(RingIntent::InCall(Switch::Off)));
            }
        }
    }

    /// Enters a call that nobody was rung for.
    pub fn enter_other_call(&mut self, phone: PhoneId) {
        if self.phones[phone].call.is_none() {
            self.phones[phone].call = Some(RingId([phone as u8; 16]));
            self.feed(phone, RingInput::Local(RingIntent::InCall(Switch::On)));
        }
    }

    fn drain(&mut self, phone: PhoneId) {
        while let Some(output) = self.phones[phone].machine.poll_output() {
            match output {
                RingOutput::Send(device, message) => {
                    // Heard, though it does not ring.
                    if let RingMessage::Busy { id } = message {
                        self.phones[phone].rung.insert(id);
                        self.phones[phone].refused.insert(id);
                    }
                    self.deliver(phone, usize::from(device.id.0[0]), message);
                }
                RingOutput::StartCall(call) => {
                    self.complain_if(self.phones[phone].call.is_some(), format!("{phone} is in two calls"));
                    let before = self.phones[phone].started.insert(call.ring, call.role);
                    self.complain_if(before.is_some(), format!("{phone} is called twice by {}", call.ring));
                    self.phones[phone].call = Some(call.ring);
                    self.check_crossing(phone, call.ring);
                }
                RingOutput::CallOff(id) => self.call_off(phone, id),
                RingOutput::Rings => {
                    let view = self.phones[phone].machine.view().expect("it rings");
                    self.phones[phone].rung.insert(view.id);
                }
                RingOutput::Ended {
                    ring,
                    direction,
                    outcome,
                    ..
                } => self.phones[phone].ended.push((ring, direction, outcome)),
                RingOutput::Missed { ring, .. } => *self.phones[phone].missed.entry(ring).or_default() += 1,
            }
        }
        self.note_rings();
    }

    /// Leaves the call unless somebody is in it.
    fn call_off(&mut self, phone: PhoneId, id: RingId) {
        let others = self.phones.iter().filter(|other| other.call == Some(id)).count();
        if self.phones[phone].call == Some(id) && others == 1 {
            self.phones[phone].called_off += 1;
            self.phones[phone].call = None;
            self.feed(phone, RingInput::Local(RingIntent::InCall(Switch::Off)));
        }
    }

    fn deliver(&mut self, from: PhoneId, to: PhoneId, message: RingMessage) {
        let belief = self.belief(from, to);
        let way = Duration::from_millis(self.dice.below(LONGEST_WAY.as_millis() as u64));
        let arrives = self.now + way;
        let side = usize::from(from > to);
        let link = self.link(from, to);
        if belief == Some(link.epoch) {
            let arrives = arrives.max(link.arrives[side]);
            link.arrives[side] = arrives;
            let epoch = link.epoch;
            self.at(arrives, Event::Message(to, from, epoch, message));
        }
    }

    /// Notes which rings are over for their callers.
    fn note_rings(&mut self) {
        for (id, told) in &mut self.rings {
            let view = self.phones[told.caller].machine.view();
            let is_it = |view: &RingView| view.id == *id && view.stage != RingStage::Accepted;
            if told.over.is_none() && !view.as_ref().is_some_and(is_it) {
                told.over = Some(self.now);
                let accepting = view.filter(|view| (view.direction, view.stage) == (INCOMING, RingStage::Accepted));
                self.gave_way.extend(accepting.map(|view| (*id, view.id)));
            }
        }
    }

    fn complain_if(&mut self, wrong: bool, complaint: String) {
        if wrong && self.broken.is_none() {
            self.broken = Some(format!("at {:?}: {complaint}", self.now));
        }
    }

    /// A call that two devices rang for at once must not be followed by a second one of theirs.
    fn check_crossing(&mut self, phone: PhoneId, id: RingId) {
        let Some(&this) = self.rings.get(&id) else {
            return self.complain_if(true, format!("{phone} is called by a ring that nobody made"));
        };
        let both = [this.caller, phone];
        for (other, told) in self.rings.clone() {
            let overlaps = told.begun <= this.over.unwrap_or(self.now) && this.begun <= told.over.unwrap_or(self.now);
            let callee_of_other = self
                .phones
                .iter()
                .position(|phone| phone.started.get(&other) == Some(&CallRole::Callee));
            let same_two = both.contains(&told.caller) && callee_of_other.is_some_and(|callee| both.contains(&callee));
            self.complain_if(
                other != id && phone != this.caller && overlaps && same_two,
                format!("{other} and {id} crossed and both became calls"),
            );
        }
    }

    /// Two who ring each other notice, and one of them gives way, not both.
    fn check_mutual(&mut self) {
        let mutual = self
            .gave_way
            .iter()
            .any(|(one, other)| self.gave_way.get(other) == Some(one));
        self.complain_if(mutual, "both gave way".to_owned());
        let ringing = |phone: &Phone| match phone.machine.view()? {
            RingView {
                direction: RingDirection::Outgoing,
                stage,
                party,
                id,
                ..
            } if stage != RingStage::Accepted => Some((party, id)),
            _ => None,
        };
        for (a, b) in self.pairs() {
            let (Some(of_a), Some(of_b)) = (ringing(&self.phones[a]), ringing(&self.phones[b])) else {
                continue;
            };
            let to = |phone: PhoneId| Party::Person(key(self.phones[phone].person));
            let link = *self.links.get(&(a, b)).expect("all pairs of strangers have a link");
            let begun = self
                .rings
                .get(&of_a.1)
                .zip(self.rings.get(&of_b.1))
                .map(|(a, b)| a.begun.max(b.begun));
            let since = begun.map_or(self.now, |begun| begun.max(link.open_at));
            let crosses = (of_a.0, of_b.0) == (to(b), to(a)) && link.epoch % 2 == 1;
            // A way for the ring, one for the answer, and one more when that is a no that was lost before.
            let complaint = format!("{a} and {b} ring each other since {since:?}");
            self.complain_if(crosses && self.now - since > LONGEST_WAY * 3, complaint);
        }
    }

    /// What must hold at every moment.
    fn check_moment(&mut self) {
        self.check_mutual();
        for phone in 0..self.phones.len() {
            let Some(view) = self.phones[phone].machine.view() else {
                continue;
            };
            if view.direction == RingDirection::Outgoing {
                continue;
            }
            let Some(&told) = self.rings.get(&view.id) else {
                self.complain_if(true, format!("{phone} rings, but nobody rang"));
                continue;
            };
            let Some(over) = told.over else { continue };
            let since = self.now - over;
            let link = *self.link(phone, told.caller);
            let is_connected = link.epoch % 2 == 1 && link.open_at <= over;
            let (most, why) = match view.stage {
                RingStage::Ringing if is_connected => (LONGEST_WAY, "although it was told"),
                // The user may accept in the last moment, and waits as long again.
                RingStage::Accepted if is_connected => (LONGEST_WAY * 2, "although it was told, accepting"),
                RingStage::Accepted => (LONGEST_WAY + RING_SILENCE * 2, "accepting a ghost"),
                RingStage::Reaching | RingStage::Ringing => (LONGEST_WAY + RING_SILENCE, "a ghost"),
            };
            self.complain_if(
                since > most,
                format!("{phone} rings {since:?} after {} was over: {why}", view.id),
            );
        }
    }

    /// What must hold when nothing happens any more.
    pub fn check_rest(&mut self) {
        for phone in 0..self.phones.len() {
            let state = format!("{:?}", self.phones[phone].machine.view());
            self.complain_if(state != "None", format!("{phone} has not come to rest: {state}"));
            let timer = self.phones[phone].machine.poll_deadline();
            self.complain_if(timer.is_some(), format!("{phone} waits for something"));
        }
        for id in self.rings.keys().copied().collect::<Vec<_>>() {
            self.check_ring(id);
        }
    }

    fn check_ring(&mut self, id: RingId) {
        let told = self.rings[&id];
        let with = |role| {
            let has_role = move |phone: &&Phone| phone.started.get(&id) == Some(&role);
            self.phones.iter().filter(has_role).count()
        };
        let (callers, callees) = (with(CallRole::Caller), with(CallRole::Callee));
        self.complain_if(
            callers > 1 || callees > 1,
            format!("{id} became {callers} and {callees} calls"),
        );
        self.complain_if(callees > callers, format!("{id}: a call without its caller"));
        let inside: Vec<_> = (0..self.phones.len())
            .filter(|&phone| self.phones[phone].call == Some(id))
            .collect();
        self.complain_if(inside.len() == 1, format!("{inside:?} sits alone in the call of {id}"));
        let ends = |phone: &Phone| phone.ended.iter().filter(|ended| ended.0 == id).count();
        let own_ends = ends(&self.phones[told.caller]);
        self.complain_if(
            own_ends + callers > 1,
            format!("{id} ended {own_ends} times and started {callers} calls"),
        );
        for phone in 0..self.phones.len() {
            self.check_missed(phone, id);
        }
    }

    fn check_missed(&mut self, index: PhoneId, id: RingId) {
        let phone = &self.phones[index];
        let missed = phone.missed.get(&id).copied().unwrap_or(0);
        let of_it = || {
            phone
                .ended
                .iter()
                .filter(|ended| ended.0 == id && ended.1 == RingDirection::Incoming)
        };
        let last = of_it().next_back().map(|ended| ended.2);
        let was_silent = of_it().count() > usize::from(!phone.started.contains_key(&id));
        let dealt_with = phone.started.contains_key(&id)
            || matches!(last, Some(RingOutcome::Declined | RingOutcome::AnsweredElsewhere));
        let heard = phone.rung.contains(&id) || last.is_some();
        let complaint = match (missed, heard && !dealt_with) {
            (2.., _) => Some("twice"),
            (0, true) => Some("not at all"),
            (1, false) if dealt_with && !was_silent && !phone.refused.contains(&id) => {
                Some("although it was not missed")
            }
            (0 | 1, _) => None,
        };
        if let Some(complaint) = complaint {
            self.complain_if(true, format!("{index} has {id} in the list {complaint}"));
        }
    }
}
