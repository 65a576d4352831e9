//! The devices one can choose from. Listing them may take the system a while, so it runs beside the driver.

use call_media::audio::devices as sound;
use call_media::capture::camera;
use call_media::devices::DeviceName;
use tokio::task::JoinHandle;

use crate::snapshot::DeviceList;

/// Looks for devices when asked to and keeps what was found last.
#[derive(Default)]
pub(crate) struct Watcher {
    known: DeviceList,
    looking: Option<JoinHandle<DeviceList>>,
}

impl Watcher {
    /// Starts to look, unless that is under way.
    pub(crate) fn look(&mut self) {
        if self.looking.is_none() {
            self.looking = Some(tokio::task::spawn_blocking(list_devices));
        }
    }

    /// What was found last.
    pub(crate) fn list(&self) -> &DeviceList {
        &self.known
    }

    /// Waits for the end of a look. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<DeviceList> {
        match &mut self.looking {
            Some(looking) => looking.await.ok(),
            None => std::future::pending().await,
        }
    }

    /// Takes what [`next`](Self::next) gave; `None` keeps what was known.
    pub(crate) fn keep(&mut self, list: Option<DeviceList>) {
        self.looking = None;
        match list {
            Some(list) => self.known = list,
            None => tracing::warn!("the devices could not be listed"),
        }
    }
}

/// All devices of this machine. Blocks for as long as the system takes.
#[must_use]
pub fn list_devices() -> DeviceList {
    let sound = sound::list();
    DeviceList {
        cameras: camera::list()
            .into_iter()
            .map(|camera| DeviceName {
                name: camera.name,
                is_default: camera.is_default,
            })
            .collect(),
        microphones: sound.microphones,
        speakers: sound.speakers,
    }
}
