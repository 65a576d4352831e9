//! What devices have in common: trouble, in kinds the window can explain.

/// Which kind of trouble a device is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceProblem {
    /// There is none, or none of that name.
    Missing,
    /// Another program has it.
    Busy,
    /// The system does not let us.
    Forbidden,
    /// It was there and is gone.
    Unplugged,
    /// It stopped giving or taking data.
    Stalled,
    /// It gives nothing we can use.
    Unusable,
    /// The file it stands for is not one we can read.
    BadFile,
}

/// A device that could not be opened, or stopped working.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DeviceError {
    /// The kind of trouble.
    pub problem: DeviceProblem,
    /// In the system's own words.
    pub detail: String,
}

/// How a device is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceStatus {
    /// Not wanted.
    Off,
    /// Being opened.
    Starting,
    /// Working.
    Running {
        /// What it calls itself.
        name: String,
        /// Picture mode (`1280x720@30`), for a camera.
        mode: Option<String>,
    },
    /// Not working.
    Failed(DeviceError),
}

/// One device that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceName {
    /// What goes after `device:`.
    pub name: String,
    /// Whether the system would choose it.
    pub is_default: bool,
}
