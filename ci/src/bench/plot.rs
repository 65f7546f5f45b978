//! The figures as a picture: how far each operation is from its target, beside Hafnium and the last release.

use super::figures::{Figures, OPERATIONS};
use super::reference::Reference;
use super::table::number;
use std::fmt::Write as _;

/// Measures of the picture, in pixels.
const WIDTH: f64 = 900.0;
const LEFT: f64 = 270.0;
const RIGHT: f64 = 100.0;
const TOP: f64 = 64.0;
const ROW: f64 = 34.0;
const BAR: f64 = 11.0;

/// Where the scale begins and ends, as multiples of the target.
const LEAST: f64 = 0.25;
const MOST: f64 = 100.0;
const MARKS: [f64; 8] = [0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];

/// One of the bars: its colour, its height in the row, and the figure.
type Bar = (&'static str, f64, Option<u64>);

/// The picture: a row for each operation that has a target. The scale is logarithmic.
pub fn svg(figures: &Figures, then: &Reference) -> String {
    let rows: Vec<_> = OPERATIONS
        .iter()
        .filter_map(|operation| Some((operation, operation.target?, figures.get(operation.name)?)))
        .collect();
    let bottom = TOP + ROW * rows.len() as f64;
    let height = bottom + 30.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\">Instructions of each operation, as multiples of its target</text>\n"
    );
    legend(&mut text);
    for mark in MARKS {
        let (x, colour) = (place(mark), if mark == 1.0 { "#b00020" } else { "#dddddd" });
        let _ = writeln!(
            text,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555555\">{mark}</text>",
            bottom + 16.0
        );
    }
    for (row, (operation, target, figure)) in rows.into_iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 19.0,
            operation.title
        );
        let mark = then
            .get(operation.name)
            .map(|then| place(then as f64 / target as f64));
        let bars: [Bar; 2] = [
            (OURS, y + 4.0, Some(figure)),
            (THEIRS, y + 4.0 + BAR + 2.0, operation.hafnium),
        ];
        for (colour, top, figure) in bars {
            let beside = mark.filter(|_| colour == OURS);
            bar(&mut text, (colour, top, figure), target, beside);
        }
        if let Some(x) = mark {
            let _ = writeln!(
                text,
                "<line x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"#000000\" stroke-width=\"2\"/>",
                y + 2.0,
                y + 6.0 + BAR
            );
        }
    }
    text.push_str("</svg>\n");
    text
}

const OURS: &str = "#1f6f8b";
const THEIRS: &str = "#c9b458";

fn legend(text: &mut String) {
    for (x, colour, what) in [
        (LEFT, OURS, "Bulkhead"),
        (LEFT + 100.0, THEIRS, "Hafnium, July 2026"),
    ] {
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"36\" width=\"14\" height=\"11\" fill=\"{colour}\"/><text x=\"{}\" y=\"46\">{what}</text>",
            x + 20.0
        );
    }
    for (x, colour, what) in [
        (LEFT + 250.0, "#000000", "last release"),
        (LEFT + 360.0, "#b00020", "target"),
    ] {
        let _ = writeln!(
            text,
            "<line x1=\"{x}\" y1=\"34\" x2=\"{x}\" y2=\"49\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{}\" y=\"46\">{what}</text>",
            x + 8.0
        );
    }
}

/// A bar with its figure behind it, and behind what is marked in its row.
fn bar(text: &mut String, (colour, top, figure): Bar, target: u64, mark: Option<f64>) {
    let Some(figure) = figure else {
        return;
    };
    let end = place(figure as f64 / target as f64);
    let _ = writeln!(
        text,
        "<rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\" fill=\"#333333\">{}</text>",
        end - LEFT,
        mark.map_or(end, |mark| mark.max(end)) + 5.0,
        top + 9.0,
        number(Some(figure))
    );
}

/// Where a multiple of the target lies.
fn place(times: f64) -> f64 {
    let part = (times.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + part * (WIDTH - LEFT - RIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_ends_at_its_figure() {
        let mut figures = Figures::default();
        figures.note("features", 1500);
        figures.note("id-get", 293);
        let then = Reference::parse("operation,bulkhead,bulkhead-8\nfeatures,3000,\n").unwrap();
        let text = svg(&figures, &then);
        assert_eq!(text.matches("FFA_FEATURES").count(), 1);
        assert!(!text.contains("FFA_ID_GET"), "it has no target");
        let end = format!("width=\"{:.1}\"", place(1.0) - LEFT);
        assert!(text.contains(&end), "{text}");
        assert!(text.contains(">1,500<") && text.contains(">3,037<"));
        assert!((place(0.0) - LEFT).abs() < 1e-9 && place(1e9) <= WIDTH - RIGHT + 1e-9);
    }
}
