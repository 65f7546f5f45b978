//! The pages of the hypervisor's call, decoded.

/// The major version of the call that is understood here. A minor version adds pages and states.
pub const MAJOR: u16 = 1;

/// Most partitions that are asked for: one for each endpoint ID that a partition can have.
const MOST: u64 = 0xff;

/// x1 to x7 of a page.
pub type Words = [u64; 7];

/// All that the hypervisor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// The hypervisor's version: major, minor, patch.
    pub hypervisor: [u16; 3],
    /// The version of FF-A that it speaks: major, minor.
    pub ffa: [u16; 2],
    /// The table's name.
    pub table: String,
    /// The board's name.
    pub board: String,
    /// The table's digest (SHA-256).
    pub sha256: [u8; 32],
    /// Live transactions of memory in the whole system.
    pub shares: u64,
    /// 4 KiB pages of these.
    pub pages: u64,
    /// In the order of their IDs.
    pub partitions: Vec<Partition>,
}

/// What it says of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name in the table.
    pub name: String,
    /// Its FF-A endpoint ID.
    pub id: u16,
    /// What it is doing.
    pub state: State,
    /// How often it was restarted.
    pub restarts: u32,
    /// The cores that it has a context on, a bit each.
    pub cores: u64,
    /// Its image's digest (SHA-256).
    pub sha256: [u8; 32],
    /// Live transactions of memory that name it as a receiver.
    pub shares: u64,
    /// 4 KiB pages of these.
    pub pages: u64,
    /// Pages of these that it has retrieved.
    pub retrieved: u64,
    /// Live transactions that it sent itself.
    pub sent: u64,
    /// How often its interrupt lines came, and how often interrupts of its were held back since they came too
    /// often; nothing where the hypervisor does not say.
    pub interrupts: Option<(u64, u64)>,
    /// How it failed; nothing where it never has, or where the hypervisor does not say.
    pub failure: Option<Failure>,
    /// How long a call may take; nothing where the table does not bound that, or where the hypervisor does not say.
    pub budget: Option<Budget>,
}

/// How long a call of a partition may take and has taken, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// What the table allows.
    pub most: u64,
    /// The longest call since the system started, that of a failure included.
    pub longest: u64,
}

impl Budget {
    fn read([most, longest, ..]: Words) -> Option<Self> {
        (most != 0).then_some(Self { most, longest })
    }
}

/// How a partition has failed the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How often it has failed so far.
    pub count: u32,
    /// The hypervisor's number of the cause.
    pub cause: u16,
    /// The core that it had.
    pub core: u16,
    /// How long ago that was when it was asked, in microseconds.
    pub ago: u64,
    /// The syndrome of a fault (ESR_EL2), or the code that it gave itself up with.
    pub detail: u64,
}

impl Failure {
    fn read([first, when, now, detail, ..]: Words) -> Option<Self> {
        let count = (first >> 32) as u32;
        (count != 0).then_some(Self {
            count,
            cause: first as u16,
            core: (first >> 16) as u16,
            ago: now.saturating_sub(when),
            detail,
        })
    }

    /// Why, in words.
    pub fn why(&self) -> String {
        match self.cause {
            1 => format!(
                "it did what it must not: {} ({:#x})",
                class(self.detail),
                self.detail
            ),
            2 => format!("it gave itself up with code {:#x}", self.detail),
            3 => "a call took longer than its budget".into(),
            4 => "it did not start in time".into(),
            5 => "it failed to start".into(),
            6 => "its image is not the table's".into(),
            7 => format!("it turned itself off by PSCI {:#x}", self.detail),
            cause => format!("cause {cause}"),
        }
    }

    /// The cause as a word for programs; `cause-N` for one that came later than this program.
    pub fn word(&self) -> String {
        let words = [
            "fault",
            "abort",
            "budget",
            "start-timeout",
            "start-failed",
            "image",
            "off",
        ];
        let known = usize::from(self.cause).checked_sub(1).and_then(|n| words.get(n));
        known.map_or_else(|| format!("cause-{}", self.cause), |word| (*word).to_owned())
    }
}

