//! The names of the system's TEEs, as its table emitted them.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use uuid::Uuid;

/// Where the installed table is.
pub const PATH: &str = "/etc/bulkhead/tees.toml";

/// Longest table that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// One TEE that clients can name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What clients call it: 1 to 64 letters, digits, `.`, `_` or `-`.
    pub name: String,
    /// Its FF-A endpoint ID, 0x8001 to 0xffff.
    pub endpoint: u16,
    /// What it is (`optee`, `rust`, ...): for tools that start its services; clients do not need it.
    #[serde(default)]
    pub kind: String,
    /// Whether its driver is bound anew behind each of its restarts (`bulkhead-rebind`).
    #[serde(default)]
    pub rebind: bool,
    /// The trusted applications that clients which name no TEE reach here.
    #[serde(default)]
    pub applications: Vec<Uuid>,
}

/// The TEEs that clients of this machine can name.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Routes {
    /// The name of the TEE that serves clients which name none.
    #[serde(default)]
    pub default: Option<String>,
    /// In the order of the table.
    #[serde(default, rename = "tee")]
    pub tees: Vec<Route>,
}

/// Why a table could not be used. `Display` is one sentence for people.
#[derive(Debug)]
pub enum Fault {
    /// There is no such file: this machine has no table.
    Missing(PathBuf),
    /// The file cannot be read, is no plain file or is too long.
    Unreadable(PathBuf, String),
    /// The file is no table, or says something that cannot be.
    Invalid(PathBuf, String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing(path) => write!(
                f,
                "{} is missing; install the one that the build emitted",
                path.display()
            ),
            Fault::Unreadable(path, why) => write!(f, "{} cannot be read: {why}", path.display()),
            Fault::Invalid(path, why) => {
                write!(
                    f,
                    "{} is wrong: {why}; install the one that the build emitted",
                    path.display()
                )
            }
        }
    }
}

impl Routes {
    /// Reads the table at `path`.
    pub fn load(path: &Path) -> Result<Routes, Fault> {
        let text = read(path)?;
        Routes::parse(&text).map_err(|why| Fault::Invalid(path.into(), why))
    }

    /// Reads a table from its text. The error says in one line what is wrong.
    pub fn parse(text: &str) -> Result<Routes, String> {
        let routes: Routes = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |t| t.lines().count().max(1));
            format!("line {line}: {}", error.message().replace('\n', " "))
        })?;
        routes.check()?;
        Ok(routes)
    }

    /// The route with this name.
    pub fn by_name(&self, name: &str) -> Option<&Route> {
        self.tees.iter().find(|route| route.name == name)
    }

    /// The route of clients that name no TEE.
    pub fn default_route(&self) -> Option<&Route> {
        self.by_name(self.default.as_deref()?)
    }

    /// The route of clients that name no TEE and open a session to this trusted application, where it has one.
    pub fn by_application(&self, application: Uuid) -> Option<&Route> {
        self.tees
            .iter()
            .find(|route| route.applications.contains(&application))
    }

    /// Whether any trusted application has a route.
    pub fn has_applications(&self) -> bool {
        self.tees.iter().any(|route| !route.applications.is_empty())
    }

    fn check(&self) -> Result<(), String> {
        let mut applications = BTreeSet::new();
        for application in self.tees.iter().flat_map(|route| &route.applications) {
            if !applications.insert(application) {
                return Err(format!("the trusted application {application} has two routes"));
            }
        }
        for (i, route) in self.tees.iter().enumerate() {
            check_name(&route.name)?;
            if route.endpoint <= 0x8000 {
                let (endpoint, name) = (route.endpoint, &route.name);
                return Err(format!(
                    "endpoint {endpoint:#06x} of {name} is no partition's (0x8001 to 0xffff)"
                ));
            }
            for other in self.tees.iter().take(i) {
                if other.name == route.name {
                    return Err(format!("two TEEs are named {}", route.name));
                }
                if other.endpoint == route.endpoint {
                    let endpoint = route.endpoint;
                    return Err(format!(
                        "{} and {} have the same endpoint {endpoint:#06x}",
                        other.name, route.name
                    ));
                }
            }
        }
        match &self.default {
            Some(name) if self.by_name(name).is_none() => {
                Err(format!("the default {name:?} is no TEE of it"))
            }
            _ => Ok(()),
        }
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(format!(
            "{name:?} is no name: 1 to 64 letters, digits, '.', '_' or '-'"
        ));
    }
    Ok(())
}

/// Reads a plain file of at most [`LIMIT`] bytes. Opening never waits, whatever the path leads to.
fn read(path: &Path) -> Result<String, Fault> {
    let unreadable = |why: &dyn fmt::Display| Fault::Unreadable(path.into(), why.to_string());
    let file = match OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Fault::Missing(path.into()));
        }
        Err(error) => return Err(unreadable(&error)),
    };
    if !file.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(unreadable(&"it is no plain file"));
    }
    bounded(&file).map_err(|why| unreadable(&why))
}

