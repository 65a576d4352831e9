//! Every timer a call can have, how long each is, and the table they stand in.

use std::collections::BTreeMap;
use std::time::Duration;

use signaling_protocol::Slot;

use crate::input::PeerKey;
use crate::time::Time;

/// First pause before the server is tried again; doubles with each failure.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Pause before the server is tried again while somebody is silent: the network may be back any moment.
pub(crate) const RETRY_URGENT: Duration = Duration::from_millis(400);
/// While somebody is silent, the connection to the server has to show this often that it is alive.
pub(crate) const PROBE: Duration = Duration::from_secs(2);
/// Longest pause before the server is tried again.
pub(crate) const RETRY_LONGEST: Duration = Duration::from_secs(5);
/// The WebSocket has to open, and then `Joined` has to come, each within this.
pub(crate) const SIGNALING_STEP: Duration = Duration::from_secs(5);
/// A call that has never been in the room ends after this.
pub(crate) const JOIN_LIMIT: Duration = Duration::from_secs(10);
/// A greeting without an answer is repeated after this …
pub(crate) const GREETING_REPEAT: Duration = Duration::from_secs(3);
/// … this often; then nobody is taken to live in that slot …
pub(crate) const GREETINGS: u32 = 3;
/// … and it is asked only this often.
pub(crate) const GREETING_SELDOM: Duration = Duration::from_secs(30);
/// From `CreatePeer` until media and control channel are up. Catches what ICE and DTLS never report:
/// forged handshakes, a wrong fingerprint. Also the time a silent connection has to find a new path.
pub(crate) const SET_UP: Duration = Duration::from_secs(10);
/// Connections that are tried for a participant before giving up.
pub(crate) const TRIES: u32 = 3;
/// After a break the polite side leaves the offer to the other for this long, so that they rarely collide.
pub(crate) const POLITE_PAUSE: Duration = Duration::from_secs(3);
/// A silent participant answered through the server, so both are there: the old path has so long to come back before
/// it is given up for a new one. Media and checks that flow again show within 0.3 s.
pub(crate) const NEW_PATH: Duration = Duration::from_millis(500);
/// A participant given up is tried once more after this.
pub(crate) const TRY_AGAIN: Duration = Duration::from_secs(30);
/// Silent, and away from the server: gone after this. Networks are away for minutes, and who hangs up says so.
pub(crate) const ABSENCE: Duration = Duration::from_secs(330);
/// Silent while we ourselves have no server to ask: gone after this.
pub(crate) const ABSENCE_UNSEEN: Duration = Duration::from_secs(600);

/// While a connection is being agreed on through the server, something is said at least this often …
pub(crate) const CHECK: Duration = Duration::from_millis(1_500);
/// … and when nothing came for this long, the session is taken for broken.
pub(crate) const QUIET: Duration = Duration::from_secs(4);

/// A session that broke too often is made anew after this: three a minute.
pub(crate) const RENEWAL: Duration = Duration::from_secs(20);

/// One timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// Try the server again.
    SignalingRetry,
    /// The server is too slow to open or to let us in.
    SignalingStep,
    /// We never got into the room.
    JoinLimit,
    /// The server has to show that it is there: [`PROBE`].
    Probe,
    /// Nobody in this slot has answered our greeting.
    Greeting(Slot),
    /// Time to say something to this slot: [`CHECK`].
    Check(Slot),
    /// Nothing came from this slot: [`QUIET`].
    Quiet(Slot),
    /// The invite lets nobody new in from now on.
    Expiry,
    /// The connection should be up by now: [`SET_UP`].
    SetUp(PeerKey),
    /// The polite side's turn to offer: [`POLITE_PAUSE`].
    OfferTurn(PeerKey),
    /// The old path did not come back in time: [`NEW_PATH`].
    NewPath(PeerKey),
    /// Gone for good: [`ABSENCE`], [`ABSENCE_UNSEEN`].
    Absence(PeerKey),
    /// Try a participant once more that was given up: [`TRY_AGAIN`].
    TryAgain(PeerKey),
}

/// The timers that run. At most one of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines(BTreeMap<Deadline, Time>);

impl Deadlines {
    /// Starts a timer, or moves it.
    pub(crate) fn set(&mut self, deadline: Deadline, at: Time) {
        self.0.insert(deadline, at);
    }

    /// Starts a timer, or moves it if that makes it earlier.
    pub(crate) fn set_no_later(&mut self, deadline: Deadline, at: Time) {
        self.0
            .entry(deadline)
            .and_modify(|present| *present = at.min(*present))
            .or_insert(at);
    }

    /// Stops a timer.
    pub(crate) fn clear(&mut self, deadline: Deadline) {
        self.0.remove(&deadline);
    }

    /// Stops all timers for which `keep` says no.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Deadline) -> bool) {
        self.0.retain(|deadline, _| keep(deadline));
    }

    /// The next moment something is due.
    pub(crate) fn next(&self) -> Option<Time> {
        self.0.values().min().copied()
    }

    /// Takes the timer that has been due longest.
    pub(crate) fn take_due(&mut self, now: Time) -> Option<Deadline> {
        let (&deadline, _) = self.0.iter().filter(|&(_, &at)| at <= now).min_by_key(|&(_, &at)| at)?;
        self.0.remove(&deadline);
        Some(deadline)
    }
}
