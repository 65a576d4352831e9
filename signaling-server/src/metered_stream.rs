//! A TCP stream that fails when its client sends more bytes than any honest one does.
//!
//! The message limit alone does not bound work: empty fragments of one message are many frames and no message.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use signaling_protocol::limits::MAX_MESSAGE_BYTES;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::Limits;
use crate::token_bucket::TokenBucket;

/// Reading over the limit is an error of kind `QuotaExceeded`.
#[derive(Debug)]
pub(crate) struct MeteredStream {
    stream: TcpStream,
    bytes: TokenBucket,
    started: Instant,
}

impl MeteredStream {
    /// Allows the bytes of the largest messages at the largest rate of messages.
    pub(crate) fn new(stream: TcpStream, limits: &Limits) -> Self {
        let bytes_of = |messages: u32| messages.saturating_mul(MAX_MESSAGE_BYTES as u32);
        let (per_second, burst) = (bytes_of(limits.messages_per_second), bytes_of(limits.message_burst));
        let bytes = TokenBucket::new(per_second, burst, Duration::ZERO);
        Self {
            stream,
            bytes,
            started: Instant::now(),
        }
    }

    /// The stream without its meter.
    pub(crate) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let count = u32::try_from(buf.filled().len() - before).unwrap_or(u32::MAX);
        let now = self.started.elapsed();
        if self.bytes.take(count, now) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()))
        }
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
