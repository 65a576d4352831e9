//! The plumbing between our packet handlers and the crate's interceptor chain.
//!
//! A chain is a list ordered by distance from the wire; what is read walks it upwards, what is written downwards.
//! The crate wants four queue methods and four bindings of every member; a [`Handler`] says only what it does, and
//! [`InChain`] adds the rest. All of it runs on the worker that drives the connection.

use std::collections::VecDeque;
use std::time::Instant;

use rtc::interceptor::{AttributedPacket, Interceptor, Packet, StreamInfo, TaggedPacket};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;

/// Packets a handler lets go, to the next member of the chain.
#[derive(Default)]
pub(super) struct Outputs {
    /// Towards the application.
    pub(super) inbound: VecDeque<TaggedPacket>,
    /// Towards the wire.
    pub(super) outbound: VecDeque<TaggedPacket>,
}

/// One of our members of the chain. Everything passes untouched unless a method says otherwise.
pub(super) trait Handler: Send + Sync {
    /// A packet from the wire; put it into `out.inbound` to pass it on.
    fn read(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        out.inbound.push_back(packet);
    }

    /// A packet from the application; put it into `out.outbound` to pass it on.
    fn write(&mut self, packet: TaggedPacket, out: &mut Outputs) {
        out.outbound.push_back(packet);
    }

    /// The deadline has come.
    fn timeout(&mut self, _now: Instant, _out: &mut Outputs) {}

    /// When to call [`Handler::timeout`].
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// We begin to send a stream.
    fn bind_local(&mut self, _info: &StreamInfo) {}

    /// A stream of the peer's begins.
    fn bind_remote(&mut self, _info: &StreamInfo) {}
}

/// A handler as the crate wants it.
pub(super) struct InChain<H> {
    handler: H,
    out: Outputs,
}

impl<H> InChain<H> {
    pub(super) fn new(handler: H) -> Self {
        Self {
            handler,
            out: Outputs::default(),
        }
    }
}

impl<H: Handler> Protocol<TaggedPacket, TaggedPacket, ()> for InChain<H> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.handler.read(packet, &mut self.out);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.out.inbound.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.handler.write(packet, &mut self.out);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.out.outbound.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.handler.timeout(now, &mut self.out);
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.handler.deadline()
    }
}

impl<H: Handler> Interceptor for InChain<H> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.handler.bind_local(info);
    }

    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.handler.bind_remote(info);
    }

    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}

/// Makes a member of the crate's treat our retransmissions like the stream they repair.
///
/// The crate binds primary SSRCs only, so that its transport-wide numbering and its send history overlook RTX packets:
/// the remote then never reports on repair traffic, and the estimator believes the path carries less than it does.
pub(super) struct WithRtx<I>(pub(super) I);

impl<I: Interceptor> Protocol<TaggedPacket, TaggedPacket, ()> for WithRtx<I> {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.0.handle_read(packet)
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.0.poll_read()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.0.handle_write(packet)
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.0.poll_write()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.0.handle_timeout(now)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.0.poll_timeout()
    }
}

impl<I: Interceptor> Interceptor for WithRtx<I> {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.0.bind_local_stream(info);
        if let Some(rtx) = rtx_of(info) {
            self.0.bind_local_stream(&rtx);
        }
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.0.unbind_local_stream(info);
        if let Some(rtx) = rtx_of(info) {
            self.0.unbind_local_stream(&rtx);
        }
    }

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        self.0.bind_remote_stream(info);
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.0.unbind_remote_stream(info);
    }
}

fn rtx_of(info: &StreamInfo) -> Option<StreamInfo> {
    Some(StreamInfo {
        ssrc: info.ssrc_rtx?,
        payload_type: info.payload_type_rtx?,
        ssrc_rtx: None,
        payload_type_rtx: None,
        ..info.clone()
    })
}

/// An RTCP packet of our own, ready for the chain.
pub(super) fn rtcp(now: Instant, packet: Box<dyn rtc::rtcp::Packet>) -> TaggedPacket {
    TaggedPacket {
        now,
        transport: TransportContext::default(),
        message: AttributedPacket::new(Packet::Rtcp(vec![packet])),
    }
}

#[cfg(test)]
mod tests {
    use rtc::interceptor::{RTPHeaderExtension, TwccSenderBuilder};

    use super::*;

    const EXTENSION_ID: u8 = 3;

    /// Whether a packet of this SSRC leaves with a transport-wide number.
    fn is_numbered(member: &mut impl Interceptor, ssrc: u32) -> bool {
        let mut packet = rtc::rtp::Packet::default();
        packet.header.ssrc = ssrc;
        let tagged = TaggedPacket {
            now: Instant::now(),
            transport: TransportContext::default(),
            message: AttributedPacket::new(Packet::Rtp(packet)),
        };
        member.handle_write(tagged).unwrap();
        match member.poll_write().unwrap().message.packet {
            Packet::Rtp(rtp) => rtp.header.get_extension(EXTENSION_ID).is_some(),
            _ => panic!("RTP went in"),
        }
    }

    #[test]
    fn retransmissions_are_numbered_like_the_stream_they_repair() {
        let info = StreamInfo {
            ssrc: 1,
            ssrc_rtx: Some(2),
            payload_type_rtx: Some(103),
            rtp_header_extensions: vec![RTPHeaderExtension {
                uri: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01".to_owned(),
                id: EXTENSION_ID.into(),
            }],
            ..StreamInfo::default()
        };
        let mut bare = TwccSenderBuilder::new().build();
        bare.bind_local_stream(&info);
        // The fault that `WithRtx` is for; when the crate mends it, this fails and the wrapper can go.
        assert!(is_numbered(&mut bare, 1) && !is_numbered(&mut bare, 2));

        let mut wrapped = WithRtx(TwccSenderBuilder::new().build());
        wrapped.bind_local_stream(&info);
        assert!(is_numbered(&mut wrapped, 1) && is_numbered(&mut wrapped, 2));
        assert!(!is_numbered(&mut wrapped, 9));
    }
}
