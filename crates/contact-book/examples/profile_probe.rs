//! Opens a profile and says what is in it: for trying a keyring by hand.
//!
//! In: `profile_probe FOLDER [--file] [--again] [--replace] [--meet NAME]`. Out: where the key is, who we are, whom we
//! know, and how long opening took.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use contact_book::{KeyStoreKind, Profile};
use trust::{Entropy, IdentityKey};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = PathBuf::from(arguments.first().ok_or("which folder?")?);
    let asked = |option: &str| arguments.iter().any(|argument| argument == option);
    let kind = if asked("--file") {
        KeyStoreKind::File
    } else {
        KeyStoreKind::Keyring
    };
    let mut entropy = Entropy::from_system()?;

    let before = Instant::now();
    let (mut profile, notices) = Profile::open(Some(&folder), kind, &mut entropy)?;
    println!("opened in {} ms", before.elapsed().as_millis());
    for notice in &notices {
        println!("notice: {notice}");
    }
    if asked("--again") {
        profile.ask_keyring_again()?;
    }
    if asked("--replace") {
        println!("was: {}", profile.identity().public());
        profile.replace_identity(IdentityKey::generate(&mut entropy))?;
    }
    if let Some(at) = arguments.iter().position(|argument| argument == "--meet") {
        let name = arguments.get(at + 1).ok_or("whom?")?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        profile
            .book()
            .met(&IdentityKey::generate(&mut entropy).public(), name, &[], now)?;
    }
    println!("storage: {:?}", profile.storage());
    println!("public key: {}", profile.identity().public());
    for contact in profile.book().contacts()? {
        println!("contact: {contact:?}");
    }
    for missed in profile.book().missed()? {
        println!("missed: {missed:?}");
    }
    Ok(())
}
