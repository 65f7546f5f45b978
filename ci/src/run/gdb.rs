//! A client of QEMU's gdb stub: stops the machine, looks at its cores, and changes what they run.

use crate::stamp::hex;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Numbers of registers in the stub's AArch64 description.
pub const SP: usize = 31;
pub const PC: usize = 32;
pub const PSTATE: usize = 33;
/// How long the stub may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// A machine that is stopped; it goes on when this is dropped.
pub struct Gdb {
    stream: UnixStream,
    pending: Vec<u8>,
}

impl Gdb {
    /// Connects to the stub, which stops the machine.
    pub fn stop(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path).context("the machine's gdb stub does not answer")?;
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut gdb = Self {
            stream,
            pending: Vec::new(),
        };
        gdb.ask("?")?;
        Ok(gdb)
    }

    /// The numbers of the machine's cores, as the stub names them.
    pub fn cores(&mut self) -> Result<Vec<String>> {
        let mut cores = Vec::new();
        let mut answer = self.ask("qfThreadInfo")?;
        // One core in an answer, or several; then `l`.
        while let Some(list) = answer.strip_prefix('m') {
            cores.extend(list.split(',').map(str::to_owned));
            answer = self.ask("qsThreadInfo")?;
        }
        if cores.is_empty() {
            bail!("the stub names no cores: `{answer}`");
        }
        Ok(cores)
    }

    /// Where a core is: its program counter and its exception level.
    pub fn place(&mut self, core: &str) -> Result<(u64, u8)> {
        self.expect_ok(&format!("Hg{core}"))?;
        let pc = self.register(PC)?;
        let level = self.register(PSTATE)? >> 2 & 3;
        Ok((pc, level as u8))
    }

    /// Writes memory as the core that was looked at last reaches it, whatever its rights.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.expect_ok(&format!("M{address:x},{:x}:{}", bytes.len(), hex(bytes)))
    }

    /// Gives a register of the core that was looked at last another value: as many bytes as it has, the lowest first.
    pub fn set_register(&mut self, number: usize, value: &[u8]) -> Result<()> {
        self.expect_ok(&format!("P{number:x}={}", hex(value)))
    }

    /// The value of a system register of the core that was looked at last, by its name.
    pub fn system_register(&mut self, name: &str) -> Result<u64> {
        let mut list = String::new();
        loop {
            let part = self.ask(&format!(
                "qXfer:features:read:system-registers.xml:{:x},800",
                list.len()
            ))?;
            let (more, text) = part
                .split_at_checked(1)
                .context("the stub lists no system registers")?;
            list.push_str(text);
            match more {
                "m" => {}
                "l" => break,
                _ => bail!("the stub answers `{part}` when it is asked for its system registers"),
            }
        }
        let number = number_of(&list, name).with_context(|| format!("the stub knows no register {name}"))?;
        self.register(number)
    }

    /// The value of a register of the core that was looked at last.
    pub fn register(&mut self, number: usize) -> Result<u64> {
        let hex = self.ask(&format!("p{number:x}"))?;
        let bytes = hex.as_bytes().chunks(2).map(|pair| {
            let pair = str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        });
        let bytes: Option<Vec<u8>> = bytes.collect();
        let bytes = bytes.with_context(|| format!("the stub answers `{hex}` for register {number}"))?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn expect_ok(&mut self, packet: &str) -> Result<()> {
        match self.ask(packet)?.as_str() {
            "OK" => Ok(()),
            other => bail!("the stub answers `{other}` to `{packet}`"),
        }
    }

    /// Sends a packet; the answer.
    fn ask(&mut self, packet: &str) -> Result<String> {
        self.send(packet)?;
        let deadline = Instant::now() + ANSWER;
        loop {
            if let Some(answer) = take_packet(&mut self.pending) {
                self.stream.write_all(b"+")?;
                return Ok(answer);
            }
            if Instant::now() > deadline {
                bail!("the stub does not answer `{packet}`");
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => bail!("the machine ended"),
                Ok(length) => self.pending.extend_from_slice(&bytes[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(error) => return Err(error).context("the stub is gone"),
            }
        }
    }

    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.stream, "${packet}#{sum:02x}")?;
        Ok(())
    }
}

impl Drop for Gdb {
    fn drop(&mut self) {
        // Detaching lets the machine go on; one that has ended needs that no more.
        let _ = self.ask("D");
    }
}

/// The number of a register in the stub's list of them.
fn number_of(list: &str, name: &str) -> Option<usize> {
    let (_, entry) = list.split_once(&format!("name=\"{name}\""))?;
    let (entry, _) = entry.split_once("/>")?;
    let (_, number) = entry.split_once("regnum=\"")?;
    number.split_once('"')?.0.parse().ok()
}

/// The first whole packet of what came; it and what came before it are taken away.
fn take_packet(bytes: &mut Vec<u8>) -> Option<String> {
    let start = bytes.iter().position(|byte| *byte == b'$')?;
    let length = bytes[start..].iter().position(|byte| *byte == b'#')?;
    if bytes.len() < start + length + 3 {
        return None;
    }
    let text = String::from_utf8_lossy(&bytes[start + 1..start + length]).into_owned();
    bytes.drain(..start + length + 3);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{number_of, take_packet};

    #[test]
    fn registers_are_found_by_name() {
        let list = "<reg name=\"TTBR0_EL1\" bitsize=\"64\" regnum=\"172\" group=\"cp_regs\"/>\
                    <reg name=\"TTBR0_EL12\" regnum=\"9\"/><reg name=\"A\"/><reg name=\"B\" regnum=\"1\"/>";
        assert_eq!(number_of(list, "TTBR0_EL1"), Some(172));
        assert_eq!(number_of(list, "A"), None);
        assert_eq!(number_of(list, "TTBR0"), None);
    }

    #[test]
    fn packets_are_taken_one_by_one() {
        let mut bytes = b"+$OK#9a+$T05thread:01;#".to_vec();
        assert_eq!(take_packet(&mut bytes).as_deref(), Some("OK"));
        assert_eq!(take_packet(&mut bytes), None, "its sum is missing");
        bytes.extend(b"07");
        assert_eq!(take_packet(&mut bytes).as_deref(), Some("T05thread:01;"));
        assert_eq!(take_packet(&mut bytes), None);
    }
}
