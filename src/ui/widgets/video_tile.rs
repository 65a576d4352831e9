//! One person's place on the screen: their picture, or a circle with the first letter of their name.

use egui::{Align2, CornerRadius, Rect, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::ui::Scene;
use crate::ui::pictures::{Fit, Mirror, PictureId, place};
use crate::ui::theme::tokens::{radius, size, space};
use crate::ui::theme::{Icon, fonts};

/// Line around a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outline {
    /// None.
    None,
    /// A thin one, for a tile that lies on another picture.
    Thin,
}

/// What a tile shows.
pub struct Tile<'a> {
    /// The picture; `None` shows the circle with the letter.
    pub picture: Option<PictureId>,
    /// Which way round.
    pub mirror: Mirror,
    /// What to do when the shapes differ.
    pub fit: Fit,
    /// Corner radius in points.
    pub radius: u8,
    /// Line around it.
    pub outline: Outline,
    /// Whose letter.
    pub name: &'a str,
    /// Chooses the colour of the circle.
    pub seed: u32,
    /// What assistive technology reads.
    pub label: String,
    /// Words below the circle, such as "camera off".
    pub note: Option<String>,
    /// Words in the corner.
    pub caption: Option<Caption>,
}

/// Words in the corner of a tile.
pub struct Caption {
    /// An icon before them.
    pub icon: Option<Icon>,
    /// The words.
    pub words: String,
}

/// Draws a tile into `rect`.
pub fn show(ui: &mut Ui, scene: &Scene<'_>, rect: Rect, tile: &Tile<'_>) {
    let response = ui.interact(rect, ui.scope_id().with(&tile.label), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &tile.label));
    let stage = &scene.tokens.stage;
    let corner = CornerRadius::same(tile.radius);
    match tile.picture.and_then(|id| Some((id, scene.pictures.size(id)?))) {
        Some((id, picture_size)) => {
            let placement = place(picture_size, rect, tile.fit, tile.mirror, f32::from(tile.radius));
            scene.pictures.paint(ui.painter(), id, placement);
        }
        None => {
            ui.painter().rect_filled(rect, corner, stage.tile);
            paint_avatar(ui, scene, rect, tile);
        }
    }
    if tile.outline == Outline::Thin {
        let line = Stroke::new(size::HAIRLINE, stage.outline);
        ui.painter().rect_stroke(rect, corner, line, StrokeKind::Inside);
    }
    if let Some(caption) = &tile.caption {
        paint_caption(ui, scene, rect, caption);
    }
}

fn paint_avatar(ui: &Ui, scene: &Scene<'_>, rect: Rect, tile: &Tile<'_>) {
    let stage = &scene.tokens.stage;
    let diameter = (rect.height().min(rect.width()) * 0.36).clamp(36.0, 132.0);
    let note = tile.note.as_ref().filter(|_| rect.width() > 200.0);
    let lift = note.map_or(0.0, |_| space::L);
    let centre = rect.center() - vec2(0.0, lift);
    let colour = stage.avatars[tile.seed as usize % stage.avatars.len()];
    ui.painter().circle_filled(centre, diameter / 2.0, colour);
    let font = egui::FontId::new(diameter * 0.46, egui::FontFamily::Proportional);
    ui.painter()
        .text(centre, Align2::CENTER_CENTER, initial(tile.name), font, stage.on_avatar);
    if let Some(note) = note {
        let below = centre + vec2(0.0, diameter / 2.0 + space::L);
        ui.painter()
            .text(below, Align2::CENTER_TOP, note, fonts::body(), stage.text_quiet);
    }
}

