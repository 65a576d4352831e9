//! Moving pictures, as the screens see them: something with a size that can be painted.

use call_engine::{PeerKey, VideoKind};
use egui::{Painter, Rect, Vec2, pos2, vec2};

/// One source of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PictureId {
    /// Our own camera.
    Own,
    /// Somebody else's.
    Remote(PeerKey, VideoKind),
}

/// Which way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// As the camera sees it.
    No,
    /// Left and right swapped, as people know themselves.
    Yes,
}

/// What to do when picture and place have different shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Show all of the picture; leave bars.
    Contain,
    /// Fill the place; cut the picture.
    Cover,
}

/// Where a picture goes and how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// On the screen, in points.
    pub rect: Rect,
    /// Part of the picture, 0 to 1; negative width mirrors.
    pub uv: Rect,
    /// Corner radius in points.
    pub radius: f32,
}

/// The newest picture of each source.
pub trait Pictures {
    /// Its size in pixels; `None` when none came yet.
    fn size(&self, id: PictureId) -> Option<Vec2>;
    /// Paints it.
    fn paint(&self, painter: &Painter, id: PictureId, placement: Placement);
}

/// No pictures at all.
pub struct NoPictures;

impl Pictures for NoPictures {
    fn size(&self, _id: PictureId) -> Option<Vec2> {
        None
    }

    fn paint(&self, _painter: &Painter, _id: PictureId, _placement: Placement) {}
}

/// Where a picture of this size goes in this area.
#[must_use]
pub fn place(picture: Vec2, area: Rect, fit: Fit, mirror: Mirror, radius: f32) -> Placement {
    let (scale_x, scale_y) = (area.width() / picture.x, area.height() / picture.y);
    let (rect, part) = match fit {
        Fit::Contain => {
            let size = picture * scale_x.min(scale_y);
            (Rect::from_center_size(area.center(), size), Vec2::splat(1.0))
        }
        Fit::Cover => {
            let scale = scale_x.max(scale_y);
            (area, vec2(scale_x / scale, scale_y / scale))
        }
    };
    let (left, top) = ((1.0 - part.x) / 2.0, (1.0 - part.y) / 2.0);
    let (left, right) = match mirror {
        Mirror::No => (left, 1.0 - left),
        Mirror::Yes => (1.0 - left, left),
    };
    Placement {
        rect,
        uv: Rect {
            min: pos2(left, top),
            max: pos2(right, 1.0 - top),
        },
        radius,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Vec2 = vec2(1280.0, 720.0);

    fn square() -> Rect {
        Rect::from_min_size(pos2(10.0, 20.0), vec2(320.0, 320.0))
    }

    #[test]
    fn contained_pictures_keep_their_shape_and_get_bars() {
        let placement = place(WIDE, square(), Fit::Contain, Mirror::No, 0.0);
        assert_eq!(
            placement.rect,
            Rect::from_min_size(pos2(10.0, 90.0), vec2(320.0, 180.0))
        );
        assert_eq!(placement.uv, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)));
    }

    #[test]
    fn covering_pictures_fill_the_place_and_are_cut_evenly() {
        let placement = place(WIDE, square(), Fit::Cover, Mirror::No, 0.0);
        assert_eq!(placement.rect, square());
        assert!((placement.uv.min.x - 0.21875).abs() < 1e-6);
        assert!((placement.uv.max.x - 0.78125).abs() < 1e-6);
        assert!(placement.uv.min.y.abs() < 1e-6 && (placement.uv.max.y - 1.0).abs() < 1e-6);
    }

    #[test]
    fn mirrored_pictures_swap_left_and_right() {
        let placement = place(WIDE, square(), Fit::Contain, Mirror::Yes, 0.0);
        assert_eq!((placement.uv.min.x, placement.uv.max.x), (1.0, 0.0));
    }
}
