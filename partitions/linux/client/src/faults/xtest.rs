//! xtest on the peers of a TEE that is made to fail.

use std::process::{Child, Command, Stdio};

/// The cases, one word each; the rest of a line behind `#` is for people.
const LIST: &str = "/usr/lib/bulkhead/xtest.list";
/// The drop-in by which clients name their TEE.
const ROUTE: &str = "/usr/lib/libbulkhead-route.so";
/// Seconds in which xtest says something.
const PATIENCE: &str = "300";

/// xtest at work on one TEE; its cases are told as they end.
pub struct Xtest {
    /// The TEE, by its place in the list.
    pub tee: usize,
    child: Child,
}

impl Xtest {
    /// Starts it on an OP-TEE: all chosen cases, or one in `part` of them.
    pub fn start(suite: &str, (place, tee): (usize, &str), part: usize) -> Result<Xtest, String> {
        let list = std::fs::read_to_string(LIST).map_err(|error| format!("{LIST}: {error}"))?;
        let cases = cases(&list).step_by(part.max(1));
        let child = Command::new("bulkhead-xtest")
            .args([suite, tee, "regression", PATIENCE])
            .arg(format!("/run/bulkhead/{suite}.{tee}.regression"))
            .args(["env", &format!("LD_PRELOAD={ROUTE}")])
            .args(["xtest", "-d", tee, "-t", "regression"])
            .args(cases)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("bulkhead-xtest could not be started: {error}"))?;
        Ok(Xtest { tee: place, child })
    }

    /// Whether it has ended, and then whether all went well.
    pub fn ended(&mut self) -> Option<bool> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.success()),
            Err(_) => Some(false),
        }
    }
}

fn cases(list: &str) -> impl Iterator<Item = &str> {
    list.lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(str::split_whitespace)
}
