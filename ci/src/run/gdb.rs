//! A client of QEMU's gdb stub: stops the machine, looks at its cores, and changes what they run.

use crate::stamp::hex;
use anyhow::{Context, Result, bail};
use std::cell::OnceCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Numbers of registers in the stub's AArch64 description; those below are x0 to x30.
pub const SP: usize = 31;
pub const PC: usize = 32;
pub const PSTATE: usize = 33;
/// The byte that stops a machine that goes on.
const BREAK: u8 = 3;
/// How long the stub may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The stub of a machine.
pub struct Stub {
    path: PathBuf,
    /// Its list of system registers, once it was asked.
    list: OnceCell<String>,
}

impl Stub {
    /// The one that is reached by this socket.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            list: OnceCell::new(),
        }
    }

    /// The machine, stopped.
    pub fn stop(&self) -> Result<Gdb<'_>> {
        let stream = UnixStream::connect(&self.path).context("the machine's gdb stub does not answer")?;
        stream.set_read_timeout(Some(Duration::from_millis(100)))?;
        let mut gdb = Gdb {
            stub: self,
            stream,
            pending: Vec::new(),
        };
        gdb.ask("?")?;
        Ok(gdb)
    }
}

/// A machine that is stopped; it goes on when this is dropped.
pub struct Gdb<'a> {
    stub: &'a Stub,
    stream: UnixStream,
    pending: Vec<u8>,
}

impl Gdb<'_> {
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

    /// Lets the machine go on until a core is about to run what is at an address, and stops it there; the core.
    pub fn run_to(&mut self, address: u64, within: Duration) -> Result<String> {
        let start = Instant::now();
        let core = self.run_while(address, &|| start.elapsed() < within)?;
        core.with_context(|| format!("no core came to {address:#x} within {} s", within.as_secs()))
    }

    /// Lets the machine go on until a core comes to an instruction, and stops it there: the core. None where `goes_on`
    /// ends it before.
    pub fn run_while(&mut self, address: u64, goes_on: &dyn Fn() -> bool) -> Result<Option<String>> {
        self.expect_ok(&format!("Z1,{address:x},4"))?;
        self.send("c")?;
        let stop = self.wait(goes_on)?;
        self.expect_ok(&format!("z1,{address:x},4"))?;
        Ok(stop.as_deref().and_then(core_of).map(str::to_owned))
    }

    /// Lets a core go on by one instruction.
    pub fn step(&mut self, core: &str) -> Result<()> {
        self.ask(&format!("vCont;s:{core}")).map(drop)
    }

    /// Waits until the machine stops; stops it where `goes_on` says so, and has no answer then.
    fn wait(&mut self, goes_on: &dyn Fn() -> bool) -> Result<Option<String>> {
        loop {
            if let Some(answer) = self.receive()? {
                return Ok(Some(answer));
            }
            if !goes_on() {
                self.stream.write_all(&[BREAK])?;
                while self.receive()?.is_none() {}
                return Ok(None);
            }
        }
    }

    /// Writes memory as the core that was looked at last reaches it, whatever its rights.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        self.expect_ok(&format!("M{address:x},{:x}:{}", bytes.len(), hex(bytes)))
    }

    /// Gives a register of the core that was looked at last another value: as many bytes as it has, the lowest first.
    pub fn set_register(&mut self, number: usize, value: &[u8]) -> Result<()> {
        self.expect_ok(&format!("P{number:x}={}", hex(value)))
    }

    /// Memory as the core that was looked at last reaches it; none where nothing is there.
    pub fn read(&mut self, address: u64, length: usize) -> Result<Option<Vec<u8>>> {
        let answer = self.ask(&format!("m{address:x},{length:x}"))?;
        Ok(bytes(&answer).filter(|bytes| bytes.len() == length))
    }

    /// The value of a system register of the core that was looked at last, by its name.
    pub fn system_register(&mut self, name: &str) -> Result<u64> {
        let stub = self.stub;
        let list = match stub.list.get() {
            Some(list) => list,
            None => {
                let list = self.system_registers()?;
                stub.list.get_or_init(|| list)
            }
        };
        let number = number_of(list, name).with_context(|| format!("the stub knows no register {name}"))?;
        self.register(number)
    }

    fn system_registers(&mut self) -> Result<String> {
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
                "l" => return Ok(list),
                _ => bail!("the stub answers `{part}` when it is asked for its system registers"),
            }
        }
    }

    /// The value of a register of the core that was looked at last.
    pub fn register(&mut self, number: usize) -> Result<u64> {
        let hex = self.ask(&format!("p{number:x}"))?;
        let bytes = bytes(&hex).with_context(|| format!("the stub answers `{hex}` for register {number}"))?;
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
            if let Some(answer) = self.receive()? {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                bail!("the stub does not answer `{packet}`");
            }
        }
    }

    /// The next packet, where one comes soon.
    fn receive(&mut self) -> Result<Option<String>> {
        if let Some(answer) = take_packet(&mut self.pending) {
            self.stream.write_all(b"+")?;
            return Ok(Some(answer));
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
        Ok(None)
    }

    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.stream, "${packet}#{sum:02x}")?;
        Ok(())
    }
}

impl Drop for Gdb<'_> {
    fn drop(&mut self) {
        // Detaching lets the machine go on; one that has ended needs that no more.
        let _ = self.ask("D");
    }
}

/// What people and the hypervisor's log call a core of the stub's, `03` or `p01.03`: it counts from 1, in hexadecimal.
pub fn core_name(core: &str) -> String {
    let last = core.rsplit('.').next().unwrap_or(core);
    let number = u64::from_str_radix(last, 16).ok();
    number
        .and_then(|number| number.checked_sub(1))
        .map_or_else(|| core.to_owned(), |number| number.to_string())
}

/// The core that stopped, in the stub's answer `T05thread:01;`.
fn core_of(stop: &str) -> Option<&str> {
    let (_, rest) = stop.split_once("thread:")?;
    rest.split(';').next()
}

/// Bytes that are written as digits, two each.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair| match str::from_utf8(pair) {
        Ok(pair) if pair.len() == 2 => u8::from_str_radix(pair, 16).ok(),
        _ => None,
    };
    pairs.map(byte).collect()
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
    use super::{bytes, core_of, number_of, take_packet};

    #[test]
    fn registers_are_found_by_name() {
        let list = "<reg name=\"TTBR0_EL1\" bitsize=\"64\" regnum=\"172\" group=\"cp_regs\"/>\
                    <reg name=\"TTBR0_EL12\" regnum=\"9\"/><reg name=\"A\"/><reg name=\"B\" regnum=\"1\"/>";
        assert_eq!(number_of(list, "TTBR0_EL1"), Some(172));
        assert_eq!(number_of(list, "A"), None);
        assert_eq!(number_of(list, "TTBR0"), None);
    }

    #[test]
    fn the_core_that_stopped_is_read() {
        assert_eq!(core_of("T05thread:p01.02;"), Some("p01.02"));
        assert_eq!(
            ["01", "p01.0a", "00", "x"].map(super::core_name),
            ["0", "9", "00", "x"]
        );
        assert_eq!(core_of("S05"), None);
    }

    #[test]
    fn bytes_are_read() {
        assert_eq!(bytes("0aff"), Some(vec![10, 255]));
        for wrong in ["E14", "zz", "0"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
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
