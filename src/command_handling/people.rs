//! What the user wants of people: ring, take a call, call a contact something else.

use call_engine::{CallPhase, Command, ContactSnapshot, RingDirection, Switch};

use super::{Desk, clean_name, send, tell_how_we_come};
use crate::view_state::{CallPurpose, Callee, ContactEdit};

/// Rings somebody. Outside a call the devices open at once: one sees oneself before the other does.
pub fn ring(desk: &mut Desk<'_>, whom: Callee, video: Switch) {
    desk.view.notice = None;
    desk.view.contact_edit = None;
    if !is_in_call(desk) {
        come_with(desk, video);
        send(desk, Command::OpenDevices);
    }
    desk.view.last_purpose = Some(CallPurpose::Ring {
        whom: whom.clone(),
        video,
    });
    send(desk, ring_command(whom, video));
}

/// What rings them.
pub fn ring_command(whom: Callee, video: Switch) -> Command {
    match whom {
        Callee::Contact(contact) => Command::Ring { contact, video },
        Callee::Nearby(id) => Command::RingNearby { id, video },
    }
}

/// Takes the call of whoever rings.
pub fn accept(desk: &mut Desk<'_>, video: Switch) {
    let Some(ring) = &desk.snapshot.people.ring else {
        return;
    };
    if ring.direction != RingDirection::Incoming {
        return;
    }
    // Who hangs up too early can ring back.
    desk.view.last_purpose = ring.key.map(|key| CallPurpose::Ring {
        whom: Callee::Contact(key),
        video,
    });
    desk.view.notice = None;
    // A call that is left for this one keeps its switches to its end: the engine takes the rest from the command.
    if !is_in_call(desk) {
        come_with(desk, video);
    }
    send(desk, Command::AcceptRing { video });
}

fn is_in_call(desk: &Desk<'_>) -> bool {
    let call = desk.snapshot.call.as_ref();
    call.is_some_and(|call| !matches!(call.phase, CallPhase::Ended(_)))
}

/// Prepares a call with our voice, and with our picture if it is wanted.
fn come_with(desk: &mut Desk<'_>, video: Switch) {
    desk.view.last_elapsed = None;
    desk.view.wanted_microphone = Switch::On;
    desk.view.wanted_camera = video;
    tell_how_we_come(desk);
}

/// Calls a contact what was typed; an empty name changes nothing.
pub fn keep_contact_name(desk: &mut Desk<'_>) {
    let Some(ContactEdit::Renaming { contact, name }) = desk.view.contact_edit.take() else {
        return;
    };
    let name = clean_name(&name);
    let is_new = |known: &ContactSnapshot| known.key == contact && known.name != name;
    if !name.is_empty() && desk.snapshot.people.contacts.iter().any(is_new) {
        send(desk, Command::RenameContact { contact, name });
    }
}
