//! One connection, from the first byte to the last: HTTP upgrade, conversation, goodbye. One task, owned by the server.
//!
//! In: frames of the client. Out: changes of the hub, and what the hub puts into this connection's outbox. Reading and
//! writing run side by side, so that a client that does not read is still heard, and the other way round.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use signaling_protocol::limits::MAX_MESSAGE_BYTES;
use signaling_protocol::{ClientMessage, ErrorCode, MessageError, ServerMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use crate::admission::Permit;
use crate::config::Limits;
use crate::hub::{Client, Hub};
use crate::metered_stream::MeteredStream;
use crate::outbox::{Outbox, Outgoing};
use crate::outcome::Goodbye;
use crate::token_bucket::TokenBucket;
use crate::upgrade::{self, Verdict};

/// tungstenite allocates this much for each connection; messages are rare and mostly small.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// One largest message being written and control frames behind it.
const MAX_WRITE_BUFFER_BYTES: usize = 2 * MAX_MESSAGE_BYTES;
/// What a client may still have on its way when it is told goodbye; more is cut off.
const MAX_LINGER_BYTES: usize = 1024 * 1024;

type Socket = WebSocketStream<MeteredStream>;

/// Why a conversation is over. Its text goes to the log; `Debug` is missing because errors hold payload.
enum Ending {
    /// The server ends it, for the client's sake or by its fault.
    Goodbye(Goodbye),
    /// The server stops.
    Stopping,
    /// No answer to a ping.
    Silent,
    /// A close frame came.
    ClosedByPeer,
    /// The connection or the client's framing is broken.
    Broken(Error),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goodbye(Goodbye::Left) => f.write_str("left"),
            Self::Goodbye(Goodbye::TakenOver) => f.write_str("taken over"),
            Self::Goodbye(Goodbye::Refused { code, .. }) => write!(f, "refused: {code:?}"),
            Self::Stopping => f.write_str("stopping"),
            Self::Silent => f.write_str("silent"),
            Self::ClosedByPeer => f.write_str("closed by the client"),
            Self::Broken(error) => write!(f, "broken: {error}"),
        }
    }
}

/// Serves one connection until it ends or the server stops.
pub(crate) async fn serve(
    mut stream: TcpStream,
    permit: Permit,
    hub: Arc<Hub>,
    limits: Arc<Limits>,
    mut stop: watch::Receiver<bool>,
) {
    let received = tokio::select! {
        biased;
        () = stopped(&mut stop) => return,
        received = timeout(limits.upgrade_timeout, upgrade::receive(&mut stream, permit.refusal)) => received,
    };
    match received.unwrap_or_else(|_| upgrade::too_late()) {
        Verdict::Gone => {}
        Verdict::Answer(answer) => {
            let farewell = async {
                if stream.write_all(&answer).await.is_ok() {
                    linger(stream).await;
                }
            };
            if timeout(limits.closing_timeout, farewell).await.is_err() {
                tracing::debug!("a client did not take its answer in time");
            }
        }
        Verdict::Upgrade { answer, tail } => {
            // 200 bytes into an empty send buffer: this does not wait.
            if stream.write_all(&answer).await.is_ok() {
                let stream = MeteredStream::new(stream, &limits);
                let config = Some(websocket_config());
                let socket = WebSocketStream::from_partially_read(stream, tail, Role::Server, config).await;
                converse(socket, hub.connect(&limits), &limits, stop).await;
            }
        }
    }
}

