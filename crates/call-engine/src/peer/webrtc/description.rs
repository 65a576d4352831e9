//! What a remote description must look like before the stack below gets to see it.
//!
//! Every call has the same four sections for ever: audio, camera, screen, control channel. Anything else is refused
//! here, in words, instead of half working. Pure.

use std::collections::HashMap;

use super::handshake::Fingerprint;
use super::streams::{LocalStreams, Role, STREAM_KINDS, SsrcUse};
use crate::peer::PeerError;

/// Ours have under 6 KiB.
const MAX_DESCRIPTION_BYTES: usize = 64 * 1024;
/// Our own attribute: the SSRC of a section's parity.
const PARITY_ATTRIBUTE: &str = "a=x-visavis-parity:";
/// SSRCs one section may announce: a stream, its repair, and room for one more pair.
const MAX_SSRCS_PER_SECTION: usize = 4;

/// Why a description was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DescriptionProblem {
    #[error("it has {0} bytes, more than {MAX_DESCRIPTION_BYTES}")]
    TooLong(usize),
    #[error("it has a line that two readers may understand differently")]
    AmbiguousLine,
    #[error("its media sections are [{0}], not audio, video, video, application")]
    Sections(String),
    #[error("it has no sha-256 certificate fingerprint")]
    NoFingerprint,
    #[error("it has a certificate fingerprint that is not sha-256 or is malformed")]
    BadFingerprint,
    #[error("it has two different certificate fingerprints")]
    TwoFingerprints,
    #[error("it announces the SSRC {0} twice")]
    DuplicateSsrc(u32),
    #[error("it announces too many or malformed SSRCs")]
    BadSsrcs,
}

impl From<DescriptionProblem> for PeerError {
    fn from(problem: DescriptionProblem) -> Self {
        let words = problem.to_string();
        match problem {
            DescriptionProblem::NoFingerprint
            | DescriptionProblem::BadFingerprint
            | DescriptionProblem::TwoFingerprints => Self::Fingerprint(words),
            DescriptionProblem::TooLong(_)
            | DescriptionProblem::AmbiguousLine
            | DescriptionProblem::Sections(_)
            | DescriptionProblem::DuplicateSsrc(_)
            | DescriptionProblem::BadSsrcs => Self::RemoteDescription(words),
        }
    }
}

/// What we need to know of an accepted description.
#[derive(Debug)]
pub(super) struct RemoteDescription {
    /// Of the certificate that the peer will show.
    pub(super) fingerprint: Fingerprint,
    /// What each announced SSRC is.
    pub(super) streams: HashMap<u32, SsrcUse>,
}

/// Checks a description and reads what it announces.
///
/// # Errors
/// When the description is not one of ours.
pub(super) fn check(sdp: &str) -> Result<RemoteDescription, DescriptionProblem> {
    if sdp.len() > MAX_DESCRIPTION_BYTES {
        return Err(DescriptionProblem::TooLong(sdp.len()));
    }
    check_sections(sdp)?;
    check_lines(sdp)?;
    Ok(RemoteDescription {
        fingerprint: read_fingerprint(sdp)?,
        streams: read_streams(sdp)?,
    })
}

/// The stack below skips line breaks and trims values, so that what we read as part of a value could be a line to it.
fn check_lines(sdp: &str) -> Result<(), DescriptionProblem> {
    let clear = |line: &str| {
        let mut characters = line.chars();
        let is_field =
            characters.next().is_some_and(|kind| kind.is_ascii_lowercase()) && characters.next() == Some('=');
        is_field && characters.next().is_some_and(|first| !first.is_whitespace()) && !line.contains(char::is_control)
    };
    if sdp.lines().all(clear) {
        Ok(())
    } else {
        Err(DescriptionProblem::AmbiguousLine)
    }
}

fn check_sections(sdp: &str) -> Result<(), DescriptionProblem> {
    let sections: Vec<&str> = sdp
        .lines()
        .filter_map(|line| line.strip_prefix("m="))
        .map(|media| media.split(' ').next().unwrap_or_default())
        .collect();
    if sections == ["audio", "video", "video", "application"] {
        Ok(())
    } else {
        let shown: String = sections.join(", ").chars().take(80).collect();
        Err(DescriptionProblem::Sections(shown))
    }
}

/// RFC 8122, section 5: one certificate in all. The same one may stand in several places, as every bundle has it.
fn read_fingerprint(sdp: &str) -> Result<Fingerprint, DescriptionProblem> {
    let mut found = None;
    for value in sdp.lines().filter_map(|line| line.strip_prefix("a=fingerprint:")) {
        let read = value.strip_prefix("sha-256 ").and_then(Fingerprint::parse);
        let fingerprint = read.ok_or(DescriptionProblem::BadFingerprint)?;
        if *found.get_or_insert(fingerprint) != fingerprint {
            return Err(DescriptionProblem::TwoFingerprints);
        }
    }
    found.ok_or(DescriptionProblem::NoFingerprint)
}

