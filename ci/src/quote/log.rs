//! Reads an event log in the TCG's crypto-agile form (PC Client Platform Firmware Profile), and no more of it than
//! Bulkhead's has: events of register 0, each with a SHA-256.

use anyhow::{Context, Result, bail, ensure};
use bulkhead_core::quote::{self, TAG, Taken};

/// An event: its digest, and what is said of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// SHA-256 of what was measured.
    pub digest: [u8; 32],
    /// What that was.
    pub what: What,
}

/// What was measured.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// Code, by its name.
    Code(String),
    /// Which signed package of the partition before it.
    Package(Taken),
}

const EV_POST_CODE: u32 = 1;
const EV_NO_ACTION: u32 = 3;
const EV_EVENT_TAG: u32 = 6;
const TPM_ALG_SHA256: u16 = 0x000b;
/// How the data of the first event begins.
const SIGNATURE: &[u8] = b"Spec ID Event03\0";

/// The rest of a log.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else {
            bail!("the event log is cut off");
        };
        self.0 = rest;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn word(&mut self) -> Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn half(&mut self) -> Result<u16> {
        self.bytes().map(u16::from_le_bytes)
    }

    /// Data behind its length.
    fn sized(&mut self) -> Result<&'a [u8]> {
        let length = self.word()?;
        self.take(usize::try_from(length)?)
    }
}

/// The events behind the first, which says the log's form.
///
/// # Errors
/// That it is cut off, or not in this form.
pub fn read(log: &[u8]) -> Result<Vec<Event>> {
    let mut rest = Rest(log);
    head(&mut rest)?;
    let mut events = Vec::new();
    while !rest.0.is_empty() {
        let place = events.len() + 1;
        let (register, kind, count) = (rest.word()?, rest.word()?, rest.word()?);
        ensure!(
            register == 0,
            "event {place} of the log is of register {register}"
        );
        ensure!(
            [EV_POST_CODE, EV_EVENT_TAG].contains(&kind),
            "event {place} of the log is of kind {kind:#x}"
        );
        let algorithm = rest.half()?;
        ensure!(
            count == 1 && algorithm == TPM_ALG_SHA256,
            "event {place} of the log has other digests than one SHA-256"
        );
        let digest = rest.bytes()?;
        let data = rest.sized()?;
        if kind == EV_EVENT_TAG {
            let taken =
                package(data).with_context(|| format!("event {place} of the log is of no package"))?;
            ensure!(
                digest == quote::package(Some(taken)),
                "event {place} of the log has another digest than its data"
            );
            events.push(Event {
                digest,
                what: What::Package(taken),
            });
            continue;
        }
        let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        match data.split_last() {
            Some((0, text)) if !text.is_empty() && text.iter().all(good) => events.push(Event {
                digest,
                what: What::Code(String::from_utf8_lossy(text).into_owned()),
            }),
            _ => bail!("event {place} of the log has no name"),
        }
    }
    Ok(events)
}

/// What a tagged event says.
fn package(data: &[u8]) -> Option<Taken> {
    let ([tag, length, slot, version], []) = data.as_chunks::<4>() else {
        return None;
    };
    let good = *tag == TAG && u32::from_le_bytes(*length) == 8;
    good.then_some(Taken {
        slot: u32::from_le_bytes(*slot),
        version: u32::from_le_bytes(*version),
    })
}

fn head(rest: &mut Rest<'_>) -> Result<()> {
    let (register, kind) = (rest.word()?, rest.word()?);
    let _sha1 = rest.take(20)?;
    let identity = rest.sized()?;
    ensure!(
        register == 0 && kind == EV_NO_ACTION && identity.starts_with(SIGNATURE),
        "the event log is not in the TCG's crypto-agile form"
    );
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A log of these events, and of the packages behind those which have one.
    pub fn log_with(events: &[(&str, [u8; 32], Option<Taken>)]) -> Vec<u8> {
        let mut log = [[0, 0, 0, 0], [3, 0, 0, 0]].concat();
        log.extend([0; 20]);
        log.extend(33_u32.to_le_bytes());
        log.extend(SIGNATURE);
        log.extend([0; 17]);
        for (name, digest, taken) in events {
            log.extend([0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0x0b, 0]);
            log.extend(digest);
            log.extend((name.len() as u32 + 1).to_le_bytes());
            log.extend(name.as_bytes());
            log.push(0);
            if let Some(taken) = taken {
                log.extend([0, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0x0b, 0]);
                log.extend(quote::package(Some(*taken)));
                log.extend(16_u32.to_le_bytes());
                log.extend(quote::tagged(*taken));
            }
        }
        log
    }

    /// A log of these events, without packages.
    pub fn log(events: &[(&str, [u8; 32])]) -> Vec<u8> {
        let events: Vec<_> = events
            .iter()
            .map(|(name, digest)| (*name, *digest, None))
            .collect();
        log_with(&events)
    }

    #[test]
    fn a_package_is_read_and_has_to_be_what_was_measured() {
        let taken = Taken { slot: 1, version: 3 };
        let good = log_with(&[("a", [1; 32], Some(taken))]);
        let events = read(&good).unwrap();
        assert_eq!(events[1].what, What::Package(taken));
        assert_eq!(events[1].digest, quote::package(Some(taken)));
        let at = good.len() - 16;
        for (at, why) in [
            (at, "event 2 of the log is of no package"),
            (at + 4, "event 2 of the log is of no package"),
            (at + 8, "event 2 of the log has another digest than its data"),
            (at + 12, "event 2 of the log has another digest than its data"),
            (at - 10, "event 2 of the log has another digest than its data"),
        ] {
            let mut wrong = good.clone();
            wrong[at] ^= 1;
            assert_eq!(read(&wrong).unwrap_err().to_string(), why, "byte {at}");
        }
    }

    #[test]
    fn a_log_is_read_and_a_wrong_one_refused() {
        let good = log(&[("a", [1; 32]), ("b", [2; 32])]);
        let events = read(&good).unwrap();
        assert_eq!(events[0].what, What::Code("a".into()));
        assert_eq!(events[0].digest, [1; 32]);
        assert_eq!((&events[1].what, events.len()), (&What::Code("b".into()), 2));
        for cut in 0..good.len() {
            let whole = read(&good[..cut]).map(|events| events.len());
            assert!(matches!(whole, Err(_) | Ok(0 | 1)), "{cut}");
        }
        for (at, byte, why) in [
            (4, 1, "the event log is not in the TCG's crypto-agile form"),
            (40, 0, "the event log is not in the TCG's crypto-agile form"),
            (65, 1, "event 1 of the log is of register 1"),
            (69, 8, "event 1 of the log is of kind 0x8"),
            (73, 2, "event 1 of the log has other digests than one SHA-256"),
            (77, 4, "event 1 of the log has other digests than one SHA-256"),
            (115, b'\x1b', "event 1 of the log has no name"),
            (116, b'x', "event 1 of the log has no name"),
            (111, 0xff, "the event log is cut off"),
        ] {
            let mut wrong = good.clone();
            wrong[at] = byte;
            assert_eq!(read(&wrong).unwrap_err().to_string(), why, "byte {at}");
        }
    }
}
