//! Notifications of the desktop. Nothing here waits on the main thread, and a desktop without notifications is silent.
//!
//! In: orders, from the main thread. Out: what was clicked. A thread "notifications" talks to the desktop; on Linux,
//! where a notification has buttons, a thread "notification" waits for each that is shown for a click or its end. On
//! macOS and Windows notifications are shown without buttons: the window takes the answer.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use notify_rust::{Notification, Timeout};
use platform::Shown;

/// Orders that wait. A desktop that hangs loses the later ones.
const ORDERS: usize = 16;

/// What to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What happened. Plain text: names of strangers belong here.
    pub title: String,
    /// More about it. Some desktops read mark-up here: fixed words only.
    pub text: String,
    /// What it is about.
    pub kind: Kind,
}

/// What a notification is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A ring: it stays until the ring ends.
    Ring {
        /// Words of the button that accepts.
        accept: String,
        /// Words of the button that declines.
        decline: String,
    },
    /// News: it goes away by itself.
    News,
}

/// What somebody did with a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Pressed "accept".
    Accept,
    /// Pressed "decline".
    Decline,
    /// Clicked on it: show the window.
    Open,
}

enum Order {
    Show(Note),
    /// Take the ring's away.
    EndRing,
}

/// Called on a thread of ours with each answer.
pub type OnAnswer = Arc<dyn Fn(Answer) + Send + Sync>;

/// The door to the thread.
pub struct Notifications {
    orders: Option<SyncSender<Order>>,
}

impl Notifications {
    /// Starts the thread; without one there are no notifications.
    #[must_use]
    pub fn start(on_answer: OnAnswer) -> Self {
        let (orders, incoming) = sync_channel(ORDERS);
        let thread = std::thread::Builder::new().name("notifications".into());
        let started = thread.spawn(move || run(&incoming, &on_answer));
        if let Err(error) = &started {
            tracing::warn!(%error, "there will be no notifications");
        }
        Self {
            orders: started.is_ok().then_some(orders),
        }
    }

    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Self { orders: None }
    }

    /// Shows something.
    pub fn show(&self, note: Note) {
        self.order(Order::Show(note));
    }

    /// Takes the notification of a ring away.
    pub fn end_ring(&self) {
        self.order(Order::EndRing);
    }

    fn order(&self, order: Order) {
        let Some(orders) = &self.orders else {
            return;
        };
        match orders.try_send(order) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => tracing::warn!("the desktop does not take notifications"),
            Err(TrySendError::Disconnected(_)) => tracing::debug!("the notifications have ended"),
        }
    }
}

fn run(orders: &Receiver<Order>, on_answer: &OnAnswer) {
    let mut ring: Option<Shown> = None;
    while let Ok(order) = orders.recv() {
        match order {
            Order::EndRing => close(ring.take()),
            Order::Show(note) => match show(&note, on_answer) {
                Ok(shown) if matches!(note.kind, Kind::Ring { .. }) => close(ring.replace(shown)),
                Ok(_) => {}
                // Not every session has somebody to show them.
                Err(error) => tracing::debug!(%error, "a notification was not shown"),
            },
        }
    }
    close(ring);
}

fn show(note: &Note, on_answer: &OnAnswer) -> notify_rust::error::Result<Shown> {
    let mut notification = Notification::new();
    notification.appname("Visavis").summary(&note.title).body(&note.text);
    if matches!(note.kind, Kind::Ring { .. }) {
        notification.timeout(Timeout::Never);
    }
    platform::add_buttons(&mut notification, note);
    Ok(platform::wait(notification.show()?, note, on_answer))
}

fn close(shown: Option<Shown>) {
    if let Some(shown) = shown {
        platform::close(shown);
    }
}

#[cfg(target_os = "linux")]
mod platform {
    //! Over D-Bus (Desktop Notifications Specification 1.2). Clicks are told to the connection that showed the
    //! notification, and only to that one by some desktops: the thread that waits for them owns it.

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use notify_rust::{Hint, Notification, NotificationHandle, NotificationResponse, Urgency};

    use super::{Answer, Kind, Note, OnAnswer};

