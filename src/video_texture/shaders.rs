//! The shaders that paint pictures: from three planes, or from RGBA.
//!
//! RGBA could be painted by egui itself, but that blends every pixel and multiplies it with a colour; done plainly it
//! costs a quarter less where the processor draws.

use std::sync::Arc;

use call_engine::{Colour, ColourMatrix, ColourRange};
use eframe::egui_glow::{CallbackFn, ShaderVersion};
use eframe::glow::{self, HasContext as _};
use egui::{PaintCallback, PaintCallbackInfo, Shape};

use crate::ui::pictures::Placement;

const VERTEX: &str = "
out vec2 v_position;
void main() {
    // A strip of two triangles, 0 to 1, y downwards.
    vec2 corner = vec2(float(gl_VertexID & 1), float(gl_VertexID >> 1));
    v_position = corner;
    gl_Position = vec4(corner.x * 2.0 - 1.0, 1.0 - corner.y * 2.0, 0.0, 1.0);
}
";

/// What both shaders begin with.
const FRAGMENT_HEAD: &str = "
precision highp float;
uniform vec4 u_part;      // left, top, width, height of the picture, 0 to 1
uniform vec2 u_size_px;
uniform float u_radius_px;
in vec2 v_position;
out vec4 f_colour;
";

/// The colour of the picture at a place.
const FROM_PLANES: &str = "
uniform sampler2D u_first;
uniform sampler2D u_blue;
uniform sampler2D u_red;
uniform mat3 u_conversion;
uniform vec3 u_offset;
vec3 colour(vec2 at) {
    vec3 yuv = vec3(texture(u_first, at).r, texture(u_blue, at).r, texture(u_red, at).r);
    return clamp(u_conversion * (yuv - u_offset), 0.0, 1.0);
}
";

const FROM_RGBA: &str = "
uniform sampler2D u_first;
vec3 colour(vec2 at) {
    return texture(u_first, at).rgb;
}
";

/// Round corners; without them the program is told to leave that out.
const FRAGMENT_MAIN: &str = "
void main() {
    vec3 rgb = colour(u_part.xy + v_position * u_part.zw);
#ifdef ROUND
    float alpha = 1.0;
    vec2 beyond = abs(v_position - 0.5) * u_size_px - u_size_px * 0.5 + u_radius_px;
    alpha = clamp(u_radius_px + 0.5 - length(max(beyond, 0.0)), 0.0, 1.0);
    f_colour = vec4(rgb * alpha, alpha);
#else
    f_colour = vec4(rgb, 1.0);
#endif
}
";

/// From YCbCr to RGB: `matrix * (yuv - offset)`, everything 0 to 1, the matrix by columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    matrix: [f32; 9],
    offset: [f32; 3],
}

impl Conversion {
    /// By the weights of red and blue in luma (ITU-R BT.601-7, 2.5.1; BT.709-6, 3.2) and the range.
    #[must_use]
    pub fn of(colour: Colour) -> Self {
        let (red, blue) = match colour.matrix {
            ColourMatrix::Bt601 => (0.299, 0.114),
            ColourMatrix::Bt709 => (0.2126, 0.0722),
        };
        let green = 1.0 - red - blue;
        let (luma_scale, chroma_scale, black) = match colour.range {
            ColourRange::Limited => (255.0 / 219.0, 255.0 / 224.0, 16.0 / 255.0),
            ColourRange::Full => (1.0, 1.0, 0.0),
        };
        let (to_red, to_blue) = (2.0 * (1.0 - red) * chroma_scale, 2.0 * (1.0 - blue) * chroma_scale);
        Self {
            matrix: [
                luma_scale,
                luma_scale,
                luma_scale,
                0.0,
                -to_blue * blue / green,
                to_blue,
                to_red,
                -to_red * red / green,
                0.0,
            ],
            offset: [black, 128.0 / 255.0, 128.0 / 255.0],
        }
    }
}

/// What a shader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Three textures of one channel.
    Planes,
    /// One texture of RGBA.
    Rgba,
}

