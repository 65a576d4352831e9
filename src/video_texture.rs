//! Pictures from I420 frames onto the screen. Runs on the main thread, with the GL context current.
//!
//! There are two ways, chosen by who draws ([`choose`]):
//! * a graphics card gets the three planes as they are and converts in a shader ([`mod@shaders`]);
//! * where the processor draws (llvmpipe), a shader is slow: SIMD code converts to RGBA first.
//!
//! Either way a picture is made smaller before the upload when it is shown at half its size or less: that is
//! cheaper than uploading all of it, and looks better than what a texture unit makes of it. Nothing is
//! allocated per picture once sizes have settled.

mod scale;
mod shaders;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use call_engine::{Colour, FramePool, VideoFrame, i420_to_rgba};
use eframe::egui_glow::ShaderVersion;
use eframe::glow::{self, HasContext as _};
use egui::epaint::RectShape;
use egui::{Color32, Painter, TextureId, Vec2, vec2};

use crate::repaint::Painting;
use crate::ui::pictures::{PictureId, Pictures, Placement};
use shaders::{Conversion, Shaders, Source};

/// Names of software renderers, as `GL_RENDERER` has them.
const SOFTWARE: [&str; 5] = ["llvmpipe", "softpipe", "swrast", "swiftshader", "software rasterizer"];
/// Overrides the choice: `planes` or `rgba`.
const OVERRIDE: &str = "VISAVIS_VIDEO";

/// How pictures get to the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// Three planes and a shader.
    Planes,
    /// RGBA, converted before.
    Rgba,
}

/// Who draws, by `GL_RENDERER`.
#[must_use]
pub fn painting(renderer: &str) -> Painting {
    let renderer = renderer.to_ascii_lowercase();
    if SOFTWARE.iter().any(|name| renderer.contains(name)) {
        Painting::Software
    } else {
        Painting::Hardware
    }
}

/// The better way for this machine, unless it is overridden.
#[must_use]
pub fn choose(painting: Painting, wish: Option<&str>) -> Upload {
    match (wish, painting) {
        (Some("planes"), _) => Upload::Planes,
        (Some("rgba"), _) => Upload::Rgba,
        (_, Painting::Software) => Upload::Rgba,
        (_, Painting::Hardware) => Upload::Planes,
    }
}

/// One source's texture: one of RGBA, or three of one plane each.
struct Texture {
    layers: Vec<glow::Texture>,
    /// Of the first layer, as uploaded; zero before the first upload.
    size_px: [usize; 2],
    /// Of the frame it came from.
    frame_size: Vec2,
    conversion: Conversion,
    /// How large it was painted last, in pixels of the screen.
    shown_px: Cell<Vec2>,
    /// Its handle where egui paints it.
    id: Option<TextureId>,
}

/// Who paints textures.
enum Brush {
    /// Our own shaders.
    Shaders(Arc<Shaders>),
    /// egui, where the driver is too old for them; always from RGBA.
    Egui,
}

/// The newest picture of each source, as textures.
pub struct VideoTextures {
    gl: Arc<glow::Context>,
    painting: Painting,
    upload: Upload,
    brush: Brush,
    max_side_px: usize,
    textures: BTreeMap<PictureId, Texture>,
    /// Textures of sources that are gone, for the next ones: egui has no way to give a native texture back.
    spare: Vec<Texture>,
    rgba: Vec<u8>,
    small_frames: FramePool,
}

impl VideoTextures {
    /// Looks at the GL context and decides.
    #[must_use]
    pub fn new(gl: &Arc<glow::Context>) -> Self {
        // SAFETY: eframe has made the context current before it creates the application; both are plain queries.
        let (renderer, max_side) = unsafe {
            (
                gl.get_parameter_string(glow::RENDERER),
                gl.get_parameter_i32(glow::MAX_TEXTURE_SIZE),
            )
        };
        let painting = painting(&renderer);
        let wish = std::env::var(OVERRIDE).ok();
        let (upload, brush) = match choose(painting, wish.as_deref()) {
            Upload::Planes => match shaders(gl, Source::Planes) {
                Brush::Egui => (Upload::Rgba, Brush::Egui),
                brush @ Brush::Shaders(_) => (Upload::Planes, brush),
            },
            Upload::Rgba => (Upload::Rgba, shaders(gl, Source::Rgba)),
        };
        tracing::info!(renderer, ?upload, "video textures");
        Self {
            gl: Arc::clone(gl),
            painting,
            upload,
            brush,
            max_side_px: usize::try_from(max_side).unwrap_or(2048).max(64),
            textures: BTreeMap::new(),
            spare: Vec::new(),
            rgba: Vec::new(),
            small_frames: FramePool::new(),
        }
    }

