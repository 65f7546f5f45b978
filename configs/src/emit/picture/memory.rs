//! Secure memory to scale, with owners and holes.

use super::svg::{Anchor, Font, Rect, Svg};
use super::{FAINT, FIRMWARE, HYPERVISOR, INK, MARGIN, WIDTH, colour};
use crate::board::Kind;
use crate::model::{Range, System};
use crate::units::show_size;

/// The hatching of free memory.
pub const FREE: &str = "url(#free)";
const BAR: f64 = 58.0;
/// Width of the gap between areas of memory that do not touch.
const BREAK: f64 = 18.0;

/// A piece of memory with one owner, or none.
pub struct Piece {
    /// Where it is.
    pub range: Range,
    /// Whose it is, or that it is free.
    pub owner: String,
    /// How it is filled.
    pub fill: &'static str,
}

impl Piece {
    /// Whether nobody has it.
    pub fn is_free(&self) -> bool {
        self.fill == FREE
    }
}

/// What of the memory that is not the normal world's belongs to whom, in ascending order without gaps in an area.
pub fn pieces(system: &System) -> Vec<Piece> {
    let mut owned: Vec<Piece> = system
        .board
        .memory
        .iter()
        .filter(|memory| memory.kind == Kind::Firmware)
        .map(|memory| Piece {
            range: memory.range,
            owner: memory.name.clone(),
            fill: FIRMWARE,
        })
        .collect();
    owned.push(Piece {
        range: system.hypervisor,
        owner: "Bulkhead".to_owned(),
        fill: HYPERVISOR,
    });
    for (index, partition) in system.partitions.iter().enumerate() {
        let regions = partition.memory.iter();
        owned.extend(regions.map(|region| Piece {
            range: region.range,
            owner: partition.name.clone(),
            fill: colour(index),
        }));
    }
    owned.sort_by_key(|piece| piece.range.base);
    let mut free = Vec::new();
    for area in system.board.ranges(Kind::Secure) {
        let mut base = area.base;
        for piece in owned.iter().filter(|piece| area.contains(&piece.range)) {
            free.extend(hole(base, piece.range.base));
            base = piece.range.end();
        }
        free.extend(hole(base, area.end()));
    }
    owned.extend(free);
    owned.sort_by_key(|piece| piece.range.base);
    owned
}

fn hole(base: u64, end: u64) -> Option<Piece> {
    let range = Range {
        base,
        size: end.checked_sub(base).filter(|size| *size > 0)?,
    };
    Some(Piece {
        range,
        owner: "free".to_owned(),
        fill: FREE,
    })
}

/// Draws from `top` on; the lowest used coordinate.
pub fn draw(svg: &mut Svg, system: &System, top: f64) -> f64 {
    svg.text(
        MARGIN,
        top,
        "Secure memory, to scale",
        Font::sans(15.0).bold(),
        INK,
        Anchor::Start,
    );
    let pieces = pieces(system);
    let breaks = pieces
        .windows(2)
        .filter(|pair| pair[0].range.end() != pair[1].range.base);
    let room = breaks.fold(WIDTH - 2.0 * MARGIN, |room, _| room - BREAK);
    let total: f64 = pieces.iter().map(|piece| mib(piece.range.size)).sum();
    let y = top + 14.0;
    let mut x = MARGIN;
    let mut last = None;
    let mut ticks = Vec::new();
    for piece in &pieces {
        if let Some(end) = last.filter(|end| *end != piece.range.base) {
            ticks.push((x, end));
            x += BREAK;
        }
        let width = mib(piece.range.size) / total * room;
        draw_piece(
            svg,
            piece,
            Rect {
                x,
                y,
                width,
                height: BAR,
                radius: 0.0,
            },
        );
        ticks.push((x, piece.range.base));
        x += width;
        last = Some(piece.range.end());
    }
    ticks.extend(last.map(|end| (x, end)));
    draw_ticks(svg, &ticks, y + BAR)
}

fn draw_piece(svg: &mut Svg, piece: &Piece, at: Rect) {
    svg.rect(at, piece.fill, "#ffffff");
    let ink = if piece.is_free() { FAINT } else { "#ffffff" };
    let middle = at.x + at.width / 2.0;
    if at.width >= 40.0 {
        let fonts = [13.0, 12.0, 11.0].map(|size| Font::sans(size).bold());
        let fitting = fonts
            .into_iter()
            .find(|font| font.width(&piece.owner) <= at.width - 4.0);
        let name = fitting.unwrap_or(fonts[2]);
        svg.text(
            middle,
            at.y + 27.0,
            &name.fit(&piece.owner, at.width - 4.0),
            name,
            ink,
            Anchor::Middle,
        );
        let size = show_size(piece.range.size);
        svg.text(middle, at.y + 44.0, &size, Font::sans(11.0), ink, Anchor::Middle);
    }
}

/// Addresses under the bar, on two lines where they stand close; those that still do not fit are left out.
fn draw_ticks(svg: &mut Svg, ticks: &[(f64, u64)], y: f64) -> f64 {
    let font = Font::mono(11.0);
    let mut free = [f64::MIN; 2];
    let mut texts = Vec::new();
    for (x, address) in ticks {
        let text = format!("{address:#010x}");
        let half = font.width(&text) / 2.0;
        // The outermost addresses stay within the picture.
        let centre = x.clamp(MARGIN + half, WIDTH - MARGIN - half);
        let Some(row) = free.iter().position(|end| centre - half > *end) else {
            continue;
        };
        free[row] = centre + half + 8.0;
        let drop = if row == 0 { 8.0 } else { 24.0 };
        svg.line((*x, y), (*x, y + drop), "#aab4c0");
        texts.push((centre, y + drop, text));
    }
    for (centre, y, text) in texts {
        // A line to the second row must not cross an address of the first.
        let half = font.width(&text) / 2.0;
        svg.rect(
            Rect {
                x: centre - half,
                y,
                width: 2.0 * half,
                height: 13.0,
                radius: 0.0,
            },
            "#ffffff",
            "none",
        );
        svg.text(centre, y + 11.0, &text, font, FAINT, Anchor::Middle);
    }
    y + 36.0
}

/// For drawing only; sizes here are far below what a float holds exactly.
fn mib(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 12).unwrap_or(u32::MAX)) / 256.0
}
