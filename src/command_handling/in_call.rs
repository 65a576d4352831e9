//! Performs what the user wants in a call: cards are the window's, everything else is the engine's.

use call_engine::{Command, Door};

use super::{Desk, send};
use crate::ui::call_command::{CallCommand, Card};

/// Performs one command.
pub fn handle(command: CallCommand, desk: &mut Desk<'_>) {
    match command {
        CallCommand::Open(card) if desk.view.card == Some(card) => desk.view.card = None,
        CallCommand::Open(card) => desk.view.card = Some(card),
        CallCommand::Close => desk.view.card = None,
        CallCommand::Admit(peer) => send(desk, Command::Admit(peer)),
        CallCommand::Refuse(peer) => {
            desk.view.card = None;
            send(desk, Command::Refuse(peer));
        }
        CallCommand::SymbolsMatch(peer) => {
            // There the badge says what came of it.
            desk.view.card = Some(Card::Person(peer));
            send(desk, Command::SymbolsMatch(peer));
        }
        CallCommand::LockDoor => send(desk, Command::SetDoor(Door::Locked)),
    }
}
