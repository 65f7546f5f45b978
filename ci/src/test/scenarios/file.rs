//! A scenario as its file says it: `ci/scenarios/*.toml`, or an integrator's own.

use super::pattern::Pattern;
use crate::test::faults::Injury;
use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Deserializer, de};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// Its name: that of the file.
    #[serde(skip)]
    pub name: String,
    /// What `--scenario` calls it: its name, or the path of its file.
    #[serde(skip)]
    pub call: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// The partition table, beside the file.
    pub table: PathBuf,
    /// Whether a plain `cargo xtask test` runs it.
    #[serde(default)]
    pub always: bool,
    /// The machine.
    #[serde(default)]
    pub machine: MachineWish,
    /// What is in flash beside the table's system.
    #[serde(default)]
    pub firmware: FirmwareWish,
    /// What the normal world does.
    pub normal_world: NormalWorldWish,
    /// What is done to partitions from outside, one after the other.
    #[serde(default)]
    pub inject: Vec<Inject>,
    /// What has to be said, in this order on each log.
    #[serde(default)]
    pub expect: Vec<Said>,
    /// What may never be said.
    #[serde(default)]
    pub never: Vec<Said>,
    /// Cases that have to fail, because of what is injected. All others have to pass.
    #[serde(default)]
    pub fails: Vec<Pattern>,
    /// How it ends.
    #[serde(default)]
    pub ends: End,
    /// How long it may take.
    pub limit: Limit,
}

/// What is wanted of the machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct MachineWish {
    /// How its time passes.
    pub time: Time,
    /// Whether its cores have SVE.
    pub sve: bool,
    /// How many cores it has, where that is not what the board says.
    pub cores: Option<usize>,
}

impl Default for MachineWish {
    fn default() -> Self {
        Self {
            time: Time::Free,
            sve: true,
            cores: None,
        }
    }
}

/// How a machine's time passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    /// As it does here; cores run at the same time.
    #[default]
    Free,
    /// With the instructions, one nanosecond each; cores take turns, and each run is the same.
    Counted,
}

impl Time {}

impl Time {
    /// Its word in scenario files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Counted => "counted",
        }
    }
}

/// What is wanted of the firmware.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct FirmwareWish {
    /// The partition whose package in flash has one byte changed.
    pub spoil: Option<String>,
    /// What somebody has forged in flash.
    pub forge: Option<Forgery>,
}

/// What somebody who can write the flash has forged there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forgery {
    /// One byte of the hypervisor is another one.
    Hypervisor,
    /// The table in the hypervisor has the digest of the spoilt image.
    Table,
    /// The certificates are below a root key that is not the machine's.
    Certificates,
}

/// What the normal world does: exactly one of both.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NormalWorldWish {
    /// The boot stage's own cases for the table.
    #[serde(default)]
    pub cases: bool,
    /// Linux, and the suites that it runs.
    #[serde(default)]
    pub linux: Vec<String>,
    /// More arguments for the kernel's command line.
    #[serde(default)]
    pub arguments: String,
}

/// An injury of a partition.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Inject {
    /// The partition.
    pub partition: String,
    /// What is done to it; where it does not say, the seed chooses.
    pub injury: Option<Injury>,
    /// What has to be said before; where it does not say, from the start on.
    pub after: Option<Said>,
    /// How long after that, in the machine's time.
    #[serde(default, deserialize_with = "time")]
    pub delay: Duration,
    /// At which function of its program; where it does not say, wherever it runs.
    pub at: Option<String>,
    /// The how manieth time that it comes there.
    #[serde(default = "one")]
    pub hit: u32,
}

/// Something that is said.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// By whom.
    pub on: Log,
    /// What, with `*` for anything.
    pub says: Pattern,
}

/// A log or a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Log {
    /// The hypervisor's own records.
    Hypervisor,
    /// The normal world's console, which the firmware writes to, too.
    NormalWorld,
    /// A partition's console.
    Partition(String),
}

impl<'de> Deserialize<'de> for Log {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        Ok(match word.as_str() {
            "hypervisor" => Self::Hypervisor,
            "normal-world" => Self::NormalWorld,
            _ => Self::Partition(word),
        })
    }
}

impl std::fmt::Display for Log {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Hypervisor => to.write_str("the hypervisor's log"),
            Self::NormalWorld => to.write_str("the normal world's console"),
            Self::Partition(name) => write!(to, "{name}'s console"),
        }
    }
}

/// How a scenario ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The normal world has done all, and the machine goes off.
    #[default]
    Done,
    /// The hypervisor stops the machine.
    Stopped,
    /// Firmware refuses what is in flash: no instruction of ours runs until the time is over.
    Refused,
}

/// How long a scenario may take.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// In the machine's own time.
    #[serde(deserialize_with = "time")]
    pub guest: Duration,
}

fn one() -> u32 {
    1
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    duration(&text).ok_or_else(|| {
        de::Error::custom(format!(
            "`{text}` is no time; write a number and `us`, `ms`, `s` or `min`, such as \"30s\""
        ))
    })
}

/// A time as tables and scenarios write it.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "min" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

/// Reads a scenario's file.
pub fn read(path: &Path) -> Result<Scenario> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the scenario {} cannot be read", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut scenario = parse(&text).with_context(|| format!("the scenario {} is refused", path.display()))?;
    scenario.name = name.into_owned();
    scenario.call = scenario.name.clone();
    scenario.table = path.parent().unwrap_or(Path::new("")).join(&scenario.table);
    Ok(scenario)
}

