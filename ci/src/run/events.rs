//! What the normal world reports on its console, line by line.

use serde::Deserialize;

/// How a line with a report begins.
const MARK: &str = "@bulkhead ";

/// One report of the Linux side: a line of JSON.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// Linux is up.
    Up {
        #[serde(default)]
        kernel: String,
        #[serde(default)]
        cores: u32,
    },
    /// A TEE was found, or not.
    Tee {
        name: String,
        #[serde(default)]
        device: String,
        ok: bool,
        #[serde(default)]
        detail: String,
    },
    /// A client of a TEE ended.
    Client {
        tee: String,
        ok: bool,
        #[serde(default)]
        detail: String,
    },
    /// A test case ended.
    Case {
        suite: String,
        #[serde(default)]
        tee: String,
        name: String,
        ok: bool,
        #[serde(default)]
        detail: String,
    },
    /// The load on a TEE ended.
    Load {
        tee: String,
        ok: bool,
        #[serde(default)]
        calls: u64,
        #[serde(default)]
        lost: u64,
        #[serde(default)]
        wrong: u64,
        #[serde(default)]
        migrations: u64,
    },
    /// A remark for people.
    Note { text: String },
    /// All is done; the machine goes off.
    End { ok: bool },
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

/// What a console line says.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A report of the Linux side.
    Event(Event),
    /// A case of the boot stage ended.
    Case { name: String, ok: bool, detail: String },
    /// The boot stage ran all its cases: how many passed and failed.
    Cases { passed: usize, failed: usize },
    /// The boot stage measured what an operation costs.
    Bench { operation: String, instructions: u64 },
    /// The boot stage could not measure something, and why.
    BenchFailed(String),
    /// The boot stage has measured everything: how many operations.
    Benches(usize),
    /// The boot stage jumps to Linux.
    Jump,
    /// A kernel gave up.
    Panic,
    /// Console text.
    Text,
}

/// Reads one line of the console. Other output may stand before a mark, since the firmware shares the port.
pub fn read(line: &str) -> Line {
    let line = line.trim_end();
    if let Some((_, json)) = line.split_once(MARK) {
        return serde_json::from_str(json).map_or(Line::Text, Line::Event);
    }
    let mut words = line.split(' ');
    match words.next() {
        Some("@boot") if words.next() == Some("linux") => Line::Jump,
        Some("@case") => case(&line["@case".len()..]).unwrap_or(Line::Text),
        Some("@cases") => {
            let mut number = || words.next().and_then(|word| word.parse().ok());
            match (number(), number()) {
                (Some(passed), Some(failed)) => Line::Cases { passed, failed },
                _ => Line::Text,
            }
        }
        Some("@bench") => match (words.next(), words.next().map(str::parse)) {
            (Some(operation), Some(Ok(instructions))) => Line::Bench {
                operation: operation.to_owned(),
                instructions,
            },
            _ => Line::Text,
        },
        Some("@bench-failed") => Line::BenchFailed(words.collect::<Vec<_>>().join(" ")),
        Some("@benches") => words
            .next()
            .and_then(|word| word.parse().ok())
            .map_or(Line::Text, Line::Benches),
        _ if line.contains("Kernel panic") => Line::Panic,
        _ => Line::Text,
    }
}

/// `name pass|fail detail`
fn case(text: &str) -> Option<Line> {
    let mut words = text.trim_start().splitn(3, ' ');
    let (name, result) = (words.next()?, words.next()?);
    let ok = match result {
        "pass" => true,
        "fail" => false,
        _ => return None,
    };
    Some(Line::Case {
        name: name.to_owned(),
        ok,
        detail: words.next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        let line = "\r@bulkhead {\"event\":\"tee\",\"name\":\"vendor-a\",\"device\":\"/dev/tee0\",\"ok\":true,\"new\":1}\r";
        let tee = Event::Tee {
            name: "vendor-a".into(),
            device: "/dev/tee0".into(),
            ok: true,
            detail: String::new(),
        };
        assert_eq!(read(line), Line::Event(tee));
        assert_eq!(read("@bulkhead {\"event\":\"later\"}"), Line::Event(Event::Other));
        assert_eq!(
            read("@bulkhead {\"event\":\"end\"}"),
            Line::Text,
            "a report without its result counts for nothing"
        );
    }

    #[test]
    fn cases_are_read() {
        let case = Line::Case {
            name: "ffa.version".into(),
            ok: false,
            detail: "got 0 not 1".into(),
        };
        assert_eq!(read("@case ffa.version fail got 0 not 1"), case);
        assert_eq!(read("@case ffa.version maybe"), Line::Text);
        assert_eq!(
            read("@cases 12 1"),
            Line::Cases {
                passed: 12,
                failed: 1
            }
        );
        assert_eq!(read("@boot linux"), Line::Jump);
        let bench = Line::Bench {
            operation: "version".into(),
            instructions: 1544,
        };
        assert_eq!(read("@bench version 1544"), bench);
        assert_eq!(read("@bench version none"), Line::Text);
        assert_eq!(read("@benches 3"), Line::Benches(3));
        assert_eq!(read("[    1.2] Kernel panic - not syncing"), Line::Panic);
    }
}
