//! Lines for `xtask`.

use std::time::Instant;

use bulkhead_client::report::Line;

/// A case of the suite that ended.
pub fn case(suite: &str, tee: &str, name: &str, ok: bool, start: Instant, detail: &str) -> bool {
    Line::new("case")
        .text("suite", suite)
        .text("tee", tee)
        .text("name", name)
        .truth("ok", ok)
        .number("ms", start.elapsed().as_millis() as u64)
        .text("detail", detail)
        .print();
    ok
}

/// A figure of the results page.
pub fn figure(suite: &str, tee: &str, name: &str, value: impl std::fmt::Display) {
    Line::new("figure")
        .text("suite", suite)
        .text("tee", tee)
        .text("name", name)
        .text("value", &format!("{value}"))
        .print();
}

/// How far it is, for who watches.
pub fn progress(text: &str) {
    Line::new("progress").text("text", text).print();
}

/// A remark for people.
pub fn note(text: &str) {
    Line::new("note").text("text", text).print();
}