/// `a=ssrc` and `a=ssrc-group:FID` (RFC 5576): the sections' order says which stream an SSRC belongs to.
fn read_streams(sdp: &str) -> Result<HashMap<u32, SsrcUse>, DescriptionProblem> {
    let mut streams = HashMap::new();
    for (kind, section) in STREAM_KINDS.into_iter().zip(media_sections(sdp)) {
        for (ssrc, role) in section_ssrcs(section)? {
            if streams.insert(ssrc, SsrcUse { kind, role }).is_some() {
                return Err(DescriptionProblem::DuplicateSsrc(ssrc));
            }
        }
    }
    Ok(streams)
}

fn section_ssrcs(section: &str) -> Result<Vec<(u32, Role)>, DescriptionProblem> {
    let mut ssrcs: Vec<(u32, Role)> = Vec::new();
    let mut repairs: Vec<u32> = Vec::new();
    for line in section.lines() {
        if let Some(group) = line.strip_prefix("a=ssrc-group:FID ") {
            let mut numbers = group.split(' ').skip(1);
            let repair = numbers.next().and_then(|number| number.parse().ok());
            repairs.push(repair.ok_or(DescriptionProblem::BadSsrcs)?);
        } else if let Some(number) = line.strip_prefix(PARITY_ATTRIBUTE) {
            let ssrc = number.parse().map_err(|_| DescriptionProblem::BadSsrcs)?;
            ssrcs.push((ssrc, Role::Parity));
        } else if let Some(attribute) = line.strip_prefix("a=ssrc:") {
            let number = attribute.split(' ').next().unwrap_or_default();
            let ssrc = number.parse().map_err(|_| DescriptionProblem::BadSsrcs)?;
            if !ssrcs.iter().any(|(known, _)| *known == ssrc) {
                ssrcs.push((ssrc, Role::Primary));
            }
        }
        if ssrcs.len() > MAX_SSRCS_PER_SECTION || repairs.len() > MAX_SSRCS_PER_SECTION {
            return Err(DescriptionProblem::BadSsrcs);
        }
    }
    for (ssrc, role) in &mut ssrcs {
        if *role == Role::Primary && repairs.contains(ssrc) {
            *role = Role::Repair;
        }
    }
    Ok(ssrcs)
}

/// Adds to our description which SSRCs carry parity; whoever does not know the attribute skips it (RFC 8866, section 5.13).
pub(super) fn announce_parity(sdp: &str, local: &LocalStreams) -> String {
    let mut sections = sdp.split("\nm=");
    let mut announced = sections.next().unwrap_or_default().to_owned();
    let mut kinds = STREAM_KINDS.into_iter();
    for section in sections {
        let ssrc = kinds.next().and_then(|kind| local.of(kind).ssrc_parity);
        announced = announced + "\nm=" + section;
        if let Some(ssrc) = ssrc {
            announced = announced.trim_end().to_owned() + &format!("\r\n{PARITY_ATTRIBUTE}{ssrc}\r");
        }
    }
    announced.trim_end().to_owned() + "\r\n"
}

