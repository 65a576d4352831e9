//! Icons, drawn as lines on a grid of 24 by 24: sharp at every scale, no icon font.

use egui::epaint::{PathShape, PathStroke};
use egui::{Color32, CornerRadius, Painter, Pos2, Rect, Stroke, StrokeKind, Vec2, pos2, vec2};

use super::tokens::LIGHT;

/// Everything that has an icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Icon {
    /// Microphone on.
    Microphone,
    /// Microphone off.
    MicrophoneOff,
    /// Camera on.
    Camera,
    /// Camera off.
    CameraOff,
    /// Speaker.
    Speaker,
    /// The invite link.
    Link,
    /// Copy.
    Copy,
    /// Done.
    Check,
    /// End the call.
    HangUp,
    /// Back.
    Back,
    /// Put away.
    Close,
    /// Look at this.
    Warning,
    /// Again.
    Again,
    /// Two people.
    People,
    /// Encrypted.
    Shield,
    /// Encrypted and verified.
    ShieldCheck,
    /// Somebody's computer.
    Device,
    /// Nobody new gets in.
    Lock,
    /// Whoever has the link gets in.
    LockOpen,
    /// Who comes knocks.
    Door,
    /// Pictures to compare.
    Symbols,
    /// A relay in between.
    Relay,
    /// Settings.
    Gear,
    /// A call with sound only.
    Phone,
    /// More to do.
    More,
    /// A QR code.
    QrCode,
}

/// Side of the grid icons are drawn on.
const GRID: f32 = 24.0;
/// Width of lines on the grid.
const LINE: f32 = 1.9;

impl Icon {
    /// Every icon, for tests and previews.
    pub const ALL: [Self; 26] = [
        Self::Microphone,
        Self::MicrophoneOff,
        Self::Camera,
        Self::CameraOff,
        Self::Speaker,
        Self::Link,
        Self::Copy,
        Self::Check,
        Self::HangUp,
        Self::Back,
        Self::Close,
        Self::Warning,
        Self::Again,
        Self::People,
        Self::Shield,
        Self::ShieldCheck,
        Self::Device,
        Self::Lock,
        Self::LockOpen,
        Self::Door,
        Self::Symbols,
        Self::Relay,
        Self::Gear,
        Self::Phone,
        Self::More,
        Self::QrCode,
    ];

