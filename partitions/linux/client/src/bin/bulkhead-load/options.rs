//! What the load is to be.

const USAGE: &str = "usage: bulkhead-load --clients 1..64 --seconds 1..86400 --plugs 0..100000 --seed NUMBER";

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
}
