//! The WebSocket to the signaling server: one task a connection.
//!
//! In: [`ClientMessage`]s from the call task. Out: [`SignalingInput`]s, each with the generation of its
//! connection, so that the last words of an old one are not taken for news of the next.

use std::sync::Arc;
use std::time::Duration;

use call_core::{SignalingInput, SignalingLoss};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use signaling_protocol::limits::MAX_MESSAGE_BYTES;
use signaling_protocol::{ClientMessage, SUBPROTOCOL, ServerMessage};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use crate::dial::Dialer;

/// Messages waiting to be written. A full queue means the server does not read: the connection is given up.
const SEND_CAPACITY: usize = 64;
/// Events of all generations waiting for the call task; when full, the socket is not read.
pub(crate) const EVENT_CAPACITY: usize = 64;
/// Name resolution, TCP, TLS and upgrade together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server pings every 25 s: silence for longer than this means it is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(40);
/// A server that was asked whether it is there has to answer within this: a round trip and a packet sent again.
const PROBE_LIMIT: Duration = Duration::from_millis(1_500);
/// Buffers for reading and writing: messages are small and rare.
const BUFFER_BYTES: usize = 8 * 1024;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// An event of one connection.
#[derive(Debug)]
pub(crate) struct SignalingEvent {
    /// Which connection.
    pub generation: u64,
    /// What happened.
    pub input: SignalingInput,
}

/// A connection to the server, being opened or open. Dropping it closes the socket.
pub(crate) struct SignalingClient {
    outgoing: mpsc::Sender<Outgoing>,
    probes: Arc<Notify>,
    task: JoinHandle<()>,
}

/// What is to be written.
enum Outgoing {
    Message(ClientMessage),
    Ping,
}

impl SignalingClient {
    /// Starts to connect; the outcome comes as an event.
    pub(crate) fn connect(url: String, dialer: Dialer, generation: u64, events: mpsc::Sender<SignalingEvent>) -> Self {
        let (outgoing, queue) = mpsc::channel(SEND_CAPACITY);
        let probes = Arc::new(Notify::new());
        let probed = Arc::clone(&probes);
        let task = tokio::spawn(async move {
            let loss = run((&url, &dialer), generation, queue, &probed, &events).await;
            let event = SignalingEvent {
                generation,
                input: SignalingInput::Disconnected(loss),
            };
            if events.send(event).await.is_err() {
                tracing::debug!("the call ended before its signaling connection");
            }
        });
        Self { outgoing, probes, task }
    }

    /// Asks the server whether it is there, and gives the connection up when nothing comes.
    pub(crate) fn probe(&self) {
        self.probes.notify_one();
        // A queue that is full has a reason to be, which the silence will tell.
        if self.outgoing.try_send(Outgoing::Ping).is_err() {
            tracing::debug!("the signaling server does not take a ping");
        }
    }

    /// Queues a message; one that does not fit is dropped, the peer's own retries make up for it.
    pub(crate) fn send(&self, message: ClientMessage) {
        if self.outgoing.try_send(Outgoing::Message(message)).is_err() {
            tracing::warn!("the signaling server does not take messages: one dropped");
        }
    }

    /// Writes what is queued, then closes.
    pub(crate) async fn close(self) {
        let Self { outgoing, task, .. } = self;
        drop(outgoing);
        if timeout(Duration::from_secs(1), task).await.is_err() {
            tracing::debug!("the signaling server did not answer the close in time");
        }
    }
}

async fn run(
    (url, dialer): (&str, &Dialer),
    generation: u64,
    queue: mpsc::Receiver<Outgoing>,
    probes: &Notify,
    events: &mpsc::Sender<SignalingEvent>,
) -> SignalingLoss {
    let socket = match timeout(CONNECT_TIMEOUT, open(url, dialer)).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(loss)) => return loss,
        Err(_) => return SignalingLoss::Unreachable("no answer within 5 seconds".into()),
    };
    let connected = SignalingEvent {
        generation,
        input: SignalingInput::Connected,
    };
    if events.send(connected).await.is_err() {
        return SignalingLoss::Unreachable("the call is over".into());
    }
    let (write, read) = socket.split();
    let mut writer = tokio::spawn(write_all(write, queue));
    let loss = tokio::select! {
        loss = read_all(read, generation, probes, events) => loss,
        _ = &mut writer => SignalingLoss::Unreachable("closed".into()),
    };
    writer.abort();
    loss
}

