//! Links of the book: each leads somewhere, and each page is reached from the table of contents.

use super::page::Page;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// The page from which a reader starts.
const CONTENTS: &str = "docs/README.md";

/// What is wrong with the links of these pages.
pub fn faults(root: &Path, pages: &[Page]) -> Vec<String> {
    let by_path: BTreeMap<&str, &Page> = pages.iter().map(|page| (page.path.as_str(), page)).collect();
    let mut faults = Vec::new();
    for page in pages {
        for (line, target) in &page.links {
            if let Some(fault) = broken(root, &by_path, page, target) {
                faults.push(format!("{}:{line}: {fault}", page.path));
            }
        }
    }
    let reached = reached(&by_path);
    let lost = pages.iter().filter(|page| !reached.contains(page.path.as_str()));
    faults.extend(lost.map(|page| format!("{}: no way of links leads here from {CONTENTS}", page.path)));
    faults
}

/// What is wrong with a link, if anything. What is elsewhere in the world is not looked at.
fn broken(root: &Path, pages: &BTreeMap<&str, &Page>, page: &Page, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = resolve(&page.path, file);
    if !root.join(&path).exists() {
        return Some(format!("the link {target} leads to no file"));
    }
    let known = |other: &&Page| other.anchors.iter().any(|known| known == anchor);
    (!anchor.is_empty() && pages.get(path.as_str()).is_none_or(|other| !known(other)))
        .then(|| format!("the link {target} leads to no heading"))
}

/// The pages that links lead to, from the contents on.
fn reached<'a>(pages: &BTreeMap<&'a str, &'a Page>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![CONTENTS.to_owned()];
    while let Some(path) = next.pop() {
        let Some((path, page)) = pages.get_key_value(path.as_str()) else {
            continue;
        };
        if reached.insert(*path) {
            let files = page
                .links
                .iter()
                .map(|(_, target)| target.split('#').next().unwrap_or_default());
            next.extend(files.map(|file| resolve(path, file)));
        }
    }
    reached
}

/// The path from the root of a file that a page names; the page itself where it names none.
fn resolve(page: &str, file: &str) -> String {
    if file.is_empty() {
        return page.to_owned();
    }
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(file).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_nowhere_is_told() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("docs")).unwrap();
        let pages = [
            (
                "docs/README.md",
                "[a](a.md#one) [x](x.md) [two](a.md#two) [me](#me)",
            ),
            ("docs/a.md", "# One\n[up](../docs/README.md)\n"),
            ("docs/b.md", "# B\n"),
        ];
        for (path, text) in pages {
            std::fs::write(root.path().join(path), text).unwrap();
        }
        let pages = pages.map(|(path, text)| Page::read(path, text));
        assert_eq!(
            faults(root.path(), &pages),
            [
                "docs/README.md:1: the link x.md leads to no file",
                "docs/README.md:1: the link a.md#two leads to no heading",
                "docs/README.md:1: the link #me leads to no heading",
                "docs/b.md: no way of links leads here from docs/README.md",
            ]
        );
    }
}
