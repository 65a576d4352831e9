//! TURN over TCP and TLS: one stream to one server, which takes and gives datagrams.
//!
//! The stack below speaks TURN over UDP only, so the socket in front of it hands what goes to such a server to a
//! [`RelayStream`] instead of the network, and takes what comes from there as if it had been a datagram. Nothing
//! listens anywhere, and no packet makes a detour through the loopback interface.
//!
//! A stream never queues media: what does not fit the small bound in front of it is dropped, as a full router would,
//! because everything that waits is late for ever after. When the stream ends it stays ended: the server has forgotten
//! the relayed address with it, and an ICE restart makes new sockets and with them new streams.

pub(crate) mod frames;
mod open;
pub(crate) mod tls;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::peer::ice_url::IceUrl;
use frames::{Deframer, frame};
pub(crate) use open::StreamFailure;
use open::{Stream, open};

/// Bytes that may wait in front of a stream that does not move: 0.1 s of a call at full rate.
const QUEUED_BYTES: usize = 64 * 1024;
/// Messages about the relay itself may go over that: without them it is lost.
const QUEUED_BYTES_CONTROL: usize = 96 * 1024;
/// Messages waiting; the bytes above are reached first unless all are tiny.
const QUEUED_MESSAGES: usize = 512;
/// Written before the stream is flushed.
const WRITTEN_AT_ONCE: usize = 16 * 1024;
const READ_BUFFER: usize = 16 * 1024;
/// Requests that are remembered, so that their repetitions stay at home: a stream loses nothing.
const REMEMBERED_REQUESTS: usize = 32;

/// What happens to a stream by itself. Handed to a callback that must not block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StreamEvent {
    /// The server is there; for TLS, it is who it should be.
    Open,
    /// There is no stream, or none any more.
    Gone(StreamFailure),
}

/// How long what is to be sent waits, so that a relay over UDP comes first where UDP works.
#[derive(Clone)]
pub(crate) struct HeadStart {
    /// From the first message on, while the stream is being opened.
    pub(crate) at_least: Duration,
    /// After that, if by then this says that the relay over UDP is there.
    pub(crate) more_if: Arc<dyn Fn() -> bool + Send + Sync>,
    /// How much more.
    pub(crate) more: Duration,
}

/// What a stream is opened with.
pub(crate) struct StreamOrder {
    /// Where to. Its transport is TCP or TLS.
    pub(crate) url: IceUrl,
    /// Where from; unspecified: anywhere of that family.
    pub(crate) local: IpAddr,
    pub(crate) tls: tls::Trust,
    pub(crate) head_start: Option<HeadStart>,
    /// What messages are said to come from.
    pub(crate) stands_for: SocketAddr,
    pub(crate) incoming: mpsc::Sender<(SocketAddr, Bytes)>,
    pub(crate) on_event: Arc<dyn Fn(StreamEvent) + Send + Sync>,
}

/// The stream does not exist any more, or never came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no stream to the relay server")]
pub(crate) struct StreamGone;

/// One stream. Ends when dropped, after what was to be sent if the server takes it at once.
pub(crate) struct RelayStream {
    outgoing: mpsc::Sender<Bytes>,
    queued: Arc<AtomicUsize>,
    dropped: AtomicUsize,
    requests: Mutex<VecDeque<[u8; 20]>>,
    task: AbortHandle,
}

impl RelayStream {
    /// Starts to open a stream. Must be called on a tokio runtime with time and IO.
    pub(crate) fn start(order: StreamOrder) -> Self {
        let (outgoing, queue) = mpsc::channel(QUEUED_MESSAGES);
        let queued = Arc::<AtomicUsize>::default();
        let task = tokio::spawn(run(order, queue, Arc::clone(&queued))).abort_handle();
        Self {
            outgoing,
            queued,
            dropped: AtomicUsize::new(0),
            requests: Mutex::default(),
            task,
        }
    }

