//! Pages of the book about the rules: one for each, and a list of all.

use std::fmt::Write;

use super::{Rule, explain};

/// The page about a rule, in Markdown.
#[must_use]
pub fn page(rule: Rule) -> String {
    let mut out = format!(
        "# {}: {}\n\n{}.\n",
        rule.code(),
        demand(rule),
        sentence(rule.why())
    );
    let Some(explained) = explain(rule) else {
        return out;
    };
    let example = &explained.example;
    let place = if example.of_board {
        "in the board's file"
    } else {
        "in the table"
    };
    if example.is_about_images() {
        out.push_str("\nThis rule is about the images that are handed in.\n");
    } else {
        let _ = write!(
            out,
            "\n## Refused\n\nThis, {place}:\n\n```toml\n{}\n```\n",
            example.before.trim_end()
        );
    }
    for (name, size) in example.images() {
        let _ = write!(out, "\nImage of `{name}`: {size} bytes.\n");
    }
    let _ = write!(
        out,
        "\n## What is said\n\n```text\n{}\n```\n",
        explained.message.trim_end()
    );
    if !example.is_about_images() {
        let _ = write!(
            out,
            "\n## Accepted\n\nThe nearest that keeps the rule:\n\n```toml\n{}\n```\n",
            example.after.trim_end()
        );
    }
    out.push_str("\nAll rules: [rules.md](../rules.md).\n");
    out
}

/// The list of all rules, in Markdown.
#[must_use]
pub fn index() -> String {
    let mut out = String::from(
        "# Rules of partition tables\n\nEach rule has a page with an example, the exact message, and the nearest that is accepted; \
         `cargo xtask explain BH041` shows the same. Made by `BLESS=1 cargo test -p bulkhead-configs` from \
         `configs/src/rule`; the tests refuse a page that says something else than the compiler.\n\n",
    );
    let _ = writeln!(out, "There are {} rules.\n", Rule::ALL.len());
    out.push_str("| code | rule | why |\n|---|---|---|\n");
    for rule in Rule::ALL {
        let code = rule.code();
        let _ = writeln!(
            out,
            "| [{code}](rules/{code}.md) | {} | {} |",
            demand(*rule),
            rule.why()
        );
    }
    out
}

fn demand(rule: Rule) -> &'static str {
    rule.demand().trim()
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
