//! One round: what was done to a TEE, and what came of it.

use super::attack::{self, Outcome};
use super::injury::{Injury, Planted};
use super::site::Site;
use crate::run::gdb::core_name;
use std::fmt;
use std::time::{Duration, Instant};

/// What an injury led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The hypervisor ended the TEE for what it did.
    Crashed,
    /// It ended it because a call took longer than its budget.
    Hung,
    /// The TEE ended itself.
    GaveUp,
    /// The TEE went on, until it was ended.
    WentOn,
}

impl End {
    /// From the hypervisor's words.
    pub fn of(why: &str) -> Self {
        if why.contains("longer than its budget") {
            Self::Hung
        } else if ["gave itself up", "turned itself off"]
            .iter()
            .any(|end| why.starts_with(end))
        {
            Self::GaveUp
        } else {
            Self::Crashed
        }
    }
}

/// One round.
pub struct Round {
    /// The TEE's name.
    pub partition: String,
    /// What was done to it, on which core, as the log calls it, and at which exception level.
    pub injury: Injury,
    pub core: String,
    pub level: u8,
    /// At which instruction.
    pc: u64,
    /// The attack, where it was one.
    planted: Option<Planted>,
    /// Attacks that were refused.
    pub refused: Vec<String>,
    injected: Instant,
    /// When it was ended for certain, if it was.
    pub finished: Option<Instant>,
    /// When its client was told, and when one was served again.
    pub told: Option<Instant>,
    pub back: Option<Instant>,
    /// What came of it.
    pub end: Option<End>,
}

impl Round {
    /// One that begins now.
    pub fn new(name: &str, injury: Injury, site: &Site, planted: Option<Planted>) -> Self {
        let mut round = Self {
            partition: name.to_owned(),
            injury,
            core: core_name(&site.core),
            level: site.level,
            pc: site.pc,
            planted: None,
            refused: Vec::new(),
            injected: Instant::now(),
            finished: None,
            told: None,
            back: None,
            end: None,
        };
        if let Some(planted) = planted {
            if planted.taken_away {
                round.refused.clone_from(&planted.names);
            }
            round.planted = Some(planted);
        }
        round
    }

    /// Whether it has all that a round has.
    pub fn is_over(&self) -> bool {
        self.told.is_some() && self.back.is_some() && self.end.is_some()
    }

    /// How long it took from the fault until its client was told, and until one was served again.
    pub fn times(&self) -> Option<[Duration; 2]> {
        let fault = self.finished.unwrap_or(self.injected);
        Some([self.told?, self.back?].map(|then| then.saturating_duration_since(fault)))
    }

    /// Judges the registers of a failure, where they are of this round's attack: what got through is a sentence.
    pub fn judge(&mut self, registers: &[u64]) -> Option<String> {
        let planted = self.planted.as_ref()?;
        match attack::outcome(registers, planted.token)? {
            Outcome::Through(number, got) => {
                let name = planted.names.get(number).map_or("an attack", String::as_str);
                Some(format!("{}: {name} got through, with {got:#x}", self.partition))
            }
            Outcome::Refused(last) => {
                self.refused = planted.names.iter().take(last + 1).cloned().collect();
                None
            }
        }
    }

    /// What an application's attack got through, as a sentence.
    pub fn through(&self) -> Option<String> {
        let planted = self.planted.as_ref().filter(|planted| planted.through)?;
        Some(format!(
            "{}: {} got through",
            self.partition,
            planted.names.join(", ")
        ))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            core,
            level,
            pc,
            injury,
            ..
        } = self;
        write!(to, "{partition}, core {core}, EL{level}, at {pc:#x}: {injury:?}")?;
        match &self.planted {
            Some(planted) => write!(to, ": {}", planted.names.join(", ")),
            None => Ok(()),
        }
    }
}
