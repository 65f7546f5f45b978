//! Debian's package tools with a configuration of our own: the machine's lists and settings stay as they are.

use super::pins::{Pin, SUITES};
use super::sources::{self, Release, Source};
use crate::paths::{Paths, make_folder, write};
use crate::progress;
use crate::tool::Tool;
use anyhow::{Context, Result, bail};
use std::cell::Cell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Where Debian keeps the keys that sign its archive.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A private set of package lists.
pub struct Apt {
    folder: PathBuf,
    log: PathBuf,
    kind: Kind,
    ready: Cell<bool>,
}

/// What a set of lists is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Packages to install here: the machine's own release, its updates and backports.
    Host,
    /// Parts to unpack: several suites and two architectures, with an empty package state.
    Parts,
}

impl Apt {
    /// Lists for installing on this machine.
    pub fn host(paths: &Paths) -> Self {
        Self::new(paths, "host", Kind::Host)
    }

    /// Lists for parts that are only unpacked.
    pub fn parts(paths: &Paths) -> Self {
        Self::new(paths, "parts", Kind::Parts)
    }

    fn new(paths: &Paths, name: &str, kind: Kind) -> Self {
        let folder = paths.parts.join("apt").join(name);
        Self {
            folder,
            log: paths.logs.join(format!("apt-{name}.log")),
            kind,
            ready: Cell::new(false),
        }
    }

    /// A tool of apt with this configuration, the lists fetched.
    pub fn tool(&self, name: &str) -> Result<Tool> {
        if !self.ready.get() {
            self.refresh()?;
            self.ready.set(true);
        }
        Ok(Tool::new(name).env("APT_CONFIG", self.folder.join("apt.conf")))
    }

    /// The path of the configuration, for a tool that runs with other rights. The lists are fetched first.
    pub fn configuration(&self) -> Result<PathBuf> {
        self.tool("true").map(|_| self.folder.join("apt.conf"))
    }

    /// Writes the configuration and fetches the lists.
    fn refresh(&self) -> Result<()> {
        let release = release()?;
        let machine = sources::read(Path::new("/etc/apt"))?;
        let list = match self.kind {
            Kind::Host => host_sources(&machine, &release)?,
            Kind::Parts => parts_sources(&machine, &release)?,
        };
        make_folder(&self.folder.join("lists/partial"))?;
        make_folder(&self.folder.join("cache/archives/partial"))?;
        write(&self.folder.join("status"), b"")?;
        write(
            &self.folder.join("sources.list"),
            render(&list, self.kind == Kind::Parts).as_bytes(),
        )?;
        write(&self.folder.join("apt.conf"), self.settings().as_bytes())?;
        let update = Tool::new("apt-get")
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .arg("update");
        let what = format!("reading the package lists of {}", list[0].uri);
        progress::step(&what, || update.run(&what, &self.log)).with_context(|| {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            format!(
                "the package source {} cannot be used ({}); check the network, this machine's clock and its own sources in /etc/apt, and run this again",
                list[0].uri,
                complaint(&said)
            )
        })
    }

    /// The text of apt.conf.
    fn settings(&self) -> String {
        let folder = self.folder.display();
        let mut text = format!(
            "Dir::State::Lists \"{folder}/lists\";\nDir::Etc::sourcelist \"{folder}/sources.list\";\n\
             Dir::Etc::sourceparts \"/dev/null\";\nDir::Cache \"{folder}/cache\";\nAPT::Sandbox::User \"root\";\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"3\";\nAcquire::http::Timeout \"30\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\nAPT::Update::Error-Mode \"any\";\n"
        );
        if self.kind == Kind::Parts {
            let _ = write!(
                text,
                "APT::Architecture \"amd64\";\nAPT::Architectures \"amd64,arm64\";\nDir::State \"{folder}\";\n\
                 Dir::State::status \"{folder}/status\";\n"
            );
        }
        text
    }

    /// All versions on offer of a binary package (`name:arm64`), or of a source package.
    pub fn versions(&self, name: &str, source: bool) -> Result<Vec<String>> {
        let what = format!("looking for {name}");
        if source {
            let text = self
                .tool("apt-cache")?
                .args(["showsrc", "--only-source", name])
                .output(&what)?;
            return Ok(text
                .lines()
                .filter_map(|line| line.strip_prefix("Version: "))
                .map(str::to_owned)
                .collect());
        }
        let text = self.tool("apt-cache")?.args(["madison", name]).output(&what)?;
        let binary = text.lines().filter(|line| line.trim_end().ends_with("Packages"));
        Ok(binary
            .filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned()))
            .collect())
    }

    /// The version to take: the pinned one, or the newest that is newer, which is said.
    pub fn choose(&self, pin: &Pin, suffix: &str, source: bool) -> Result<String> {
        let offered = self.versions(&format!("{}{suffix}", pin.name), source)?;
        let chosen = choose(pin, &offered)?;
        if chosen != pin.version {
            progress::note(&format!(
                "{} {} has vanished from the archive: taking {chosen}",
                pin.name, pin.version
            ));
        }
        Ok(chosen)
    }

    /// Names of packages that begin so.
    pub fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let text = self
            .tool("apt-cache")?
            .args(["pkgnames", prefix])
            .output("listing the packages")?;
        Ok(text
            .lines()
            .map(|name| name.split(':').next().unwrap_or(name).to_owned())
            .collect())
    }

    /// Downloads packages (`name:arm64=version`) to a folder; apt checks their signatures.
    pub fn download(&self, what: &str, packages: &[String], to: &Path) -> Result<()> {
        self.tool("apt-get")?
            .arg("download")
            .args(packages)
            .within(to)
            .run(what, &self.log)
    }

    /// Downloads a source package to a folder; apt checks its signature.
    pub fn download_source(&self, what: &str, name: &str, version: &str, to: &Path) -> Result<()> {
        let package = format!("{name}={version}");
        self.tool("apt-get")?
            .args(["source", "--download-only", "--only-source", &package])
            .within(to)
            .run(what, &self.log)
    }
}