fn paint_caption(ui: &Ui, scene: &Scene<'_>, rect: Rect, caption: &Caption) {
    let stage = &scene.tokens.stage;
    let icon_width = caption.icon.map_or(0.0, |_| size::ICON_SMALL + space::XS);
    let most = (rect.width() - 4.0 * space::S - icon_width).max(0.0);
    let mut job = egui::text::LayoutJob::simple_singleline(caption.words.clone(), fonts::small(), stage.text);
    job.wrap = egui::text::TextWrapping::truncate_at_width(most);
    let galley = ui.painter().layout_job(job);
    let inner = vec2(galley.size().x + icon_width, galley.size().y.max(size::ICON_SMALL));
    let outer = inner + vec2(2.0 * space::S, space::S);
    let place = Rect::from_min_size(pos2(rect.left() + space::S, rect.bottom() - space::S - outer.y), outer);
    ui.painter()
        .rect_filled(place, CornerRadius::same(radius::S), stage.label);
    let mut left = place.left() + space::S;
    if let Some(icon) = caption.icon {
        let centre = pos2(left + size::ICON_SMALL / 2.0, place.center().y);
        icon.paint(
            ui.painter(),
            Rect::from_center_size(centre, Vec2::splat(size::ICON_SMALL)),
            stage.text,
        );
        left += icon_width;
    }
    let at = pos2(left, place.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, stage.text);
}

/// First letter of a name, as a capital.
#[must_use]
pub fn initial(name: &str) -> String {
    let letter = name.chars().find(|letter| letter.is_alphanumeric());
    letter.map_or_else(|| "?".into(), |letter| letter.to_uppercase().collect())
}

/// Rectangles of `count` tiles in `area`, in rows that are as even as possible, of the shape nearest to 16:9.
#[must_use]
pub fn grid(area: Rect, count: usize, gap: f32) -> Vec<Rect> {
    let columns = (1..=count.max(1))
        .max_by(|a, b| shown_area(area, count, *a, gap).total_cmp(&shown_area(area, count, *b, gap)))
        .unwrap_or(1);
    let rows = count.div_ceil(columns);
    let cell = cell_size(area, columns, rows, gap);
    let mut tiles = Vec::with_capacity(count);
    for row in 0..rows {
        let in_row = columns.min(count - row * columns);
        let row_width = cell.x * in_row as f32 + gap * (in_row - 1) as f32;
        let left = area.center().x - row_width / 2.0;
        let top = area.top() + (cell.y + gap) * row as f32;
        tiles.extend(
            (0..in_row).map(|column| Rect::from_min_size(pos2(left + (cell.x + gap) * column as f32, top), cell)),
        );
    }
    tiles
}

fn cell_size(area: Rect, columns: usize, rows: usize, gap: f32) -> Vec2 {
    let (columns, rows) = (columns as f32, rows as f32);
    vec2(
        ((area.width() - gap * (columns - 1.0)) / columns).max(1.0),
        ((area.height() - gap * (rows - 1.0)) / rows).max(1.0),
    )
}

/// How much of a 16:9 picture can be seen in each cell.
fn shown_area(area: Rect, count: usize, columns: usize, gap: f32) -> f32 {
    let cell = cell_size(area, columns, count.max(1).div_ceil(columns), gap);
    let scale = (cell.x / 16.0).min(cell.y / 9.0);
    scale * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_letters() {
        assert_eq!(initial("  аня"), "А");
        assert_eq!(initial("…7up"), "7");
        assert_eq!(initial(""), "?");
    }

    #[test]
    fn grids_use_the_shape_of_the_window() {
        let wide = Rect::from_min_size(pos2(0.0, 0.0), vec2(1600.0, 600.0));
        let tall = Rect::from_min_size(pos2(0.0, 0.0), vec2(400.0, 900.0));
        let columns = |tiles: &[Rect]| tiles.iter().filter(|tile| tile.top() == tiles[0].top()).count();
        assert_eq!(columns(&grid(wide, 2, 8.0)), 2);
        assert_eq!(columns(&grid(tall, 2, 8.0)), 1);
        assert_eq!(columns(&grid(wide, 3, 8.0)), 3);
    }

    #[test]
    fn tiles_lie_in_the_area_and_not_on_each_other() {
        let area = Rect::from_min_size(pos2(5.0, 7.0), vec2(900.0, 600.0));
        for count in 1..=9 {
            let tiles = grid(area, count, 8.0);
            assert_eq!(tiles.len(), count);
            for (index, tile) in tiles.iter().enumerate() {
                assert!(area.expand(0.1).contains_rect(*tile), "{count}: {tile:?}");
                assert!(tiles[..index].iter().all(|other| !other.shrink(0.1).intersects(*tile)));
            }
        }
    }
}
