//! What can go wrong with a lab.

use std::io;

/// Why a lab could not be made, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A line of the plan makes no sense.
    #[error("line {line} of the plan: {complaint}")]
    Plan {
        /// Counted from one.
        line: usize,
        /// What is wrong with it.
        complaint: String,
    },
    /// A description of a link makes no sense.
    #[error("{0}")]
    Profile(String),
    /// The plan has no such host, NAT, interface.
    #[error("this lab has no {0}")]
    Unknown(String),
    /// The system refuses.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// `ip`, `nft` or `conntrack` complained.
    #[error("{tool}: {said}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// What it wrote.
        said: String,
    },
}

/// Says what was being tried when the system refused.
pub(crate) trait Trying<T> {
    fn trying(self, what: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T> Trying<T> for io::Result<T> {
    fn trying(self, what: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|source| LabError::System { what: what(), source })
    }
}