    /// Sends a datagram, or drops it when too much waits or it is no TURN message. Never blocks.
    ///
    /// # Errors
    /// When there is no stream any more.
    pub(crate) fn send(&self, datagram: &[u8]) -> Result<(), StreamGone> {
        if self.outgoing.is_closed() {
            return Err(StreamGone);
        }
        let Some(framed) = frame(datagram) else {
            return Ok(());
        };
        let request = request_id(&framed);
        if request.is_some_and(|id| self.was_sent(&id)) {
            return Ok(());
        }
        let limit = match is_control(&framed) {
            true => QUEUED_BYTES_CONTROL,
            false => QUEUED_BYTES,
        };
        let length = framed.len();
        let before = self.queued.fetch_add(length, Ordering::Relaxed);
        if before + length > limit {
            self.queued.fetch_sub(length, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        match self.outgoing.try_send(framed) {
            Ok(()) => {
                if let Some(id) = request {
                    self.remember(id);
                }
                Ok(())
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.queued.fetch_sub(length, Ordering::Relaxed);
                self.dropped.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(StreamGone),
        }
    }

    fn was_sent(&self, id: &[u8; 20]) -> bool {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.contains(id)
    }

    fn remember(&self, id: [u8; 20]) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == REMEMBERED_REQUESTS {
            requests.pop_front();
        }
        requests.push_back(id);
    }
}

impl Drop for RelayStream {
    fn drop(&mut self) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            tracing::debug!(dropped, "datagrams did not fit the stream to a relay server");
        }
        // Its queue is closed with this and it ends by itself, unless it is stuck or never came up.
        let task = self.task.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(FAREWELL).await;
                task.abort();
            });
        } else {
            task.abort();
        }
    }
}

/// How long a stream that is not wanted any more may take for its last words.
const FAREWELL: Duration = Duration::from_millis(500);

/// Transaction and, as far as there is one, checksum of a request: the same request again has both.
fn request_id(message: &[u8]) -> Option<[u8; 20]> {
    let is_request = message.len() >= 20 && message[0] & 0xc1 == 0 && message[1] & 0x10 == 0;
    is_request.then(|| {
        let mut id = [0; 20];
        id[..12].copy_from_slice(&message[8..20]);
        id[12..].copy_from_slice(&message[message.len() - 8..]);
        id
    })
}

/// A request: about the relay, not through it.
fn is_control(message: &[u8]) -> bool {
    request_id(message).is_some()
}

async fn run(order: StreamOrder, queue: mpsc::Receiver<Bytes>, queued: Arc<AtomicUsize>) {
    let on_event = Arc::clone(&order.on_event);
    let failure = match open(&order).await {
        Ok(stream) => {
            on_event(StreamEvent::Open);
            wait(order.head_start.as_ref()).await;
            carry(stream, &order, queue, &queued).await
        }
        Err(failure) => {
            // What waited is not worth an answer: the next message finds the queue closed.
            drop(queue);
            failure
        }
    };
    tracing::debug!(url = %order.url, ?failure, "a stream to a relay server ended");
    on_event(StreamEvent::Gone(failure));
}

async fn wait(head_start: Option<&HeadStart>) {
    let Some(head_start) = head_start else { return };
    tokio::time::sleep(head_start.at_least).await;
    if (head_start.more_if)() {
        tokio::time::sleep(head_start.more).await;
    }
}

async fn carry(
    stream: Stream,
    order: &StreamOrder,
    queue: mpsc::Receiver<Bytes>,
    queued: &AtomicUsize,
) -> StreamFailure {
    let (reader, writer) = tokio::io::split(stream);
    tokio::select! {
        failure = read(reader, order) => failure,
        failure = write(writer, queue, queued) => failure,
    }
}

async fn write(mut writer: WriteHalf<Stream>, mut queue: mpsc::Receiver<Bytes>, queued: &AtomicUsize) -> StreamFailure {
    while let Some(first) = queue.recv().await {
        let mut next = Some(first);
        let mut written = 0;
        while let Some(message) = next.take() {
            let done = writer.write_all(&message).await;
            queued.fetch_sub(message.len(), Ordering::Relaxed);
            if let Err(error) = done {
                return StreamFailure::Broken(error.to_string());
            }
            written += message.len();
            if written < WRITTEN_AT_ONCE {
                next = queue.try_recv().ok();
            }
        }
        if let Err(error) = writer.flush().await {
            return StreamFailure::Broken(error.to_string());
        }
    }
    // Nobody listens to how this ends.
    writer.shutdown().await.ok();
    StreamFailure::Closed
}

async fn read(mut reader: ReadHalf<Stream>, order: &StreamOrder) -> StreamFailure {
    let mut deframer = Deframer::default();
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) => return StreamFailure::Broken("the server closed it".to_owned()),
            Ok(length) => deframer.feed(&buffer[..length]),
            Err(error) => return StreamFailure::Broken(error.to_string()),
        }
        loop {
            match deframer.next() {
                // Full: the connection does not keep up, and a datagram would be lost as well.
                Ok(Some(message)) => match order.incoming.try_send((order.stands_for, message)) {
                    Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {}
                    Err(mpsc::error::TrySendError::Closed(_)) => return StreamFailure::Closed,
                },
                Ok(None) => break,
                Err(error) => return StreamFailure::NotTurn(error.to_string()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
