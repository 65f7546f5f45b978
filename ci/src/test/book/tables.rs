//! What the book shows as TOML: whole tables pass their check, and pieces of tables have keys that exist.

use super::page::{Block, Page};
use bulkhead_configs::language::{BOARD, FILE, Form, Table as Keys};
use std::path::Path;
use toml::{Table, Value};

/// What is wrong with the TOML of a page. Pages of rules show what is refused, and have tests of their own.
pub fn faults(root: &Path, page: &Page) -> Vec<String> {
    if page.path.starts_with("docs/rules/") {
        return Vec::new();
    }
    let blocks = page.blocks.iter().filter(|block| block.language == "toml");
    let faults = blocks.filter_map(|block| Some((block.line, fault(root, block)?)));
    faults
        .map(|(line, fault)| format!("{}:{line}: {fault}", page.path))
        .collect()
}

fn fault(root: &Path, block: &Block) -> Option<String> {
    let text = block.text.join("\n") + "\n";
    let table: Table = match toml::from_str(&text) {
        Ok(table) => table,
        Err(error) => return Some(error.message().to_owned()),
    };
    if table.contains_key("system") {
        let path = root.join("configs/of-the-book.toml");
        return bulkhead_configs::load_text(&path, &text)
            .err()
            .map(|report| report.to_string());
    }
    // The routes that a build emits are read by another reader, whose tests have them.
    if table.contains_key("tee") && table.contains_key("default") {
        return None;
    }
    let places = [&FILE, &BOARD].into_iter().chain(inner(&FILE));
    let mut lacks = places.map(|keys| unknown(&table, keys));
    let first = lacks.next().flatten();
    first.filter(|_| lacks.all(|lack| lack.is_some()))
}

/// The tables within one.
fn inner(keys: &'static Keys) -> Vec<&'static Keys> {
    keys.keys.iter().flat_map(|key| tables(&key.form)).collect()
}

/// The tables that a value may be.
fn tables(form: &'static Form) -> Vec<&'static Keys> {
    match form {
        Form::Table(keys) => vec![keys],
        Form::Each(form) => tables(form),
        Form::Any(forms) => forms.iter().flat_map(tables).collect(),
        _ => Vec::new(),
    }
}

/// A key of a table that the language does not have there.
fn unknown(table: &Table, keys: &'static Keys) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let Some(key) = keys.keys.iter().find(|key| key.name == name) else {
            return Some(format!("tables have no key `{name}` here"));
        };
        let all = match value {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        all.into_iter().filter_map(Value::as_table).find_map(|table| {
            let mut lacks = tables(&key.form).into_iter().map(|keys| unknown(table, keys));
            let first = lacks.next().flatten();
            first.filter(|_| lacks.all(|lack| lack.is_some()))
        })
    })
}

#[test]
fn pieces_of_tables_are_checked() {
    let fault_of = |text: &str| {
        let page = Page::read("p.md", &format!("```toml\n{text}\n```\n"));
        faults(super::root(), &page)
    };
    for good in [
        "callers = [\"a\", { from = \"b\", pages = 64 }]",
        "[[partition]]\nname = \"a\"\nimage = { file = \"x\" }",
        "preemption = { managed-exit = \"10ms\" }",
        "default = \"a\"\n[[tee]]\nname = \"a\"",
    ] {
        assert_eq!(fault_of(good), Vec::<String>::new(), "{good}");
    }
    for (bad, said) in [
        ("pages", "p.md:1: "),
        ("[[partition]]\nnam = \"a\"", "no key `nam`"),
        ("[[partition]]\nimage = { fil = \"x\" }", "no key `fil`"),
        ("[system]\nname = \"a\"", "error[BH003]"),
    ] {
        let faults = fault_of(bad);
        assert!(faults.len() == 1 && faults[0].contains(said), "{bad}: {faults:?}");
    }
}
