//! The report to look at in a browser: each scenario with its timeline, in one file that needs nothing else.

use super::job::{Job, Verdict};
use super::overseer::heard;
use super::timeline::Timeline;
use anyhow::{Context, Result};
use serde::Serialize;

/// The page around the data, its looks and what draws it.
const PAGE: &str = include_str!("report.html");
const LOOKS: &str = include_str!("report.css");
const DRAWS: &str = include_str!("report.js");

/// One run.
#[derive(Serialize)]
struct Run<'a> {
    title: String,
    about: &'a str,
    table: &'a str,
    seed: u64,
    time: &'a str,
    ok: bool,
    problems: &'a [String],
    injured: &'a [String],
    cases: usize,
    guest_ms: u64,
    took_ms: u64,
    folder: String,
    timeline: Timeline,
}

/// The report of some runs.
pub fn page(jobs: &[Job], verdicts: &[Verdict]) -> Result<String> {
    let runs: Vec<_> = jobs
        .iter()
        .zip(verdicts)
        .map(|(job, verdict)| run(job, verdict))
        .collect();
    let failed = runs.iter().filter(|run| !run.ok).count();
    let title = format!("{} passed, {failed} failed", runs.len() - failed);
    let data = serde_json::to_string(&runs).context("the report's data is no JSON")?;
    Ok(assemble(&title, &data))
}

/// The page with its parts. No text of a log ends the script that it is in.
fn assemble(title: &str, data: &str) -> String {
    let data = data.replace("</", "<\\/").replace("<!--", "<\\!--");
    PAGE.replace("{TITLE}", title)
        .replace("{LOOKS}", LOOKS)
        .replace("{DRAWS}", DRAWS)
        .replace("{DATA}", &data)
}

fn run<'a>(job: &'a Job, verdict: &'a Verdict) -> Run<'a> {
    Run {
        title: job.title(),
        about: &job.scenario.about,
        table: &job.firmware.system.name,
        seed: job.seed,
        time: job.scenario.machine.time.word(),
        ok: verdict.problems.is_empty(),
        problems: &verdict.problems,
        injured: &verdict.injured,
        cases: verdict.cases,
        guest_ms: verdict.guest.as_millis() as u64,
        took_ms: verdict.took.as_millis() as u64,
        folder: job.folder.display().to_string(),
        timeline: Timeline::read(&heard(&job.folder).hypervisor),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_log_ends_the_script_that_it_is_in() {
        let page = super::assemble("1 passed", "[\"</script><script>alert(1)</script><!--\"]");
        assert!(page.contains("<title>1 passed"));
        assert_eq!(
            page.matches("</script>").count(),
            2,
            "the data's and the page's own"
        );
        assert!(page.contains("<\\/script>") && !page.contains("{DATA}"));
    }
}