fn bounded(file: &File) -> Result<String, String> {
    let mut text = String::new();
    file.take(LIMIT + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > LIMIT {
        return Err(format!("it is longer than {LIMIT} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        default = "vendor-a"
        [[tee]]
        name = "vendor-a"
        endpoint = 0x8001
        kind = "optee"
        [[tee]]
        name = "vendor-b"
        endpoint = 0x8002
        applications = ["fd02c9da-306c-48c7-a49c-bbd827ae86ee"]
    "#;
    const TOKENS: Uuid = Uuid::from_u128(0xfd02c9da_306c_48c7_a49c_bbd827ae86ee);

    #[test]
    fn a_good_table_is_read() {
        let routes = Routes::parse(GOOD).expect("good");
        assert_eq!(routes.tees.len(), 2);
        assert_eq!(routes.by_name("vendor-b").map(|r| r.endpoint), Some(0x8002));
        assert_eq!(routes.default_route().map(|r| r.name.as_str()), Some("vendor-a"));
        assert!(routes.by_name("vendor").is_none());
        assert_eq!(
            routes.by_application(TOKENS).map(|r| r.name.as_str()),
            Some("vendor-b")
        );
        assert!(routes.by_application(Uuid::nil()).is_none());
        assert!(routes.has_applications());
    }

    #[test]
    fn an_empty_table_names_nobody() {
        let routes = Routes::parse("").expect("empty");
        assert!(routes.default_route().is_none());
        assert!(!routes.has_applications());
    }

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let message = Routes::parse(text).expect_err("must be refused");
        assert!(message.contains(why), "{message:?} does not say {why:?}");
        assert!(!message.contains('\n'), "{message:?} is more than one line");
    }

    #[test]
    fn every_rule_refuses() {
        let two = |a: &str, b: &str| format!("[[tee]]\n{a}\n[[tee]]\n{b}\n");
        refused("[[tee]]\nname = \"a b\"\nendpoint = 0x8001", "no name");
        refused("[[tee]]\nname = \"\"\nendpoint = 0x8001", "no name");
        refused(
            &format!("[[tee]]\nname = \"{}\"\nendpoint = 0x8001", "x".repeat(65)),
            "no name",
        );
        refused("[[tee]]\nname = \"a\"\nendpoint = 0x8000", "no partition's");
        refused("[[tee]]\nname = \"a\"\nendpoint = 0x10000", "line 3");
        refused("[[tee]]\nname = \"a\"\nendpoint = -1", "line 3");
        refused("[[tee]]\nname = \"a\"", "missing field `endpoint`");
        refused(
            "[[tee]]\nname = \"a\"\nendpoint = 0x8001\nend = 1",
            "unknown field `end`",
        );
        refused("[[tees]]\n", "unknown field `tees`");
        refused("this is no table", "line 1");
        refused(
            &two("name=\"a\"\nendpoint=0x8001", "name=\"a\"\nendpoint=0x8002"),
            "two TEEs are named a",
        );
        refused(
            &two("name=\"a\"\nendpoint=0x8001", "name=\"b\"\nendpoint=0x8001"),
            "same endpoint",
        );
        let hosts = |uuid: &str| format!("name=\"a\"\nendpoint=0x8001\napplications=[\"{uuid}\"]");
        refused(&two(&hosts("fd02c9da"), ""), "line 4");
        let again = hosts(&TOKENS.to_string())
            .replace("\"a\"", "\"b\"")
            .replace("8001", "8002");
        refused(
            &two(&hosts(&TOKENS.to_string()), &again),
            "fd02c9da-306c-48c7-a49c-bbd827ae86ee has two routes",
        );
        refused(
            "default = \"b\"\n[[tee]]\nname = \"a\"\nendpoint = 0x8001",
            "the default \"b\" is no TEE",
        );
    }

    #[test]
    fn hostile_files_are_refused_without_waiting() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = |name: &str| dir.path().join(name);
        assert!(matches!(Routes::load(&path("absent")), Err(Fault::Missing(_))));
        assert!(matches!(Routes::load(dir.path()), Err(Fault::Unreadable(..))));
        let made = std::process::Command::new("mkfifo")
            .arg(path("fifo"))
            .status()
            .expect("mkfifo");
        assert!(made.success());
        assert!(matches!(Routes::load(&path("fifo")), Err(Fault::Unreadable(..))));
        std::fs::write(path("long"), "#".repeat(LIMIT as usize + 1)).expect("write");
        assert!(matches!(Routes::load(&path("long")), Err(Fault::Unreadable(..))));
        std::fs::write(path("binary"), [0xff, 0xfe, 0]).expect("write");
        assert!(matches!(
            Routes::load(&path("binary")),
            Err(Fault::Unreadable(..))
        ));
        std::fs::write(path("good"), GOOD).expect("write");
        assert_eq!(Routes::load(&path("good")).expect("good").tees.len(), 2);
    }
}
