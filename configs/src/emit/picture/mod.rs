//! A picture of a system: who is beside whom and above what, and secure memory to scale with its owners.

pub mod memory;
pub mod story;
mod svg;
mod table;
mod worlds;

use crate::board::Kind;
use crate::model::System;
use crate::units::show_size;

use svg::{Anchor, Font, Svg};

/// Width of the picture in pixels.
const WIDTH: f64 = 1120.0;
/// Distance of everything from the border.
const MARGIN: f64 = 32.0;

/// Colours that stay apart for colour-blind readers, for partitions in the order of their IDs.
const PARTITIONS: [&str; 8] = [
    "#3b6fb6", "#d9752b", "#2f8f6b", "#a2559c", "#b5892b", "#c4504f", "#4a9bb5", "#7a6a5d",
];
const HYPERVISOR: &str = "#18222f";
const FIRMWARE: &str = "#6a7686";
const NORMAL: &str = "#8d99a8";
const INK: &str = "#18222f";
const FAINT: &str = "#5c6877";
const PANEL: &str = "#f3f5f8";
const EDGE: &str = "#d3dae3";

/// The colour of the partition at `index`.
fn colour(index: usize) -> &'static str {
    PARTITIONS[index % PARTITIONS.len()]
}

/// The picture as SVG.
pub fn layout(system: &System) -> String {
    let mut svg = Svg::new();
    title(&mut svg, system);
    let below = worlds::draw(&mut svg, system, 92.0);
    let below = memory::draw(&mut svg, system, below + 36.0);
    let below = table::draw(&mut svg, system, below + 22.0);
    svg.finish(
        WIDTH,
        below + MARGIN - 8.0,
        &format!("The system {} on the board {}", system.name, system.board.name),
    )
}

fn title(svg: &mut Svg, system: &System) {
    svg.text(
        MARGIN,
        48.0,
        &system.name,
        Font::sans(26.0).bold(),
        INK,
        Anchor::Start,
    );
    let secure: u64 = system.board.ranges(Kind::Secure).map(|range| range.size).sum();
    let facts = format!(
        "board {} · {} cores · {} of secure memory · {}",
        system.board.name,
        system.board.cores.len(),
        show_size(secure),
        count(system.partitions.len(), "partition"),
    );
    svg.text(MARGIN, 72.0, &facts, Font::sans(14.0), FAINT, Anchor::Start);
}

/// `1 partition`, `2 partitions`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
