//! The spoken code's two ends: a task that waits with three words, and one that comes with them.
//!
//! Both meet at a topic of the signaling server that only the first word names; the exchange itself is
//! [`trust::spoken`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use call_core::SignalingInput;
use signaling_protocol::{Blob, ClientMessage, PROTOCOL_VERSION, ServerMessage, Slot};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant as TokioInstant, sleep, timeout, timeout_at};
use trust::spoken::SpokenCode;
use trust::spoken_exchange::{self, GuestStep, HostStep, SpokenError, SpokenGuest, SpokenHost};
use trust::{Entropy, Language};

use crate::dial::Dialer;
use crate::handle::SpokenCodeProblem;
use crate::people::SpokenCodeSnapshot;
use crate::signaling::{self, SignalingClient, SignalingEvent};

/// How long a code lives.
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Wrong tries after which a code is dead.
const TRIES: u8 = spoken_exchange::MAX_TRIES;
/// Pause before the server is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long a guest waits for the server, and then for each answer.
const GUEST_PATIENCE: Duration = Duration::from_secs(5);

/// A code that waits for a guest. Dropping it ends it.
pub(crate) struct OfferedCode {
    state: watch::Receiver<Option<(SpokenCode, u8)>>,
    dies_at: Instant,
    task: JoinHandle<()>,
}

impl OfferedCode {
    /// Waits at this server with a new code that leads to this link.
    pub(crate) fn offer(server: String, link: String, mut entropy: Entropy) -> Self {
        let code = SpokenCode::random(&mut entropy);
        let (published, state) = watch::channel(Some((code, TRIES)));
        let published = Arc::new(published);
        let dies_at = Instant::now() + LIFETIME;
        let task = tokio::spawn(async move {
            let waiting = wait_for_guests(server, link, code, entropy, &published);
            if timeout(LIFETIME, waiting).await.is_err() {
                tracing::info!("a spoken code ran out");
            }
            published.send_replace(None);
        });
        Self { state, dies_at, task }
    }

    /// What the window shows; none when the code is dead or did its work.
    pub(crate) fn snapshot(&self) -> Option<SpokenCodeSnapshot> {
        let (code, tries_left) = (*self.state.borrow())?;
        let left = self.dies_at.saturating_duration_since(Instant::now());
        Some(SpokenCodeSnapshot {
            words: code.numbers(),
            tries_left,
            expires_in_s: left.as_secs() as u32,
        })
    }
}

impl Drop for OfferedCode {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Published = watch::Sender<Option<(SpokenCode, u8)>>;

async fn wait_for_guests(
    server: String,
    link: String,
    mut code: SpokenCode,
    mut entropy: Entropy,
    published: &Published,
) {
    let (events, mut inbox) = mpsc::channel(signaling::EVENT_CAPACITY);
    let Ok(mut host) = SpokenHost::new(code, link.clone(), &mut entropy) else {
        return tracing::error!("our own link is longer than a link may be");
    };
    for generation in 1.. {
        let client = SignalingClient::connect(server.clone(), Dialer::default(), generation, events.clone());
        while let Some(event) = inbox.recv().await {
            match event.input {
                _ if event.generation != generation => {}
                SignalingInput::Connected => listen(&client, code),
                SignalingInput::Message(ServerMessage::Listening { topics, .. }) => {
                    let is_taken = topics.iter().any(|topic| !topic.others.is_empty());
                    if is_taken && host.tries_left() == TRIES {
                        code = SpokenCode::random(&mut entropy);
                        host = match SpokenHost::new(code, link.clone(), &mut entropy) {
                            Ok(host) => host,
                            Err(_) => return,
                        };
                        published.send_replace(Some((code, TRIES)));
                        listen(&client, code);
                    }
                }
                SignalingInput::Message(ServerMessage::Posted { topic, from, blob }) if topic == code.topic() => {
                    let step = host.handle(from, &blob.0);
                    let is_over = matches!(step, HostStep::Delivered(_) | HostStep::Dead(_));
                    answer(&client, code, from, step);
                    if is_over {
                        return client.close().await;
                    }
                    published.send_replace(Some((code, host.tries_left())));
                }
                SignalingInput::Message(ServerMessage::ListenerWent { topic, slot }) if topic == code.topic() => {
                    if let HostStep::Dead(_) = host.left(slot) {
                        return;
                    }
                    published.send_replace(Some((code, host.tries_left())));
                }
                SignalingInput::Message(_) => {}
                SignalingInput::Disconnected(_) => break,
            }
        }
        sleep(RETRY).await;
    }
}

fn answer(client: &SignalingClient, code: SpokenCode, to: Slot, step: HostStep) {
    match step {
        HostStep::Send(bytes) | HostStep::Delivered(bytes) | HostStep::Dead(bytes) => post(client, code, to, bytes),
        HostStep::WrongTry { answer, .. } => post(client, code, to, answer),
        HostStep::Ignored => {}
    }
}

/// The words of these numbers, as the window and the command line show them: in Russian for `ru`, else in English.
#[must_use]
pub fn spoken_words(language: &str, numbers: [u16; 3]) -> [&'static str; 3] {
    let language = match language {
        "ru" => Language::Russian,
        _ => Language::English,
    };
    SpokenCode::from_numbers(numbers).words(language)
}

/// Somebody who comes with three words. Dropping it ends it.
pub(crate) struct ComingGuest {
    outcome: oneshot::Receiver<Result<String, SpokenCodeProblem>>,
    task: JoinHandle<()>,
}

impl ComingGuest {
    pub(crate) fn start(server: String, code: SpokenCode, entropy: Entropy) -> Self {
        let (done, outcome) = oneshot::channel::<Result<String, SpokenCodeProblem>>();
        let task = tokio::spawn(async move {
            if done.send(come(server, code, entropy).await).is_err() {
                tracing::debug!("nobody waits for a spoken code any more");
            }
        });
        Self { outcome, task }
    }

