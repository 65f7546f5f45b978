//! What the client is asked to do.

/// How to use the client.
pub const USAGE: &str = "usage: bulkhead-client open|check|call|large|heap|notify|sensors|sve|applications|killed|parameters|\
                         sessions|overrun|faults|store|fetch|erase|churn|cost --tee NAME|- --kind optee|rust|sel4 [--second NAME --third NAME] \
                         [--object ID] [--text TEXT] [--device /dev/teeN] [--threads 1..64] [--seconds 1..86400] \
                         [--seed NUMBER] [--periods 1..1000000000] [--rounds 1..100000]";

/// What to do with the TEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Connect, and see whose device that opened.
    Open,
    /// Ask everything once, and compare.
    Check,
    /// Call for a time, as one client under load.
    Call,
    /// Hash a mebibyte again and again, for a time.
    Large,
    /// Have the Rust TEE notify its driver, and see that this one calls.
    Notify,
    /// Ask how well the partition of sensors keeps its period.
    Sensors,
    /// Ask an OP-TEE how much of its memory is in use.
    Heap,
    /// Keep vector state across calls.
    Sve,
    /// Reach three TEEs on one context that names none.
    Applications,
    /// Kill clients of three TEEs in their calls.
    Killed,
    /// Give the Rust TEE every kind of parameter and of login.
    Parameters,
    /// Give the Rust TEE many sessions and threads, and cancel and close.
    Sessions,
    /// Give the Rust TEE's services a command that does not end.
    Overrun,
    /// Call all TEEs while one after the other is made to fail.
    Faults,
    /// Make an object in secure storage.
    Store,
    /// Say what is in an object in secure storage.
    Fetch,
    /// Remove an object in secure storage.
    Erase,
    /// Open an object in secure storage again and again, until it is killed.
    Churn,
    /// Measure what calls cost on an OP-TEE.
    Cost,
}

/// Which services the TEE has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An OP-TEE with the trusted applications of `optee-test-qemu`.
    Optee,
    /// The project's Rust TEE.
    Rust,
    /// The project's root task of seL4: the services of its Rust TEE, one call at a time.
    Sel4,
}

impl Kind {
    /// Whether it has the services of the Rust TEE, rather than OP-TEE's applications.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self != Self::Optee
    }
}

/// The command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What to do.
    pub task: Task,
    /// The TEE's name in the system's table, or `-` to name none.
    pub tee: String,
    /// Its services; of no matter to [`Task::Open`] and [`Task::Applications`].
    pub kind: Kind,
    /// The OP-TEE and the Rust TEE to which the table leads applications, for [`Task::Applications`].
    pub others: [String; 2],
    /// The object's ID, of 1 to 64 bytes, for those that use secure storage.
    pub object: String,
    /// What is in the object, at most 200 bytes, for [`Task::Store`].
    pub text: String,
    /// The device that it must turn out to be.
    pub device: Option<String>,
    /// Threads that call at the same time, 1 to 64.
    pub threads: usize,
    /// How long to go on, 1 s to a day.
    pub seconds: u64,
    /// For how many periods [`Task::Sensors`] waits, if it waits at all.
    pub periods: Option<u64>,
    /// How many failures [`Task::Faults`] asks for, at least.
    pub rounds: u64,
    /// Where the chance of [`Task::Call`] starts.
    pub seed: u64,
}

impl Options {
    /// Reads the command line without the program's name. The error is one sentence.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let mut arguments = arguments.into_iter();
        let task = match arguments.next().as_deref() {
            Some("open") => Task::Open,
            Some("check") => Task::Check,
            Some("call") => Task::Call,
            Some("large") => Task::Large,
            Some("notify") => Task::Notify,
            Some("sensors") => Task::Sensors,
            Some("heap") => Task::Heap,
            Some("sve") => Task::Sve,
            Some("applications") => Task::Applications,
            Some("killed") => Task::Killed,
            Some("parameters") => Task::Parameters,
            Some("sessions") => Task::Sessions,
            Some("overrun") => Task::Overrun,
            Some("faults") => Task::Faults,
            Some("store") => Task::Store,
            Some("fetch") => Task::Fetch,
            Some("erase") => Task::Erase,
            Some("churn") => Task::Churn,
            Some("cost") => Task::Cost,
            _ => return Err(USAGE.into()),
        };
        let (mut tee, mut kind, mut device, mut threads, mut seconds) = (None, None, None, 4, 60);
        let (mut seed, mut periods, mut rounds) = (0, None, 6);
        let mut others = [None, None];
        let (mut object, mut text) = (None, String::new());
        while let Some(option) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("{option} needs a value; {USAGE}"))?;
            match option.as_str() {
                "--tee" => tee = Some(value),
                "--kind" => kind = Some(parse_kind(&value)?),
                "--second" => others[0] = Some(value),
                "--third" => others[1] = Some(value),
                "--object" => object = Some(short(&option, value, 64)?),
                "--text" => text = short(&option, value, 200)?,
                "--device" => device = Some(value),
                "--threads" => threads = bounded(&option, &value, 64)?,
                "--seconds" => seconds = bounded(&option, &value, 86_400)?,
                "--periods" => periods = Some(bounded(&option, &value, 1_000_000_000)?),
                "--rounds" => rounds = bounded(&option, &value, 100_000)?,
                "--seed" => seed = parse_seed(&value)?,
                _ => return Err(format!("{option} is unknown; {USAGE}")),
            }
        }
        let tee = tee.ok_or_else(|| format!("--tee is missing; {USAGE}"))?;
        let stores = matches!(task, Task::Store | Task::Fetch | Task::Erase | Task::Churn);
        let no_kind = matches!(
            task,
            Task::Open
                | Task::Applications
                | Task::Killed
                | Task::Parameters
                | Task::Sessions
                | Task::Sensors
                | Task::Faults
                | Task::Cost
        );
        let kind = kind.or((stores || no_kind).then_some(Kind::Optee));
        let kind = kind.ok_or_else(|| format!("--kind is missing; {USAGE}"))?;
        if task == Task::Applications && others.contains(&None) {
            return Err(format!("--second or --third is missing; {USAGE}"));
        }
        if stores && object.is_none() {
            return Err(format!("--object is missing; {USAGE}"));
        }
        Ok(Options {
            task,
            tee,
            kind,
            others: others.map(Option::unwrap_or_default),
            object: object.unwrap_or_default(),
            text,
            device,
            threads: threads as usize,
            seconds,
            periods,
            rounds,
            seed,
        })
    }
}

