//! The WebSocket to the signaling server: one task a connection.
//!
//! In: [`ClientMessage`]s from the call task. Out: [`SignalingInput`]s, each with the generation of its
//! connection, so that the last words of an old one are not taken for news of the next.

use std::time::Duration;

use call_core::{SignalingInput, SignalingLoss};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use signaling_protocol::limits::MAX_MESSAGE_BYTES;
use signaling_protocol::{ClientMessage, SUBPROTOCOL, ServerMessage};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Messages waiting to be written. A full queue means the server does not read: the connection is given up.
const SEND_CAPACITY: usize = 64;
/// Events of all generations waiting for the call task; when full, the socket is not read.
pub(crate) const EVENT_CAPACITY: usize = 64;
/// Name resolution, TCP, TLS and upgrade together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server pings every 25 s: silence for longer than this means it is gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(40);
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
    outgoing: mpsc::Sender<ClientMessage>,
    task: JoinHandle<()>,
}

impl SignalingClient {
    /// Starts to connect; the outcome comes as an event.
    pub(crate) fn connect(url: String, generation: u64, events: mpsc::Sender<SignalingEvent>) -> Self {
        let (outgoing, queue) = mpsc::channel(SEND_CAPACITY);
        let task = tokio::spawn(async move {
            let loss = run(&url, generation, queue, &events).await;
            let event = SignalingEvent {
                generation,
                input: SignalingInput::Disconnected(loss),
            };
            if events.send(event).await.is_err() {
                tracing::debug!("the call ended before its signaling connection");
            }
        });
        Self { outgoing, task }
    }

    /// Queues a message; one that does not fit is dropped, the peer's own retries make up for it.
    pub(crate) fn send(&self, message: ClientMessage) {
        if self.outgoing.try_send(message).is_err() {
            tracing::warn!("the signaling server does not take messages: one dropped");
        }
    }

    /// Writes what is queued, then closes.
    pub(crate) async fn close(self) {
        let Self { outgoing, task } = self;
        drop(outgoing);
        if timeout(Duration::from_secs(1), task).await.is_err() {
            tracing::debug!("the signaling server did not answer the close in time");
        }
    }
}

async fn run(
    url: &str,
    generation: u64,
    queue: mpsc::Receiver<ClientMessage>,
    events: &mpsc::Sender<SignalingEvent>,
) -> SignalingLoss {
    let socket = match timeout(CONNECT_TIMEOUT, open(url)).await {
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
        loss = read_all(read, generation, events) => loss,
        _ = &mut writer => SignalingLoss::Unreachable("closed".into()),
    };
    writer.abort();
    loss
}

async fn open(url: &str) -> Result<Socket, SignalingLoss> {
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
    match connect_async_with_config(request, Some(config), true).await {
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

async fn write_all(mut socket: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<ClientMessage>) {
    while let Some(message) = queue.recv().await {
        if let Err(error) = socket.send(Message::text(message.to_json())).await {
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
    events: &mpsc::Sender<SignalingEvent>,
) -> SignalingLoss {
    loop {
        let message = match timeout(SILENCE_LIMIT, socket.next()).await {
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
