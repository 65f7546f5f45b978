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
        ms: u64,
        #[serde(default)]
        detail: String,
    },
    /// A figure that a suite found.
    Figure {
        suite: String,
        #[serde(default)]
        tee: String,
        name: String,
        value: String,
    },
    /// How far a suite is.
    Progress { text: String },
    /// A remark for people.
    Note { text: String },
    /// All is done; the machine goes off.
    End { ok: bool },
    /// Something that this version does not know.
    #[serde(other)]
    Other,
}

/// A case of the boot stage, as it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub ok: bool,
    /// What it is about.
    pub kind: CaseKind,
    /// The clause that it checks.
    pub clause: String,
    /// Function IDs of the calls that it checks.
    pub calls: Vec<u32>,
    /// How long it took, or what went wrong.
    pub detail: String,
}

/// What a case of the boot stage is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseKind {
    /// FF-A calls that are allowed.
    Right,
    /// FF-A calls that are refused.
    Wrong,
    /// Isolation.
    Isolation,
}

/// What a console line says.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// A report of the Linux side.
    Event(Event),
    /// A case of the boot stage ended.
    Case(Case),
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
    /// A report that cannot be read: output of something else stands in it, or its end is missing.
    Torn(String),
    /// A kernel gave up.
    Panic,
    /// Console text.
    Text,
}

/// Reads one line of the console. Other output may stand before a mark, since the firmware shares the port.
pub fn read(line: &str) -> Line {
    let line = line.trim_end();
    if let Some((_, json)) = line.split_once(MARK) {
        return serde_json::from_str(json).map_or_else(|_| Line::Torn(json.to_owned()), Line::Event);
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

/// `pass|fail; name; right|wrong|isolation; clause; calls; detail`
fn case(text: &str) -> Option<Line> {
    let fields: Vec<&str> = text.trim_start().splitn(6, "; ").collect();
    let [result, name, kind, clause, calls, detail] = fields.try_into().ok()?;
    let ok = match result {
        "pass" => true,
        "fail" => false,
        _ => return None,
    };
    let kind = match kind {
        "right" => CaseKind::Right,
        "wrong" => CaseKind::Wrong,
        "isolation" => CaseKind::Isolation,
        _ => return None,
    };
    let calls = calls
        .split_whitespace()
        .map(|id| u32::from_str_radix(id, 16).ok());
    Some(Line::Case(Case {
        name: name.to_owned(),
        ok,
        kind,
        clause: clause.to_owned(),
        calls: calls.collect::<Option<_>>()?,
        detail: detail.to_owned(),
    }))
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
            Line::Torn("{\"event\":\"end\"}".into()),
            "a report without its result counts for nothing"
        );
        let torn = "{\"event\":\"case\",\"suite\":\"gp\",\"na[  81.5] optee: late";
        assert_eq!(read(&format!("@bulkhead {torn}")), Line::Torn(torn.into()));
    }

    #[test]
    fn cases_are_read() {
        let case = Line::Case(Case {
            name: "rxtx-map-twice".into(),
            ok: false,
            kind: CaseKind::Wrong,
            clause: "13.6".into(),
            calls: vec![0x8400_0066, 0xc400_0066],
            detail: "got 0; not 1".into(),
        });
        let line = "@case fail; rxtx-map-twice; wrong; 13.6; 84000066 c4000066; got 0; not 1";
        assert_eq!(read(line), case);
        let Line::Case(case) = read("@case pass; keys; isolation; ; ; 12 us") else {
            panic!("a case without calls is a case");
        };
        assert_eq!((case.kind, case.calls.len()), (CaseKind::Isolation, 0));
        for torn in [
            "@case perhaps; keys; isolation; ; ; 12 us",
            "@case pass; keys; other; ; ; 12 us",
            "@case pass; keys; right; 13.6; 8400006x; 12 us",
            "@case pass; keys; right; 13.6",
        ] {
            assert_eq!(read(torn), Line::Text, "{torn}");
        }
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
