//! Messages, as they stand in the sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the hypervisor's log says from `info` on: level and line. What `defmt` fills in is `{}`; a reason that it fills in is
/// a line of its own, since it is a sentence.
pub fn log(root: &Path) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for path in files(&root.join("hypervisor/src")) {
        let text = read(&path);
        for level in ["info", "warn", "error"] {
            for line in behind(&text, &format!("defmt::{level}!(")) {
                lines.push((level.to_owned(), plain(&line)));
            }
        }
        for line in behind(&text, "fatal::stop(") {
            lines.push(("error".to_owned(), plain(&line)));
        }
        // Reasons of a refusal at the start: the arms of `sentence`.
        let sentences = text.split("fn sentence(self)").skip(1);
        for line in
            sentences.flat_map(|body| behind(body.split("\n    }\n").next().unwrap_or_default(), "=> "))
        {
            lines.push(("error".to_owned(), plain(&line)));
        }
    }
    lines
}

/// By what a partition may fail: the arms of `what` of the hypervisor's records.
pub fn faults(root: &Path) -> Vec<String> {
    let text = read(&root.join("hypervisor/src/record.rs"));
    let body = text.split("fn what(").nth(1).unwrap_or_default();
    let mut arms = behind(body.split("\n}\n").next().unwrap_or_default(), "=> ");
    arms.dedup();
    arms
}

/// What the lines of a record begin with, registers aside.
pub fn record_lines(root: &Path) -> Vec<String> {
    let folder = root.join("ci/src/run/record");
    let own = |name: &str| {
        let text = read(&folder.join(name));
        text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
    };
    let (record, fault) = (own("mod.rs"), own("fault.rs"));
    let mut lines = behind(&record, " line(");
    lines.extend(behind(&fault, "vec![("));
    lines.extend(behind(&fault, "lines.push(("));
    lines.retain(|line| !line.contains('{'));
    lines.sort();
    lines.dedup();
    lines
}

/// The sentences of the tool's errors, by file.
pub fn tool(root: &Path) -> BTreeMap<String, Vec<String>> {
    let folder = root.join("ci/src");
    let mut all = BTreeMap::new();
    for path in files(&folder) {
        let name = path.strip_prefix(&folder).unwrap_or(&path).display().to_string();
        let text = read(&path);
        let own = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
        // What tests say of a failure stands beside each of them.
        if name.starts_with("test/") {
            continue;
        }
        let mut sentences: Vec<String> = ["bail!(", "anyhow!(", ".context(", "with_context(||", "ensure!("]
            .iter()
            .flat_map(|word| behind(own, word))
            .map(|line| plain(&line).replace("{}", "…").replace('|', "\\|"))
            .filter(|line| line.contains(' '))
            .collect();
        sentences.sort();
        sentences.dedup();
        if !sentences.is_empty() {
            all.insert(name, sentences);
        }
    }
    all
}

/// The first string behind each place of a word, where it comes before the next statement.
fn behind(text: &str, word: &str) -> Vec<String> {
    let places = text.match_indices(word);
    let rests = places.map(|(at, _)| &text[at + word.len()..]);
    rests.filter_map(literal).collect()
}

/// The first string of a text, without its escapes.
fn literal(text: &str) -> Option<String> {
    let (before, rest) = text.split_once('"')?;
    if before.contains([';', '}']) {
        return None;
    }
    let (mut said, mut letters) = (String::new(), rest.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some(said),
            '\\' => match letters.next()? {
                'n' => said.push(' '),
                // A line that goes on: its indentation is no part of it.
                '\n' => letters = letters.as_str().trim_start().chars(),
                other => said.push(other),
            },
            other => said.push(other),
        }
    }
    None
}

/// A format with `{}` for each of its places.
fn plain(format: &str) -> String {
    let mut parts = format.split('{');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += "{}";
        plain += part.split_once('}').map_or(part, |(_, rest)| rest);
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All sources of a folder, in the order of their paths.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("sources are there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a source is text")
}

#[test]
fn messages_are_found() {
    let text = "bail!(\n  \"a {} b \\\n     {x:?}\",\n y); bail!(z); let s = \"no\"; bail!(\"c\\\"d\")";
    assert_eq!(behind(text, "bail!("), ["a {} b {x:?}", "c\"d"]);
    assert_eq!(plain("a {=u8:#x}  b {}"), "a {} b {}");
}
