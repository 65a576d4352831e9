//! A client for the tests: sends and receives messages, one at a time, and fails when an answer does not come at all.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signaling_protocol::{
    Blob, ClientMessage, ErrorCode, PROTOCOL_VERSION, Resume, ResumeToken, RoomId, SUBPROTOCOL, ServerMessage, Slot,
    TopicState,
};
use signaling_server::{Limits, Server, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

pub const ROOM: RoomId = RoomId([7; 16]);

/// A server in this process, on a port of its own.
pub struct RunningServer {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RunningServer {
    pub async fn start(limits: Limits) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), limits).await
    }

    pub async fn start_at(listen: SocketAddr, limits: Limits) -> Self {
        let server = Server::bind(ServerConfig { listen, limits })
            .await
            .expect("the address is free");
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async move { stopped.await.unwrap_or_default() }));
        Self { address, stop, task }
    }

    pub async fn stop(self) {
        self.stop.send(()).expect("the server runs");
        within(self.task).await.expect("the server does not panic");
    }
}

/// A guard against waiting forever; nothing depends on how long it is.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), future)
        .await
        .expect("it happens in 30 seconds")
}

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
}

/// What `join` brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub slot: Slot,
    pub token: ResumeToken,
    pub members: Vec<Slot>,
    pub resumed: bool,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address, "/ws", SUBPROTOCOL)
            .await
            .expect("the server accepts")
    }

    pub async fn try_connect(address: SocketAddr, path: &str, protocol: &str) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol.parse().expect("a header value"));
        let (socket, _) = within(client_async(request, stream)).await?;
        Ok(Self { socket })
    }

    /// Connects and enters the room.
    pub async fn enter(address: SocketAddr) -> (Self, Seat) {
        let mut client = Self::connect(address).await;
        let seat = client.join(None).await;
        (client, seat)
    }

    /// Connects and takes a slot back.
    pub async fn resume(address: SocketAddr, seat: &Seat) -> (Self, Seat) {
        let mut client = Self::connect(address).await;
        let seat = client
            .join(Some(Resume {
                slot: seat.slot,
                token: seat.token,
            }))
            .await;
        (client, seat)
    }

    async fn join(&mut self, resume: Option<Resume>) -> Seat {
        self.send(&ClientMessage::Join {
            v: PROTOCOL_VERSION,
            room: ROOM,
            resume,
        })
        .await;
        match self.receive().await {
            ServerMessage::Joined {
                v: PROTOCOL_VERSION,
                slot,
                token,
                members,
                resumed,
            } => Seat {
                slot,
                token,
                members,
                resumed,
            },
            other => panic!("{other:?} instead of joined"),
        }
    }

    /// Connects and listens on topics.
    pub async fn listen(address: SocketAddr, topics: &[RoomId]) -> (Self, Vec<TopicState>) {
        let mut client = Self::connect(address).await;
        let states = client.change_topics(topics).await;
        (client, states)
    }

    /// Listens on these topics and no others; the new ones. Nobody else may cause messages meanwhile.
    pub async fn change_topics(&mut self, topics: &[RoomId]) -> Vec<TopicState> {
        self.send(&ClientMessage::Listen {
            v: PROTOCOL_VERSION,
            topics: topics.to_vec(),
        })
        .await;
        match self.receive().await {
            ServerMessage::Listening {
                v: PROTOCOL_VERSION,
                topics,
            } => topics,
            other => panic!("{other:?} instead of listening"),
        }
    }

    pub async fn post(&mut self, topic: RoomId, to: Slot, blob: &[u8]) {
        self.send(&ClientMessage::Post {
            topic,
            to,
            blob: Blob(blob.to_vec()),
        })
        .await;
    }

    pub async fn send(&mut self, message: &ClientMessage) {
        self.send_text(&message.to_json()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        within(self.socket.send(Message::text(text)))
            .await
            .expect("the server reads");
    }

    pub async fn relay(&mut self, to: Slot, blob: &[u8]) {
        self.send(&ClientMessage::Relay {
            to,
            blob: Blob(blob.to_vec()),
        })
        .await;
    }

    /// The next message. One guard for all of the frames: the pings alone would go on for ever.
    pub async fn receive(&mut self) -> ServerMessage {
        within(async {
            loop {
                match self.socket.next().await.expect("no end yet").expect("no error") {
                    Message::Text(text) => return ServerMessage::from_json(text.as_str()).expect("a known message"),
                    Message::Ping(_) | Message::Pong(_) => {}
                    other => panic!("{other:?} instead of a message"),
                }
            }
        })
        .await
    }

    /// The next message, an error.
    pub async fn receive_error(&mut self) -> (ErrorCode, String) {
        match self.receive().await {
            ServerMessage::Error { code, message } => (code, message),
            other => panic!("{other:?} instead of an error"),
        }
    }

    /// The close frame that comes next, and the end of the connection after it.
    pub async fn receive_close(mut self) -> CloseCode {
        let code = match within(self.socket.next()).await.expect("no end yet").expect("no error") {
            Message::Close(Some(frame)) => frame.code,
            other => panic!("{other:?} instead of a close frame"),
        };
        while let Some(Ok(_)) = within(self.socket.next()).await {}
        code
    }

    /// A fatal error: the message, then the close frame.
    pub async fn receive_refusal(mut self) -> (ErrorCode, String, CloseCode) {
        let (code, message) = self.receive_error().await;
        (code, message, self.receive_close().await)
    }
}
