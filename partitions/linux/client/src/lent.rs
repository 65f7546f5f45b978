//! What the hypervisor's own ledger says was lent to each TEE, asked by `bulkhead-info`.

use std::process::{Command, Stdio};

use crate::tees::Tee;

/// How many shares a TEE may have more than before: Linux's driver keeps those of its messages for later calls, as
/// many as were under way at once.
pub const KEPT: u64 = 8;

/// What is lent to a TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lent {
    /// Shares, as the hypervisor counts them: each has a place that the table limits.
    pub shares: u64,
    /// Pages of 4 KiB.
    pub pages: u64,
}

/// What is lent to each of the TEEs at this moment.
///
/// # Errors
/// A sentence, where `bulkhead-info` cannot be asked or does not name one of them.
pub fn lent(tees: &[Tee]) -> Result<Vec<Lent>, String> {
    let output = Command::new("bulkhead-info")
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("bulkhead-info could not be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let of = |tee: &Tee| {
        read(&text, &tee.name).ok_or_else(|| {
            let fault = String::from_utf8_lossy(&output.stderr);
            format!("bulkhead-info says nothing of {}: `{text}` {fault}", tee.name)
        })
    };
    tees.iter().map(of).collect()
}

/// The object of this name, and its numbers; names have letters, digits and dashes only.
fn read(json: &str, name: &str) -> Option<Lent> {
    let (_, rest) = json.split_once(&format!("{{\"name\":\"{name}\""))?;
    let object = rest.split('}').next()?;
    let number = |key: &str| {
        let (_, value) = object.split_once(&format!("\"{key}\":"))?;
        value.split(',').next()?.parse().ok()
    };
    Some(Lent {
        shares: number("shares")?,
        pages: number("pages")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_is_read() {
        let json = r#"{"shares":9,"pages":90,"partitions":[{"name":"a","id":1,"shares":3,"pages":40,"sent":0},{"name":"b","id":2,"shares":0,"pages":7,"sent":1}]}"#;
        assert_eq!(read(json, "a"), Some(Lent { shares: 3, pages: 40 }));
        assert_eq!(read(json, "b"), Some(Lent { shares: 0, pages: 7 }));
        assert_eq!(read(json, "c"), None);
    }
}
