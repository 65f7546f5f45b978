//! Counting what passed and what failed.

use console::style;

/// One result.
pub struct Case {
    /// The group of tests that it belongs to.
    pub group: String,
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub ok: bool,
    /// What else there is to say.
    pub detail: String,
    /// How long it took, in milliseconds, where that is known.
    pub ms: Option<u64>,
}

/// The results so far.
#[derive(Default)]
pub struct Tally {
    group: String,
    cases: Vec<Case>,
}

impl Tally {
    /// From here on, results belong to this group.
    pub fn group(&mut self, name: &str) {
        name.clone_into(&mut self.group);
    }

    /// Notes one result and shows it.
    pub fn note(&mut self, name: &str, ok: bool, detail: &str) {
        self.show(name, ok, detail, None);
    }

    /// Notes one result that took so many milliseconds, and shows it.
    pub fn note_timed(&mut self, name: &str, ok: bool, detail: &str, ms: u64) {
        self.show(name, ok, detail, Some(ms));
    }

    fn show(&mut self, name: &str, ok: bool, detail: &str, ms: Option<u64>) {
        let mark = if ok {
            style("pass").green()
        } else {
            style("FAIL").red()
        };
        let space = if detail.is_empty() { "" } else { ": " };
        eprintln!("    {} {name}{space}{detail}", mark.for_stderr());
        self.add(name.to_owned(), ok, detail.to_owned(), ms);
    }

    /// Notes results that were shown elsewhere, by their names.
    pub fn count(&mut self, what: &str, results: &[(String, bool)]) {
        let failed = results.iter().filter(|(_, ok)| !ok).count();
        for (name, ok) in results {
            let detail = if *ok { "" } else { "see the output above" };
            self.add(format!("{what}: {name}"), *ok, detail.to_owned(), None);
        }
        eprintln!("    {what}: {} passed, {failed} failed", results.len() - failed);
    }

    fn add(&mut self, name: String, ok: bool, detail: String, ms: Option<u64>) {
        self.cases.push(Case {
            group: self.group.clone(),
            name,
            ok,
            detail,
            ms,
        });
    }

    /// How many failed so far.
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.ok).count()
    }

    /// Every result so far.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Names each failure and ends with the line of both numbers; true where nothing failed and something ran.
    pub fn conclude(&self) -> bool {
        for case in self.cases.iter().filter(|case| !case.ok) {
            let space = if case.detail.is_empty() { "" } else { ": " };
            println!("failed: {}{space}{}", case.name, case.detail);
        }
        let failed = self.failed();
        let passed = self.cases.len() - failed;
        println!("{passed} passed, {failed} failed");
        failed == 0 && passed > 0
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
        tally.group("one");
        tally.note("a", true, "");
        assert!(tally.conclude());
        tally.group("two");
        tally.count("b", &[("x".into(), true), ("y".into(), false)]);
        assert!(!tally.conclude());
        assert_eq!((tally.cases().len(), tally.failed()), (3, 1));
        let last = &tally.cases()[2];
        assert_eq!((last.group.as_str(), last.name.as_str()), ("two", "b: y"));
    }
}
