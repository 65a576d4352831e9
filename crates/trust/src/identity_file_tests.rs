use super::*;
use crate::entropy::Entropy;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const PASSPHRASE: &str = "верная лошадь 7";
/// Two kilobytes and no time.
const LITTLE_WORK: u8 = 1;

fn identity() -> IdentityKey {
    IdentityKey::generate(&mut Entropy::from_seed([1; 32]))
}

fn file() -> Vec<u8> {
    export_with_work(&identity(), "Анна", PASSPHRASE, LITTLE_WORK).unwrap()
}

/// An age file of our passphrase with something else inside.
fn file_with(plain: &str) -> Vec<u8> {
    let mut recipient = scrypt::Recipient::new(SecretString::from(PASSPHRASE));
    recipient.set_work_factor(LITTLE_WORK);
    age::encrypt_and_armor(&recipient, plain.as_bytes())
        .unwrap()
        .into_bytes()
}

fn refused(bytes: &[u8]) -> IdentityFileError {
    import(bytes, PASSPHRASE).unwrap_err()
}

#[test]
fn what_was_exported_is_imported() {
    for name in ["Анна", "", "\"quoted\"\n", &"долгое ".repeat(100)] {
        let file = export_with_work(&identity(), name, PASSPHRASE, LITTLE_WORK).unwrap();
        assert!(file.starts_with(ARMOR) && file.is_ascii());
        let (key, read) = import(&file, PASSPHRASE).unwrap();
        assert_eq!((key.public(), read.as_str()), (identity().public(), name));
        assert_eq!(key.to_bytes(), identity().to_bytes());
    }
}

#[test]
fn a_name_without_end_is_cut() {
    let file = export_with_work(&identity(), &"😀".repeat(100_000), PASSPHRASE, LITTLE_WORK).unwrap();
    assert!(file.len() < MAX_FILE_BYTES);
    assert_eq!(import(&file, PASSPHRASE).unwrap().1, "😀".repeat(MAX_NAME_CHARACTERS));
}

/// Once with the work that people's files get.
#[test]
fn the_work_of_a_real_file_is_within_what_is_imported() {
    let file = export(&identity(), "Анна", PASSPHRASE).unwrap();
    assert_eq!(import(&file, PASSPHRASE).unwrap().0.public(), identity().public());
    assert_eq!(
        import_with_work(&file, PASSPHRASE, WORK_FACTOR - 1).unwrap_err(),
        IdentityFileError::TooMuchWork
    );
}

#[test]
fn a_file_survives_mail_programs_and_editors() {
    let file = String::from_utf8(file()).unwrap();
    for changed in [
        file.replace('\n', "\r\n"),
        file.trim_end().to_owned(),
        format!("\u{feff}{file}"),
        format!("\n\n  {file}\n\n"),
    ] {
        assert_eq!(import(changed.as_bytes(), PASSPHRASE).unwrap().1, "Анна");
    }
    let mut binary = Vec::new();
    age::armor::ArmoredReader::new(file.as_bytes())
        .read_to_end(&mut binary)
        .unwrap();
    assert_eq!(import(&binary, PASSPHRASE).unwrap().1, "Анна");
}

#[test]
fn each_fault_has_its_name() {
    assert_eq!(
        import(&file(), "another passphrase").unwrap_err(),
        IdentityFileError::WrongPassphrase
    );
    assert_eq!(import(&file(), "").unwrap_err(), IdentityFileError::WrongPassphrase);
    for other in [
        &b""[..],
        b"{}",
        b"hello",
        &[0; 100],
        &vec![b'-'; MAX_FILE_BYTES + 1],
        &file_with("somebody's diary"),
        &file_with(r#"{"format":"diary","version":1}"#),
        &age::encrypt_and_armor(&age::x25519::Identity::generate().to_public(), b"x")
            .unwrap()
            .into_bytes(),
    ] {
        assert_eq!(refused(other), IdentityFileError::NotAnIdentityFile);
    }
    assert_eq!(
        refused(&file_with(r#"{"format":"visavis-identity","version":2,"keys":[]}"#)),
        IdentityFileError::Newer
    );
    assert_eq!(
        refused(b"age-encryption.org/v2\n-> something else that takes more room\n--- x\n"),
        IdentityFileError::Newer
    );
    for damaged in [
        r#"{"format":"visavis-identity","version":1,"name":"A"}"#,
        r#"{"format":"visavis-identity","version":1,"name":"A","private_key":"AAAA"}"#,
    ] {
        assert_eq!(refused(&file_with(damaged)), IdentityFileError::Damaged);
    }
    // Cut off after the lines that the passphrase opens.
    let whole = file();
    assert_eq!(refused(&whole[..whole.len() - 60]), IdentityFileError::Damaged);
}

#[test]
fn a_short_passphrase_locks_nothing() {
    for short in ["", "1234567", "семь ёё"] {
        let refused = export_with_work(&identity(), "Anna", short, LITTLE_WORK);
        assert_eq!(refused.unwrap_err(), IdentityFileError::PassphraseTooShort);
    }
    assert!(export_with_work(&identity(), "Anna", "12345678", LITTLE_WORK).is_ok());
}

/// A file that would take hours and terabytes.
#[test]
fn a_hostile_file_does_not_hang_us() {
    let salt = "A".repeat(21) + "g";
    let body = "A".repeat(43);
    for (work, error) in [
        ("20", IdentityFileError::TooMuchWork),
        ("63", IdentityFileError::TooMuchWork),
        ("255", IdentityFileError::TooMuchWork),
        ("999999", IdentityFileError::Damaged),
    ] {
        let file = format!("age-encryption.org/v1\n-> scrypt {salt} {work}\n{body}\n--- {body}\n0123456789abcdef");
        assert_eq!(refused(file.as_bytes()), error, "{work}");
    }
}

#[test]
fn the_key_is_not_in_the_file() {
    let file = file();
    let mut binary = Vec::new();
    age::armor::ArmoredReader::new(file.as_slice())
        .read_to_end(&mut binary)
        .unwrap();
    let secret = identity().to_bytes();
    assert!(!binary.windows(8).any(|part| part == &secret[..8]));
    assert!(!binary.windows(7).any(|part| part == b"visavis"));
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(5),
        ..ProptestConfig::default()
    })]

    /// Whatever is changed, there is an error or the very same identity: never another one, never a panic.
    #[test]
    fn a_changed_file_never_gives_another_identity(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        truncate: bool,
        binary: bool,
    ) {
        let mut bytes = file();
        if binary {
            let armored = bytes.split_off(0);
            age::armor::ArmoredReader::new(armored.as_slice()).read_to_end(&mut bytes).unwrap();
        }
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok((key, name)) = import_with_work(&bytes, PASSPHRASE, 9) {
            prop_assert_eq!(key.public(), identity().public());
            prop_assert_eq!(name, "Анна");
        }
    }
}
