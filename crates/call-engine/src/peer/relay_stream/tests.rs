//! A stream against servers made here: what arrives, what is dropped, how it ends.

use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::tls::{ExtraRoots, Trust};
use super::*;

/// Ends a test that hangs; never part of what is asserted.
const PATIENCE: Duration = Duration::from_secs(20);
const STANDS_FOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(240, 0, 0, 0)), 443);

struct World {
    stream: RelayStream,
    incoming: mpsc::Receiver<(SocketAddr, Bytes)>,
    events: mpsc::Receiver<StreamEvent>,
}

impl World {
    fn to(url: &str, roots: &ExtraRoots, head_start: Option<HeadStart>) -> Self {
        let (sender, incoming) = mpsc::channel(64);
        let (told, events) = mpsc::channel(8);
        let stream = RelayStream::start(StreamOrder {
            url: IceUrl::parse(url).unwrap(),
            local: Ipv4Addr::LOCALHOST.into(),
            tls: Trust::new(roots).unwrap(),
            head_start,
            stands_for: STANDS_FOR,
            incoming: sender,
            on_event: Arc::new(move |event| told.try_send(event).unwrap()),
        });
        Self {
            stream,
            incoming,
            events,
        }
    }

    async fn event(&mut self) -> StreamEvent {
        within(self.events.recv()).await.unwrap()
    }

