//! The results as JUnit XML, which CI systems show.

use super::tally::Case;
use std::fmt::Write as _;

/// One test suite with every case.
pub fn xml(cases: &[Case]) -> String {
    let failed = cases.iter().filter(|case| !case.ok).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"bulkhead\" tests=\"{}\" failures=\"{failed}\">\n",
        cases.len()
    );
    for case in cases {
        let _ = write!(
            text,
            "  <testcase classname=\"{}\" name=\"{}\"",
            escaped(&case.group),
            escaped(&case.name)
        );
        if let Some(ms) = case.ms {
            let _ = write!(text, " time=\"{}.{:03}\"", ms / 1000, ms % 1000);
        }
        match (case.ok, case.detail.as_str()) {
            (true, "") => text += "/>\n",
            (true, detail) => {
                let _ = writeln!(text, "><system-out>{}</system-out></testcase>", escaped(detail));
            }
            (false, detail) => {
                let _ = writeln!(text, "><failure message=\"{}\"/></testcase>", escaped(detail));
            }
        }
    }
    text + "</testsuite>\n"
}

/// Text as XML allows it: marks as entities, and control characters, which it has no form for, as `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' | '\t' => out.push(' '),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => {
                out.push('?');
            }
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_written_and_marks_escaped() {
        let case = |name: &str, ok, detail: &str| Case {
            group: "bare".into(),
            name: name.into(),
            ok,
            detail: detail.into(),
            ms: ok.then_some(1250).filter(|_| !detail.is_empty()),
        };
        let text = xml(&[
            case("a", true, ""),
            case("b", false, "got <0> & not \"1\"\u{1b}[0m"),
            case("c", true, "10 calls"),
        ]);
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"bulkhead\" tests=\"3\" failures=\"1\">\n  \
             <testcase classname=\"bare\" name=\"a\"/>\n  \
             <testcase classname=\"bare\" name=\"b\"><failure message=\"got &lt;0&gt; &amp; not &quot;1&quot;?[0m\"/></testcase>\n  \
             <testcase classname=\"bare\" name=\"c\" time=\"1.250\"><system-out>10 calls</system-out></testcase>\n\
             </testsuite>\n"
        );
    }
}
