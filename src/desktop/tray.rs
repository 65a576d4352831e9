//! The icon in the tray (StatusNotifierItem, over D-Bus; Linux only so far): as long as somebody shows it, the window can
//! be closed and calls still ring.
//!
//! In: what the menu says. Out: what was chosen in it. A thread "tray" talks to the desktop and ends with the [`Tray`].

use std::sync::Arc;

/// What the menu says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// Shows the window.
    pub open: String,
    /// Nobody rings through.
    pub do_not_disturb: String,
    /// Whether that is so.
    pub is_undisturbed: bool,
    /// Ends the program.
    pub quit: String,
}

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Show the window.
    Open,
    /// Nobody rings through, or everybody again.
    ToggleDoNotDisturb,
    /// End the program.
    Quit,
    /// The tray has come or gone: look at [`Tray::is_shown`] again.
    Changed,
}

/// Called on a thread of ours with each choice.
pub type OnChoice = Arc<dyn Fn(Choice) + Send + Sync>;

#[cfg(target_os = "linux")]
pub use linux::Tray;
#[cfg(not(target_os = "linux"))]
pub use nowhere::Tray;

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

    use ksni::blocking::TrayMethods as _;
    use ksni::menu::{CheckmarkItem, MenuItem, StandardItem};
    use ksni::{Icon, OfflineReason};

    use super::{Choice, Menu, OnChoice};
    use crate::ui::theme::icons::application_icon;

    /// Menus that wait to be shown: each replaces all before it.
    const MENUS: usize = 4;

    /// The icon; dropping it takes it away.
    pub struct Tray {
        menus: Option<SyncSender<Menu>>,
        is_shown: Arc<AtomicBool>,
    }

    impl Tray {
        /// Puts the icon into the tray, now or when there is one. Without a session bus there never is.
        #[must_use]
        pub fn start(menu: Menu, on_choice: OnChoice) -> Self {
            let is_shown = Arc::new(AtomicBool::new(false));
            let (menus, incoming) = sync_channel(MENUS);
            let item = Item {
                menu,
                is_shown: Arc::clone(&is_shown),
                on_choice,
            };
            let thread = std::thread::Builder::new().name("tray".into());
            let started = thread.spawn(move || run(item, &incoming));
            if let Err(error) = &started {
                tracing::warn!(%error, "there will be no icon in the tray");
            }
            Self {
                menus: started.is_ok().then_some(menus),
                is_shown,
            }
        }

        /// No tray.
        #[must_use]
        pub fn none() -> Self {
            Self {
                menus: None,
                is_shown: Arc::default(),
            }
        }

        /// Whether somebody shows the icon.
        #[must_use]
        pub fn is_shown(&self) -> bool {
            self.is_shown.load(Ordering::Acquire)
        }

        /// Changes what the menu says.
        pub fn show(&self, menu: Menu) {
            if let Some(Err(TrySendError::Full(_))) = self.menus.as_ref().map(|menus| menus.try_send(menu)) {
                tracing::warn!("the tray does not take its menu");
            }
        }
    }

    fn run(item: Item, menus: &Receiver<Menu>) {
        let is_shown = Arc::clone(&item.is_shown);
        let on_choice = Arc::clone(&item.on_choice);
        // Until the desktop says otherwise: it does so before this returns.
        is_shown.store(true, Ordering::Release);
        let handle = match item.assume_sni_available(true).spawn() {
            Ok(handle) => handle,
            Err(error) => {
                is_shown.store(false, Ordering::Release);
                tracing::debug!(%error, "there is no tray");
                return;
            }
        };
        on_choice(Choice::Changed);
        while let Ok(menu) = menus.recv() {
            if handle.update(|item| item.menu = menu).is_none() {
                is_shown.store(false, Ordering::Release);
                on_choice(Choice::Changed);
                return;
            }
        }
        handle.shutdown().wait();
    }

    struct Item {
        menu: Menu,
        is_shown: Arc<AtomicBool>,
        on_choice: OnChoice,
    }

    impl Item {
        fn note(&self, is_shown: bool) {
            self.is_shown.store(is_shown, Ordering::Release);
            (self.on_choice)(Choice::Changed);
        }
    }

    impl ksni::Tray for Item {
        fn id(&self) -> String {
            "visavis".into()
        }

        fn title(&self) -> String {
            "Visavis".into()
        }

        fn icon_pixmap(&self) -> Vec<Icon> {
            vec![pixmap()]
        }

        fn activate(&mut self, _x: i32, _y: i32) {
            (self.on_choice)(Choice::Open);
        }

        fn menu(&self) -> Vec<MenuItem<Self>> {
            let entry = |label: &str, choice| {
                let entry = StandardItem {
                    label: escaped(label),
                    activate: Box::new(move |item: &mut Self| (item.on_choice)(choice)),
                    ..Default::default()
                };
                entry.into()
            };
            let undisturbed = CheckmarkItem {
                label: escaped(&self.menu.do_not_disturb),
                checked: self.menu.is_undisturbed,
                activate: Box::new(|item: &mut Self| (item.on_choice)(Choice::ToggleDoNotDisturb)),
                ..Default::default()
            };
            vec![
                entry(&self.menu.open, Choice::Open),
                undisturbed.into(),
                MenuItem::Separator,
                entry(&self.menu.quit, Choice::Quit),
            ]
        }

        fn watcher_online(&self) {
            self.note(true);
        }

        fn watcher_offline(&self, reason: OfflineReason) -> bool {
            tracing::debug!(?reason, "nobody shows the icon in the tray");
            self.note(false);
            true
        }
    }

    /// In a menu a single underscore is the sign of an access key.
    fn escaped(label: &str) -> String {
        label.replace('_', "__")
    }

    /// The application's icon as the specification wants it: alpha, red, green, blue.
    fn pixmap() -> Icon {
        let icon = application_icon();
        let mut data = icon.rgba;
        for pixel in data.chunks_exact_mut(4) {
            pixel.rotate_right(1);
        }
        let side = |pixels: u32| i32::try_from(pixels).unwrap_or(i32::MAX);
        Icon {
            width: side(icon.width),
            height: side(icon.height),
            data,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_icon_is_as_large_as_it_says_and_alpha_comes_first() {
            let (icon, rgba) = (pixmap(), application_icon().rgba);
            assert_eq!(icon.data.len(), (icon.width * icon.height * 4) as usize);
            let middle = rgba.len() / 2 + rgba.len() / 128 * 4 % rgba.len();
            let middle = middle - middle % 4;
            let [r, g, b, a] = rgba[middle..middle + 4].try_into().expect("four bytes");
            assert_eq!(icon.data[middle..middle + 4], [a, r, g, b]);
        }

        #[test]
        fn names_keep_their_underscores() {
            assert_eq!(escaped("a_b"), "a__b");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use super::{Menu, OnChoice};

    /// There is none here yet: closing the window ends the program.
    pub struct Tray;

    impl Tray {
        /// Does nothing.
        #[must_use]
        pub fn start(_menu: Menu, _on_choice: OnChoice) -> Self {
            Self
        }

        /// No tray.
        #[must_use]
        pub fn none() -> Self {
            Self
        }

        /// Nobody shows it.
        #[must_use]
        pub fn is_shown(&self) -> bool {
            false
        }

        /// Does nothing.
        pub fn show(&self, _menu: Menu) {}
    }
}