    /// Draws the icon as large as fits into `rect`.
    pub fn paint(self, painter: &Painter, rect: Rect, colour: Color32) {
        let pen = Pen::new(painter, rect, colour);
        match self {
            Self::Microphone => microphone(&pen),
            Self::MicrophoneOff => {
                microphone(&pen);
                pen.slash();
            }
            Self::Camera => camera(&pen),
            Self::CameraOff => {
                camera(&pen);
                pen.slash();
            }
            Self::Speaker => {
                pen.outline(&[
                    (4.0, 9.5),
                    (8.0, 9.5),
                    (12.5, 5.5),
                    (12.5, 18.5),
                    (8.0, 14.5),
                    (4.0, 14.5),
                ]);
                pen.arc((12.5, 12.0), 4.0, -50.0, 50.0);
                pen.arc((12.5, 12.0), 7.5, -50.0, 50.0);
            }
            Self::Link => {
                pen.chain_link((8.6, 15.4));
                pen.chain_link((15.4, 8.6));
                pen.line(&[(9.4, 14.6), (14.6, 9.4)]);
            }
            Self::Copy => {
                pen.rounded((8.5, 8.5), (20.0, 20.0), 2.5);
                pen.line(&[
                    (5.6, 15.5),
                    (5.0, 15.5),
                    (4.0, 14.5),
                    (4.0, 5.2),
                    (5.2, 4.0),
                    (14.5, 4.0),
                    (15.5, 5.0),
                    (15.5, 5.6),
                ]);
            }
            Self::Check => pen.line(&[(4.5, 12.5), (9.5, 17.5), (19.5, 6.5)]),
            Self::HangUp => hang_up(&pen),
            Self::Back => {
                pen.line(&[(20.0, 12.0), (4.5, 12.0)]);
                pen.line(&[(11.0, 5.5), (4.5, 12.0), (11.0, 18.5)]);
            }
            Self::Close => {
                pen.line(&[(6.0, 6.0), (18.0, 18.0)]);
                pen.line(&[(18.0, 6.0), (6.0, 18.0)]);
            }
            Self::Warning => {
                pen.outline(&[(12.0, 3.8), (21.5, 20.0), (2.5, 20.0)]);
                pen.line(&[(12.0, 10.0), (12.0, 14.2)]);
                pen.dot((12.0, 17.0), 1.2);
            }
            Self::Again => {
                pen.arc((12.0, 12.0), 8.0, -60.0, 230.0);
                pen.line(&[(15.6, 9.2), (16.2, 4.9), (20.5, 5.6)]);
            }
            Self::People => {
                pen.circle((8.5, 8.0), 3.5);
                pen.arc((8.5, 20.5), 6.5, -180.0, 0.0);
                pen.arc((15.5, 8.0), 3.5, -80.0, 80.0);
                pen.arc((15.5, 20.5), 6.5, -68.0, 0.0);
            }
            Self::Shield => shield(&pen),
            Self::ShieldCheck => {
                shield(&pen);
                pen.line(&[(8.2, 12.0), (11.0, 14.8), (15.9, 9.2)]);
            }
            Self::Device => {
                pen.rounded((4.5, 5.0), (19.5, 15.5), 1.8);
                pen.line(&[(2.5, 19.0), (21.5, 19.0)]);
            }
            Self::Lock => {
                pen.rounded((5.0, 10.5), (19.0, 20.5), 2.4);
                pen.line(&[(8.0, 10.5), (8.0, 8.0)]);
                pen.arc((12.0, 8.0), 4.0, -180.0, 0.0);
                pen.line(&[(16.0, 8.0), (16.0, 10.5)]);
                pen.dot((12.0, 15.5), 1.4);
            }
            Self::LockOpen => {
                pen.rounded((5.0, 10.5), (19.0, 20.5), 2.4);
                pen.line(&[(8.0, 10.5), (8.0, 7.0)]);
                pen.arc((12.0, 7.0), 4.0, -180.0, -20.0);
                pen.dot((12.0, 15.5), 1.4);
            }
            Self::Door => {
                pen.rounded((6.0, 3.2), (18.0, 20.8), 1.4);
                pen.line(&[(3.0, 20.8), (21.0, 20.8)]);
                pen.dot((14.6, 12.4), 1.3);
            }
            Self::Symbols => {
                pen.circle((7.3, 7.3), 3.3);
                pen.rounded((13.6, 4.2), (20.0, 10.4), 0.6);
                pen.outline(&[(7.3, 13.6), (10.8, 19.8), (3.8, 19.8)]);
                pen.outline(&[(16.8, 13.2), (20.4, 16.8), (16.8, 20.4), (13.2, 16.8)]);
            }
            Self::Relay => {
                pen.circle((4.8, 12.0), 2.4);
                pen.circle((19.2, 12.0), 2.4);
                pen.rounded((9.2, 9.2), (14.8, 14.8), 1.2);
                pen.line(&[(7.2, 12.0), (9.2, 12.0)]);
                pen.line(&[(14.8, 12.0), (16.8, 12.0)]);
            }
            Self::Gear => gear(&pen),
            Self::Phone => phone(&pen),
            Self::More => {
                for x in [5.0, 12.0, 19.0] {
                    pen.dot((x, 12.0), 1.7);
                }
            }
            Self::QrCode => {
                for (x, y) in [(4.0, 4.0), (14.0, 4.0), (4.0, 14.0)] {
                    pen.rounded((x, y), (x + 6.0, y + 6.0), 1.0);
                }
                for (x, y) in [(14.5, 14.5), (19.5, 14.5), (17.0, 17.0), (14.5, 19.5), (19.5, 19.5)] {
                    pen.dot((x, y), 1.2);
                }
            }
        }
    }
}

fn microphone(pen: &Pen<'_>) {
    pen.rounded((9.0, 2.8), (15.0, 14.2), 3.0);
    pen.arc((12.0, 11.2), 6.6, 0.0, 180.0);
    pen.line(&[(12.0, 17.8), (12.0, 21.2)]);
    pen.line(&[(8.6, 21.2), (15.4, 21.2)]);
}

fn camera(pen: &Pen<'_>) {
    pen.rounded((2.6, 6.2), (15.6, 17.8), 2.6);
    pen.outline(&[(15.6, 10.8), (21.4, 7.4), (21.4, 16.6), (15.6, 13.2)]);
}

fn shield(pen: &Pen<'_>) {
    pen.outline(&[
        (12.0, 2.8),
        (19.6, 5.6),
        (19.6, 11.4),
        (18.4, 15.2),
        (15.8, 18.6),
        (12.0, 21.2),
        (8.2, 18.6),
        (5.6, 15.2),
        (4.4, 11.4),
        (4.4, 5.6),
    ]);
}