fn parse_kind(value: &str) -> Result<Kind, String> {
    match value {
        "optee" => Ok(Kind::Optee),
        "rust" => Ok(Kind::Rust),
        "sel4" => Ok(Kind::Sel4),
        _ => Err(format!("--kind is optee, rust or sel4, not {value}")),
    }
}

fn short(option: &str, value: String, most: usize) -> Result<String, String> {
    if (1..=most).contains(&value.len()) {
        Ok(value)
    } else {
        Err(format!("{option} has 1 to {most} bytes, not {}", value.len()))
    }
}

fn parse_seed(value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("--seed is a number, not {value}"))
}

fn bounded(option: &str, value: &str, most: u64) -> Result<u64, String> {
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{option} is a number from 1 to {most}, not {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn a_full_line_is_read() {
        let options =
            parse("call --tee vendor-b --kind rust --threads 8 --seconds 5 --device /dev/tee1 --seed 9")
                .expect("good");
        assert_eq!(
            (
                options.task,
                options.kind,
                options.threads,
                options.seconds,
                options.seed
            ),
            (Task::Call, Kind::Rust, 8, 5, 9)
        );
        assert_eq!(
            (options.tee.as_str(), options.device.as_deref()),
            ("vendor-b", Some("/dev/tee1"))
        );
    }

    #[test]
    fn opening_needs_no_kind() {
        assert_eq!(
            parse("open --tee -").map(|options| (options.task, options.tee)),
            Ok((Task::Open, "-".into()))
        );
    }

    #[test]
    fn applications_need_two_more_tees() {
        let options = parse("applications --tee a --second b --third c").expect("good");
        assert_eq!(options.others, ["b", "c"]);
        let message = parse("applications --tee a --second b").expect_err("incomplete");
        assert!(message.contains("--third is missing"), "{message}");
    }

    #[test]
    fn sensors_are_asked_once_or_for_periods() {
        let once = parse("sensors --tee desk").expect("good");
        assert_eq!((once.task, once.periods), (Task::Sensors, None));
        let more = parse("sensors --tee desk --periods 10000").expect("good");
        assert_eq!(more.periods, Some(10_000));
    }

    #[test]
    fn storage_needs_an_object() {
        let options = parse("store --tee a --object key --text secret").expect("good");
        assert_eq!((options.task, options.kind), (Task::Store, Kind::Optee));
        assert_eq!(
            (options.object.as_str(), options.text.as_str()),
            ("key", "secret")
        );
        let message = parse("fetch --tee a").expect_err("incomplete");
        assert!(message.contains("--object is missing"), "{message}");
        let long = "x".repeat(65);
        let message = parse(&format!("fetch --tee a --object {long}")).expect_err("too long");
        assert!(message.contains("1 to 64 bytes, not 65"), "{message}");
    }

    #[test]
    fn wrong_lines_say_why() {
        for (line, why) in [
            ("", "usage"),
            ("dance", "usage"),
            ("check --kind rust", "--tee is missing"),
            ("check --tee a", "--kind is missing"),
            ("check --tee", "needs a value"),
            ("check --tee a --kind other", "optee, rust or sel4"),
            ("call --tee a --kind rust --threads 0", "1 to 64"),
            ("call --tee a --kind rust --seconds 1e9", "1 to 86400"),
            ("call --tee a --kind rust --seed one", "a number"),
            ("check --tee a --kind rust --fast yes", "unknown"),
        ] {
            let message = parse(line).expect_err(line);
            assert!(message.contains(why), "{line}: {message}");
        }
    }
}
