//! The HTTP part of a connection: one request, answered by a WebSocket or by words.
//!
//! The head is read here and not by tungstenite's `accept`, which leaves a request without upgrade headers unanswered:
//! a person who opens a link in a browser has to be told what to do with it.

use std::fmt::Write as _;

use signaling_protocol::limits::MAX_UPGRADE_HEAD_BYTES;
use signaling_protocol::{PROTOCOL_VERSION, SUBPROTOCOL, WEBSOCKET_PATH};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};

use crate::admission::Refusal;

/// What `/j` shows. It has no scripts: the fragment of the link stays in the address bar.
const INVITE_PAGE: &str = include_str!("invite_page.html");
/// What ends a request's head.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Write the answer, then go on as a WebSocket; `tail` came in after the head.
    Upgrade { answer: Vec<u8>, tail: Vec<u8> },
    /// Write the answer, then close.
    Answer(Vec<u8>),
    /// The client went away, or never sent a head.
    Gone,
}

/// Reads the request and judges it. Bytes read are bounded, time is the caller's business.
pub(crate) async fn receive(stream: &mut (impl AsyncRead + Unpin), refusal: Option<Refusal>) -> Verdict {
    let mut received = Vec::new();
    loop {
        let searched = received.len().saturating_sub(END_OF_HEAD.len() - 1);
        let space = MAX_UPGRADE_HEAD_BYTES - received.len();
        match stream.take(space as u64).read_buf(&mut received).await {
            Ok(0) | Err(_) => return Verdict::Gone,
            Ok(_) => {}
        }
        // A TLS client on a port without TLS would otherwise wait for its time-out.
        if !received[0].is_ascii_alphabetic() {
            return not_understood();
        }
        if received[searched..]
            .windows(END_OF_HEAD.len())
            .any(|window| window == END_OF_HEAD)
        {
            return judge(&received, refusal);
        }
        if received.len() == MAX_UPGRADE_HEAD_BYTES {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return words(status, &[], "The head of the request is too large.");
        }
    }
}

/// The answer to a client that takes too long to ask.
pub(crate) fn too_late() -> Verdict {
    words(StatusCode::REQUEST_TIMEOUT, &[], "The request did not arrive in time.")
}

fn judge(received: &[u8], refusal: Option<Refusal>) -> Verdict {
    let (head_bytes, request) = match Request::try_parse(received) {
        Ok(Some(parsed)) => parsed,
        Err(Error::Protocol(ProtocolError::WrongHttpMethod)) => {
            return words(
                StatusCode::METHOD_NOT_ALLOWED,
                &[("Allow", "GET")],
                "Only GET is understood here.",
            );
        }
        Ok(None) | Err(_) => return not_understood(),
    };
    match refusal {
        Some(Refusal::ServerFull) => {
            let text = "This server has as many connections as it can bear: try again in a minute.";
            return words(StatusCode::SERVICE_UNAVAILABLE, &[("Retry-After", "60")], text);
        }
        Some(Refusal::AddressFull) => {
            let text = "There are too many connections from your network: close other calls, or try again in a minute.";
            return words(StatusCode::TOO_MANY_REQUESTS, &[("Retry-After", "60")], text);
        }
        None => {}
    }
    match request.uri().path() {
        WEBSOCKET_PATH => upgrade(&request, received[head_bytes..].to_vec()),
        "/j" | "/j/" => invite_page(),
        _ => words(
            StatusCode::NOT_FOUND,
            &[],
            "This is a Visavis signaling server; there is nothing at this address.",
        ),
    }
}

fn upgrade(request: &Request, tail: Vec<u8>) -> Verdict {
    let Ok(mut response) = create_response(request) else {
        let headers = [
            ("Upgrade", "websocket"),
            ("Connection", "upgrade"),
            ("Sec-WebSocket-Version", "13"),
        ];
        return words(
            StatusCode::UPGRADE_REQUIRED,
            &headers,
            "Connect with a WebSocket, version 13.",
        );
    };
    let offers: Vec<&str> = request
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    if !offers.contains(&SUBPROTOCOL) {
        return words(StatusCode::BAD_REQUEST, &[], &version_words(&offers));
    }
    response
        .headers_mut()
        .insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let mut answer = Vec::new();
    match write_response(&mut answer, &response) {
        Ok(()) => Verdict::Upgrade { answer, tail },
        Err(_) => not_understood(),
    }
}

fn version_words(offers: &[&str]) -> String {
    let newest_offer = offers
        .iter()
        .filter_map(|offer| offer.strip_prefix("visavis.")?.parse::<u16>().ok())
        .max();
    let advice = match newest_offer {
        Some(v) if v > PROTOCOL_VERSION => format!("Your Visavis speaks version {v}: the server must be updated."),
        Some(v) => format!("Your Visavis speaks version {v}: update Visavis."),
        None => "The client did not ask for it.".to_owned(),
    };
    format!("This server speaks version {PROTOCOL_VERSION} of the Visavis protocol ({SUBPROTOCOL}). {advice}")
}