/// The shaders for one kind of source. Shared with egui's paint list, therefore in an [`Arc`].
pub struct Shaders {
    /// Opaque, to the edge.
    plain: Program,
    /// With round corners, blended.
    round: Program,
    /// Without attributes, but core profiles draw nothing without one.
    vertices: glow::VertexArray,
}

/// A linked shader and the places of its variables.
struct Program {
    program: glow::Program,
    conversion: Option<glow::UniformLocation>,
    offset: Option<glow::UniformLocation>,
    part: Option<glow::UniformLocation>,
    size_px: Option<glow::UniformLocation>,
    radius_px: Option<glow::UniformLocation>,
}

impl Shaders {
    /// Compiles the shaders.
    ///
    /// # Errors
    /// The driver's words.
    pub fn new(gl: &glow::Context, version: ShaderVersion, source: Source) -> Result<Self, String> {
        let colour = match source {
            Source::Planes => FROM_PLANES,
            Source::Rgba => FROM_RGBA,
        };
        let head = version.version_declaration();
        let fragment = |corners: &str| format!("{head}{corners}{FRAGMENT_HEAD}{colour}{FRAGMENT_MAIN}");
        Ok(Self {
            plain: Program::new(gl, &format!("{head}{VERTEX}"), &fragment(""))?,
            round: Program::new(gl, &format!("{head}{VERTEX}"), &fragment("#define ROUND\n"))?,
            // SAFETY: the context is current.
            vertices: unsafe { gl.create_vertex_array()? },
        })
    }

    /// Something for egui to paint.
    pub fn shape(self: &Arc<Self>, layers: &[glow::Texture], conversion: Conversion, placement: Placement) -> Shape {
        let shaders = Arc::clone(self);
        let layers = layers.to_vec();
        let callback = CallbackFn::new(move |info, painter| {
            shaders.paint(painter.gl(), &layers, conversion, placement, &info);
        });
        Shape::Callback(PaintCallback {
            rect: placement.rect,
            callback: Arc::new(callback),
        })
    }

    fn paint(
        &self,
        gl: &glow::Context,
        layers: &[glow::Texture],
        conversion: Conversion,
        placement: Placement,
        info: &PaintCallbackInfo,
    ) {
        let is_round = placement.radius > 0.0;
        let program = if is_round { &self.round } else { &self.plain };
        // SAFETY: egui calls this while it paints, with its context current and viewport and scissor set to our
        // rectangle; it sets all its own state again afterwards, apart from the texture units, which we reset.
        unsafe {
            if !is_round {
                gl.disable(glow::BLEND);
            }
            program.use_for(gl, conversion, placement, info);
            for (unit, layer) in (glow::TEXTURE0..).zip(layers) {
                gl.active_texture(unit);
                gl.bind_texture(glow::TEXTURE_2D, Some(*layer));
            }
            gl.bind_vertex_array(Some(self.vertices));
            gl.draw_arrays(glow::TRIANGLE_STRIP, 0, 4);
            gl.bind_vertex_array(None);
            // Backwards, so that unit 0 is the active one at the end, as egui expects.
            for unit in [glow::TEXTURE2, glow::TEXTURE1, glow::TEXTURE0] {
                gl.active_texture(unit);
                gl.bind_texture(glow::TEXTURE_2D, None);
            }
        }
    }

    /// Frees the shaders.
    pub fn delete(&self, gl: &glow::Context) {
        // SAFETY: the context is current and nothing is painted with these again.
        unsafe {
            gl.delete_program(self.plain.program);
            gl.delete_program(self.round.program);
            gl.delete_vertex_array(self.vertices);
        }
    }
}

