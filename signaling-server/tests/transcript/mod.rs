//! Transcripts: a command a line, and after it what follows from it, a line each that starts with `>`.

use signaling_protocol::{ServerMessage, Slot};
use signaling_server::outcome::{Goodbye, Outcome};

/// Plays the commands of a script and compares what follows from each.
pub fn play(script: &str, mut perform: impl FnMut(&str) -> Outcome) {
    let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty()).peekable();
    while let Some(command) = lines.next() {
        let mut expected = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('>')) {
            expected.push(line.to_owned());
        }
        assert_eq!(describe(&perform(command)), expected, "after `{command}`");
    }
}

fn describe(outcome: &Outcome) -> Vec<String> {
    let messages = outcome
        .messages
        .iter()
        .map(|(to, message)| format!("> {} {}", to.0, describe_message(message)));
    let disconnects = outcome.disconnects.iter().map(|(connection, goodbye)| match goodbye {
        Goodbye::Left => format!("> {} bye left", connection.0),
        Goodbye::TakenOver => format!("> {} bye taken over", connection.0),
        Goodbye::Refused { code, .. } => format!("> {} bye {code:?}", connection.0),
    });
    messages.chain(disconnects).collect()
}

fn describe_message(message: &ServerMessage) -> String {
    match message {
        ServerMessage::Joined {
            v,
            slot,
            token,
            members,
            resumed,
        } => {
            let how = if *resumed { "resumed" } else { "new" };
            format!("joined v{v} {}/{} {:?} {how}", slot.0, token.0[0], numbers(members))
        }
        ServerMessage::PeerJoined { slot } => format!("peer_joined {}", slot.0),
        ServerMessage::PeerAway { slot } => format!("peer_away {}", slot.0),
        ServerMessage::PeerBack { slot } => format!("peer_back {}", slot.0),
        ServerMessage::PeerLeft { slot, reason } => format!("peer_left {} {reason:?}", slot.0),
        ServerMessage::Relay { from, blob } => format!("relay from {} {}", from.0, blob.0.len()),
        ServerMessage::Listening { v, topics } => {
            let topics = topics.iter().map(|state| {
                let others = numbers(&state.others);
                format!(" {}{} {others:?}", char::from(state.topic.0[0]), state.slot.0)
            });
            format!("listening v{v}{}", topics.collect::<String>())
        }
        ServerMessage::ListenerCame { topic, slot } => format!("came {}{}", char::from(topic.0[0]), slot.0),
        ServerMessage::ListenerWent { topic, slot } => format!("went {}{}", char::from(topic.0[0]), slot.0),
        ServerMessage::Posted { topic, from, blob } => {
            format!("posted {}{} {}", char::from(topic.0[0]), from.0, blob.0.len())
        }
        ServerMessage::Error { code, .. } => format!("error {code:?}"),
    }
}

fn numbers(slots: &[Slot]) -> Vec<u32> {
    slots.iter().map(|slot| slot.0).collect()
}
