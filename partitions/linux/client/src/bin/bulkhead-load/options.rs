//! What the load is to be, and which TEEs there are.

use std::fs;

const USAGE: &str = "usage: bulkhead-load --clients 1..64 --seconds 1..86400 --plugs 0..100000 --seed NUMBER";
/// One TEE per line: name, endpoint ID, kind, client device, supplicant device.
const TEES: &str = "/run/bulkhead/tees";

/// The command line.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// Clients of each TEE.
    pub clients: usize,
    /// How long they call, in seconds.
    pub seconds: u64,
    /// How often a core goes off and on.
    pub plugs: u64,
    /// Where chance starts.
    pub seed: u64,
}

/// A TEE that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tee {
    /// Its name in the table.
    pub name: String,
    /// Its kind, `optee` or `rust`.
    pub kind: String,
}

impl Options {
    /// Reads the command line without the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
        let (mut arguments, mut values) = (arguments.into_iter(), [None; 4]);
        while let Some(option) = arguments.next() {
            let place = ["--clients", "--seconds", "--plugs", "--seed"]
                .iter()
                .position(|known| *known == option);
            let value = arguments.next().and_then(|value| value.parse::<u64>().ok());
            let (Some(place), Some(value)) = (place, value) else {
                return Err(USAGE.into());
            };
            values[place] = Some(value);
        }
        let [
            Some(clients @ 1..=64),
            Some(seconds @ 1..=86_400),
            Some(plugs @ 0..=100_000),
            Some(seed),
        ] = values
        else {
            return Err(USAGE.into());
        };
        Ok(Options {
            clients: clients as usize,
            seconds,
            plugs,
            seed,
        })
    }
}

/// The TEEs of this machine that have a device.
pub fn tees() -> Result<Vec<Tee>, String> {
    let text = fs::read_to_string(TEES).map_err(|error| format!("{TEES}: {error}"))?;
    let tees = read(&text);
    if tees.is_empty() {
        return Err(format!("{TEES} names no TEE"));
    }
    Ok(tees)
}

fn read(text: &str) -> Vec<Tee> {
    let fields = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields
        .filter_map(|fields| match fields[..] {
            [name, _, kind, device, ..] if device != "-" => Some(Tee {
                name: name.to_owned(),
                kind: kind.to_owned(),
            }),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split(' ').map(String::from))
    }

    #[test]
    fn a_full_line_is_read() {
        let options = parse("--seed 7 --clients 8 --seconds 60 --plugs 10");
        let wanted = Options {
            clients: 8,
            seconds: 60,
            plugs: 10,
            seed: 7,
        };
        assert_eq!(options, Ok(wanted));
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "",
            "--clients 8 --seconds 60 --plugs 10",
            "--clients 0 --seconds 60 --plugs 10 --seed 1",
            "--clients 8 --seconds 60 --plugs 10 --seed",
            "--clients 8 --seconds 60 --plugs ten --seed 1",
            "--clients 8 --seconds 60 --plugs 10 --seed 1 --fast 1",
        ] {
            assert_eq!(parse(line), Err(USAGE.into()), "{line}");
        }
    }

    #[test]
    fn tees_without_a_device_are_left_out() {
        let tees = read(
            "vendor-a 0x8001 optee /dev/tee0 /dev/teepriv0\nlost 0x8002 optee - -\nc 0x8003 rust /dev/tee2 -\n",
        );
        let named = |name: &str, kind: &str| Tee {
            name: name.into(),
            kind: kind.into(),
        };
        assert_eq!(tees, [named("vendor-a", "optee"), named("c", "rust")]);
    }
}