/// What a fault was, by the exception class of its syndrome (DDI0487, ESR_EL2).
fn class(syndrome: u64) -> &'static str {
    match syndrome >> 26 & 0x3f {
        0x01 => "waiting for an interrupt or event",
        0x07 | 0x19 | 0x1d => "a vector or matrix instruction",
        0x09 => "pointer authentication",
        0x18 => "a system register or cache instruction",
        0x20 | 0x21 => "fetching an instruction",
        0x24 | 0x25 if syndrome >> 6 & 1 == 1 => "a store",
        0x24 | 0x25 => "a load",
        0x00 | 0x2f => "a system error, or an undefined instruction",
        _ => "a trapped exception",
    }
}

/// What a partition is doing, by the hypervisor's number of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub u8);

impl State {
    /// It takes calls.
    pub const RUNNING: State = State(2);

    /// A word for people and tools; `state-N` for one that came later than this program.
    pub fn word(self) -> String {
        let words = [
            "waiting",
            "starting",
            "running",
            "stopped",
            "restarting",
            "failed",
        ];
        let known = words.get(usize::from(self.0)).map(|word| (*word).to_owned());
        known.unwrap_or_else(|| format!("state-{}", self.0))
    }
}

/// Reads everything with `ask`, which gives the page of a subject.
///
/// # Errors
/// What `ask` says, or a sentence that says what is not in order.
pub fn read(mut ask: impl FnMut(u32, u32) -> Result<Words, String>) -> Result<System, String> {
    let [version, count, hypervisor, ffa, shares, pages, _] = ask(0, 0)?;
    let major = (version >> 16) as u16;
    if major != MAJOR {
        return Err(format!(
            "the hypervisor speaks version {major} of this call, and this program {MAJOR}; \
             install the bulkhead-info of the hypervisor's build"
        ));
    }
    if count > MOST {
        return Err(format!(
            "the hypervisor says that it has {count} partitions, which cannot be"
        ));
    }
    Ok(System {
        hypervisor: [32, 16, 0].map(|shift| (hypervisor >> shift) as u16),
        ffa: [16, 0].map(|shift| (ffa >> shift) as u16),
        sha256: digest(ask(0, 1)?),
        table: name(ask(0, 2)?)?,
        board: name(ask(0, 3)?)?,
        shares,
        pages,
        partitions: (1..=count as u32)
            .map(|subject| partition(subject, version as u16, &mut ask))
            .collect::<Result<_, _>>()?,
    })
}

fn partition(
    subject: u32,
    minor: u16,
    ask: &mut impl FnMut(u32, u32) -> Result<Words, String>,
) -> Result<Partition, String> {
    let [first, cores, shares, pages, retrieved, sent, _] = ask(subject, 0)?;
    Ok(Partition {
        id: first as u16,
        state: State((first >> 16) as u8),
        restarts: (first >> 32) as u32,
        cores,
        shares,
        pages,
        retrieved,
        sent,
        sha256: digest(ask(subject, 1)?),
        name: name(ask(subject, 2)?)?,
        interrupts: match minor {
            0 => None,
            _ => ask(subject, 3).map(|words| Some((words[0], words[1])))?,
        },
        failure: match minor {
            0 | 1 => None,
            _ => Failure::read(ask(subject, 4)?),
        },
        budget: match minor {
            0..=2 => None,
            _ => Budget::read(ask(subject, 5)?),
        },
    })
}

/// The 32 bytes of a digest or a name.
pub(super) fn bytes(words: Words) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, from) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *to = from.to_le_bytes();
    }
    bytes
}

fn digest(words: Words) -> [u8; 32] {
    bytes(words)
}