    /// Who draws.
    #[must_use]
    pub fn painting(&self) -> Painting {
        self.painting
    }

    /// Puts a new picture into its source's texture.
    pub fn upload(&mut self, frame: &mut eframe::Frame, id: PictureId, picture: &VideoFrame) {
        if picture.width() == 0 || picture.height() == 0 {
            return;
        }
        let Some(mut texture) = self.texture(id, frame) else {
            return;
        };
        let shown_px = texture.shown_px.get();
        let factor = scale::factor(picture.width(), picture.height(), shown_px, self.max_side_px);
        let small = (factor > 1).then(|| scale::down(picture, factor, &self.small_frames));
        let fitting = small.as_ref().unwrap_or(picture);
        self.fill(&texture, fitting);
        texture.size_px = [fitting.width(), fitting.height()];
        texture.frame_size = vec2(picture.width() as f32, picture.height() as f32);
        texture.conversion = Conversion::of(picture.colour);
        self.textures.insert(id, texture);
    }

    fn fill(&mut self, texture: &Texture, picture: &VideoFrame) {
        let size_px = [picture.width(), picture.height()];
        let half = |[width, height]: [usize; 2]| [width / 2, height / 2];
        let (small_old, small_new) = (half(texture.size_px), half(size_px));
        match (self.upload, texture.layers.as_slice()) {
            (Upload::Planes, [luma, blue, red]) => {
                upload_layer(&self.gl, *luma, PLANE, texture.size_px, size_px, picture.y());
                upload_layer(&self.gl, *blue, PLANE, small_old, small_new, picture.u());
                upload_layer(&self.gl, *red, PLANE, small_old, small_new, picture.v());
            }
            (Upload::Rgba, [only]) => {
                i420_to_rgba(picture, &mut self.rgba);
                upload_layer(&self.gl, *only, RGBA, texture.size_px, size_px, &self.rgba);
            }
            // Textures are made with as many layers as the way needs.
            (Upload::Planes | Upload::Rgba, _) => {}
        }
    }

    /// The source's own texture, a spare one, or a new one.
    fn texture(&mut self, id: PictureId, frame: &mut eframe::Frame) -> Option<Texture> {
        if let Some(texture) = self.textures.remove(&id).or_else(|| self.spare.pop()) {
            return Some(texture);
        }
        let count = match self.upload {
            Upload::Planes => 3,
            Upload::Rgba => 1,
        };
        let layers: Result<Vec<_>, _> = (0..count).map(|_| new_layer(&self.gl)).collect();
        let layers = layers
            .inspect_err(|error| tracing::warn!(error, "no texture for a picture"))
            .ok()?;
        let id = match (&self.brush, layers.first()) {
            (Brush::Egui, Some(layer)) => Some(frame.register_native_glow_texture(*layer)),
            (Brush::Egui, None) | (Brush::Shaders(_), _) => None,
        };
        Some(Texture {
            layers,
            size_px: [0, 0],
            frame_size: Vec2::ZERO,
            conversion: Conversion::of(Colour::default()),
            shown_px: Cell::new(Vec2::ZERO),
            id,
        })
    }

    /// Forgets the pictures of sources that are gone.
    pub fn forget(&mut self, gone: &[PictureId]) {
        for id in gone {
            self.spare.extend(self.textures.remove(id));
        }
    }

    /// Frees what egui does not know of; to be called before the context goes.
    pub fn delete(&mut self, gl: &glow::Context) {
        let textures = std::mem::take(&mut self.textures)
            .into_values()
            .chain(self.spare.drain(..));
        for layer in textures
            .filter(|texture| texture.id.is_none())
            .flat_map(|texture| texture.layers)
        {
            // SAFETY: the context is current, and the texture is ours and not used again.
            unsafe { gl.delete_texture(layer) };
        }
        if let Brush::Shaders(shaders) = std::mem::replace(&mut self.brush, Brush::Egui) {
            shaders.delete(gl);
        }
    }
}

impl Pictures for VideoTextures {
    fn size(&self, id: PictureId) -> Option<Vec2> {
        self.textures.get(&id).map(|texture| texture.frame_size)
    }

