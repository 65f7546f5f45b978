//! The few shapes that a picture needs.

use std::fmt::Write;

/// Which end of a text its position is.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// The left end.
    Start,
    /// The middle.
    Middle,
}

/// A font.
#[derive(Clone, Copy)]
pub struct Font {
    size: f64,
    mono: bool,
    bold: bool,
}

impl Font {
    /// For words; `size` in pixels.
    pub const fn sans(size: f64) -> Self {
        Self {
            size,
            mono: false,
            bold: false,
        }
    }

    /// For numbers; `size` in pixels.
    pub const fn mono(size: f64) -> Self {
        Self {
            size,
            mono: true,
            bold: false,
        }
    }

    /// The same, bold.
    pub const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// Estimated width of a text in pixels; wide fonts are assumed.
    pub fn width(self, text: &str) -> f64 {
        let per_character = if self.bold { 0.67 } else { 0.61 };
        text.chars()
            .fold(0.0, |width, _| width + per_character * self.size)
    }

    /// The largest of these sizes in which the text fits `room`; the smallest if none does.
    pub fn fitting(self, sizes: &[f64], text: &str, room: f64) -> Self {
        let mut fonts = sizes.iter().map(|size| Self { size: *size, ..self });
        let last = fonts.clone().next_back().unwrap_or(self);
        fonts.find(|font| font.width(text) <= room).unwrap_or(last)
    }

    /// Lines of a list, broken behind commas so that each one fits `room` as far as that goes.
    pub fn wrap(self, text: &str, room: f64) -> Vec<String> {
        let mut lines = vec![String::new()];
        for item in text.split_inclusive(", ") {
            let line = lines.last().cloned().unwrap_or_default();
            if line.is_empty() || self.width((line.clone() + item).trim_end()) <= room {
                if let Some(last) = lines.last_mut() {
                    last.push_str(item);
                }
            } else {
                lines.push(item.to_owned());
            }
        }
        lines.iter().map(|line| self.fit(line.trim_end(), room)).collect()
    }

    /// The text, or as much of it as fits `room` with an ellipsis.
    pub fn fit(self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let mut short = String::new();
        for character in text.chars() {
            if self.width(&short) + self.width("xx") > room {
                break;
            }
            short.push(character);
        }
        short + "…"
    }
}

/// A rectangle with round corners.
#[derive(Clone, Copy)]
pub struct Rect {
    /// Left.
    pub x: f64,
    /// Top.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Radius of the corners.
    pub radius: f64,
}

/// A picture in the making.
pub struct Svg {
    body: String,
}

impl Svg {
    /// An empty picture.
    pub fn new() -> Self {
        Self { body: String::new() }
    }

    /// A rectangle; `fill` and `stroke` are colours, `none`, or `url(#free)` for the hatching of free memory.
    pub fn rect(&mut self, at: Rect, fill: &str, stroke: &str) {
        let Rect {
            x,
            y,
            width,
            height,
            radius,
        } = at;
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{radius}" fill="{fill}" stroke="{stroke}"/>"#
        );
    }

    /// A line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{stroke}"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    /// A text; `y` is its base line.
    pub fn text(&mut self, x: f64, y: f64, text: &str, font: Font, fill: &str, anchor: Anchor) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
        };
        let class = if font.mono { "mono" } else { "sans" };
        let weight = if font.bold { 600 } else { 400 };
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" font-size="{}" font-weight="{weight}" fill="{fill}" text-anchor="{anchor}">{}</text>"#,
            font.size,
            escape(text)
        );
    }

    /// The whole file. The picture brings its own background, so that it can be read on dark pages too.
    pub fn finish(self, width: f64, height: f64, title: &str) -> String {
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" role="img">
<title>{title}</title>
<style>
.sans {{ font-family: ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; }}
.mono {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
</style>
<defs><pattern id="free" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="8" height="8" fill="#ffffff"/><rect width="2" height="8" fill="#dfe4eb"/></pattern></defs>
<rect x="0.5" y="0.5" width="{:.0}" height="{:.0}" rx="14" fill="#ffffff" stroke="#d3dae3"/>
{}</svg>
"##,
            width - 1.0,
            height - 1.0,
            self.body,
            title = escape(title),
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
