//! One screen a file.

pub mod call;
pub mod call_words;
pub mod ended;
pub mod home;
pub mod identity;
pub mod lobby;
pub mod people;
pub mod ring;
pub mod settings;
