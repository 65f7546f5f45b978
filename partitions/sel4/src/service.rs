//! What the task does: it waits for direct requests and answers them (DEN0077A 1.2, chapter 15).
use crate::kernel::{REGISTERS, Smc};

const VERSION: u64 = 0x8400_0063;
const VERSION_1_2: u64 = 1 << 16 | 2;
const ID_GET: u64 = 0x8400_0069;
const MSG_WAIT: u64 = 0x8400_006b;
const CONSOLE_LOG_64: u64 = 0xc400_008a;
const DIRECT_REQ_32: u64 = 0x8400_006f;
const DIRECT_RESP_32: u64 = 0x8400_0070;
const DIRECT_REQ_64: u64 = 0xc400_006f;
const DIRECT_RESP_64: u64 = 0xc400_0070;

/// Commands in x3, those of the test partition with the same numbers: the words as they came, and who answers.
const ECHO: u64 = 1;
const IDENTITY: u64 = 2;
/// Status of an unknown command: NOT_SUPPORTED.
const NOT_SUPPORTED: u64 = -1i64 as u64;

type Registers = [u64; REGISTERS];

fn registers(first: &[u64]) -> Registers {
    let mut all = [0; REGISTERS];
    for (to, from) in all.iter_mut().zip(first) {
        *to = *from;
    }
    all
}

/// Serves for ever.
pub fn serve(smc: &mut Smc) -> ! {
    let mut messages = 0;
    let version = smc.call(registers(&[VERSION, VERSION_1_2]));
    let own = smc
        .call(registers(&[ID_GET]))
        .map_or(0, |answer| answer[2] & 0xffff);
    if version.is_some() {
        say(smc, b"seL4: the root task is up\n");
    }
    let mut next = registers(&[MSG_WAIT]);
    loop {
        let Some(request) = smc.call(next) else {
            // A kernel without SMC calls: nobody can be told.
            continue;
        };
        next = match request[0] & 0xffff_ffff {
            DIRECT_REQ_64 => {
                messages += 1;
                respond(&request, own, messages)
            }
            DIRECT_REQ_32 => echo(&request, DIRECT_RESP_32),
            // Cycles, for an interrupt or anything else that the kernel has dealt with.
            _ => registers(&[MSG_WAIT]),
        };
    }
}

/// The IDs of an answer: the other way round.
fn back(request: &Registers) -> u64 {
    request[1] >> 16 & 0xffff | (request[1] & 0xffff) << 16
}

fn echo(request: &Registers, function: u64) -> Registers {
    let mut answer = *request;
    answer[0] = function;
    answer[1] = back(request);
    answer
}

fn respond(request: &Registers, own: u64, messages: u64) -> Registers {
    let mut answer = echo(request, DIRECT_RESP_64);
    let results = match request[3] {
        ECHO => [0, request[4], request[5], request[6], request[7]],
        IDENTITY => [0, own, 0, messages, 0],
        _ => [NOT_SUPPORTED, 0, 0, 0, 0],
    };
    answer[3..].copy_from_slice(&results);
    answer
}

/// Writes up to 48 bytes to the hypervisor's log.
fn say(smc: &mut Smc, text: &[u8]) {
    let mut call = registers(&[CONSOLE_LOG_64, text.len() as u64]);
    for (word, bytes) in call[2..].iter_mut().zip(text.chunks(8)) {
        for (n, byte) in bytes.iter().enumerate() {
            *word |= u64::from(*byte) << (8 * n);
        }
    }
    let _ = smc.call(call);
}
