//! What was seen of the tables of stage 2 in one run of the machine, as results.

use super::tally::Tally;
use crate::truth::{Found, Watch};
use anyhow::Result;
use std::time::{Duration, Instant};

/// How long a machine with many cases is left alone between two looks.
const REST: Duration = Duration::from_secs(1);

/// All looks of one run.
#[derive(Default)]
pub struct Truth {
    /// Whether the registers were compared, and what was wrong with them.
    registers: Option<Option<String>>,
    /// When was looked last.
    last: Option<Instant>,
    looks: usize,
    pages: usize,
    most: usize,
    faults: Vec<String>,
}

impl Truth {
    /// Compares the registers, once: for the machine's first line.
    pub fn begin(&mut self, watch: &Watch) {
        if self.registers.is_none() {
            self.registers = Some(watch.registers().err().map(|error| format!("{error:#}")));
        }
    }

    /// Takes what was seen behind a case.
    pub fn take(&mut self, case: &str, found: Result<Option<Found>>) {
        match found {
            Ok(None) => {}
            Ok(Some(found)) => {
                self.looks += 1;
                self.pages += found.pages;
                self.most = self.most.max(found.shares);
                if let Some(words) = found.faults() {
                    self.faults.push(format!("behind {case}: {words}"));
                }
            }
            Err(error) => self.faults.push(format!("behind {case}: {error:#}")),
        }
    }

    /// Looks behind a case, once a second at most.
    pub fn look_now_and_then(&mut self, case: &str, watch: &Watch) {
        if self.last.is_none_or(|last| last.elapsed() >= REST) {
            self.take(case, watch.look());
            self.last = Some(Instant::now());
        }
    }

    /// Notes it, and what was seen at the end of the run.
    pub fn note(mut self, run: &str, watch: Watch, tally: &mut Tally) {
        let (found, planted) = match watch.end() {
            Ok(end) => (Ok(Some(end.found)), end.planted),
            Err(error) => (Err(error), Vec::new()),
        };
        self.take("the last one", found);
        let registers = self.registers.unwrap_or_else(|| Some("nobody looked".to_owned()));
        tally.note(
            &format!("{run}: stage 2 is on, and walks start where ours do"),
            registers.is_none(),
            &registers.unwrap_or_default(),
        );
        let all = format!(
            "{} looks at {} mapped pages, up to {} transactions live",
            self.looks, self.pages, self.most
        );
        let ok = self.faults.is_empty() && self.pages > 0;
        let detail = if self.faults.is_empty() {
            all
        } else {
            self.faults.join("; ")
        };
        tally.note(&format!("{run}: stage 2 maps what it may"), ok, &detail);
        for (what, said) in planted {
            let ok = said.is_some();
            let detail = said.unwrap_or_else(|| "it was not found".to_owned());
            tally.note(&format!("{run}: planted: {what}"), ok, &detail);
        }
    }
}
