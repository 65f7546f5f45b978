//! Counting what passed and what failed.

use console::style;

/// The results so far.
#[derive(Default)]
pub struct Tally {
    passed: usize,
    failures: Vec<String>,
}

impl Tally {
    /// Notes one result and shows it.
    pub fn note(&mut self, name: &str, ok: bool, detail: &str) {
        let (mark, space) = (
            if ok {
                style("pass").green()
            } else {
                style("FAIL").red()
            },
            if detail.is_empty() { "" } else { ": " },
        );
        eprintln!("    {} {name}{space}{detail}", mark.for_stderr());
        if ok {
            self.passed += 1;
        } else {
            self.failures.push(format!("{name}{space}{detail}"));
        }
    }

    /// Notes results that were counted elsewhere.
    pub fn count(&mut self, name: &str, passed: usize, failed: usize) {
        self.passed += passed;
        for _ in 0..failed {
            self.failures.push(format!("{name}: see the output above"));
        }
        eprintln!("    {name}: {passed} passed, {failed} failed");
    }

    /// How many failed so far.
    pub fn failed(&self) -> usize {
        self.failures.len()
    }

    /// Names each failure and ends with the line of both numbers; true where nothing failed and something ran.
    pub fn conclude(&self) -> bool {
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failures.len());
        self.failures.is_empty() && self.passed > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_run_is_no_success() {
        assert!(!Tally::default().conclude());
    }

    #[test]
    fn one_failure_fails_all() {
        let mut tally = Tally::default();
        tally.note("a", true, "");
        assert!(tally.conclude());
        tally.count("b", 3, 1);
        assert!(!tally.conclude());
        assert_eq!((tally.passed, tally.failures.len()), (4, 1));
    }
}
