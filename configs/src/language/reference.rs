//! The reference of a file's keys, in Markdown.

use std::fmt::Write;

use super::{Form, Table};

/// Sections for a file and all tables in it, each with its keys.
#[must_use]
pub fn reference(file: &'static Table) -> String {
    let mut out = String::new();
    let mut tables = Vec::new();
    collect(file, "", &mut tables);
    for (table, path) in tables {
        let heading = if path.is_empty() {
            "the file".to_owned()
        } else {
            format!("`{path}`")
        };
        let _ = write!(
            out,
            "\n## {heading}\n{}\n\n| key | value | says | without it |\n|---|---|---|---|\n",
            table.doc
        );
        for key in table.keys {
            let default = key.default.unwrap_or("required");
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {default} |",
                key.name,
                show(&key.form),
                key.doc
            );
        }
    }
    out
}

/// Every table once, with the keys that lead to it.
fn collect(table: &'static Table, path: &str, out: &mut Vec<(&'static Table, String)>) {
    out.push((table, path.to_owned()));
    for key in table.keys {
        let path = if path.is_empty() {
            key.name.to_owned()
        } else {
            format!("{path}.{}", key.name)
        };
        inner(&key.form, &path, out);
    }
}

fn inner(form: &'static Form, path: &str, out: &mut Vec<(&'static Table, String)>) {
    match form {
        Form::Table(table) if !out.iter().any(|(known, _)| std::ptr::eq(*known, *table)) => {
            collect(table, path, out);
        }
        Form::Each(form) => inner(form, path, out),
        Form::Any(forms) => forms.iter().for_each(|form| inner(form, path, out)),
        _ => {}
    }
}

fn show(form: &Form) -> String {
    match form {
        Form::Name => "a name".to_owned(),
        Form::Text => "a string".to_owned(),
        Form::Integer(least, most) if *most > 0x8000 && *least > 0 => format!("{least:#x} to {most:#x}"),
        Form::Integer(least, most) => format!("{least} to {most}"),
        Form::Address => "an integer".to_owned(),
        Form::Size => "a size".to_owned(),
        Form::Duration => "a duration".to_owned(),
        Form::Uuid => "a UUID".to_owned(),
        Form::Digest => "a SHA-256".to_owned(),
        Form::Flag => "true or false".to_owned(),
        Form::Words(words) => {
            let words: Vec<String> = words().iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        Form::Each(form) => format!("a list: {}", show(form)),
        Form::Table(_) => "a table".to_owned(),
        Form::Any(forms) => forms.iter().map(show).collect::<Vec<_>>().join("; or "),
    }
}