/// The text of each media section without its `m=`.
fn media_sections(sdp: &str) -> impl Iterator<Item = &str> {
    // The line break keeps "m=" inside a value from counting.
    sdp.split("\nm=").skip(1).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use call_media::frame::{StreamKind, VideoKind};
    use proptest::prelude::*;

    use super::super::streams::draw_local_streams;

    use super::*;

    fn fingerprint(byte: &str) -> String {
        format!("a=fingerprint:sha-256 {}\r\n", [byte; 32].join(":"))
    }

    fn offer() -> String {
        let section =
            |media: &str, ssrcs: &str| format!("m={media} 9 UDP/TLS/RTP/SAVPF 102\r\n{}{ssrcs}", fingerprint("0A"));
        [
            "v=0\r\ns=-\r\n".to_owned(),
            section("audio", "a=ssrc:11 cname:x\r\n"),
            section(
                "video",
                "a=ssrc-group:FID 21 22\r\na=ssrc:21 cname:x\r\na=ssrc:21 msid:x\r\na=ssrc:22 cname:x\r\n",
            ),
            section(
                "video",
                "a=ssrc-group:FID 31 32\r\na=ssrc:31 cname:x\r\na=ssrc:32 cname:x\r\n",
            ),
            section("application", ""),
        ]
        .concat()
    }

    #[test]
    fn a_description_of_ours_tells_every_ssrc() {
        let streams = check(&offer()).unwrap().streams;
        let of = |ssrc| streams.get(&ssrc).copied().unwrap();
        assert_eq!(
            of(11),
            SsrcUse {
                kind: StreamKind::Audio,
                role: Role::Primary
            }
        );
        let camera = StreamKind::Video(VideoKind::Camera);
        assert_eq!(
            of(21),
            SsrcUse {
                kind: camera,
                role: Role::Primary
            }
        );
        assert_eq!(
            of(22),
            SsrcUse {
                kind: camera,
                role: Role::Repair
            }
        );
        assert_eq!(of(31).kind, StreamKind::Video(VideoKind::Screen));
        assert_eq!(streams.len(), 5);
    }

    #[test]
    fn parity_is_announced_in_the_sections_of_pictures() {
        let (local, _) = draw_local_streams().unwrap();
        let announced = announce_parity(&offer(), &local);
        let streams = check(&announced).unwrap().streams;
        assert_eq!(streams.len(), 7);
        for kind in STREAM_KINDS {
            if let Some(ssrc) = local.of(kind).ssrc_parity {
                let role = Role::Parity;
                assert_eq!(streams.get(&ssrc), Some(&SsrcUse { kind, role }));
            }
        }
        let without: String = announced
            .split_inclusive('\n')
            .filter(|line| !line.starts_with(PARITY_ATTRIBUTE))
            .collect();
        assert_eq!(without, offer());
    }

    #[test]
    fn sections_in_another_order_or_number_are_refused() {
        for sdp in [
            String::new(),
            offer().replacen("m=audio", "m=video", 1),
            offer().replacen("m=application", "m=video", 1),
            offer() + "m=video 9 UDP/TLS/RTP/SAVPF 102\r\n",
        ] {
            assert!(matches!(check(&sdp).unwrap_err(), DescriptionProblem::Sections(_)));
        }
    }

    #[test]
    fn exactly_one_sha_256_fingerprint_is_accepted() {
        let good = fingerprint("0A");
        let none = offer().replace(&good, "");
        assert_eq!(check(&none).unwrap_err(), DescriptionProblem::NoFingerprint);
        let lower_case = offer().replacen(&good, &fingerprint("0a"), 1);
        assert!(check(&lower_case).is_ok());
        let two = offer().replacen(&good, &fingerprint("0B"), 1);
        assert_eq!(check(&two).unwrap_err(), DescriptionProblem::TwoFingerprints);
        for bad in [
            "a=fingerprint:sha-1 0A:0B\r\n",
            "a=fingerprint:sha-256 0A\r\n",
            &good.replacen("sha-256", "sha-512", 1),
            &good.replacen("sha-256", "SHA-256", 1),
            &good.replacen("\r\n", ":0A\r\n", 1),
            &format!("{good}a=fingerprint:sha-1 0A:0B\r\n"),
            &good.replacen("0A", "0G", 1),
        ] {
            let sdp = offer().replacen(&good, bad, 1);
            assert_eq!(check(&sdp).unwrap_err(), DescriptionProblem::BadFingerprint);
        }
    }

    #[test]
    fn a_line_that_hides_another_is_refused() {
        let hidden = fingerprint("0B");
        for sdp in [
            offer().replacen("s=-\r\n", &format!("s=-\r\n\r{hidden}"), 1),
            offer().replacen("s=-\r\n", &format!("s=-\r\n{}", hidden.replace("a=", "a= ")), 1),
            offer().replacen("s=-\r\n", &format!("s=-\r{hidden}"), 1),
            offer().replacen("s=-\r\n", "s=-\r\n\r\n", 1),
            offer().replacen("s=-\r\n", &format!("s=-\r\n {hidden}"), 1),
            offer().replacen("s=-\r\n", "s=-\0\r\n", 1),
        ] {
            assert_eq!(check(&sdp).unwrap_err(), DescriptionProblem::AmbiguousLine);
        }
    }

    #[test]
    fn one_ssrc_cannot_be_two_streams() {
        let sdp = offer().replace("a=ssrc:31 ", "a=ssrc:21 ");
        assert_eq!(check(&sdp).unwrap_err(), DescriptionProblem::DuplicateSsrc(21));
        let sdp = offer().replace("a=ssrc:11 ", "a=ssrc:eleven ");
        assert_eq!(check(&sdp).unwrap_err(), DescriptionProblem::BadSsrcs);
    }

    #[test]
    fn an_endless_description_is_refused_unread() {
        let sdp = "a".repeat(MAX_DESCRIPTION_BYTES + 1);
        assert_eq!(check(&sdp).unwrap_err(), DescriptionProblem::TooLong(sdp.len()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_check_panic(cut in 0_usize..700, noise in "[ -~\\r\\n]{0,40}") {
            let mut sdp = offer();
            sdp.insert_str(cut.min(sdp.len()), &noise);
            // The verdict may be either; reaching it is the point.
            prop_assert!(check(&sdp).is_ok() || check(&sdp).is_err());
        }
    }
}