    /// The link, or why there is none.
    pub(crate) async fn outcome(&mut self) -> Result<String, SpokenCodeProblem> {
        match (&mut self.outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(SpokenCodeProblem::Unreachable),
        }
    }
}

impl Drop for ComingGuest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn come(server: String, code: SpokenCode, mut entropy: Entropy) -> Result<String, SpokenCodeProblem> {
    let (events, mut inbox) = mpsc::channel(signaling::EVENT_CAPACITY);
    let client = SignalingClient::connect(server, Dialer::default(), 1, events);
    let (mut guest, first) = SpokenGuest::start(code, &mut entropy);
    let mut host: Option<Slot> = None;
    let mut patience = TokioInstant::now() + GUEST_PATIENCE;
    loop {
        let event: SignalingEvent = match timeout_at(patience, inbox.recv()).await {
            Ok(Some(event)) => event,
            // Who has the wrong words gets no answer to them.
            Ok(None) | Err(_) if host.is_some() => return Err(SpokenCodeProblem::WrongWords),
            Ok(None) | Err(_) => return Err(SpokenCodeProblem::Unreachable),
        };
        match event.input {
            SignalingInput::Connected => listen(&client, code),
            SignalingInput::Message(ServerMessage::Listening { topics, .. }) => {
                // Who waits was there first.
                let others = topics.iter().flat_map(|topic| &topic.others);
                let to = *others.min().ok_or(SpokenCodeProblem::NobodyThere)?;
                host = Some(to);
                patience = TokioInstant::now() + GUEST_PATIENCE;
                post(&client, code, to, first.clone());
            }
            SignalingInput::Message(ServerMessage::Posted { topic, from, blob })
                if topic == code.topic() && Some(from) == host =>
            {
                match guest.handle(&blob.0) {
                    Ok(GuestStep::Send(bytes)) => {
                        patience = TokioInstant::now() + GUEST_PATIENCE;
                        post(&client, code, from, bytes);
                    }
                    Ok(GuestStep::Link(link)) => {
                        client.close().await;
                        return Ok(link);
                    }
                    Err(SpokenError::Malformed) => {}
                    Err(SpokenError::Dead) => return Err(SpokenCodeProblem::NobodyThere),
                    Err(error) => {
                        tracing::info!(%error, "the spoken code did not fit");
                        return Err(SpokenCodeProblem::WrongWords);
                    }
                }
            }
            SignalingInput::Message(_) => {}
            SignalingInput::Disconnected(loss) => {
                tracing::info!(?loss, "the server of the spoken code");
                return Err(SpokenCodeProblem::Unreachable);
            }
        }
    }
}

fn listen(client: &SignalingClient, code: SpokenCode) {
    client.send(ClientMessage::Listen {
        v: PROTOCOL_VERSION,
        topics: vec![code.topic()],
    });
}

fn post(client: &SignalingClient, code: SpokenCode, to: Slot, bytes: Vec<u8>) {
    client.send(ClientMessage::Post {
        topic: code.topic(),
        to,
        blob: Blob(bytes),
    });
}
