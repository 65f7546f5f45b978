//! What calls of the stock library cost on an OP-TEE, each many times: the median in nanoseconds of the machine's clock. On
//! one where time is the number of instructions, these are instructions of the whole machine.

use std::ops::Range;
use std::process::{Command, Stdio};
use std::time::Instant;

use bulkhead_client::expect;
use bulkhead_client::options::Options;
use bulkhead_client::report::Line;

use crate::services::{CRYPT, CRYPT_SHA256, FROM_APPLICATION, equal, plain, refused};
use crate::teec::{Context, MEM_INPUT, MEM_OUTPUT, Memory, Parameter, Session, Uuid};

/// `ta_sims` of OP-TEE's test suite: it stays loaded as long as one session is open.
const STAYS: Uuid = Uuid::new(0xe6a33ed4_562b_463a_bb7e_ff5e15a493c8);
/// A command that it does not know, so that it does nothing.
const NOTHING: u32 = 1000;
/// `TEEC_ERROR_BAD_PARAMETERS`: its answer.
const UNKNOWN: u32 = 0xffff_0006;
/// Bytes of the memory that stays with the TEE.
const LARGE: usize = 1 << 20;
/// Bytes of a page, and of what Linux gives in one piece where it can.
const PAGE: usize = 4 << 10;
const PIECE: usize = 2 << 20;
/// Buffers that calls with temporary memory take in turn: how scattered one lies differs from start to start.
const BUFFERS: usize = 16;
/// Calls before those that count, and those.
const CALLS: [usize; 2] = [20, 101];
const LARGE_CALLS: [usize; 2] = [1, 5];
/// Cases of xtest that compute, call and share, and that never wait for a time to pass.
const XTEST: [&str; 8] = [
    "1006",
    "1017",
    "4001",
    "4002",
    "4003",
    "4006_ecdsa",
    "4101",
    "6001",
];

/// Measures, and prints a figure for each operation. The error is one sentence.
pub fn run(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    let mut session = Session::open(&context, STAYS).map_err(plain)?;
    let empty = median(CALLS, || Ok(()))?;
    let say = |name: &str, calls, call: &mut dyn FnMut() -> Result<(), String>| {
        let cost = median(calls, call)?.saturating_sub(empty);
        Line::new("figure")
            .text("suite", "cost")
            .text("tee", "-")
            .text("name", name)
            .text("value", &cost.to_string())
            .print();
        Ok::<(), String>(())
    };
    say("invoke", CALLS, &mut || nothing(&mut session, []))?;
    let memory = Piece::new(LARGE, PIECE).register(&context)?;
    say("invoke-registered-1m", CALLS, &mut || {
        nothing(&mut session, [Parameter::PartInOut(&memory, 0, LARGE)])
    })?;
    for (name, size) in [
        ("invoke-temporary-4k", 4 << 10),
        ("invoke-temporary-64k", 64 << 10),
    ] {
        let mut buffers: Vec<Piece> = (0..BUFFERS).map(|_| Piece::new(size, PAGE)).collect();
        say(name, CALLS, &mut || {
            buffers.rotate_left(1);
            nothing(&mut session, [Parameter::InOut(buffers[0].bytes())])
        })?;
    }
    let mut buffers: Vec<Piece> = (0..CALLS.iter().sum()).map(|_| Piece::new(PAGE, PAGE)).collect();
    say("register-4k", CALLS, &mut || {
        let buffer = buffers.pop().ok_or("there is no buffer left")?;
        buffer.register(&context).map(drop)
    })?;
    say("session", CALLS, &mut || {
        Session::open(&context, STAYS).map(drop).map_err(plain)
    })?;
    let mut crypt = Session::open(&context, CRYPT).map_err(plain)?;
    let digest = expect::sha256(&[0x5a; LARGE]);
    say("hash-1m", LARGE_CALLS, &mut || {
        let (mut got, mut size) = ([0; 32], 0);
        let parameters = [
            Parameter::PartIn(&memory, 0, LARGE),
            Parameter::Out(&mut got, &mut size),
        ];
        crypt.invoke(CRYPT_SHA256, parameters).map_err(plain)?;
        equal(&got, &digest)
    })?;
    say("xtest", [0, 1], &mut xtest)
}

/// A buffer that begins where a page, or a piece of pages, does.
struct Piece {
    buffer: Vec<u8>,
    part: Range<usize>,
}

impl Piece {
    /// Of so many bytes, all of them there.
    fn new(size: usize, align: usize) -> Piece {
        let mut buffer = vec![0_u8; size.next_multiple_of(align) + align];
        let start = buffer.as_ptr().align_offset(align);
        if align == PIECE {
            let at = buffer[start..].as_mut_ptr();
            // SAFETY: the range is the buffer's own, and nothing has its address or contents changed by the advice.
            unsafe { libc::madvise(at.cast(), PIECE, libc::MADV_HUGEPAGE) };
        }
        let part = start..start + size;
        buffer[part.clone()].fill(0x5a);
        Piece { buffer, part }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.buffer[self.part.clone()]
    }

    fn register(self, context: &Context) -> Result<Memory<'_>, String> {
        let flags = MEM_INPUT | MEM_OUTPUT;
        Memory::register_part(context, self.buffer, self.part, flags).map_err(plain)
    }
}

/// A call that the application answers at once.
fn nothing<const N: usize>(session: &mut Session<'_>, parameters: [Parameter<'_>; N]) -> Result<(), String> {
    refused(session.invoke(NOTHING, parameters), UNKNOWN, FROM_APPLICATION)
}

/// The fixed cases of xtest, which all have to pass.
fn xtest() -> Result<(), String> {
    let mut command = Command::new("xtest");
    command.args(["-t", "regression"]).args(XTEST);
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("xtest ended with {status}")),
        Err(error) => Err(format!("xtest does not start: {error}")),
    }
}

/// The median of the times of calls, in nanoseconds, after some that do not count.
fn median([before, count]: [usize; 2], mut call: impl FnMut() -> Result<(), String>) -> Result<u64, String> {
    for _ in 0..before {
        call()?;
    }
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed().as_nanos() as u64);
    }
    times.sort_unstable();
    Ok(times[count / 2])
}
