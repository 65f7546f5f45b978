//! What may not have grown: Linux's memory, its kernel's objects, and the memory of each OP-TEE.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{SUITE, say};
use bulkhead_client::tees::Tee;

/// Figures of `/proc/meminfo` that are compared, and by how many KiB each may be worse: pages and objects that the kernel
/// keeps for each core and each slab come and go by so much. Bulk that was left behind by each call would be far more.
const MEMORY: [(&str, Worse, u64); 2] = [
    ("MemAvailable", Worse::Less, 16_384),
    ("SUnreclaim", Worse::More, 4_096),
];
/// Bytes by which an OP-TEE's pool may be larger.
const SLACK: u64 = 512;
/// How long the kernel may take to free what the clients had.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
enum Worse {
    Less,
    More,
}

/// What there was before the load.
pub struct Growth {
    memory: BTreeMap<String, u64>,
    heaps: BTreeMap<String, Vec<Pool>>,
}

/// A pool of an OP-TEE's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pool {
    name: String,
    bytes: u64,
    failures: u64,
}

impl Pool {
    /// Whether it has not grown, and served every request. Which blocks are free decides by some bytes how much a block
    /// takes that is only a little too large.
    fn no_more_than(&self, before: &Pool) -> bool {
        self.bytes <= before.bytes + SLACK && self.failures == before.failures
    }
}

impl Growth {
    /// Looks before the load, when all that is kept for later has its size.
    pub fn begin(tees: &[Tee]) -> Result<Growth, String> {
        let heaps = tees.iter().filter(|tee| tee.kind == "optee");
        let heaps: Result<_, String> = heaps.map(|tee| Ok((tee.name.clone(), pools(tee)?))).collect();
        Ok(Growth {
            memory: memory()?,
            heaps: heaps?,
        })
    }

    /// Looks again, and tells.
    pub fn report(&self, tees: &[Tee]) -> Result<bool, String> {
        let mut ok = self.linux()?;
        for tee in tees {
            if let Some(before) = self.heaps.get(&tee.name) {
                ok &= heap(tee, before)?;
            }
        }
        Ok(ok)
    }

    /// Compares Linux's memory. The kernel frees some of it late, so it is looked at again for a while.
    fn linux(&self) -> Result<bool, String> {
        let start = Instant::now();
        loop {
            let now = memory()?;
            let (mut good, mut details) = (true, Vec::new());
            for (name, worse, bound) in MEMORY {
                let (was, is) = (self.memory.get(name), now.get(name));
                let (Some(was), Some(is)) = (was, is) else {
                    return Err(format!("/proc/meminfo has no {name}"));
                };
                let by = match worse {
                    Worse::Less => was.saturating_sub(*is),
                    Worse::More => is.saturating_sub(*was),
                };
                good &= by <= bound;
                details.push(format!("{name} {was} KiB before, {is} after ({bound} may go)"));
            }
            if good || start.elapsed() > PATIENCE {
                for (name, ..) in MEMORY {
                    say::figure(SUITE, "-", &format!("{name} before, KiB"), self.memory[name]);
                    say::figure(SUITE, "-", &format!("{name} after, KiB"), now[name]);
                }
                return Ok(say::case(
                    SUITE,
                    "-",
                    "Linux's memory does not grow",
                    good,
                    start,
                    &details.join("; "),
                ));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

/// Compares an OP-TEE's pools, with no session open.
fn heap(tee: &Tee, before: &[Pool]) -> Result<bool, String> {
    let start = Instant::now();
    let after = pools(tee)?;
    let mut details = Vec::new();
    for (was, is) in before.iter().zip(&after) {
        say::figure(
            SUITE,
            &tee.name,
            &format!("{} in use before, bytes", was.name),
            was.bytes,
        );
        say::figure(
            SUITE,
            &tee.name,
            &format!("{} in use after, bytes", is.name),
            is.bytes,
        );
        details.push(format!(
            "{}: {} bytes before, {} after, {} allocations failed before, {} after",
            is.name, was.bytes, is.bytes, was.failures, is.failures
        ));
    }
    let good = before.len() == after.len() && before.iter().zip(&after).all(|(was, is)| is.no_more_than(was));
    Ok(say::case(
        SUITE,
        &tee.name,
        "the TEE's memory does not grow",
        good,
        start,
        &details.join("; "),
    ))
}

/// Asks an OP-TEE, by a client of its own.
fn pools(tee: &Tee) -> Result<Vec<Pool>, String> {
    let output = Command::new("bulkhead-client")
        .args(["heap", "--tee", &tee.name, "--kind", &tee.kind])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("a client could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "the heap of {}: {}",
            tee.name,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    read_pools(&text).ok_or(format!("the heap of {}: `{text}`", tee.name))
}

/// `name bytes failures`, a line for each pool.
fn read_pools(text: &str) -> Option<Vec<Pool>> {
    let pool = |line: &str| {
        let [name, bytes, failures] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some(Pool {
            name: name.to_owned(),
            bytes: bytes.parse().ok()?,
            failures: failures.parse().ok()?,
        })
    };
    let pools: Vec<Pool> = text.lines().map(pool).collect::<Option<_>>()?;
    (!pools.is_empty()).then_some(pools)
}

/// `/proc/meminfo` in KiB, once what is only kept for speed is given back.
fn memory() -> Result<BTreeMap<String, u64>, String> {
    fs::write("/proc/sys/vm/drop_caches", "3").map_err(|error| format!("drop_caches: {error}"))?;
    let text = fs::read_to_string("/proc/meminfo").map_err(|error| format!("/proc/meminfo: {error}"))?;
    Ok(read_memory(&text))
}

fn read_memory(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter_map(|(name, value)| {
            let number = value.trim().strip_suffix(" kB")?;
            Some((name.to_owned(), number.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        let text = "MemTotal:        2037564 kB\nSUnreclaim:         9120 kB\nHugePages_Total:       0\n";
        let memory = read_memory(text);
        assert_eq!(memory.get("SUnreclaim"), Some(&9120));
        assert_eq!(memory.len(), 2);
    }

    #[test]
    fn pools_may_not_grow() {
        let pool = |bytes, failures| Pool {
            name: "heap".into(),
            bytes,
            failures,
        };
        assert!(pool(1512, 2).no_more_than(&pool(1000, 2)) && pool(900, 2).no_more_than(&pool(1000, 2)));
        assert!(!pool(1513, 2).no_more_than(&pool(1000, 2)) && !pool(1000, 3).no_more_than(&pool(1000, 2)));
    }

    #[test]
    fn pools_are_read() {
        let pools = read_pools("heap 5120 0\napplications 40960 2\n").expect("good");
        assert_eq!((pools[0].bytes, pools[1].failures), (5120, 2));
        assert_eq!(read_pools(""), None);
        assert_eq!(read_pools("heap 5120\n"), None);
    }
}
