//! The desktop application: command line, headless runs and the window. Knows call-engine only.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod args;
pub mod command_handling;
pub mod desktop;
pub mod device_list;
pub mod engine_door;
pub mod headless;
pub mod i18n;
pub mod identity_form;
pub mod picture_inbox;
pub mod repaint;
pub mod script;
pub mod settings;
pub mod symbols;
pub mod ui;
pub mod video_texture;
pub mod view_state;