/// A name of the table: it is shown on terminals, so that nothing else may be in it.
fn name(words: Words) -> Result<String, String> {
    let bytes = bytes(words);
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    if text.is_empty() || !text.iter().all(good) {
        return Err("the hypervisor gives a name that no table can have".into());
    }
    Ok(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        let mut bytes = [0; 56];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let mut words = [0; 7];
        for (to, from) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *to = u64::from_le_bytes(*from);
        }
        words
    }

    /// A system of two partitions, one of which is stopped.
    pub fn answer(subject: u32, page: u32) -> Result<Words, String> {
        Ok(match (subject, page) {
            (0, 0) => [0x1_0007, 2, 3 << 16 | 1 << 32 | 4, 0x1_0002, 3, 40, 9],
            (0, 1) => [0x0123_4567_89ab_cdef, 1, 2, 3, 0, 0, 0],
            (0, 2) => words("phone"),
            (0, 3) => words("qemu-virt"),
            (1, 0) => [0x8001 | 2 << 16, 0b1111, 3, 40, 8, 0, 0],
            (2, 0) => [0x8002 | 3 << 16 | 5 << 32, 0b1, 0, 0, 0, 1, 0],
            (1 | 2, 1) => [u64::MAX; 7],
            (1, 2) => words("vendor-a"),
            (2, 2) => words("vendor-b"),
            (1, 3) => [700, 20, 1, 0, 0, 0, 0],
            (2, 3) | (1, 4) | (2, 5) => [0; 7],
            (1, 5) => [100_000, 12_345, 0, 0, 0, 0, 0],
            (2, 4) => [1 | 3 << 16 | 6 << 32, 1_000_000, 2_500_000, 0x9200_0047, 0, 0, 0],
            _ => return Err(format!("there is no page {page} of {subject}")),
        })
    }

    #[test]
    fn a_system_is_read() {
        let system = read(answer).expect("good");
        assert_eq!((system.hypervisor, system.ffa), ([1, 3, 4], [1, 2]));
        assert_eq!(
            (system.table.as_str(), system.board.as_str()),
            ("phone", "qemu-virt")
        );
        assert_eq!(
            system.sha256[..9],
            [0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 1]
        );
        assert_eq!((system.shares, system.pages), (3, 40));
        let [a, b] = &system.partitions[..] else {
            panic!("two")
        };
        assert_eq!(
            (a.name.as_str(), a.id, a.state.word()),
            ("vendor-a", 0x8001, "running".into())
        );
        assert_eq!(
            (a.shares, a.pages, a.retrieved, a.sent, a.restarts),
            (3, 40, 8, 0, 0)
        );
        assert_eq!(
            (b.name.as_str(), b.id, b.state.word()),
            ("vendor-b", 0x8002, "stopped".into())
        );
        assert_eq!((b.sent, b.restarts, b.cores), (1, 5, 1));
        assert_eq!((a.interrupts, b.interrupts), (Some((700, 20)), Some((0, 0))));
        let failure = b.failure.expect("it has failed");
        assert_eq!((failure.count, failure.core, failure.ago), (6, 3, 1_500_000));
        assert_eq!(failure.why(), "it did what it must not: a store (0x92000047)");
        assert_eq!(failure.word(), "fault");
        assert_eq!(a.failure, None);
        let budget = Budget {
            most: 100_000,
            longest: 12_345,
        };
        assert_eq!((a.budget, b.budget), (Some(budget), None));
        let later = Failure { cause: 9, ..failure };
        assert_eq!((later.why(), later.word()), ("cause 9".into(), "cause-9".into()));
        let older = read(|subject, page| match (subject, page) {
            (0, 0) => answer(0, 0).map(|words| [0x1_0000, words[1], words[2], words[3], 0, 0, 0]),
            (_, 3) if subject > 0 => Err("there is no such page".into()),
            _ => answer(subject, page),
        });
        let older = older.expect("good");
        assert_eq!(
            (older.partitions[0].interrupts, older.partitions[1].failure),
            (None, None)
        );
        assert_eq!(State(9).word(), "state-9");
    }

    #[test]
    fn answers_that_cannot_be_are_refused() {
        let with = |at: (u32, u32), words: Words| {
            read(|subject, page| {
                if (subject, page) == at {
                    Ok(words)
                } else {
                    answer(subject, page)
                }
            })
        };
        for (at, words, why) in [
            ((0, 0), [0x2_0000, 2, 0, 0, 0, 0, 0], "version 2"),
            ((0, 0), [0x1_0000, 256, 0, 0, 0, 0, 0], "256 partitions"),
            ((0, 0), [0x1_0000, 3, 0, 0, 0, 0, 0], "no page 0 of 3"),
            ((1, 2), [0; 7], "no table can have"),
            ((1, 2), [0x1b5b, 0, 0, 0, 0, 0, 0], "no table can have"),
        ] {
            let message = with(at, words).expect_err(why);
            assert!(message.contains(why), "{message}");
        }
    }
}
