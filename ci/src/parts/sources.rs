//! The machine's own package sources: which mirrors it uses and which keys it trusts for them.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// One archive and suite that the machine is configured for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Address of the archive.
    pub uri: String,
    /// Suite.
    pub suite: String,
    /// Components, such as `main`.
    pub components: Vec<String>,
    /// Keyring that signs it, where one is named.
    pub signed_by: Option<String>,
}

/// Debian's release as this machine names it.
pub struct Release {
    /// Such as `bookworm`.
    pub codename: String,
    /// Such as 12.
    pub version: u32,
}

impl Release {
    /// Reads it from the text of os-release; none where this is not Debian.
    pub fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines().find_map(|line| {
                Some(
                    line.strip_prefix(key)?
                        .strip_prefix('=')?
                        .trim_matches('"')
                        .to_owned(),
                )
            })
        };
        (value("ID")? == "debian").then(|| {
            Some(Self {
                codename: value("VERSION_CODENAME")?,
                version: value("VERSION_ID")?.parse().ok()?,
            })
        })?
    }
}

/// All sources in a folder laid out as /etc/apt.
pub fn read(etc: &Path) -> Result<Vec<Source>> {
    let mut files = vec![etc.join("sources.list")];
    if let Ok(folder) = fs::read_dir(etc.join("sources.list.d")) {
        files.extend(folder.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let text = || fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()));
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") if file.exists() => sources.extend(text()?.lines().filter_map(one_line)),
            Some("sources") => sources.extend(text()?.split("\n\n").flat_map(stanza)),
            _ => {}
        }
    }
    Ok(sources)
}

/// A line `deb [options] uri suite components`.
fn one_line(line: &str) -> Option<Source> {
    let mut rest = line.split('#').next()?.trim().strip_prefix("deb ")?.trim();
    let mut signed_by = None;
    if let Some(options) = rest.strip_prefix('[') {
        let (options, behind) = options.split_once(']')?;
        signed_by = options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(str::to_owned);
        rest = behind;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    Some(Source {
        uri: words.next()?,
        suite: words.next()?,
        components: words.collect(),
        signed_by,
    })
}

/// A deb822 stanza: each of its URIs with each of its suites.
fn stanza(text: &str) -> Vec<Source> {
    let field = |name: &str| -> Vec<String> {
        let line = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then_some(value)
            });
        line.unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    if !field("Types").contains(&"deb".to_owned()) || field("Enabled").contains(&"no".to_owned()) {
        return Vec::new();
    }
    let (components, signed_by) = (field("Components"), field("Signed-By").into_iter().next());
    let suites = field("Suites");
    let sources = field("URIs").into_iter().flat_map(|uri| {
        suites
            .iter()
            .map(move |suite| (uri.clone(), suite.clone()))
            .collect::<Vec<_>>()
    });
    sources
        .map(|(uri, suite)| Source {
            uri,
            suite,
            components: components.clone(),
            signed_by: signed_by.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_understood() {
        let room = tempfile::tempdir().unwrap();
        fs::create_dir(room.path().join("sources.list.d")).unwrap();
        fs::write(
            room.path().join("sources.list"),
            "# deb mirror://off s main\ndeb [arch=amd64 signed-by=/k.gpg] mirror://one bookworm main contrib # note\n",
        )
        .unwrap();
        fs::write(
            room.path().join("sources.list.d/debian.sources"),
            "Types: deb deb-src\n# a remark\nURIs: mirror://two\nSuites: bookworm bookworm-updates\nComponents: main\n\
             Signed-By: /d.gpg\n\nTypes: deb\nEnabled: no\nURIs: mirror://three\nSuites: bookworm\nComponents: main\n",
        )
        .unwrap();
        let source = |uri: &str, suite: &str, components: &[&str], key: &str| Source {
            uri: uri.into(),
            suite: suite.into(),
            components: components.iter().map(|&name| name.into()).collect(),
            signed_by: Some(key.into()),
        };
        let expected = [
            source("mirror://one", "bookworm", &["main", "contrib"], "/k.gpg"),
            source("mirror://two", "bookworm", &["main"], "/d.gpg"),
            source("mirror://two", "bookworm-updates", &["main"], "/d.gpg"),
        ];
        assert_eq!(read(room.path()).unwrap(), expected);
    }

    #[test]
    fn release_is_debian_only() {
        let debian = Release::parse("ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n").unwrap();
        assert_eq!((debian.codename.as_str(), debian.version), ("bookworm", 12));
        assert!(Release::parse("ID=other\nVERSION_ID=\"12\"\nVERSION_CODENAME=x\n").is_none());
    }
}