async fn open(url: &str, dialer: &Dialer) -> Result<Socket, SignalingLoss> {
    let mut request = url
        .into_client_request()
        .map_err(|error| SignalingLoss::WrongServer(error.to_string()))?;
    request
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let uri = request.uri();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
        Some("wss") => 443,
        _ => 80,
    });
    let stream = dialer.dial(&host, port).await;
    let stream = stream.map_err(|error| SignalingLoss::Unreachable(error.to_string()))?;
    match client_async_tls_with_config(request, stream, Some(config), None).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(classify(error)),
    }
}

/// Tells a server that is away from one that is not ours.
fn classify(error: Error) -> SignalingLoss {
    match error {
        Error::Http(response) => {
            let status = response.status();
            let body = response.body().as_deref().unwrap_or_default();
            let words: String = String::from_utf8_lossy(body).trim().chars().take(300).collect();
            let words = if words.is_empty() { status.to_string() } else { words };
            if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
                SignalingLoss::Unreachable(words)
            } else {
                SignalingLoss::WrongServer(words)
            }
        }
        Error::Protocol(ProtocolError::HandshakeIncomplete) => SignalingLoss::Unreachable("cut off".into()),
        Error::Protocol(error) => SignalingLoss::WrongServer(error.to_string()),
        Error::HttpFormat(error) => SignalingLoss::WrongServer(error.to_string()),
        Error::Tls(error) => SignalingLoss::WrongServer(error.to_string()),
        Error::Url(error) => SignalingLoss::WrongServer(error.to_string()),
        other => SignalingLoss::Unreachable(other.to_string()),
    }
}

async fn write_all(mut socket: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<Outgoing>) {
    while let Some(outgoing) = queue.recv().await {
        let message = match outgoing {
            Outgoing::Message(message) => Message::text(message.to_json()),
            Outgoing::Ping => Message::Ping(bytes::Bytes::new()),
        };
        if let Err(error) = socket.send(message).await {
            tracing::debug!(%error, "writing to the signaling server failed");
            return;
        }
    }
    if let Err(error) = socket.close().await {
        tracing::debug!(%error, "closing the signaling connection failed");
    }
}

async fn read_all(
    mut socket: SplitStream<Socket>,
    generation: u64,
    probes: &Notify,
    events: &mpsc::Sender<SignalingEvent>,
) -> SignalingLoss {
    let mut limit = Instant::now() + SILENCE_LIMIT;
    loop {
        let read = tokio::select! {
            () = probes.notified() => {
                limit = limit.min(Instant::now() + PROBE_LIMIT);
                continue;
            }
            read = timeout_at(limit, socket.next()) => read,
        };
        limit = Instant::now() + SILENCE_LIMIT;
        let message = match read {
            Err(_) => return SignalingLoss::Unreachable("the server fell silent".into()),
            Ok(None) => return SignalingLoss::Unreachable("closed".into()),
            Ok(Some(Err(error))) => return SignalingLoss::Unreachable(error.to_string()),
            Ok(Some(Ok(message))) => message,
        };
        let Message::Text(text) = message else { continue };
        match ServerMessage::from_json(text.as_str()) {
            Ok(message) => {
                let event = SignalingEvent {
                    generation,
                    input: SignalingInput::Message(message),
                };
                if events.send(event).await.is_err() {
                    return SignalingLoss::Unreachable("the call is over".into());
                }
            }
            Err(error) => tracing::warn!(%error, "the signaling server sent something unknown: ignored"),
        }
    }
}
