//! Links as they arrive: whole, decorated, damaged, and made of noise.

use proptest::prelude::*;

use super::*;

const LINK: &str = "https://visavis.example/j#1.AAECAwQFBgcICQoLDA0ODw.CjkAd1KZMpwEvp-_iuGKHA";

fn parse(text: &str) -> Result<Invite, InviteError> {
    text.parse()
}

fn invite_to(server: &str) -> Invite {
    Invite {
        server: server.parse().expect(server),
        ..parse(LINK).expect(LINK)
    }
}

/// Expected values made with Python's hmac and hashlib, which share no code with ring.
#[test]
fn derivations_match_an_independent_implementation() {
    let invite = parse(LINK).expect(LINK);
    assert_eq!(invite.secret, std::array::from_fn(|i| i as u8));
    assert_eq!(invite.room_id().to_string(), "IziTmvwICFkg-KwI_U6cpw");
    let public_key = std::array::from_fn(|i| 32 + i as u8);
    assert_eq!(invite.host_tag, host_tag(&public_key));
}

/// Made with Python's hmac and hashlib: RFC 5869 with the salt "visavis/1" and the info "room" or "noise-psk".
#[test]
fn keys_match_an_independent_implementation() {
    for (secret, room, psk) in [
        (
            std::array::from_fn(|i| i as u8),
            "2338939afc08085920f8ac08fd4e9ca7",
            "eb0f87ae0432c721d7a73aa713d5d5e8602ca97a94af23d6a7f79d6e832f79c9",
        ),
        (
            [0; ID_BYTES],
            "69b9072b6bb347fad9c57113c399dc46",
            "83f673c613653888d8b300fc3bee3aabcd5dae26005407a331d5020b0e6ff793",
        ),
        (
            [0xff; ID_BYTES],
            "b27cdcab30a19e1e074fef76265c90b4",
            "b81b220d9b9faad4b59ab41f544d45e7c3b6c2339fc75716f838586bbcc3f4e0",
        ),
    ] {
        assert_eq!(hex(&room_id(&secret).0), room);
        assert_eq!(hex(&noise_psk(&secret)), psk);
        let invite = Invite {
            secret,
            ..parse(LINK).expect(LINK)
        };
        assert_eq!(invite.room_id(), room_id(&secret));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_new_invite_is_for_this_host_and_a_new_room() {
    let server: ServerAddress = "ws://10.0.0.2:4443".parse().expect("an address");
    let [first, second] = [(); 2].map(|()| Invite::new(server.clone(), &[7; 32]).expect("random numbers"));
    assert_eq!(first.host_tag, host_tag(&[7; 32]));
    assert_eq!(first.host_tag, second.host_tag);
    assert_ne!(first.room_id(), second.room_id());
}

#[test]
fn the_form_of_a_link_follows_the_server() {
    const IDS: &str = "/j#1.AAECAwQFBgcICQoLDA0ODw.CjkAd1KZMpwEvp-_iuGKHA";
    for (server, start) in [
        ("wss://visavis.example", "https://visavis.example"),
        ("wss://visavis.example:4443", "https://visavis.example:4443"),
        ("wss://10.0.0.2", "https://10.0.0.2"),
        ("wss://localhost:1", "https://localhost:1"),
        ("ws://visavis.example:80", "http://visavis.example:80"),
        ("ws://10.0.0.2:4443", "visavis://10.0.0.2:4443"),
        ("ws://[::1]:4443", "visavis://[::1]:4443"),
        ("ws://localhost", "visavis://localhost"),
    ] {
        let invite = invite_to(server);
        assert_eq!(invite.link(), format!("{start}{IDS}"));
        assert_eq!(parse(&invite.link()), Ok(invite));
    }
}

#[test]
fn the_application_scheme_means_tls_for_named_servers() {
    let link = LINK.replace("https", "visavis");
    assert_eq!(parse(&link), parse(LINK));
}

#[test]
fn what_chat_programs_add_is_tolerated() {
    for decorated in [
        format!("  {LINK}\r\n"),
        format!("<{LINK}>"),
        format!("\"{LINK}\","),
        format!("«{LINK}»."),
        format!("({LINK})!"),
        format!("\u{feff}{LINK}\u{200b}"),
        LINK.replace("https", "HTTPS"),
        LINK.replace("visavis.example", "Visavis.EXAMPLE"),
        LINK.replace("/j#", "/j/#"),
        LINK.replace("/j#", "/j?fbclid=abc#"),
        LINK.replace('#', "%23"),
    ] {
        assert_eq!(parse(&decorated), parse(LINK), "{decorated}");
    }
}

#[test]
fn each_fault_has_its_own_sentence() {
    use InviteError as E;
    let server_fault = |error| E::Server(error);
    for (text, error) in [
        ("", E::Empty),
        (" <\"\"> ", E::Empty),
        ("hello", E::NotALink),
        ("ftp://visavis.example/j#1.a.b", E::NotALink),
        ("https://visavis.example/", E::NotALink),
        ("https://visavis.example/k#1.a.b", E::NotALink),
        ("https://visavis.example/j#top", E::NotALink),
        ("https://visavis.example/j#.a.b", E::NotALink),
        ("https:///j#1.a.b", E::NoServer),
        ("visavis://", E::NoServer),
        ("https://visavis.example/j", E::CutOff),
        ("https://visavis.example/j#", E::CutOff),
        ("visavis://visavis.exam", E::CutOff),
        (
            "https://visavis.example/j#0.AAECAwQFBgcICQoLDA0ODw.CjkAd1KZMpwEvp-_iuGKHA",
            E::Older,
        ),
        ("https://visavis.example/j#2.anything at all", E::Newer),
        ("https://visavis.example/j#99999999999999999999.x", E::Newer),
        (
            "https://visavis.example/j#1.AAECAwQFBgcICQoLDA0ODw.CjkAd1KZ=",
            E::WrongCharacters,
        ),
        (
            "https://visavis.example/j#1.AAECAwQFB gcICQoLDA0ODw.CjkAd1KZMpwEvp-_iuGKHA",
            E::WrongCharacters,
        ),
        (
            "https://visavis.example/j#1.AAECAwQFBgcICQoLDA0OD.CjkAd1KZMpwEvp-_iuGKHA",
            E::WrongCharacters,
        ),
        (
            "https://visavis.example/j#1.AAECAwQFBgcICQoLDA0ODwCjkAd1KZMpwEvp-_iuGKHA",
            E::WrongCharacters,
        ),
        // The last character holds two bits of the 16 bytes; the rest of it must be zero.
        (
            "https://visavis.example/j#1.AAECAwQFBgcICQoLDA0ODx.CjkAd1KZMpwEvp-_iuGKHA",
            E::WrongCharacters,
        ),
        (
            "https://visavis.example/j#1.AAECAwQFBgcICQoLDA0ODw.CjkAd1KZMpwEvp-_iuGKHAx",
            E::Extra,
        ),
        (
            "https://visavis.example/j#1.AAECAwQFBgcICQoLDA0ODw.CjkAd1KZMpwEvp-_iuGKHA.x",
            E::Extra,
        ),
        (
            "https://visavis.example:0/j#1.AAECAwQFBgcICQoLDA0ODw.CjkAd1KZMpwEvp-_iuGKHA",
            server_fault(ServerAddressError::Port),
        ),
        (
            "https://me@visavis.example/j#1.AAECAwQFBgcICQoLDA0ODw.CjkAd1KZMpwEvp-_iuGKHA",
            server_fault(ServerAddressError::Host),
        ),
    ] {
        assert_eq!(parse(text), Err(error), "{text}");
    }
    assert_eq!(parse(&format!("{LINK}{}", "A".repeat(MAX_LINK_BYTES))), Err(E::TooLong));
}

#[test]
fn a_link_cut_anywhere_after_the_secret_begins_is_cut_off() {
    let start = LINK.find('#').expect("a fragment");
    for end in start..LINK.len() {
        assert_eq!(parse(&LINK[..end]), Err(InviteError::CutOff), "{}", &LINK[..end]);
    }
}

#[test]
fn debug_output_keeps_the_secret() {
    let text = format!("{:?} {:#?}", parse(LINK), parse(LINK));
    assert!(text.contains("visavis.example"));
    assert!(
        !text.contains("secret") && !text.contains("AAECAw") && !text.contains("1, 2, 3"),
        "{text}"
    );
}

proptest! {
    #[test]
    fn any_text_is_an_invite_or_an_error(text in "\\PC{0,80}") {
        if let Ok(invite) = parse(&text) {
            prop_assert_eq!(parse(&invite.link()), Ok(invite));
        }
    }

    #[test]
    fn a_damaged_link_is_an_invite_or_an_error(at in 0..LINK.len(), count in 0..4usize, with in "\\PC{0,3}") {
        let mut text = LINK.to_owned();
        text.replace_range(at..LINK.len().min(at + count), &with);
        if let Ok(invite) = parse(&text) {
            prop_assert_eq!(parse(&invite.link()), Ok(invite));
        }
    }

    #[test]
    fn every_invite_survives_its_link(
        secret: [u8; ID_BYTES], host_tag: [u8; ID_BYTES], port: Option<std::num::NonZeroU16>, tls: bool,
        host in "[a-z][a-z0-9]{0,8}(\\.[a-z]{2,6})?|localhost|127\\.0\\.0\\.[1-9]|\\[::[1-9a-f]\\]",
    ) {
        let security = if tls { Security::Tls } else { Security::Plain };
        let server = ServerAddress { security, host, port: port.map(Into::into) };
        let invite = Invite { server, secret, host_tag };
        prop_assert_eq!(parse(&invite.link()), Ok(invite));
    }
}