/// A ring with eight teeth.
fn gear(pen: &Pen<'_>) {
    pen.circle((12.0, 12.0), 3.0);
    pen.circle((12.0, 12.0), 6.6);
    for tooth in 0..8_u8 {
        let angle = std::f32::consts::FRAC_PI_4 * f32::from(tooth);
        let at = |radius: f32| (12.0 + radius * angle.cos(), 12.0 + radius * angle.sin());
        pen.line(&[at(6.8), at(9.4)]);
    }
}

/// A receiver, upright.
fn phone(pen: &Pen<'_>) {
    pen.outline(&[
        (4.2, 4.6),
        (8.6, 3.6),
        (10.6, 8.4),
        (8.2, 10.4),
        (13.6, 15.8),
        (15.6, 13.4),
        (20.4, 15.4),
        (19.4, 19.8),
        (16.8, 20.6),
        (8.8, 16.4),
        (4.2, 8.2),
    ]);
}

/// A receiver lying on its face.
fn hang_up(pen: &Pen<'_>) {
    pen.thick_arc((12.0, 21.0), 10.6, -142.0, -38.0, 3.6);
    pen.thick_arc((12.0, 21.0), 9.9, -146.0, -128.0, 5.4);
    pen.thick_arc((12.0, 21.0), 9.9, -52.0, -34.0, 5.4);
}

/// Draws on the grid.
struct Pen<'a> {
    painter: &'a Painter,
    origin: Pos2,
    scale: f32,
    colour: Color32,
}

impl<'a> Pen<'a> {
    fn new(painter: &'a Painter, rect: Rect, colour: Color32) -> Self {
        let side = rect.width().min(rect.height());
        Self {
            painter,
            origin: rect.center() - Vec2::splat(side / 2.0),
            scale: side / GRID,
            colour,
        }
    }

    fn at(&self, (x, y): (f32, f32)) -> Pos2 {
        self.origin + vec2(x, y) * self.scale
    }

    fn stroke(&self) -> Stroke {
        Stroke::new(LINE * self.scale, self.colour)
    }

    /// An open line with round ends and corners.
    fn line(&self, points: &[(f32, f32)]) {
        self.path(points.iter().map(|point| self.at(*point)).collect(), self.stroke());
    }

    fn path(&self, points: Vec<Pos2>, stroke: Stroke) {
        // egui ends lines squarely and cuts sharp corners.
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            self.painter.circle_filled(*first, stroke.width / 2.0, stroke.color);
            self.painter.circle_filled(*last, stroke.width / 2.0, stroke.color);
        }
        self.painter.add(PathShape::line(points, PathStroke::from(stroke)));
    }

    fn outline(&self, points: &[(f32, f32)]) {
        let points = points.iter().map(|point| self.at(*point)).collect::<Vec<_>>();
        for corner in &points {
            self.painter
                .circle_filled(*corner, self.stroke().width / 2.0, self.colour);
        }
        self.painter
            .add(PathShape::closed_line(points, PathStroke::from(self.stroke())));
    }

    fn rounded(&self, from: (f32, f32), to: (f32, f32), corner: f32) {
        let rect = Rect::from_two_pos(self.at(from), self.at(to));
        let corner = CornerRadius::from(corner * self.scale);
        self.painter
            .rect_stroke(rect, corner, self.stroke(), StrokeKind::Middle);
    }

    fn circle(&self, centre: (f32, f32), radius: f32) {
        self.painter
            .circle_stroke(self.at(centre), radius * self.scale, self.stroke());
    }

    fn dot(&self, centre: (f32, f32), radius: f32) {
        self.painter
            .circle_filled(self.at(centre), radius * self.scale, self.colour);
    }

    /// Angles in degrees, clockwise from three o'clock.
    fn arc(&self, centre: (f32, f32), radius: f32, from_deg: f32, to_deg: f32) {
        self.path(self.arc_points(centre, radius, from_deg, to_deg), self.stroke());
    }

    /// With square ends.
    fn thick_arc(&self, centre: (f32, f32), radius: f32, from_deg: f32, to_deg: f32, width: f32) {
        let points = self.arc_points(centre, radius, from_deg, to_deg);
        let stroke = PathStroke::new(width * self.scale, self.colour);
        self.painter.add(PathShape::line(points, stroke));
    }

    fn arc_points(&self, centre: (f32, f32), radius: f32, from_deg: f32, to_deg: f32) -> Vec<Pos2> {
        const STEPS: u8 = 24;
        (0..=STEPS)
            .map(|step| {
                let share = f32::from(step) / f32::from(STEPS);
                let angle = (from_deg + (to_deg - from_deg) * share).to_radians();
                self.at((centre.0 + radius * angle.cos(), centre.1 + radius * angle.sin()))
            })
            .collect()
    }

    /// A link of a chain, open towards the middle of the icon; it lies along the diagonal.
    fn chain_link(&self, centre: (f32, f32)) {
        const LENGTH: f32 = 3.2;
        const RADIUS: f32 = 3.6;
        let outwards = if centre.0 < GRID / 2.0 { 1.0 } else { -1.0 };
        // Unit vectors along and across the diagonal that runs from bottom left to top right.
        let along = vec2(-outwards, outwards) * std::f32::consts::FRAC_1_SQRT_2;
        let across = vec2(along.y, -along.x);
        let middle = vec2(centre.0, centre.1);
        let mut points = vec![middle + across * RADIUS - along * LENGTH];
        for step in 0..=16_u8 {
            let angle = std::f32::consts::PI * f32::from(step) / 16.0;
            points.push(middle + along * (angle.sin() * RADIUS + LENGTH * 0.4) + across * (angle.cos() * RADIUS));
        }
        points.push(middle - across * RADIUS - along * LENGTH);
        self.path(points.into_iter().map(|p| self.at((p.x, p.y))).collect(), self.stroke());
    }

    /// The line that means "off".
    fn slash(&self) {
        self.line(&[(3.2, 3.2), (20.8, 20.8)]);
    }
}