impl Program {
    fn new(gl: &glow::Context, vertex: &str, fragment: &str) -> Result<Self, String> {
        // SAFETY: the context is current; all objects are made here and bound only for the calls that follow.
        unsafe {
            let program = gl.create_program()?;
            for (kind, source) in [(glow::VERTEX_SHADER, vertex), (glow::FRAGMENT_SHADER, fragment)] {
                let shader = gl.create_shader(kind)?;
                gl.shader_source(shader, source);
                gl.compile_shader(shader);
                if !gl.get_shader_compile_status(shader) {
                    return Err(gl.get_shader_info_log(shader));
                }
                gl.attach_shader(program, shader);
                gl.delete_shader(shader);
            }
            gl.link_program(program);
            if !gl.get_program_link_status(program) {
                return Err(gl.get_program_info_log(program));
            }
            gl.use_program(Some(program));
            for (unit, name) in [(0, "u_first"), (1, "u_blue"), (2, "u_red")] {
                gl.uniform_1_i32(gl.get_uniform_location(program, name).as_ref(), unit);
            }
            gl.use_program(None);
            Ok(Self {
                conversion: gl.get_uniform_location(program, "u_conversion"),
                offset: gl.get_uniform_location(program, "u_offset"),
                part: gl.get_uniform_location(program, "u_part"),
                size_px: gl.get_uniform_location(program, "u_size_px"),
                radius_px: gl.get_uniform_location(program, "u_radius_px"),
                program,
            })
        }
    }

    /// # Safety
    /// The context is current.
    unsafe fn use_for(
        &self,
        gl: &glow::Context,
        conversion: Conversion,
        placement: Placement,
        info: &PaintCallbackInfo,
    ) {
        let viewport = info.viewport_in_pixels();
        let part = placement.uv;
        // SAFETY: the caller's promise. A variable that the shader does not have has no place, which GL ignores.
        unsafe {
            gl.use_program(Some(self.program));
            gl.uniform_matrix_3_f32_slice(self.conversion.as_ref(), false, &conversion.matrix);
            gl.uniform_3_f32_slice(self.offset.as_ref(), &conversion.offset);
            gl.uniform_4_f32(self.part.as_ref(), part.min.x, part.min.y, part.width(), part.height());
            gl.uniform_2_f32(
                self.size_px.as_ref(),
                viewport.width_px as f32,
                viewport.height_px as f32,
            );
            gl.uniform_1_f32(self.radius_px.as_ref(), placement.radius * info.pixels_per_point);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb(colour: Colour, yuv: [u8; 3]) -> [i32; 3] {
        let conversion = Conversion::of(colour);
        let centred: Vec<f32> = yuv
            .iter()
            .zip(conversion.offset)
            .map(|(value, offset)| f32::from(*value) / 255.0 - offset)
            .collect();
        [0, 1, 2].map(|row| {
            let sum: f32 = (0..3)
                .map(|column| conversion.matrix[column * 3 + row] * centred[column])
                .sum();
            (sum.clamp(0.0, 1.0) * 255.0).round() as i32
        })
    }

    #[test]
    fn black_white_and_primaries_come_out_right() {
        let limited = |matrix| Colour {
            matrix,
            range: ColourRange::Limited,
        };
        for matrix in [ColourMatrix::Bt601, ColourMatrix::Bt709] {
            assert_eq!(rgb(limited(matrix), [16, 128, 128]), [0, 0, 0]);
            assert_eq!(rgb(limited(matrix), [235, 128, 128]), [255, 255, 255]);
        }
        // Full red of each standard, rounded to 8 bits there and back.
        let near = |a: [i32; 3], b: [i32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 2);
        assert!(near(rgb(limited(ColourMatrix::Bt601), [81, 90, 240]), [255, 0, 0]));
        assert!(near(rgb(limited(ColourMatrix::Bt709), [63, 102, 240]), [255, 0, 0]));
        let full = Colour {
            matrix: ColourMatrix::Bt601,
            range: ColourRange::Full,
        };
        assert_eq!(rgb(full, [0, 128, 128]), [0, 0, 0]);
        assert_eq!(rgb(full, [255, 128, 128]), [255, 255, 255]);
        assert!(near(rgb(full, [76, 85, 255]), [255, 0, 0]));
    }
}