async fn converse(socket: Socket, client: Client, limits: &Limits, mut stop: watch::Receiver<bool>) {
    let (id, outbox) = (client.id, client.outbox.clone());
    tracing::debug!(connection = id.0, "connected");
    let (mut sink, mut frames) = socket.split();
    // Polled in random order: a client that sends without pause would otherwise use up the task's turn by reading.
    let talk = async {
        tokio::select! {
            ending = listen(&mut frames, &client, limits) => ending,
            ending = write_outbox(&mut sink, &outbox) => ending,
        }
    };
    let ending = tokio::select! {
        biased;
        goodbye = outbox.closed() => Ending::Goodbye(goodbye),
        () = stopped(&mut stop) => Ending::Stopping,
        ending = talk => ending,
    };
    // The others are told now, not after the goodbye.
    drop(client);
    tracing::debug!(connection = id.0, %ending, "ended");
    let Ok(socket) = sink.reunite(frames) else { return };
    if timeout(limits.closing_timeout, say_goodbye(socket, ending, &outbox))
        .await
        .is_err()
    {
        tracing::debug!(connection = id.0, "the client did not take the goodbye in time");
    }
}

async fn listen(frames: &mut SplitStream<Socket>, client: &Client, limits: &Limits) -> Ending {
    let started = Instant::now();
    let mut messages = TokenBucket::new(limits.messages_per_second, limits.message_burst, Duration::ZERO);
    let mut liveness = Liveness::new(started, limits);
    loop {
        let frame = match liveness.next_frame(frames, &client.outbox).await {
            Ok(frame) => frame,
            Err(ending) => return ending,
        };
        if !messages.take(1, started.elapsed()) {
            return refused(ErrorCode::TooFast, "Too many messages in a short time.");
        }
        match frame {
            Message::Text(text) => match ClientMessage::from_json(text.as_str()) {
                Ok(message) => {
                    liveness.awaited_first = None;
                    client.handle(message);
                }
                Err(error) => client.answer(code_of(&error), error.to_string()),
            },
            Message::Binary(_) => {
                return refused(
                    ErrorCode::Malformed,
                    "Binary frames are not understood: send text frames.",
                );
            }
            Message::Close(_) => return Ending::ClosedByPeer,
            // tungstenite has answered the ping already.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        // What follows a fatal message is not looked at.
        if let Some(goodbye) = client.outbox.goodbye() {
            return Ending::Goodbye(goodbye);
        }
    }
}

/// Whether the client still has to show itself, and by when.
struct Liveness<'a> {
    limits: &'a Limits,
    /// The end of the time for the first valid message, until it came.
    awaited_first: Option<Instant>,
    next_ping: Instant,
    pong_due: Option<Instant>,
}

impl<'a> Liveness<'a> {
    fn new(now: Instant, limits: &'a Limits) -> Self {
        let awaited_first = Some(now + limits.first_message_timeout);
        Self {
            limits,
            awaited_first,
            next_ping: now + limits.ping_interval,
            pong_due: None,
        }
    }

    /// The next frame; meanwhile pings on time. Any frame is as good as a pong.
    async fn next_frame(&mut self, frames: &mut SplitStream<Socket>, outbox: &Outbox) -> Result<Message, Ending> {
        loop {
            let now = Instant::now();
            if self.awaited_first.is_some_and(|end| end <= now) {
                return Err(refused(
                    ErrorCode::NotJoined,
                    "No `join` or `listen` message came in time.",
                ));
            }
            if self.pong_due.is_some_and(|end| end <= now) {
                return Err(Ending::Silent);
            }
            if self.next_ping <= now {
                outbox.ping();
                self.pong_due = Some(now + self.limits.pong_timeout);
                self.next_ping = now + self.limits.ping_interval.max(self.limits.pong_timeout);
            }
            let deadlines = [Some(self.next_ping), self.pong_due, self.awaited_first];
            let deadline = deadlines.into_iter().flatten().min().unwrap_or(self.next_ping);
            match timeout_at(deadline, frames.next()).await {
                Err(_) => {}
                Ok(Some(Ok(frame))) => {
                    self.pong_due = None;
                    return Ok(frame);
                }
                Ok(Some(Err(error))) => return Err(classify(error)),
                Ok(None) => return Err(Ending::ClosedByPeer),
            }
        }
    }
}

