//! Reads an event log in the TCG's crypto-agile form (PC Client Platform Firmware Profile), and no more of it than
//! Bulkhead's has: events of register 0, each with a SHA-256.

use anyhow::{Result, bail, ensure};

/// An event: its digest, and what is said of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// SHA-256 of what was measured.
    pub digest: [u8; 32],
    /// What that was.
    pub name: String,
}

const EV_POST_CODE: u32 = 1;
const EV_NO_ACTION: u32 = 3;
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
            kind == EV_POST_CODE,
            "event {place} of the log is of kind {kind:#x}"
        );
        let algorithm = rest.half()?;
        ensure!(
            count == 1 && algorithm == TPM_ALG_SHA256,
            "event {place} of the log has other digests than one SHA-256"
        );
        let digest = rest.bytes()?;
        let name = rest.sized()?;
        let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        match name.split_last() {
            Some((0, text)) if !text.is_empty() && text.iter().all(good) => events.push(Event {
                digest,
                name: String::from_utf8_lossy(text).into_owned(),
            }),
            _ => bail!("event {place} of the log has no name"),
        }
    }
    Ok(events)
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

    /// A log of these events.
    pub fn log(events: &[(&str, [u8; 32])]) -> Vec<u8> {
        let mut log = [[0, 0, 0, 0], [3, 0, 0, 0]].concat();
        log.extend([0; 20]);
        log.extend(33_u32.to_le_bytes());
        log.extend(SIGNATURE);
        log.extend([0; 17]);
        for (name, digest) in events {
            log.extend([0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0x0b, 0]);
            log.extend(digest);
            log.extend((name.len() as u32 + 1).to_le_bytes());
            log.extend(name.as_bytes());
            log.push(0);
        }
        log
    }

    #[test]
    fn a_log_is_read_and_a_wrong_one_refused() {
        let good = log(&[("a", [1; 32]), ("b", [2; 32])]);
        let events = read(&good).unwrap();
        assert_eq!((events[0].name.as_str(), events[0].digest), ("a", [1; 32]));
        assert_eq!((events[1].name.as_str(), events.len()), ("b", 2));
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