/// Reads a scenario's text.
fn parse(text: &str) -> Result<Scenario> {
    let scenario: Scenario = toml::from_str(text).map_err(|error| {
        let help = suggestion(error.message());
        anyhow!("{}{help}", error.to_string().trim_end())
    })?;
    let world = &scenario.normal_world;
    match (world.cases, world.linux.is_empty()) {
        (true, true) | (false, false) => {}
        (true, false) => bail!("`normal-world` has both `cases` and `linux`; keep one of them"),
        (false, true) => bail!(
            "`normal-world` does nothing; write `cases = true` for the boot stage's own cases, or `linux = [\"clients\"]`"
        ),
    }
    if scenario.inject.iter().any(|inject| inject.hit == 0) {
        bail!("`hit` counts from 1");
    }
    if scenario.firmware.forge == Some(Forgery::Table) && scenario.firmware.spoil.is_none() {
        bail!(
            "`forge = \"table\"` puts the digest of a spoilt image into the table; write which one, `spoil = \"NAME\"`"
        );
    }
    if scenario.limit.guest.is_zero() {
        bail!("`limit.guest` is no time at all; write how long the machine may run, such as \"30s\"");
    }
    Ok(scenario)
}

/// What may have been meant, behind toml's sentence: ``unknown field `x`, expected one of `a`, `b` ``.
fn suggestion(message: &str) -> String {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    match words.next().filter(|_| unknown) {
        Some(word) => match nearest(word, words) {
            Some(near) => format!("\nhelp: did you mean `{near}`?"),
            None => String::new(),
        },
        None => String::new(),
    }
}

/// The name that is most like a word, if one is like it at all.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.map(|name| (strsim::osa_distance(word, name), name));
    scored
        .filter(|(distance, name)| *distance <= name.len().max(3) / 3)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "about = \"it starts\"\ntable = \"t.toml\"\nlimit = { guest = \"30s\" }\n";

    fn refused(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn a_scenario_is_read() {
        let text = format!(
            "{GOOD}normal-world = {{ linux = [\"clients\"] }}\nmachine = {{ time = \"counted\" }}\n\
             [[inject]]\npartition = \"a\"\ninjury = \"endless-loop\"\nafter = {{ on = \"normal-world\", says = \"up\" }}\n\
             delay = \"20ms\"\n[[expect]]\non = \"a\"\nsays = \"hello *\"\n"
        );
        let scenario = parse(&text).unwrap();
        assert_eq!(scenario.machine.time, Time::Counted);
        assert!(scenario.machine.sve && !scenario.always);
        let inject = &scenario.inject[0];
        assert_eq!(inject.injury, Some(Injury::EndlessLoop));
        assert_eq!((inject.delay, inject.hit), (Duration::from_millis(20), 1));
        assert_eq!(scenario.expect[0].on, Log::Partition("a".into()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_may_be_meant() {
        for (text, wanted) in [
            ("normal-wolrd = { cases = true }", "did you mean `normal-world`?"),
            (
                "normal-world = { case = true }",
                "unknown field `case`, expected one of `cases`, `linux`, `arguments`\n\nhelp: did you mean `cases`?",
            ),
            (
                "normal-world = { cases = true }\nmachine = { time = \"count\" }",
                "did you mean `counted`?",
            ),
            ("normal-world = { cases = true }\nmachine = { sve = 1 }", "line 5"),
            (
                "normal-world = { cases = true, linux = [\"a\"] }",
                "keep one of them",
            ),
            ("normal-world = {}", "`normal-world` does nothing"),
            ("", "missing field `normal-world`"),
            (
                "normal-world = { cases = true }\n[[inject]]\npartition = \"a\"\ndelay = \"2 s\"",
                "`2 s` is no time; write a number and `us`",
            ),
            (
                "normal-world = { cases = true }\nfirmware = { forge = \"table\" }",
                "write which one, `spoil = \"NAME\"`",
            ),
            (
                "normal-world = { cases = true }\n[[inject]]\npartition = \"a\"\nhit = 0",
                "counts from 1",
            ),
            (
                "normal-world = { cases = true }\n[[inject]]\npartition = \"a\"\ninjury = \"endles-loop\"",
                "did you mean `endless-loop`?",
            ),
            (
                "normal-world = { cases = true }\n[[expect]]\non = \"a\"\nsays = \"\"",
                "an empty pattern",
            ),
        ] {
            let said = refused(&format!("{GOOD}{text}\n"));
            let flat = said.replace("\n\nhelp", "\nhelp");
            assert!(
                said.contains(wanted) || flat.contains(&wanted.replace("\n\n", "\n")),
                "{said}"
            );
        }
        let said = refused(
            &GOOD
                .replace("30s", "0s")
                .replace("about", "normal-world = { cases = true }\nabout"),
        );
        assert!(said.contains("no time at all"), "{said}");
    }

    #[test]
    fn times_have_their_units() {
        assert_eq!(duration("5us"), Some(Duration::from_micros(5)));
        assert_eq!(duration("2min"), Some(Duration::from_secs(120)));
        for wrong in ["", "5", "s", "5 s", "-5s", "5h", "99999999999999999999s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