    async fn message(&mut self) -> Bytes {
        let (source, message) = within(self.incoming.recv()).await.unwrap();
        assert_eq!(source, STANDS_FOR);
        message
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it comes in time")
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn channel(body: usize) -> Vec<u8> {
    let length = u16::try_from(body).unwrap().to_be_bytes();
    [&[0x40, 1][..], &length, &vec![7; body]].concat()
}

fn request(id: u8) -> Vec<u8> {
    [&[0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[id; 12]].concat()
}

async fn read_exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    within(stream.read_exact(&mut buffer)).await.unwrap();
    buffer
}

#[tokio::test]
async fn datagrams_go_there_and_back_and_repeated_requests_stay_at_home() {
    let (listener, port) = listen().await;
    let mut world = World::to(
        &format!("turn:127.0.0.1:{port}?transport=tcp"),
        &ExtraRoots::default(),
        None,
    );
    for datagram in [
        request(1),
        request(1),
        channel(5),
        request(1),
        request(2),
        b"no turn".to_vec(),
    ] {
        world.stream.send(&datagram).unwrap();
    }
    let (mut server, _) = within(listener.accept()).await.unwrap();
    let expected = [&request(1)[..], &channel(5), &[0; 3], &request(2)].concat();
    assert_eq!(read_exactly(&mut server, expected.len()).await, expected);
    assert_eq!(world.event().await, StreamEvent::Open);
    // In two pieces, the first of which ends inside a header.
    let answer = [&request(9)[..], &channel(2), &[0; 2]].concat();
    server.write_all(&answer[..22]).await.unwrap();
    assert_eq!(world.message().await, request(9));
    server.write_all(&answer[22..]).await.unwrap();
    assert_eq!(world.message().await, channel(2));
}

#[tokio::test]
async fn a_server_that_reads_nothing_costs_datagrams_and_no_memory() {
    let (listener, port) = listen().await;
    let mut world = World::to(
        &format!("turn:127.0.0.1:{port}?transport=tcp"),
        &ExtraRoots::default(),
        None,
    );
    world.stream.send(&request(1)).unwrap();
    let (_server, _) = within(listener.accept()).await.unwrap();
    assert_eq!(world.event().await, StreamEvent::Open);
    // More than both systems take for a connection that nobody reads.
    let mut sent = 0;
    while world.stream.dropped.load(Ordering::Relaxed) < 100 {
        assert!(sent < 64 * 1024 * 1024, "nothing is dropped");
        world.stream.send(&channel(1_200)).unwrap();
        assert!(world.stream.queued.load(Ordering::Relaxed) <= QUEUED_BYTES);
        sent += 1_204;
        tokio::task::yield_now().await;
    }
    // What keeps the relay alive still finds room.
    let dropped = world.stream.dropped.load(Ordering::Relaxed);
    world.stream.send(&request(2)).unwrap();
    assert_eq!(world.stream.dropped.load(Ordering::Relaxed), dropped);
}

#[tokio::test]
async fn an_end_is_told_and_the_next_datagram_hears_of_it() {
    for farewell in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let (listener, port) = listen().await;
        let mut world = World::to(
            &format!("turn:127.0.0.1:{port}?transport=tcp"),
            &ExtraRoots::default(),
            None,
        );
        world.stream.send(&request(1)).unwrap();
        let (mut server, _) = within(listener.accept()).await.unwrap();
        read_exactly(&mut server, 20).await;
        server.write_all(farewell).await.unwrap();
        drop(server);
        assert_eq!(world.event().await, StreamEvent::Open);
        match world.event().await {
            StreamEvent::Gone(StreamFailure::NotTurn(_)) => assert!(!farewell.is_empty()),
            StreamEvent::Gone(StreamFailure::Broken(_)) => assert!(farewell.is_empty()),
            other => panic!("{other:?}"),
        }
        assert_eq!(world.stream.send(&request(2)), Err(StreamGone));
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let (listener, port) = listen().await;
    drop(listener);
    let mut world = World::to(
        &format!("turn:127.0.0.1:{port}?transport=tcp"),
        &ExtraRoots::default(),
        None,
    );
    assert!(matches!(
        world.event().await,
        StreamEvent::Gone(StreamFailure::Unreachable(_))
    ));
    // The loopback interface leads to this machine alone.
    let mut world = World::to("turn:192.0.2.1?transport=tcp", &ExtraRoots::default(), None);
    assert_eq!(world.event().await, StreamEvent::Gone(StreamFailure::NoRoute));
}

#[tokio::test]
async fn a_relay_over_udp_has_its_head_start() {
    let (listener, port) = listen().await;
    let url = format!("turn:127.0.0.1:{port}?transport=tcp");
    // Never less than this; how much more is the machine's affair.
    for (has_won, at_least) in [(false, 50), (true, 150)] {
        let won = Arc::new(AtomicBool::new(has_won));
        let head_start = HeadStart {
            at_least: Duration::from_millis(50),
            more_if: Arc::new(move || won.load(Ordering::Relaxed)),
            more: Duration::from_millis(100),
        };
        let begun = std::time::Instant::now();
        let mut world = World::to(&url, &ExtraRoots::default(), Some(head_start));
        world.stream.send(&request(1)).unwrap();
        let (mut server, _) = within(listener.accept()).await.unwrap();
        assert_eq!(world.event().await, StreamEvent::Open);
        assert_eq!(read_exactly(&mut server, 20).await, request(1));
        assert!(begun.elapsed() >= Duration::from_millis(at_least));
    }
}

/// An authority, and a server's certificate by it.
struct Authority {
    roots: ExtraRoots,
    acceptor: TlsAcceptor,
}

fn authority(server_name: &str) -> Authority {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![server_name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    Authority {
        roots: ExtraRoots::from_pem(issuer.pem().as_bytes()).unwrap(),
        acceptor: TlsAcceptor::from(Arc::new(config)),
    }
}

#[tokio::test]
async fn a_server_with_the_right_name_is_spoken_to_in_secret() {
    let authority = authority("127.0.0.1");
    let (listener, port) = listen().await;
    let mut world = World::to(&format!("turns:127.0.0.1:{port}"), &authority.roots, None);
    world.stream.send(&channel(6)).unwrap();
    let (server, _) = within(listener.accept()).await.unwrap();
    let mut server = within(authority.acceptor.accept(server)).await.unwrap();
    let mut buffer = [0; 12];
    within(server.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(buffer[..10], channel(6));
    assert_eq!(world.event().await, StreamEvent::Open);
    server.write_all(&request(3)).await.unwrap();
    server.flush().await.unwrap();
    assert_eq!(world.message().await, request(3));
}

#[tokio::test]
async fn a_server_that_is_not_who_it_should_be_gets_nothing() {
    let (of_another_name, of_the_right_name) = (authority("localhost"), authority("127.0.0.1"));
    for (authority, roots) in [
        (&of_another_name, &of_another_name.roots),
        (&of_the_right_name, &ExtraRoots::default()),
        (&of_the_right_name, &of_another_name.roots),
    ] {
        let (listener, port) = listen().await;
        let mut world = World::to(&format!("turns:127.0.0.1:{port}"), roots, None);
        world.stream.send(&channel(6)).unwrap();
        let (server, _) = within(listener.accept()).await.unwrap();
        assert!(within(authority.acceptor.accept(server)).await.is_err());
        let event = world.event().await;
        assert!(
            matches!(event, StreamEvent::Gone(StreamFailure::Certificate(_))),
            "{event:?}"
        );
    }
}

#[test]
fn a_file_of_roots_is_read_or_refused_with_a_sentence() {
    assert!(ExtraRoots::from_pem(b"").unwrap_err().contains("no certificate"));
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(ExtraRoots::from_pem(broken).unwrap_err().contains("of no use"));
}
