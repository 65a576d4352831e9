//! Measurements. They print tables and write JSON; they judge, but never fail because of a figure.

pub mod call;
mod clip;
mod picture;
mod process;
mod table;
