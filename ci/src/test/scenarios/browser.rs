//! The report as a browser shows it: a real one, without a screen, and what it has drawn.

use crate::parts::host;
use crate::paths::Paths;
use crate::tool::Tool;
use anyhow::{Result, ensure};
use std::path::Path;

/// Browsers, and Debian's packages of them.
const BROWSERS: [(&str, &str); 3] = [
    ("chromium-headless-shell", "chromium-headless-shell"),
    ("chromium", "chromium"),
    ("google-chrome", "google-chrome-stable"),
];
/// How the page says how many turns it has drawn.
const DRAWN: &str = "data-drawn=\"";
/// What each timeline in it begins with.
const TIMELINE: &str = "<svg role=\"img\"";

/// Opens a report of so many runs, and puts a picture of it beside it; what was drawn, in words.
pub fn look(paths: &Paths, file: &Path, runs: usize) -> Result<String> {
    let program = host::provide_program(paths, &BROWSERS)?;
    let picture = file.with_extension("png");
    let profile = tempfile::Builder::new().prefix("bulkhead").tempdir()?;
    let browser = || {
        Tool::new(&program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--window-size=1280,1400",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
    };
    let page = format!("file://{}", file.display());
    let text = browser()
        .args(["--dump-dom", &page])
        .output("opening the report in a browser")?;
    browser()
        .arg(format!("--screenshot={}", picture.display()))
        .arg(&page)
        .output("taking a picture of the report")?;
    ensure!(picture.is_file(), "the browser made no picture of the report");
    let (turns, timelines) = (drawn(&text), text.matches(TIMELINE).count());
    ensure!(
        turns.is_some_and(|turns| turns > 0) && timelines == runs,
        "the browser has drawn {timelines} timelines of {runs}: its script has failed; open {} and look at the browser's \
         console",
        file.display()
    );
    Ok(format!(
        "{} turns in {runs} timelines; {}",
        turns.unwrap_or_default(),
        picture.display()
    ))
}

/// How many turns a page has drawn; none where its script did not come to its end.
fn drawn(page: &str) -> Option<usize> {
    let (_, rest) = page.split_once(DRAWN)?;
    rest.split('"').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_was_drawn_is_read() {
        assert_eq!(super::drawn("<body data-drawn=\"12\"><main>"), Some(12));
        assert_eq!(super::drawn("<body>"), None);
    }
}
