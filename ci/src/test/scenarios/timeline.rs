//! Who had which core when, and what happened there: read from a run's log (`hypervisor/src/trace.rs` writes it).

use super::pattern::record;
use crate::run::record::call_words;
use serde::Serialize;

/// How many spans and events a timeline keeps; what comes later is counted.
const MOST: usize = 40_000;
/// Who has a core where no partition does.
const NORMAL: &str = "normal world";
const IDLE: &str = "idle";

/// The timeline of a run; times are microseconds of the machine.
#[derive(Debug, Default, Serialize)]
pub struct Timeline {
    /// Cores that were heard of.
    pub cores: Vec<u8>,
    /// Who had a core: the normal world, idle, then partitions in the order of their first turn.
    pub who: Vec<String>,
    pub spans: Vec<Span>,
    pub events: Vec<Event>,
    /// Spans and events that were left out.
    pub more: usize,
}

/// A time for which somebody had a core.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    pub core: u8,
    /// Index in [`Timeline::who`].
    pub who: usize,
    /// The context's home core; none of the normal world.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<u8>,
    pub from: u64,
    pub to: u64,
}

/// Something that happened.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// On which core; none where the log does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<u8>,
    pub kind: Kind,
    pub at: u64,
    pub says: String,
}

/// What it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Call,
    Interrupt,
    Fault,
    /// What the hypervisor has to say of a partition's life.
    Life,
}

/// A turn that goes on.
#[derive(Clone, Copy)]
struct Turn {
    who: usize,
    context: Option<u8>,
    from: u64,
}

impl Timeline {
    /// Reads the hypervisor's log.
    pub fn read(log: &str) -> Self {
        let mut line = Self {
            who: vec![NORMAL.to_owned(), IDLE.to_owned()],
            ..Self::default()
        };
        let mut turns: Vec<Option<Turn>> = Vec::new();
        let mut now = 0;
        for text in log.lines() {
            let (Some(at), Some(message)) = (time(text), record(text)) else {
                continue;
            };
            now = now.max(at);
            match message
                .strip_prefix("core ")
                .and_then(|rest| rest.split_once(' '))
            {
                Some((core, what)) if is_trace(text) => {
                    if let Ok(core) = core.parse() {
                        line.step(core, what, at, &mut turns);
                    }
                }
                _ => line.told(text, message, at),
            }
        }
        for (core, turn) in (0..).zip(&mut turns) {
            line.end(core, turn, now);
        }
        line.cores = (0..).zip(&turns).map(|(core, _)| core).collect();
        line
    }

    /// A core comes or goes.
    fn step(&mut self, core: u8, what: &str, at: u64, turns: &mut Vec<Option<Turn>>) {
        while turns.len() <= usize::from(core) {
            turns.push(None);
        }
        let turn = &mut turns[usize::from(core)];
        let next = match what.split_once(' ') {
            Some(("runs", "the normal world")) => (0, None),
            Some(("runs", rest)) => match rest.split_once(" of ") {
                Some((home, name)) => (self.named(name), home.parse().ok()),
                None => return,
            },
            None if what == IDLE => (1, None),
            Some(("call", words)) => {
                let who = self.speaker(*turn);
                return self.event(Some(core), Kind::Call, at, format!("{who}: {}", call(words)));
            }
            _ => {
                let kind = if what == "fault" {
                    Kind::Fault
                } else {
                    Kind::Interrupt
                };
                let who = self.speaker(*turn);
                return self.event(Some(core), kind, at, format!("{who}: {what}"));
            }
        };
        // A turn goes on where the same one comes back at once.
        if turn.is_none_or(|turn| (turn.who, turn.context) != next) {
            self.end(core, turn, at);
            let (who, context) = next;
            *turn = Some(Turn {
                who,
                context,
                from: at,
            });
        }
    }

    fn speaker(&self, turn: Option<Turn>) -> &str {
        turn.and_then(|turn| self.who.get(turn.who))
            .map_or("the firmware", String::as_str)
    }

    fn named(&mut self, name: &str) -> usize {
        let found = self.who.iter().position(|known| known == name);
        found.unwrap_or_else(|| {
            self.who.push(name.to_owned());
            self.who.len() - 1
        })
    }

