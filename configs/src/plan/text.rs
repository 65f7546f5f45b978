//! The plan for a terminal.

use std::fmt::Write;

use super::Section;
use super::left::pages;
use super::sections::sections;
use crate::emit::picture::memory::pieces;
use crate::model::System;
use crate::units::show_size;

/// Characters of the longest bar.
const BAR: u32 = 40;

/// The plan as text.
#[must_use]
pub fn text(system: &System) -> String {
    let mut out = format!("{} on {}\n", system.name, system.board.name);
    memory(&mut out, system);
    for section in sections(system) {
        table(&mut out, &section);
    }
    out
}

/// Memory that is not the normal world's, to scale.
fn memory(out: &mut String, system: &System) {
    let pieces = pieces(system);
    let largest = pieces
        .iter()
        .map(|piece| pages(piece.range.size))
        .max()
        .unwrap_or(1)
        .max(1);
    let mut section = Section::new("Secure memory, to scale", &["from", "size", "owner", ""]);
    let mut last = None;
    for piece in pieces {
        if last.is_some_and(|end| end != piece.range.base) {
            section
                .rows
                .push(vec!["…".to_owned(), String::new(), String::new(), String::new()]);
        }
        // Half a character for each step, at least one.
        let steps = (u64::from(pages(piece.range.size)) * u64::from(BAR) * 2 / u64::from(largest)).max(1);
        let (whole, half) = if piece.is_free() {
            ("░", "░")
        } else {
            ("█", "▌")
        };
        let mut bar = whole.repeat(usize::try_from(steps / 2).unwrap_or(0));
        if steps % 2 == 1 {
            bar.push_str(half);
        }
        section.rows.push(vec![
            format!("{:#010x}", piece.range.base),
            show_size(piece.range.size),
            piece.owner.clone(),
            bar,
        ]);
        last = Some(piece.range.end());
    }
    table(out, &section);
}

fn table(out: &mut String, section: &Section) {
    let _ = writeln!(out, "\n{}", section.title);
    let count = section.head.len();
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            let cells = section.rows.iter().filter_map(|row| row.get(column));
            cells
                .chain([&section.head[column]])
                .map(|text| width(text))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut line = |cells: &[String]| {
        let mut text = String::from(" ");
        for (cell, room) in cells.iter().zip(&widths) {
            let pad = room.saturating_sub(width(cell));
            let _ = write!(text, " {cell}{} ", " ".repeat(pad));
        }
        let _ = writeln!(out, "{}", text.trim_end());
    };
    line(&section.head);
    for row in &section.rows {
        line(row);
    }
}
