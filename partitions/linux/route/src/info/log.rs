//! What was measured at the start as an event log in the TCG's form (PC Client Platform Firmware Profile, its
//! crypto-agile log, SHA-256 alone), as TF-A's measured boot writes its own: tools that read those read this one.
//!
//! The log proves nothing by itself. What a quote signs is the value of register 0 that its digests give, in its order.

use super::page::Words;

/// An event: its digest, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// SHA-256 of what was measured.
    pub digest: [u8; 32],
    /// What that was.
    pub what: What,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Code, by its name.
    Code(String),
    /// Which signed package of the partition before it: the slot (0 or 1; 0xffffffff: none was taken) and its version. The
    /// digest is of this event's own data.
    Package(u32, u32),
}

/// The name of the hypervisor's own code and constants.
pub const OWN: &str = "BULKHEAD";
/// The name of the table.
pub const TABLE: &str = "BULKHEAD_TABLE";

const EV_POST_CODE: u32 = 1;
const EV_EVENT_TAG: u32 = 6;
/// The ID of a tagged event about a package.
const TAG: &[u8; 4] = b"BHPK";
/// The page of a signed package.
const PACKAGE: u32 = 7;
const EV_NO_ACTION: u32 = 3;
const TPM_ALG_SHA256: u16 = 0x000b;

/// Reads the events with `ask`, which gives the page of a subject; `partitions` are the names of all, in their order.
///
/// # Errors
/// What `ask` says.
pub fn events(
    partitions: &[String],
    mut ask: impl FnMut(u32, u32) -> Result<Words, String>,
) -> Result<Vec<Event>, String> {
    let event = |words: Words, name: &str| Event {
        digest: super::page::bytes(words),
        what: What::Code(name.to_owned()),
    };
    // Where nobody may have it signed, the hypervisor does not measure itself.
    let own = ask(0, 4).ok().map(|words| event(words, OWN));
    let mut events: Vec<Event> = own.into_iter().collect();
    events.push(event(ask(0, 1)?, TABLE));
    for (subject, name) in (1..).zip(partitions) {
        let package = ask(subject, PACKAGE).ok();
        // Where no package was good enough to be measured, the digest is zeros.
        let image = ask(subject, 6).or_else(|why| package.map(|_| [0; 7]).ok_or(why))?;
        events.push(event(image, name));
        if let Some([slot, version, a, b, c, d, _]) = package {
            let number = |word: u64| u32::try_from(word).map_err(|_| "no such slot or version".to_owned());
            events.push(Event {
                digest: super::page::bytes([a, b, c, d, 0, 0, 0]),
                what: What::Package(number(slot)?, number(version)?),
            });
        }
    }
    Ok(events)
}

/// The log's bytes.
pub fn write(events: &[Event]) -> Vec<u8> {
    let mut identity = b"Spec ID Event03\0".to_vec();
    // Platform class 0, version 2.0, errata 2, UINTN of 64 bits; one algorithm; no vendor information.
    identity.extend(0_u32.to_le_bytes());
    identity.extend([0, 2, 2, 2]);
    identity.extend(1_u32.to_le_bytes());
    identity.extend(TPM_ALG_SHA256.to_le_bytes());
    identity.extend(32_u16.to_le_bytes());
    identity.push(0);
    // The first event has the old form, with room for a SHA-1.
    let mut log = [0_u32.to_le_bytes(), EV_NO_ACTION.to_le_bytes()].concat();
    log.extend([0; 20]);
    sized(&mut log, &identity);
    for event in events {
        let (kind, data) = match &event.what {
            What::Code(name) => (EV_POST_CODE, [name.as_bytes(), b"\0"].concat()),
            What::Package(slot, version) => (
                EV_EVENT_TAG,
                [
                    *TAG,
                    8_u32.to_le_bytes(),
                    slot.to_le_bytes(),
                    version.to_le_bytes(),
                ]
                .concat(),
            ),
        };
        log.extend(0_u32.to_le_bytes());
        log.extend(kind.to_le_bytes());
        log.extend(1_u32.to_le_bytes());
        log.extend(TPM_ALG_SHA256.to_le_bytes());
        log.extend(event.digest);
        sized(&mut log, &data);
    }
    log
}

/// Data behind its length. None here is longer than a name.
fn sized(log: &mut Vec<u8>, data: &[u8]) {
    log.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    log.extend(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(subject: u32, page: u32) -> Result<Words, String> {
        match (subject, page) {
            (0, 4) => Ok([1; 7]),
            (0, 1) => Ok([2; 7]),
            (1 | 2, 6) => Ok([u64::from(subject) + 2; 7]),
            (2, PACKAGE) => Ok([1, 3, 5, 5, 5, 5, 0]),
            (3, PACKAGE) => Ok([0xffff_ffff, 0, 6, 6, 6, 6, 0]),
            _ => Err("no such page".into()),
        }
    }

    #[test]
    fn events_are_in_the_order_in_which_they_were_measured() {
        let names = ["vendor-a", "vendor-b", "vendor-c"].map(str::to_owned);
        let events = events(&names, ask).expect("good");
        let code = |name: &str| What::Code(name.to_owned());
        let wanted = [
            (code(OWN), 1),
            (code(TABLE), 2),
            (code("vendor-a"), 3),
            (code("vendor-b"), 4),
            (What::Package(1, 3), 5),
            (code("vendor-c"), 0),
            (What::Package(0xffff_ffff, 0), 6),
        ];
        let found: Vec<_> = events
            .into_iter()
            .map(|event| (event.what, event.digest[0]))
            .collect();
        assert_eq!(found, wanted);
        let without = super::events(&[], |subject, page| match page {
            4 => Err("not measured".into()),
            _ => ask(subject, page),
        });
        assert_eq!(without.expect("good").len(), 1);
        assert_eq!(
            super::events(&["c".into()], |_, page| ask(4, page)).unwrap_err(),
            "no such page"
        );
    }

    #[test]
    fn the_log_is_byte_by_byte_as_the_profile_has_it() {
        let log = write(&[Event {
            digest: [0xab; 32],
            what: What::Code("x".into()),
        }]);
        let (head, event) = log.split_at(32 + 33);
        assert_eq!(head[..8], [0, 0, 0, 0, 3, 0, 0, 0]);
        assert_eq!(head[8..28], [0; 20]);
        assert_eq!(head[28..32], [33, 0, 0, 0]);
        assert_eq!(&head[32..48], b"Spec ID Event03\0");
        assert_eq!(
            head[48..],
            [0, 0, 0, 0, 0, 2, 2, 2, 1, 0, 0, 0, 0x0b, 0, 32, 0, 0]
        );
        assert_eq!(event[..14], [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0x0b, 0]);
        assert_eq!(event[14..46], [0xab; 32]);
        assert_eq!(event[46..], [2, 0, 0, 0, b'x', 0]);
        let log = write(&[Event {
            digest: [0xab; 32],
            what: What::Package(1, 3),
        }]);
        let event = &log[32 + 33..];
        assert_eq!(event[..14], [0, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0x0b, 0]);
        assert_eq!(
            event[46..],
            [
                16, 0, 0, 0, b'B', b'H', b'P', b'K', 8, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0
            ]
        );
    }
}