    fn end(&mut self, core: u8, turn: &mut Option<Turn>, to: u64) {
        let Some(Turn { who, context, from }) = turn.take() else {
            return;
        };
        if self.spans.len() == MOST {
            self.more += 1;
            return;
        }
        self.spans.push(Span {
            core,
            who,
            context,
            from,
            to,
        });
    }

    fn event(&mut self, core: Option<u8>, kind: Kind, at: u64, says: String) {
        if self.events.len() == MOST {
            self.more += 1;
            return;
        }
        self.events.push(Event { core, kind, at, says });
    }

    /// What the hypervisor says of partitions: from `info` on, without the parts of records.
    fn told(&mut self, text: &str, message: &str, at: u64) {
        let level = text.split_whitespace().nth(1).unwrap_or_default();
        match level {
            "error" => {
                let core = behind(message, "on core ");
                self.event(core, Kind::Fault, at, message.to_owned());
            }
            "warn" | "info" => self.event(None, Kind::Life, at, message.to_owned()),
            _ => {}
        }
    }
}

fn is_trace(line: &str) -> bool {
    line.split_whitespace().nth(1) == Some("trace")
}

/// The time of a line, in microseconds.
fn time(line: &str) -> Option<u64> {
    let (seconds, micros) = line.split_whitespace().next()?.split_once('.')?;
    let seconds: u64 = seconds.parse().ok()?;
    let micros: u64 = micros.parse().ok().filter(|_| micros.len() == 6)?;
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

/// The number behind some words.
fn behind(text: &str, words: &str) -> Option<u8> {
    let (_, rest) = text.split_once(words)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// A call in words.
fn call(words: &str) -> String {
    let numbers: Vec<u64> = words
        .split(' ')
        .filter_map(|word| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok())
        .collect();
    call_words(&numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
    \x20   0.000010 info  Bulkhead 0.1.0 for qemu-virt: table phone
    0.000020 trace core 0 runs 0 of a
    0.000030 trace core 0 call 0x8400006b 0x0 0x0
    0.000030 info  a: ready
    0.000040 trace core 0 runs the normal world
    0.000050       a| 0.1 trace core 3 idle
    0.000060 trace core 0 call 0xc400006f 0x8001 0x0
    0.000061 trace core 0 runs 0 of a
    0.000070 trace core 0 interrupt 40
    0.000071 trace core 0 runs 0 of a
    0.000080 trace core 0 fault
    0.000081 error a: failed on core 0 by a load
    0.000082 debug a: record ends
    0.000090 trace core 0 runs the normal world
    0.000095 trace core 1 idle
    0.000100 debug the end
";

    #[test]
    fn turns_and_events_are_read() {
        let line = Timeline::read(LOG);
        assert_eq!(line.who, ["normal world", "idle", "a"]);
        assert_eq!(line.cores, [0, 1]);
        let spans: Vec<_> = line.spans.iter().map(|s| (s.core, s.who, s.from, s.to)).collect();
        assert_eq!(
            spans,
            [
                (0, 2, 20, 40),
                (0, 0, 40, 61),
                (0, 2, 61, 90),
                (0, 0, 90, 100),
                (1, 1, 95, 100)
            ],
            "what a partition writes is no core's turn, and an interrupt of its own ends none"
        );
        let events: Vec<_> = line
            .events
            .iter()
            .map(|e| (e.kind, e.at, e.says.as_str()))
            .collect();
        assert_eq!(
            events[1..],
            [
                (Kind::Call, 30, "a: FFA_MSG_WAIT 0x0 0x0"),
                (Kind::Life, 30, "a: ready"),
                (Kind::Call, 60, "normal world: FFA_MSG_SEND_DIRECT_REQ 0x8001 0x0"),
                (Kind::Interrupt, 70, "a: interrupt 40"),
                (Kind::Fault, 80, "a: fault"),
                (Kind::Fault, 81, "a: failed on core 0 by a load"),
            ]
        );
        assert_eq!(line.events[6].core, Some(0));
    }

    #[test]
    fn damaged_lines_are_passed_over() {
        for n in 0..LOG.len() {
            if let Some(cut) = LOG.get(..n) {
                assert!(Timeline::read(cut).spans.len() <= 5);
            }
        }
        let line =
            Timeline::read("0.000001 trace core 256 idle\n0.000001 trace core x idle\n1 trace core 0 idle\n");
        assert!(line.cores.is_empty() && line.spans.is_empty());
    }
}