fn invite_page() -> Verdict {
    let headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        (
            "Content-Security-Policy",
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        ("Referrer-Policy", "no-referrer"),
    ];
    Verdict::Answer(answer(StatusCode::OK, &headers, INVITE_PAGE))
}

fn not_understood() -> Verdict {
    words(
        StatusCode::BAD_REQUEST,
        &[],
        "This is not a request that a Visavis signaling server understands.",
    )
}

fn words(status: StatusCode, headers: &[(&str, &str)], text: &str) -> Verdict {
    let mut all = vec![("Content-Type", "text/plain; charset=utf-8")];
    all.extend_from_slice(headers);
    Verdict::Answer(answer(status, &all, &format!("{text}\n")))
}

/// Head and body in one piece: WebSocket clients look at the body only when it arrives with the head.
fn answer(status: StatusCode, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    let is_connection_set = headers.iter().any(|(name, _)| *name == "Connection");
    let common = [
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Connection", "close"),
    ];
    let common = &common[..common.len() - usize::from(is_connection_set)];
    for (name, value) in headers.iter().chain(common) {
        write!(text, "{name}: {value}\r\n").expect("writing to a string does not fail");
    }
    write!(text, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("writing to a string does not fail");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    async fn receive_text(request: &str, refusal: Option<Refusal>) -> String {
        match receive(&mut request.as_bytes(), refusal).await {
            Verdict::Upgrade { answer, .. } | Verdict::Answer(answer) => String::from_utf8(answer).unwrap(),
            Verdict::Gone => String::new(),
        }
    }

    #[tokio::test]
    async fn a_visavis_client_is_upgraded() {
        let request =
            format!("GET /ws HTTP/1.1\r\nHost: x\r\n{KEY}Sec-WebSocket-Protocol: chat, visavis.1\r\n\r\nmore");
        let Verdict::Upgrade { answer, tail } = receive(&mut request.as_bytes(), None).await else {
            panic!("not upgraded");
        };
        let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 101"), "{answer}");
        // The example of RFC 6455 §1.3.
        assert!(
            answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
            "{answer}"
        );
        assert!(answer.contains("sec-websocket-protocol: visavis.1\r\n"), "{answer}");
        assert_eq!(tail, b"more");
    }

    #[tokio::test]
    async fn everything_else_is_answered_in_words() {
        let long = format!("GET /ws HTTP/1.1\r\nX: {}", "y".repeat(MAX_UPGRADE_HEAD_BYTES));
        for (request, status, phrase) in [
            ("GET /j HTTP/1.1\r\nHost: x\r\n\r\n", "200", "You are invited"),
            ("GET /j/?x=1 HTTP/1.1\r\nHost: x\r\n\r\n", "200", "You are invited"),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404", "Visavis signaling server"),
            ("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", "426", "Connect with a WebSocket"),
            ("POST /ws HTTP/1.1\r\nHost: x\r\n\r\n", "405", "Only GET"),
            ("GET /ws HTTP/1.0\r\n\r\n", "400", "not a request"),
            ("GET /ws\r\n\r\n", "400", "not a request"),
            ("\u{16}\u{3}\u{1}", "400", "not a request"),
            (&long, "431", "too large"),
        ] {
            let answer = receive_text(request, None).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{request:.60}: {answer}"
            );
            assert!(answer.contains(phrase), "{request:.60}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        }
    }

    #[tokio::test]
    async fn another_version_is_told_which_one_is_spoken() {
        for (offer, phrase) in [
            (
                "Sec-WebSocket-Protocol: visavis.2\r\n",
                "speaks version 2: the server must be updated",
            ),
            (
                "Sec-WebSocket-Protocol: visavis.0\r\n",
                "speaks version 0: update Visavis",
            ),
            ("Sec-WebSocket-Protocol: chat\r\n", "did not ask"),
            ("", "did not ask"),
        ] {
            let answer = receive_text(&format!("GET /ws HTTP/1.1\r\n{KEY}{offer}\r\n"), None).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            assert!(
                answer.contains("version 1 of the Visavis protocol") && answer.contains(phrase),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn a_full_server_says_so() {
        let request = format!("GET /ws HTTP/1.1\r\n{KEY}Sec-WebSocket-Protocol: visavis.1\r\n\r\n");
        for (refusal, status) in [(Refusal::ServerFull, "503"), (Refusal::AddressFull, "429")] {
            let answer = receive_text(&request, Some(refusal)).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    }

    #[test]
    fn the_invite_page_runs_and_loads_nothing() {
        for forbidden in ["<script", "src=", "href=", "onload", "style"] {
            assert!(!INVITE_PAGE.contains(forbidden), "{forbidden}");
        }
    }

    proptest! {
        #[test]
        fn any_head_is_answered(head in "(GET /ws HTTP/1\\.1\r\n)?([A-Za-z-]{1,20}: ?\\PC{0,30}\r\n){0,4}(\\PC{0,20})\r\n\r\n") {
            let verdict = judge(head.as_bytes(), None);
            prop_assert!(matches!(verdict, Verdict::Answer(answer) if answer.starts_with(b"HTTP/1.1 ")));
        }
    }
}
