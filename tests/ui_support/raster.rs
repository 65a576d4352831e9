//! Paints what egui made of a screen into a picture, on the processor: textures and triangles in, pixels out.
//!
//! Slow, small and the same everywhere, which is what tests need that look at a picture.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use egui::epaint::{ClippedPrimitive, ImageData, Mesh, Primitive, Vertex};
use egui::{Color32, ColorImage, FullOutput, Pos2, Rect, TextureFilter, TextureId, TextureOptions, TexturesDelta};
use egui_kittest::TestRenderer;

struct Texture {
    image: ColorImage,
    options: TextureOptions,
}

/// Keeps the textures of a harness. Clones share them.
#[derive(Clone, Default)]
pub struct Raster {
    textures: Rc<RefCell<HashMap<TextureId, Texture>>>,
}

impl TestRenderer for Raster {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        let mut textures = self.textures.borrow_mut();
        for (id, changes) in std::mem::take(&mut delta.set) {
            for change in changes {
                let ImageData::Color(patch) = change.image;
                match (change.pos, textures.get_mut(&id)) {
                    (Some(at), Some(texture)) => copy(&patch, &mut texture.image, at),
                    (Some(_) | None, _) => {
                        let texture = Texture {
                            image: patch.as_ref().clone(),
                            options: change.options,
                        };
                        textures.insert(id, texture);
                    }
                }
            }
        }
        for id in std::mem::take(&mut delta.free) {
            textures.remove(&id);
        }
    }
}

fn copy(patch: &ColorImage, onto: &mut ColorImage, [left, top]: [usize; 2]) {
    for y in 0..patch.height() {
        for x in 0..patch.width() {
            onto[(left + x, top + y)] = patch[(x, y)];
        }
    }
}

impl Raster {
    /// The picture of a frame.
    pub fn picture(&self, ctx: &egui::Context, output: &FullOutput) -> ColorImage {
        let scale = output.pixels_per_point;
        let size = ctx.content_rect().size() * scale;
        let mut picture = ColorImage::filled([size.x.round() as usize, size.y.round() as usize], Color32::TRANSPARENT);
        let textures = self.textures.borrow();
        for ClippedPrimitive { clip_rect, primitive } in ctx.tessellate(output.shapes.clone(), scale) {
            let clip = clip_rect * scale;
            match primitive {
                Primitive::Mesh(mesh) => {
                    if let Some(texture) = textures.get(&mesh.texture_id) {
                        paint(&mesh, texture, clip, scale, &mut picture);
                    }
                }
                // Moving pictures are painted by the graphics card only.
                Primitive::Callback(_) => {}
            }
        }
        picture
    }
}

fn paint(mesh: &Mesh, texture: &Texture, clip: Rect, scale: f32, picture: &mut ColorImage) {
    for corners in mesh.indices.chunks_exact(3) {
        let corners = [0, 1, 2].map(|corner| {
            let vertex = mesh.vertices[corners[corner] as usize];
            Vertex {
                pos: (vertex.pos.to_vec2() * scale).to_pos2(),
                ..vertex
            }
        });
        triangle(corners, texture, clip, picture);
    }
}

/// Twice the area of a triangle, positive when its corners go clockwise on the screen.
fn area(a: Pos2, b: Pos2, c: Pos2) -> f32 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Whether pixels on an edge belong to the triangle: of two that share it, to one.
fn owns_edge(from: Pos2, to: Pos2) -> bool {
    to.y < from.y || (to.y == from.y && to.x > from.x)
}

fn triangle(mut corners: [Vertex; 3], texture: &Texture, clip: Rect, picture: &mut ColorImage) {
    let mut whole = area(corners[0].pos, corners[1].pos, corners[2].pos);
    if whole < 0.0 {
        corners.swap(1, 2);
        whole = -whole;
    }
    if whole == 0.0 {
        return;
    }
    let [a, b, c] = corners;
    let bounds = Rect::from_points(&[a.pos, b.pos, c.pos]).intersect(clip);
    let edges = [(b.pos, c.pos), (c.pos, a.pos), (a.pos, b.pos)];
    let range =
        |from: f32, to: f32, most: usize| (from.floor().max(0.0) as usize)..(to.ceil().max(0.0) as usize).min(most);
    let (width, height) = (picture.width(), picture.height());
    for y in range(bounds.top(), bounds.bottom(), height) {
        for x in range(bounds.left(), bounds.right(), width) {
            let at = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
            let shares = edges.map(|(from, to)| area(from, to, at));
            let is_inside =
                |edge: usize| shares[edge] > 0.0 || (shares[edge] == 0.0 && owns_edge(edges[edge].0, edges[edge].1));
            if !clip.contains(at) || !(0..3).all(is_inside) {
                continue;
            }
            let [wa, wb, wc] = shares.map(|share| share / whole);
            let uv = (a.uv.to_vec2() * wa + b.uv.to_vec2() * wb + c.uv.to_vec2() * wc).to_pos2();
            let mixed: [f32; 4] = std::array::from_fn(|channel| {
                let of = |vertex: &Vertex| f32::from(vertex.color.to_array()[channel]);
                of(&a) * wa + of(&b) * wb + of(&c) * wc
            });
            let texel = sample(texture, uv);
            let source: [f32; 4] = std::array::from_fn(|channel| mixed[channel] * texel[channel] / 255.0);
            blend(&mut picture[(x, y)], source);
        }
    }
}

/// Premultiplied, as egui's colours are.
fn blend(pixel: &mut Color32, source: [f32; 4]) {
    let below = pixel.to_array();
    let rest = 1.0 - source[3] / 255.0;
    let [r, g, b, a] = std::array::from_fn(|channel| {
        (source[channel] + f32::from(below[channel]) * rest)
            .round()
            .clamp(0.0, 255.0) as u8
    });
    *pixel = Color32::from_rgba_premultiplied(r, g, b, a);
}

/// 0 to 255 each.
fn sample(texture: &Texture, uv: Pos2) -> [f32; 4] {
    let image = &texture.image;
    let at = (uv.x * image.width() as f32, uv.y * image.height() as f32);
    let texel = |x: f32, y: f32| {
        let x = (x.max(0.0) as usize).min(image.width() - 1);
        let y = (y.max(0.0) as usize).min(image.height() - 1);
        image[(x, y)].to_array().map(f32::from)
    };
    if texture.options.magnification == TextureFilter::Nearest {
        return texel(at.0.floor(), at.1.floor());
    }
    let (left, top) = ((at.0 - 0.5).floor(), (at.1 - 0.5).floor());
    let (across, down) = (at.0 - 0.5 - left, at.1 - 0.5 - top);
    let rows = [top, top + 1.0].map(|y| mix(texel(left, y), texel(left + 1.0, y), across));
    mix(rows[0], rows[1], down)
}

fn mix(a: [f32; 4], b: [f32; 4], share: f32) -> [f32; 4] {
    std::array::from_fn(|channel| a[channel] + (b[channel] - a[channel]) * share)
}
