//! The shared screen: for now the test screen; monitors and windows say that they are not there yet.

use std::sync::Arc;

use super::{Outlet, StampMode, test_screen};
use crate::devices::{DeviceProblem, DeviceStatus};
use crate::frame::VideoSink;
use crate::spec::ScreenSpec;
use crate::stage::Stage;

/// A screen that is shared. Frames go to its sink, from a thread called "screen", until it is dropped.
pub struct Screen {
    outlet: Arc<Outlet>,
    stage: Option<Stage>,
}

impl Screen {
    /// Starts sharing. Never waits; trouble shows up in [`status`](Self::status).
    #[must_use]
    pub fn open(spec: ScreenSpec, stamp: StampMode, sink: Arc<dyn VideoSink>) -> Self {
        let outlet = Outlet::new(sink, DeviceStatus::Off);
        let mut screen = Self { outlet, stage: None };
        match spec {
            ScreenSpec::None => {}
            ScreenSpec::Test(mode) => {
                screen.outlet.set_status(DeviceStatus::Starting);
                let shared = Arc::clone(&screen.outlet);
                match Stage::spawn("screen", move |_| test_screen::run(&shared, mode, stamp)) {
                    Ok(stage) => screen.stage = Some(stage),
                    Err(error) => screen.fail(format!("no thread for the screen: {error}")),
                }
            }
            ScreenSpec::Monitor(_) | ScreenSpec::Window(_) => {
                screen.fail("sharing real screens and windows comes in a later version; use test to try it out".into());
            }
        }
        screen
    }

    fn fail(&self, detail: String) {
        self.outlet.fail(DeviceProblem::Unusable, detail);
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> DeviceStatus {
        self.outlet.status()
    }

    /// `waker` is called after each change of [`status`](Self::status), on the screen's thread: it must be quick.
    pub fn set_status_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        self.outlet.set_waker(Arc::new(waker));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.outlet.close();
        if let Some(stage) = self.stage.take() {
            stage.detach();
        }
    }
}
