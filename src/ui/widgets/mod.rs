//! Parts that screens are made of.

pub mod buttons;
pub mod card;
pub mod chip;
pub mod choice_menu;
pub mod column;
pub mod control_bar;
pub mod device_menu;
pub mod invite_panel;
pub mod level_meter;
pub mod notice;
pub mod person_row;
pub mod qr_code;
pub mod sheet;
pub mod spoken_code;
pub mod switch_row;
pub mod text;
pub mod video_tile;
