//! Figures that suites of Linux found, as a section of the page of results.

use super::linux::Figure;
use std::fmt::Write as _;

/// A table for each suite that has figures, with a column for each TEE; `-` is what belongs to none.
pub fn section(figures: &[Figure]) -> String {
    let mut text = String::new();
    if figures.is_empty() {
        return text;
    }
    text += "\n## Figures\n";
    for suite in distinct(figures.iter().map(|figure| &figure.suite)) {
        let of: Vec<&Figure> = figures.iter().filter(|figure| figure.suite == suite).collect();
        table(&mut text, suite, &of);
    }
    text
}

fn table(text: &mut String, suite: &str, figures: &[&Figure]) {
    let mut tees = distinct(figures.iter().map(|figure| &figure.tee));
    tees.sort_unstable();
    let _ = write!(text, "\n### {suite}\n\n| figure |");
    for tee in &tees {
        let _ = write!(text, " {tee} |");
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(tees.len()));
    for name in distinct(figures.iter().map(|figure| &figure.name)) {
        let _ = write!(text, "| {name} |");
        for tee in &tees {
            let figure = figures
                .iter()
                .find(|figure| figure.name == name && figure.tee == *tee);
            match figure {
                Some(figure) => drop(write!(text, " {} |", figure.value)),
                None => *text += " |",
            }
        }
        text.push('\n');
    }
}

/// Each text once, in the order in which they came.
fn distinct<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for text in texts {
        if !seen.contains(&text.as_str()) {
            seen.push(text);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(suite: &str, tee: &str, name: &str, value: &str) -> Figure {
        Figure {
            suite: suite.into(),
            tee: tee.into(),
            name: name.into(),
            value: value.into(),
        }
    }

    #[test]
    fn figures_stand_in_the_column_of_their_tee() {
        let figures = [
            figure("load", "vendor-b", "calls", "12"),
            figure("load", "-", "moves", "7"),
            figure("load", "vendor-a", "calls", "13"),
            figure("latency", "-", "most, ns", "900"),
        ];
        assert_eq!(
            section(&figures),
            "\n## Figures\n\n### load\n\n| figure | - | vendor-a | vendor-b |\n|---|---|---|---|\n| calls | | 13 | 12 |\n\
             | moves | 7 | | |\n\n### latency\n\n| figure | - |\n|---|---|\n| most, ns | 900 |\n"
        );
        assert_eq!(section(&[]), "");
    }
}
