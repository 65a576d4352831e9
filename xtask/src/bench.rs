//! Measurements. They print tables and write JSON; they judge, but never fail because of a figure.

pub mod call;
mod clip;
#[cfg(target_os = "linux")]
pub mod network;
mod picture;
mod process;
mod report;
#[cfg(target_os = "linux")]
pub mod survive;
mod table;
