//! Undoes RTX (RFC 4588) before anything counts sequence numbers.
//!
//! The crate unwraps retransmissions only behind its interceptor chain, so that its NACK generator never sees the gap
//! closed and asks for ever. This handler stands in front of the generator and turns a retransmission back into the
//! packet it repeats, marked as such.

use std::collections::HashMap;

use bytes::Buf;
use rtc::interceptor::{Attribute, Packet, StreamInfo, TaggedPacket};

use super::chain::{Handler, Outputs};

/// Streams the peer may announce; three are used.
const STREAMS_LIMIT: usize = 16;

/// What an RTX SSRC repairs.
struct Repaired {
    ssrc: u32,
    payload_type: u8,
}

/// The handler.
#[derive(Default)]
pub(super) struct RtxUnwrap {
    repaired_by: HashMap<u32, Repaired>,
}

impl Handler for RtxUnwrap {
    fn read(&mut self, mut packet: TaggedPacket, out: &mut Outputs) {
        if let Packet::Rtp(rtp) = &mut packet.message.packet
            && let Some(repaired) = self.repaired_by.get(&rtp.header.ssrc)
        {
            // Without the original number it is padding, which probes the path and repairs nothing.
            if rtp.payload.len() >= 2 {
                rtp.header.sequence_number = rtp.payload.get_u16();
                rtp.header.ssrc = repaired.ssrc;
                rtp.header.payload_type = repaired.payload_type;
                packet.message.add(Attribute::Retransmission);
            }
        }
        out.inbound.push_back(packet);
    }

    fn bind_remote(&mut self, info: &StreamInfo) {
        if let Some(ssrc_rtx) = info.ssrc_rtx
            && self.repaired_by.len() < STREAMS_LIMIT
        {
            let repaired = Repaired {
                ssrc: info.ssrc,
                payload_type: info.payload_type,
            };
            self.repaired_by.insert(ssrc_rtx, repaired);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use rtc::interceptor::AttributedPacket;
    use rtc::shared::TransportContext;

    use super::*;

    fn read(unwrap: &mut RtxUnwrap, ssrc: u32, payload: &'static [u8]) -> (rtc::rtp::Packet, bool) {
        let mut packet = rtc::rtp::Packet::default();
        packet.header.ssrc = ssrc;
        packet.header.payload_type = 103;
        packet.header.sequence_number = 9;
        packet.payload = Bytes::from_static(payload);
        let mut out = Outputs::default();
        unwrap.read(
            TaggedPacket {
                now: Instant::now(),
                transport: TransportContext::default(),
                message: AttributedPacket::new(Packet::Rtp(packet)),
            },
            &mut out,
        );
        let passed = out.inbound.pop_front().unwrap();
        let repair = passed.message.has(&Attribute::Retransmission);
        match passed.message.packet {
            Packet::Rtp(rtp) => (rtp, repair),
            _ => panic!("RTP went in"),
        }
    }

    fn bound() -> RtxUnwrap {
        let mut unwrap = RtxUnwrap::default();
        unwrap.bind_remote(&StreamInfo {
            ssrc: 1,
            ssrc_rtx: Some(2),
            payload_type: 102,
            payload_type_rtx: Some(103),
            ..StreamInfo::default()
        });
        unwrap
    }

    #[test]
    fn a_retransmission_becomes_the_packet_it_repeats() {
        let (packet, repair) = read(&mut bound(), 2, &[0x12, 0x34, 7, 8]);
        assert!(repair);
        assert_eq!((packet.header.ssrc, packet.header.payload_type), (1, 102));
        assert_eq!(packet.header.sequence_number, 0x1234);
        assert_eq!(&packet.payload[..], [7, 8]);
    }

    #[test]
    fn padding_and_other_streams_pass_untouched() {
        for (ssrc, payload) in [(2, &[][..]), (2, &[1][..]), (1, &[1, 2, 3][..]), (77, &[1, 2, 3][..])] {
            let (packet, repair) = read(&mut bound(), ssrc, payload);
            assert!(!repair);
            assert_eq!((packet.header.ssrc, packet.header.sequence_number), (ssrc, 9));
            assert_eq!(&packet.payload[..], payload);
        }
    }
}