    /// A desktop that never tells of an end keeps a thread waiting: not more than this.
    const MOST_WAITING: usize = 8;
    static WAITING: AtomicUsize = AtomicUsize::new(0);

    const ACCEPT: &str = "accept";
    const DECLINE: &str = "decline";
    /// What the specification calls a click on the notification itself.
    const OPEN: &str = "default";

    /// What closes it.
    pub type Shown = u32;

    pub fn add_buttons(notification: &mut Notification, note: &Note) {
        notification.icon("visavis").action(OPEN, &note.title);
        match &note.kind {
            Kind::Ring { accept, decline } => {
                notification
                    .urgency(Urgency::Critical)
                    .hint(Hint::Category("call.incoming".into()))
                    .action(ACCEPT, accept)
                    .action(DECLINE, decline);
            }
            Kind::News => {}
        }
    }

    /// Waits on a thread of its own until something is clicked or the notification is gone.
    pub fn wait(shown: NotificationHandle, note: &Note, on_answer: &OnAnswer) -> Shown {
        let id = shown.id();
        if WAITING.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            WAITING.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!("the desktop does not say what becomes of its notifications");
            return id;
        }
        let (kind, on_answer) = (note.kind.clone(), Arc::clone(on_answer));
        let thread = std::thread::Builder::new().name("notification".into());
        let started = thread.spawn(move || {
            let heard = shown.wait_for_response(|response: &NotificationResponse| {
                if let Some(answer) = answer(response, &kind) {
                    on_answer(answer);
                }
            });
            if let Err(error) = heard {
                tracing::debug!(%error, "clicks on a notification are not heard");
            }
            WAITING.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = started {
            WAITING.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(%error, "clicks on a notification are not heard");
        }
        id
    }

    fn answer(response: &NotificationResponse, kind: &Kind) -> Option<Answer> {
        match (response, kind) {
            (NotificationResponse::Default, _) => Some(Answer::Open),
            (NotificationResponse::Action(action), Kind::Ring { .. }) if action == ACCEPT => Some(Answer::Accept),
            (NotificationResponse::Action(action), Kind::Ring { .. }) if action == DECLINE => Some(Answer::Decline),
            (NotificationResponse::Action(_) | NotificationResponse::Reply(_) | NotificationResponse::Closed(_), _) => {
                None
            }
        }
    }

    /// The thread that waits hears of it as of any other end.
    pub fn close(id: Shown) {
        let closed = zbus::blocking::Connection::session().and_then(|session| {
            session.call_method(
                Some("org.freedesktop.Notifications"),
                "/org/freedesktop/Notifications",
                Some("org.freedesktop.Notifications"),
                "CloseNotification",
                &id,
            )
        });
        if let Err(error) = closed {
            tracing::debug!(%error, "a notification was not taken away");
        }
    }

    #[cfg(test)]
    mod tests {
        use notify_rust::CloseReason;

        use super::*;

        #[test]
        fn only_the_buttons_of_a_ring_answer_it() {
            let ring = Kind::Ring {
                accept: "Accept".into(),
                decline: "Decline".into(),
            };
            let pressed = |action: &str| NotificationResponse::Action(action.into());
            assert_eq!(answer(&pressed("accept"), &ring), Some(Answer::Accept));
            assert_eq!(answer(&pressed("decline"), &ring), Some(Answer::Decline));
            assert_eq!(answer(&pressed("accept"), &Kind::News), None);
            assert_eq!(answer(&pressed("else"), &ring), None);
            assert_eq!(answer(&NotificationResponse::Default, &ring), Some(Answer::Open));
            let gone = NotificationResponse::Closed(CloseReason::Dismissed);
            assert_eq!(answer(&gone, &ring), None, "who wipes it away has not answered");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    //! No buttons, no clicks, and what is shown goes away by itself.

    use notify_rust::{Notification, NotificationHandle};

    use super::{Note, OnAnswer};

    /// Keeps nothing.
    pub struct Shown;

    pub fn add_buttons(_notification: &mut Notification, _note: &Note) {}

    pub fn wait(_shown: NotificationHandle, _note: &Note, _on_answer: &OnAnswer) -> Shown {
        Shown
    }

    pub fn close(_shown: Shown) {}
}