/// The sign of the application: two faces turned to each other.
pub fn paint_sign(painter: &Painter, rect: Rect, left: Color32, right: Color32) {
    let half = rect.height().min(rect.width()) / 2.0;
    let centre = rect.center();
    let gap = half * 0.07;
    for (side, colour) in [(-1.0, left), (1.0, right)] {
        painter.add(PathShape::convex_polygon(
            face(centre, half, gap, side),
            colour,
            PathStroke::NONE,
        ));
    }
}

/// A half disc that bulges towards the middle.
fn face(centre: Pos2, half: f32, gap: f32, side: f32) -> Vec<Pos2> {
    const STEPS: u8 = 32;
    let back = centre.x + side * half;
    (0..=STEPS)
        .map(|step| {
            let angle = std::f32::consts::PI * f32::from(step) / f32::from(STEPS);
            let depth = angle.sin() * (half - gap);
            pos2(back - side * depth, centre.y - angle.cos() * half * 0.92)
        })
        .collect()
}

/// Side of the window's icon, in pixels.
const APPLICATION_ICON_PX: u16 = 64;

/// The window's icon: the sign in white on a round square of the accent colour.
#[must_use]
pub fn application_icon() -> egui::IconData {
    let side = f32::from(APPLICATION_ICON_PX);
    let mut rgba = Vec::with_capacity(usize::from(APPLICATION_ICON_PX).pow(2) * 4);
    for row in 0..APPLICATION_ICON_PX {
        for column in 0..APPLICATION_ICON_PX {
            // From -1 to 1 in both directions.
            let at = (vec2(f32::from(column), f32::from(row)) + Vec2::splat(0.5)) / side * 2.0 - Vec2::splat(1.0);
            let edge = side / 2.0;
            let ground = (0.5 - (round_square(at, 1.0, 0.42) * edge)).clamp(0.0, 1.0);
            let face = (0.5 - half_disc(at / 0.62) * 0.62 * edge).clamp(0.0, 1.0);
            let colour = LIGHT.accent.lerp_to_gamma(LIGHT.on_accent, face);
            rgba.extend([colour.r(), colour.g(), colour.b(), (ground * 255.0).round() as u8]);
        }
    }
    egui::IconData {
        rgba,
        width: u32::from(APPLICATION_ICON_PX),
        height: u32::from(APPLICATION_ICON_PX),
    }
}

/// Signed distance to a square with round corners.
fn round_square(at: Vec2, half: f32, corner: f32) -> f32 {
    let beyond = at.abs() - Vec2::splat(half - corner);
    beyond.max(Vec2::ZERO).length() + beyond.max_elem().min(0.0) - corner
}

/// Distance, roughly, to the nearer of the two faces.
fn half_disc(at: Vec2) -> f32 {
    let back = vec2(at.x.abs() - 1.0, at.y);
    (back.length() - 0.93).max(at.x.abs() - 1.0)
}
