//! How everything looks. Nothing outside this folder names a colour or a size.

pub mod fonts;
pub mod icons;
pub mod style;
pub mod tokens;

pub use icons::Icon;
pub use tokens::Tokens;
