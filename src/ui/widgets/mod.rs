//! Parts that screens are made of.

pub mod buttons;
pub mod column;
pub mod control_bar;
pub mod device_menu;
pub mod level_meter;
pub mod notice;
pub mod text;
pub mod video_tile;
