//! What `xtest` prints, line by line: which case begins, how each ends, and the sums at the end.

/// A line that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A case began.
    Began,
    /// A case ended.
    Ended {
        /// Its name, such as `regression_1001`.
        name: String,
        /// Whether all of it went well.
        ok: bool,
        /// The first expectation that was not met.
        detail: String,
    },
}

/// Follows one run of `xtest`.
#[derive(Default)]
pub struct Transcript {
    current: Option<String>,
    fault: Option<String>,
    /// Cases that ended, and those of them that failed, as counted here.
    pub seen: (usize, usize),
    /// The same as `xtest` itself says, once it has.
    pub stated: Option<(usize, usize)>,
}

impl Transcript {
    /// The case that runs.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Whether `xtest` came to its end, and counted what was seen.
    pub fn is_whole(&self) -> bool {
        self.current.is_none() && self.stated == Some(self.seen) && self.seen.0 > 0
    }

    /// Takes the next line, without its end.
    pub fn line(&mut self, line: &str) -> Option<News> {
        if let Some(title) = line.strip_prefix("* ") {
            // Titles of the program itself stand between its cases in the same form; their names have no number.
            let name = title.split(' ').next().filter(|name| is_case(name))?;
            self.current = Some(name.to_owned());
            self.fault = None;
            return Some(News::Began);
        }
        if let Some(ended) = self.ended(line) {
            return Some(ended);
        }
        if self.current.is_some() && self.fault.is_none() && is_fault(line) {
            self.fault = Some(line.trim().to_owned());
        }
        if let Some((cases, failed)) = line.split_once(" test cases of which ") {
            let failed = failed.strip_suffix(" failed");
            self.stated = cases
                .trim()
                .parse()
                .ok()
                .zip(failed.and_then(|number| number.parse().ok()));
        }
        None
    }

    /// `  NAME OK` or `  NAME FAILED`, with the name of the case that runs: those of its parts end so too.
    fn ended(&mut self, line: &str) -> Option<News> {
        let (name, how) = line.strip_prefix("  ")?.split_once(' ')?;
        if self.current.as_deref() != Some(name) {
            return None;
        }
        let ok = match how {
            "OK" => true,
            "FAILED" => false,
            _ => return None,
        };
        self.current = None;
        self.seen.0 += 1;
        self.seen.1 += usize::from(!ok);
        let fault = self.fault.take().filter(|_| !ok);
        Some(News::Ended {
            name: name.to_owned(),
            ok,
            detail: fault.unwrap_or_default(),
        })
    }
}

fn is_case(name: &str) -> bool {
    let parts = name.split_once('_');
    parts.is_some_and(|(suite, number)| !suite.is_empty() && number.starts_with(|c: char| c.is_ascii_digit()))
}

/// `FILE.c:LINE: EXPRESSION has an unexpected value: …`
fn is_fault(line: &str) -> bool {
    let place = line.split_once(".c:").map(|(_, rest)| rest);
    place.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(name: &str, ok: bool, detail: &str) -> Option<News> {
        Some(News::Ended {
            name: name.into(),
            ok,
            detail: detail.into(),
        })
    }

    #[test]
    fn a_run_is_followed() {
        let mut transcript = Transcript::default();
        let mut line = |line| transcript.line(line);
        assert_eq!(line("Run test suite with level=0"), None);
        assert_eq!(line("* regression_1001 Core self tests"), Some(News::Began));
        assert_eq!(line("o regression_1001.1 Core self tests"), None);
        assert_eq!(line("  regression_1001.1 OK"), None);
        assert_eq!(line("  regression_1001 OK"), ended("regression_1001", true, ""));
        assert_eq!(line("* regression_1002 PTA parameters"), Some(News::Began));
        let fault = "/src/regression_1000.c:233: res has an unexpected value: 0xffff000c";
        assert_eq!(line(fault), None);
        assert_eq!(line("/src/regression_1000.c:240: a later one"), None);
        assert_eq!(
            line("  regression_1002 FAILED"),
            ended("regression_1002", false, fault)
        );
        assert_eq!(line("regression_1001 OK"), None);
        assert_eq!(line("25 subtests of which 2 failed"), None);
        assert_eq!(line("2 test cases of which 1 failed"), None);
        assert!(transcript.is_whole());
        assert_eq!(transcript.seen, (2, 1));
    }

    #[test]
    fn a_run_that_breaks_off_is_not_whole() {
        let mut transcript = Transcript::default();
        assert!(!transcript.is_whole());
        transcript.line("* pkcs11_1000 Initialize");
        assert_eq!(transcript.current(), Some("pkcs11_1000"));
        transcript.line("1 test cases of which 0 failed");
        assert!(!transcript.is_whole());
        transcript.line("  pkcs11_1000 OK");
        assert!(transcript.is_whole());
        transcript.line("x test cases of which 0 failed");
        assert!(!transcript.is_whole(), "a sum that cannot be read is none");
    }

    #[test]
    fn other_lines_mean_nothing() {
        let mut transcript = Transcript::default();
        for line in [
            "* ",
            "* benchmark",
            "* _1",
            "  ",
            "  regression_1001 OK",
            "a.c:b",
            ".c:1",
        ] {
            assert_eq!(transcript.line(line), None, "{line}");
        }
    }
}