/// The release of this machine.
pub fn release() -> Result<Release> {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    Release::parse(&text).context(
        "this machine is not Debian, whose packages the parts come from; run this on Debian 12 or newer, a container will do",
    )
}

/// The machine's archive for its own release.
fn archive<'a>(machine: &'a [Source], release: &Release) -> Result<&'a Source> {
    let main = |source: &&Source| source.components.iter().any(|component| component == "main");
    let named = |source: &&Source| source.suite == release.codename || source.suite == "stable";
    machine.iter().filter(main).find(named).with_context(|| {
        format!(
            "no source for {} main is configured in /etc/apt; add the one of your mirror and run this again",
            release.codename
        )
    })
}

/// Sources for installing here.
fn host_sources(machine: &[Source], release: &Release) -> Result<Vec<Source>> {
    let archive = archive(machine, release)?;
    let mut list = vec![archive.clone()];
    let extra = ["updates", "security"].map(|kind| format!("{}-{kind}", release.codename));
    list.extend(
        machine
            .iter()
            .filter(|source| extra.contains(&source.suite))
            .cloned(),
    );
    list.push(Source {
        suite: format!("{}-backports", release.codename),
        ..archive.clone()
    });
    Ok(list)
}

/// Sources for parts.
fn parts_sources(machine: &[Source], release: &Release) -> Result<Vec<Source>> {
    let archive = archive(machine, release)?;
    Ok(SUITES
        .iter()
        .map(|&suite| Source {
            suite: suite.into(),
            signed_by: None,
            ..archive.clone()
        })
        .collect())
}

/// The text of sources.list.
fn render(list: &[Source], with_source: bool) -> String {
    let mut text = String::new();
    for source in list {
        let key = source
            .signed_by
            .as_deref()
            .filter(|key| key.starts_with('/'))
            .unwrap_or(KEYRING);
        for kind in if with_source {
            &["deb", "deb-src"][..]
        } else {
            &["deb"]
        } {
            let _ = writeln!(
                text,
                "{kind} [signed-by={key}] {} {} main",
                source.uri, source.suite
            );
        }
    }
    text
}

/// The version to take of those on offer.
fn choose(pin: &Pin, offered: &[String]) -> Result<String> {
    if offered.iter().any(|version| version == pin.version) {
        return Ok(pin.version.to_owned());
    }
    let mut best = pin.version.to_owned();
    for version in offered {
        if newer(version, &best) {
            best.clone_from(version);
        }
    }
    if best == pin.version {
        bail!(
            "the archive has neither {} {} nor a newer one; check that the mirror in /etc/apt carries {}",
            pin.name,
            pin.version,
            SUITES.join(", ")
        );
    }
    Ok(best)
}

/// The first thing that apt complained about.
fn complaint(said: &str) -> &str {
    let error = said.lines().find_map(|line| line.strip_prefix("E: "));
    error.unwrap_or("apt gave no reason").trim_end_matches('.')
}

/// Whether one version is newer than another, by Debian's rules.
pub fn newer(version: &str, than: &str) -> bool {
    let compare = Tool::new("dpkg")
        .args(["--compare-versions", version, "gt", than])
        .command()
        .status();
    compare.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin() -> Pin {
        Pin {
            name: "part",
            version: "4.10.0-2",
        }
    }

    #[test]
    fn the_pinned_version_is_preferred() {
        let offered = ["4.11.0-1", "4.10.0-2", "4.5.0-1"].map(str::to_owned);
        assert_eq!(choose(&pin(), &offered).unwrap(), "4.10.0-2");
    }

    #[test]
    fn a_newer_one_is_taken_where_it_vanished() {
        let offered = ["4.9.0-1", "4.10.0-10", "4.10.0-3"].map(str::to_owned);
        assert_eq!(choose(&pin(), &offered).unwrap(), "4.10.0-10");
    }

    #[test]
    fn an_older_one_is_refused() {
        let error = choose(&pin(), &["4.5.0-1".to_owned()]).unwrap_err().to_string();
        assert!(
            error.starts_with("the archive has neither part 4.10.0-2 nor a newer one"),
            "{error}"
        );
    }

    #[test]
    fn apts_first_complaint_is_passed_on() {
        assert_eq!(
            complaint("Get:1 x\nE: Release file is expired.\nE: more\n"),
            "Release file is expired"
        );
        assert_eq!(complaint(""), "apt gave no reason");
    }

    #[test]
    fn suites_come_from_the_machines_mirror() {
        let machine = [Source {
            uri: "mirror://one".into(),
            suite: "bookworm".into(),
            components: vec!["main".into()],
            signed_by: None,
        }];
        let release = Release {
            codename: "bookworm".into(),
            version: 12,
        };
        let text = render(&host_sources(&machine, &release).unwrap(), false);
        assert!(
            text.contains("] mirror://one bookworm-backports main\n"),
            "{text}"
        );
        let text = render(&parts_sources(&machine, &release).unwrap(), true);
        assert!(text.contains(
            "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] mirror://one sid main\n"
        ));
    }
}