async fn write_outbox(sink: &mut SplitSink<Socket, Message>, outbox: &Outbox) -> Ending {
    loop {
        let message = match outbox.next().await {
            Outgoing::Text(text) => Message::text(text),
            Outgoing::Ping => Message::Ping(Default::default()),
        };
        if let Err(error) = sink.send(message).await {
            return Ending::Broken(error);
        }
    }
}

/// Writes what waits, the reason and a close frame, then closes the connection.
async fn say_goodbye(mut socket: Socket, ending: Ending, outbox: &Outbox) {
    let is_stopping = matches!(ending, Ending::Stopping);
    let (last_words, frame) = match ending {
        Ending::Broken(_) => return,
        Ending::ClosedByPeer => (None, None),
        Ending::Stopping => (None, Some(close_frame(CloseCode::Restart, "the server stops"))),
        Ending::Silent => (None, Some(close_frame(CloseCode::Policy, "no answer to a ping"))),
        Ending::Goodbye(Goodbye::Left) => (None, Some(close_frame(CloseCode::Normal, "left"))),
        Ending::Goodbye(Goodbye::TakenOver) => (
            None,
            Some(close_frame(CloseCode::Policy, "you came back on another connection")),
        ),
        Ending::Goodbye(Goodbye::Refused { code, message }) => {
            let frame = close_frame(close_code(code), "see the error message");
            (Some(ServerMessage::Error { code, message }.to_json()), Some(frame))
        }
    };
    // When the server stops, what waits is mostly that the others are away, which is not their doing.
    let rest = if is_stopping { Vec::new() } else { outbox.take_rest() };
    for text in rest.into_iter().chain(last_words) {
        if socket.feed(Message::text(text)).await.is_err() {
            break;
        }
    }
    if let Err(error) = socket.close(frame).await {
        tracing::trace!(%error, "the close frame was not written");
    }
    linger(socket.into_inner().into_inner()).await;
}

/// Ends our direction and reads what is left of the other. Closing with unread bytes resets the connection, and a
/// reset takes the last words away from the client before it has read them.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut discarded = vec![0; READ_BUFFER_BYTES];
    let mut remaining = MAX_LINGER_BYTES;
    while let Ok(count @ 1..) = stream.read(&mut discarded).await {
        remaining = remaining.saturating_sub(count);
        if remaining == 0 {
            return;
        }
    }
}

fn classify(error: Error) -> Ending {
    match &error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => refused(
            ErrorCode::TooLarge,
            format!("A message has more than the {MAX_MESSAGE_BYTES} bytes allowed."),
        ),
        Error::Io(io) if io.kind() == std::io::ErrorKind::QuotaExceeded => {
            refused(ErrorCode::TooFast, "Too many bytes in a short time.")
        }
        Error::Utf8(_) => refused(ErrorCode::Malformed, "A text frame is not UTF-8."),
        _ => Ending::Broken(error),
    }
}

fn code_of(error: &MessageError) -> ErrorCode {
    match error {
        MessageError::UnknownType(_) => ErrorCode::UnknownType,
        MessageError::Malformed(_) => ErrorCode::Malformed,
    }
}

fn close_code(code: ErrorCode) -> CloseCode {
    match code {
        ErrorCode::TooLarge => CloseCode::Size,
        ErrorCode::Busy | ErrorCode::RoomFull => CloseCode::Again,
        ErrorCode::Malformed => CloseCode::Unsupported,
        ErrorCode::ClientTooOld
        | ErrorCode::ClientTooNew
        | ErrorCode::UnknownType
        | ErrorCode::NotJoined
        | ErrorCode::NoSuchMember
        | ErrorCode::TooFast
        | ErrorCode::TooSlow
        | ErrorCode::Other => CloseCode::Policy,
    }
}

fn close_frame(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code,
        reason: reason.into(),
    }
}

fn refused(code: ErrorCode, message: impl Into<String>) -> Ending {
    Ending::Goodbye(Goodbye::refused(code, message))
}

fn websocket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// Waits until the server stops; a server that is gone has stopped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|is_stopping| *is_stopping).await.is_err() {
        tracing::trace!("the server is gone");
    }
}
