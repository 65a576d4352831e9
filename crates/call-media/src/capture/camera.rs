//! The camera of a call: real, a file, or the test pattern, all behind the same handle.

use std::sync::Arc;

use super::{Outlet, StampMode, device, test_pattern, y4m};
use crate::devices::{DeviceProblem, DeviceStatus};
use crate::frame::VideoSink;
use crate::spec::CameraSpec;
use crate::stage::Stage;

pub use super::device::{CameraInfo, list};

/// A camera that is wanted. Frames go to its sink until it is dropped.
///
/// Neither opening nor dropping waits for the device: a real camera that is missing, busy, forbidden or
/// unplugged is tried again about each second for as long as it is wanted, and [`status`](Self::status)
/// says how it stands.
pub struct Camera {
    outlet: Arc<Outlet>,
    /// None without a camera, or when there was no thread to be had.
    stage: Option<Stage>,
}

impl Camera {
    /// Starts a camera. Trouble shows up in [`status`](Self::status), never here.
    ///
    /// The test pattern is stamped whatever `stamp` says.
    #[must_use]
    pub fn open(spec: CameraSpec, stamp: StampMode, sink: Arc<dyn VideoSink>) -> Self {
        let initial = match spec {
            CameraSpec::None => DeviceStatus::Off,
            CameraSpec::Test(_) | CameraSpec::File(_) | CameraSpec::Device(_) => DeviceStatus::Starting,
        };
        let outlet = Outlet::new(sink, initial);
        let shared = Arc::clone(&outlet);
        let started = match spec {
            CameraSpec::None => Ok(None),
            CameraSpec::Test(mode) => Stage::spawn("camera", move |_| test_pattern::run(&shared, mode)).map(Some),
            CameraSpec::File(path) => Stage::spawn("camera", move |_| y4m::run(&shared, &path, stamp)).map(Some),
            CameraSpec::Device(name) => Stage::spawn("camera-watch", move |_| {
                device::supervise(&shared, name.as_deref(), stamp)
            })
            .map(Some),
        };
        let stage = started.unwrap_or_else(|error| {
            outlet.fail(DeviceProblem::Unusable, format!("no thread for the camera: {error}"));
            None
        });
        Self { outlet, stage }
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> DeviceStatus {
        self.outlet.status()
    }

    /// `waker` is called after each change of [`status`](Self::status), on one of the camera's threads: it must be
    /// quick. A change that happened before this call is not reported again: ask once afterwards.
    pub fn set_status_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        self.outlet.set_waker(Arc::new(waker));
    }

    /// Pictures that came from the device but could not be used (cut short, or not decodable).
    #[must_use]
    pub fn frames_refused(&self) -> u64 {
        self.outlet.refused()
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.outlet.close();
        // The thread sees the closed outlet at its next step. It is not waited for: a driver may never
        // return, and the sink is released already.
        if let Some(stage) = self.stage.take() {
            stage.detach();
        }
    }
}
