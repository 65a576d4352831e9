use serde::Deserialize;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};

use super::*;
use crate::room::RoomKeys;
use signaling_protocol::Slot;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    handshake: String,
    init_static: Option<String>,
    resp_static: Option<String>,
    init_ephemeral: String,
    resp_ephemeral: String,
    prologue: String,
    psk: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    payload: String,
    ciphertext: String,
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn side(vector: &Vector, role: Role) -> HandshakeState {
    let (fixed, ephemeral) = match role {
        Role::Initiator => (&vector.init_static, &vector.init_ephemeral),
        Role::Responder => (&vector.resp_static, &vector.resp_ephemeral),
    };
    let [fixed, ephemeral, prologue, psk] =
        [fixed.as_deref().unwrap_or(""), ephemeral, &vector.prologue, &vector.psk].map(unhex);
    let resolver = Box::new(Resolver(Entropy::from_seed([0; 32])));
    let psk = psk.try_into().unwrap();
    let mut builder = Builder::with_resolver(vector.handshake.parse().unwrap(), resolver)
        .fixed_ephemeral_key_for_testing_only(&ephemeral)
        .prologue(&prologue)
        .and_then(|builder| builder.psk(0, &psk))
        .unwrap();
    if !fixed.is_empty() {
        builder = builder.local_private_key(&fixed).unwrap();
    }
    match role {
        Role::Initiator => builder.build_initiator(),
        Role::Responder => builder.build_responder(),
    }
    .unwrap()
}

/// Published vectors of another implementation, with the primitives that sessions and spoken codes use.
#[test]
fn the_published_vectors_pass() {
    let Vectors { vectors } = serde_json::from_str(include_str!("../tests/vectors/noise_psk0.json")).unwrap();
    assert_eq!(
        vectors
            .iter()
            .filter(|vector| vector.handshake == NOISE_PROTOCOL)
            .count(),
        4
    );
    for vector in &vectors {
        let mut sides = [side(vector, Role::Initiator), side(vector, Role::Responder)];
        let mut messages = vector.messages.iter();
        let (mut wire, mut opened) = (vec![0; 1024], vec![0; 1024]);
        let mut turn = 0;
        while !sides[0].is_handshake_finished() {
            let message = messages.next().unwrap();
            let sent = sides[turn % 2]
                .write_message(&unhex(&message.payload), &mut wire)
                .unwrap();
            assert_eq!(hex(&wire[..sent]), message.ciphertext, "message {turn}");
            let read = sides[(turn + 1) % 2].read_message(&wire[..sent], &mut opened).unwrap();
            assert_eq!(hex(&opened[..read]), message.payload);
            turn += 1;
        }
        // The initiator begins, whoever was last.
        let mut sides = sides.map(|side| side.into_transport_mode().unwrap());
        for (turn, message) in messages.enumerate() {
            let sent = sides[turn % 2]
                .write_message(&unhex(&message.payload), &mut wire)
                .unwrap();
            assert_eq!(hex(&wire[..sent]), message.ciphertext, "message {turn}");
            let read = sides[(turn + 1) % 2].read_message(&wire[..sent], &mut opened).unwrap();
            assert_eq!(hex(&opened[..read]), message.payload);
        }
    }
}

/// u-coordinates of small order, and all their encodings below 2²⁵⁵ (cr.yp.to/ecdh.html, "How do I validate
/// Curve25519 public keys?"). X25519 ignores the last bit, which doubles them.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

fn low_order_points() -> Vec<[u8; 32]> {
    let points = LOW_ORDER
        .iter()
        .map(|point| <[u8; 32]>::try_from(unhex(point)).unwrap());
    points
        .flat_map(|point| {
            let mut with_last_bit = point;
            with_last_bit[31] |= 0x80;
            [point, with_last_bit]
        })
        .collect()
}

/// Which of its keys a hostile side replaces by the point.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Weak {
    Ephemeral([u8; 32]),
    Static([u8; 32]),
}

struct HostileResolver(Weak);

impl CryptoResolver for HostileResolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Resolver(Entropy::from_seed([9; 32])).resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(HostileDh {
            honest: DefaultResolver.resolve_dh(choice)?,
            weak: self.0,
            point: None,
        }))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Shows a point of small order as its public key, and knows what everybody's secret with it is: zeros.
struct HostileDh {
    honest: Box<dyn Dh>,
    weak: Weak,
    point: Option<[u8; 32]>,
}

impl Dh for HostileDh {
    fn name(&self) -> &'static str {
        self.honest.name()
    }

    fn pub_len(&self) -> usize {
        self.honest.pub_len()
    }

    fn priv_len(&self) -> usize {
        self.honest.priv_len()
    }

    /// The static key is given.
    fn set(&mut self, private: &[u8]) {
        self.honest.set(private);
        if let Weak::Static(point) = self.weak {
            self.point = Some(point);
        }
    }

    /// The ephemeral key is made.
    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        if let Weak::Ephemeral(point) = self.weak {
            self.point = Some(point);
        }
        self.honest.generate(rng)
    }

    fn pubkey(&self) -> &[u8] {
        match &self.point {
            Some(point) => point,
            None => self.honest.pubkey(),
        }
    }

    fn privkey(&self) -> &[u8] {
        self.honest.privkey()
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        if self.point.is_some() {
            out.fill(0);
            return Ok(());
        }
        self.honest.dh(public, out)
    }
}

