//! What a user can do about the people in a call and about its door, and the cards this is done in.

use call_engine::PeerKey;

use crate::ui::theme::Icon;
use crate::ui::ui_command::Face;
#[cfg(doc)]
use crate::ui::ui_command::UiCommand;

/// One intent of the user in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallCommand {
    /// Open a card; the one that is open is put away.
    Open(Card),
    /// Put the card away.
    Close,
    /// Let somebody in, or go on with somebody whose key has changed.
    Admit(PeerKey),
    /// Keep somebody out, or send them out.
    Refuse(PeerKey),
    /// The symbols are the same.
    SymbolsMatch(PeerKey),
    /// As host: nobody new gets in. Other doors are remembered: [`UiCommand::ChooseDoor`].
    LockDoor,
}

/// A card over the call. One at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Card {
    /// Who somebody is, and which way the connection takes.
    Person(PeerKey),
    /// The four symbols.
    Symbols(PeerKey),
    /// What to do when they differ.
    SymbolsDiffer(PeerKey),
    /// The link and the code for others.
    Invite,
    /// Who may enter.
    Door,
}

impl CallCommand {
    /// Label and icon of those that are a button everywhere alike.
    #[must_use]
    pub fn face(self) -> Option<Face> {
        let face = |label, icon| {
            Some(Face {
                label,
                icon,
                shortcut: None,
            })
        };
        match self {
            Self::Open(Card::Invite) => face("call-invite", Some(Icon::Link)),
            Self::Open(Card::Symbols(_)) => face("symbols-compare", Some(Icon::Symbols)),
            Self::Open(Card::SymbolsDiffer(_)) => face("symbols-differ", Some(Icon::Close)),
            Self::SymbolsMatch(_) => face("symbols-match", Some(Icon::Check)),
            Self::Close => face("action-dismiss", Some(Icon::Close)),
            // Their words depend on whom or what they are about.
            Self::Open(Card::Person(_) | Card::Door) | Self::Admit(_) | Self::Refuse(_) | Self::LockDoor => None,
        }
    }
}
