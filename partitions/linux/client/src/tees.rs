//! The TEEs of this machine, as the scripts of the test system have found them.

use std::fs;

/// One TEE per line: name, endpoint ID, kind, client device, supplicant device.
const TEES: &str = "/run/bulkhead/tees";

/// A TEE that can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tee {
    /// Its name in the table.
    pub name: String,
    /// Its kind, `optee` or `rust`.
    pub kind: String,
}

/// The TEEs of this machine that have a device.
///
/// # Errors
/// A sentence: the list cannot be read, or is empty.
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