    fn paint(&self, painter: &Painter, id: PictureId, placement: Placement) {
        let Some(texture) = self.textures.get(&id) else {
            return;
        };
        texture.shown_px.set(placement.rect.size() * painter.pixels_per_point());
        match (&self.brush, texture.id) {
            (Brush::Shaders(shaders), _) => {
                painter.add(shaders.shape(&texture.layers, texture.conversion, placement));
            }
            (Brush::Egui, Some(id)) => {
                let shape = RectShape::filled(placement.rect, placement.radius, Color32::WHITE);
                painter.add(shape.with_texture(id, placement.uv));
            }
            (Brush::Egui, None) => {}
        }
    }
}

fn shaders(gl: &glow::Context, source: Source) -> Brush {
    let version = ShaderVersion::get(gl);
    if !version.is_new_shader_interface() {
        return Brush::Egui;
    }
    match Shaders::new(gl, version, source) {
        Ok(shaders) => Brush::Shaders(Arc::new(shaders)),
        Err(error) => {
            tracing::warn!(error, "the driver does not take the shaders: egui paints pictures");
            Brush::Egui
        }
    }
}

/// How texels are stored and given.
#[derive(Clone, Copy)]
struct TexelFormat {
    internal: u32,
    given: u32,
}

const RGBA: TexelFormat = TexelFormat {
    internal: glow::RGBA8,
    given: glow::RGBA,
};

const PLANE: TexelFormat = TexelFormat {
    internal: glow::R8,
    given: glow::RED,
};

fn new_layer(gl: &glow::Context) -> Result<glow::Texture, String> {
    // SAFETY: the context is current (see the head of this file); only this new texture is touched.
    unsafe {
        let texture = gl.create_texture()?;
        gl.bind_texture(glow::TEXTURE_2D, Some(texture));
        for filter in [glow::TEXTURE_MIN_FILTER, glow::TEXTURE_MAG_FILTER] {
            gl.tex_parameter_i32(glow::TEXTURE_2D, filter, glow::LINEAR as i32);
        }
        for wrap in [glow::TEXTURE_WRAP_S, glow::TEXTURE_WRAP_T] {
            gl.tex_parameter_i32(glow::TEXTURE_2D, wrap, glow::CLAMP_TO_EDGE as i32);
        }
        Ok(texture)
    }
}

/// Uploads all texels; the storage is only made anew when the size changed.
fn upload_layer(
    gl: &glow::Context,
    texture: glow::Texture,
    format: TexelFormat,
    old_size: [usize; 2],
    [width, height]: [usize; 2],
    texels: &[u8],
) {
    let (w, h) = (width as i32, height as i32);
    let data = glow::PixelUnpackData::Slice(Some(texels));
    // SAFETY: the context is current; glow checks nothing, so the callers give as many texels as the size says.
    unsafe {
        gl.bind_texture(glow::TEXTURE_2D, Some(texture));
        gl.pixel_store_i32(glow::UNPACK_ALIGNMENT, 1);
        if old_size == [width, height] {
            gl.tex_sub_image_2d(glow::TEXTURE_2D, 0, 0, 0, w, h, format.given, glow::UNSIGNED_BYTE, data);
        } else {
            let internal = format.internal as i32;
            gl.tex_image_2d(
                glow::TEXTURE_2D,
                0,
                internal,
                w,
                h,
                0,
                format.given,
                glow::UNSIGNED_BYTE,
                data,
            );
        }
        gl.bind_texture(glow::TEXTURE_2D, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_renderers_get_rgba_and_cards_get_planes() {
        for renderer in ["llvmpipe (LLVM 19.1.7, 256 bits)", "Google SwiftShader", "softpipe"] {
            assert_eq!(choose(painting(renderer), None), Upload::Rgba, "{renderer}");
        }
        for renderer in ["Mesa Intel(R) UHD Graphics 620", "NVIDIA GeForce RTX 4070/PCIe/SSE2"] {
            assert_eq!(choose(painting(renderer), None), Upload::Planes, "{renderer}");
        }
    }

    #[test]
    fn a_wish_comes_before_the_choice_and_nonsense_does_not() {
        assert_eq!(choose(Painting::Software, Some("planes")), Upload::Planes);
        assert_eq!(choose(Painting::Hardware, Some("rgba")), Upload::Rgba);
        assert_eq!(choose(Painting::Hardware, Some("quickly")), Upload::Planes);
    }
}