fn room_terms() -> Terms {
    RoomKeys::from_secret(&[3; 16]).terms(Slot(2), Slot(1))
}

fn state(role: Role, resolver: Box<dyn CryptoResolver + Send>) -> HandshakeState {
    let terms = room_terms();
    let builder = Builder::with_resolver(NOISE_PROTOCOL.parse().unwrap(), resolver)
        .local_private_key(&[77; 32])
        .and_then(|builder| builder.prologue(&terms.prologue))
        .and_then(|builder| builder.psk(0, &terms.psk.0))
        .unwrap();
    match role {
        Role::Initiator => builder.build_initiator(),
        Role::Responder => builder.build_responder(),
    }
    .unwrap()
}

fn blob(kind: MessageKind, id: SessionId, state: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut blob = vec![0; HEADER_BYTES];
    write(state, payload, &mut blob).unwrap();
    put_header(&mut blob, kind, id);
    blob
}

/// What a responder of ours says to a hostile initiator.
fn attacked_responder(weak: Weak) -> Result<(), SessionError> {
    let mut entropy = Entropy::from_seed([1; 32]);
    let identity = IdentityKey::generate(&mut entropy);
    let mut hostile = state(Role::Initiator, Box::new(HostileResolver(weak)));
    let mut first = blob(MessageKind::First, SessionId([0; 4]), &mut hostile, &[]);
    let id = SessionId(first[HEADER_BYTES..HEADER_BYTES + 4].try_into().unwrap());
    put_header(&mut first, MessageKind::First, id);
    let (responder, second) = Responder::answer(&room_terms(), &identity, &mut entropy, &first, b"")?;
    read(&mut hostile, &second[HEADER_BYTES..]).unwrap();
    let third = blob(MessageKind::Third, id, &mut hostile, &pad(b"", Padding::Small).unwrap());
    responder.complete(&third).map(|_| ()).map_err(|(_, error)| error)
}

/// What an initiator of ours says to a hostile responder.
fn attacked_initiator(weak: Weak) -> Result<(), SessionError> {
    let mut entropy = Entropy::from_seed([1; 32]);
    let identity = IdentityKey::generate(&mut entropy);
    let mut hostile = state(Role::Responder, Box::new(HostileResolver(weak)));
    let (initiator, first) = Initiator::start(&room_terms(), &identity, &mut entropy);
    read_bare(&mut hostile, &first[HEADER_BYTES..]).unwrap();
    let padded = pad(b"", Padding::Small).unwrap();
    let second = blob(MessageKind::Second, initiator.id(), &mut hostile, &padded);
    initiator.receive(&second).map(|_| ()).map_err(|(_, error)| error)
}

#[test]
fn keys_that_protect_nothing_are_refused_by_both_sides() {
    for point in low_order_points() {
        for weak in [Weak::Ephemeral(point), Weak::Static(point)] {
            assert_eq!(attacked_responder(weak), Err(SessionError::Forged), "{weak:?}");
            assert_eq!(attacked_initiator(weak), Err(SessionError::Forged), "{weak:?}");
        }
        let own = IdentityKey::generate(&mut Entropy::from_seed([1; 32]));
        assert!(own.agree(&PublicKey(point)).is_err());
    }
}

/// The hostile side is right about everything but the strictness: without it, the handshake would be completed.
#[test]
fn without_our_check_a_weak_key_would_be_taken() {
    for point in low_order_points() {
        for weak in [Weak::Ephemeral(point), Weak::Static(point)] {
            let mut hostile = state(Role::Initiator, Box::new(HostileResolver(weak)));
            let mut lax = state(Role::Responder, Box::new(LaxResolver));
            let (mut sent, mut read) = (vec![0; 1024], vec![0; 1024]);
            for turn in 0..3 {
                let (from, to) = match turn {
                    1 => (&mut lax, &mut hostile),
                    _ => (&mut hostile, &mut lax),
                };
                let length = from.write_message(&[], &mut sent).unwrap();
                to.read_message(&sent[..length], &mut read).unwrap();
            }
            assert!(lax.is_handshake_finished(), "{weak:?}");
        }
    }
}

/// Ours, but with snow's own X25519.
struct LaxResolver;

impl CryptoResolver for LaxResolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Resolver(Entropy::from_seed([8; 32])).resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Somebody with the link answers first, with a payload that is no payload: the true answer is still taken.
#[test]
fn an_answer_with_bad_padding_does_not_keep_the_true_one_out() {
    let mut entropy = Entropy::from_seed([1; 32]);
    let [one, other] = [(); 2].map(|()| IdentityKey::generate(&mut entropy));
    let terms = room_terms();
    let (mut initiator, first) = Initiator::start(&terms, &one, &mut entropy);
    let (_, second) = Responder::answer(&terms, &other, &mut entropy, &first, b"hello").unwrap();
    for unpaddable in [&[][..], &[0], &[0xff, 0xff, 0]] {
        let mut thief = state(Role::Responder, Box::new(LaxResolver));
        read_bare(&mut thief, &first[HEADER_BYTES..]).unwrap();
        let bad = blob(MessageKind::Second, initiator.id(), &mut thief, unpaddable);
        let (again, error) = initiator.receive(&bad).unwrap_err();
        assert_eq!(error, SessionError::Forged);
        initiator = again;
    }
    assert_eq!(initiator.receive(&second).unwrap().payload, b"hello");
}
