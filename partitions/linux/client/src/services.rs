//! What the TEEs' services are asked, and what they must answer.

use std::time::Duration;

use bulkhead_client::expect;
use bulkhead_client::options::Kind;

use crate::teec::{Context, Error, MEM_INPUT, MEM_OUTPUT, Memory, Parameter, Session, Uuid};

/// `ta_crypt` of OP-TEE's test suite.
pub const CRYPT: Uuid = Uuid::new(0xcb3e5ba0_adf1_11e0_998b_0002a5d5c51b);
/// SHA-256 of parameter 0 into parameter 1.
pub const CRYPT_SHA256: u32 = 2;
const CRYPT_AES_ENCRYPT: u32 = 3;
const CRYPT_AES_DECRYPT: u32 = 4;
/// Keeps a number.
pub const CRYPT_SET_GLOBAL: u32 = 40;
const CRYPT_GET_GLOBAL: u32 = 41;

/// `ta_crypto_perf` of OP-TEE's test suite: hashes by the TEE's own cryptography.
const PERFORMANCE: Uuid = Uuid::new(0x02a42f43_d8b7_4a57_aa4d_87bd9b5587cb);
const PERFORMANCE_PREPARE: u32 = 3;
const PERFORMANCE_PROCESS: u32 = 4;
const PERFORMANCE_HMAC_SHA256: u32 = 8;

/// `ta_concurrent` of OP-TEE's test suite: SHA-256, as often as it is told.
pub const CONCURRENT: Uuid = Uuid::new(0xe13010e0_2ae1_11e5_896a_0002a5d5c51b);
/// SHA-256 of parameter 2 into parameter 3; parameter 0 counts callers, parameter 1 has the rounds.
pub const CONCURRENT_SHA256: u32 = 1;

/// `ta_os_test` of OP-TEE's test suite.
pub const OS_TEST: Uuid = Uuid::new(0x5b9e0e40_2636_11e1_ad9e_0002a5d5c51b);
/// Waits for as many milliseconds as value a says.
pub const OS_TEST_WAIT: u32 = 9;

/// The Rust TEE's echo service.
pub const ECHO: Uuid = Uuid::new(0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d01);
/// Returns two numbers.
pub const ECHO_VALUE: u32 = 0;
/// Returns memory.
pub const ECHO_MEMORY: u32 = 1;
/// Computes for a while.
pub const ECHO_LONG: u32 = 2;
/// Makes every byte its complement.
pub const ECHO_INVERT: u32 = 3;
/// Counts the commands of the session.
pub const ECHO_COUNT: u32 = 4;
/// Makes two numbers change places.
pub const ECHO_SWAP: u32 = 5;
/// Uses all four parameters: numbers there and back, memory in, memory out, memory there and back.
pub const ECHO_ALL: u32 = 6;
/// Says who opened the session.
pub const ECHO_IDENTITY: u32 = 7;

/// The Rust TEE's storage service: what it seals, it alone can open.
pub const SEALED: Uuid = Uuid::new(0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d03);
/// Seals memory.
pub const SEALED_SEAL: u32 = 0;
/// Opens what was sealed.
pub const SEALED_OPEN: u32 = 1;
/// Has the TEE notify its driver.
pub const ECHO_NOTIFY: u32 = 8;
/// Returns how often the driver has called for that.
pub const ECHO_HALVES: u32 = 9;

/// The Rust TEE's keyed-hash service.
pub const KEYED_HASH: Uuid = Uuid::new(0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d02);
/// HMAC-SHA-256 with the session's key.
pub const HASH_HMAC: u32 = 0;
/// Sets the session's key.
pub const HASH_SET_KEY: u32 = 1;
const HASH_VERIFY: u32 = 2;

/// An application that no TEE has.
pub const NOBODY: Uuid = Uuid::new(0x00c0ffee_0000_4000_8000_00000000dead);

/// `TEEC_ERROR_CANCEL`.
pub const CANCEL: u32 = 0xffff_0002;
const ITEM_NOT_FOUND: u32 = 0xffff_0008;
/// `TEEC_ERROR_SHORT_BUFFER`.
pub const SHORT_BUFFER: u32 = 0xffff_0010;
const MAC_INVALID: u32 = 0xffff_3071;
/// `TEEC_ORIGIN_API`.
pub const FROM_API: u32 = 1;
/// `TEEC_ORIGIN_TEE`.
pub const FROM_TEE: u32 = 3;
/// `TEEC_ORIGIN_TRUSTED_APP`.
pub const FROM_APPLICATION: u32 = 4;

/// A check: its name, and what is wrong when it fails.
pub type Check = (&'static str, fn(&Context) -> Result<(), String>);

/// What is checked of a TEE of this kind.
pub fn checks(kind: Kind) -> &'static [Check] {
    match kind {
        Kind::Optee => &[
            ("values", optee_values),
            ("sha256 of temporary memory", optee_temporary),
            ("sha256 of registered memory", optee_registered),
            ("aes-256 round trip", optee_aes),
            ("hmac-sha256", optee_hmac),
            ("unknown command", optee_unknown),
            ("unknown application", unknown_application),
        ],
        Kind::Rust => RUST,
        // One call at a time: a cancellation waits until its command is over.
        Kind::Sel4 => RUST.split_last().map_or(&[], |(_, others)| others),
    }
}

/// What is checked of the Rust TEE's services; cancellation last.
const RUST: &[Check] = &[
    ("values", rust_values),
    ("echo of temporary memory", rust_temporary),
    ("echo of registered memory", rust_registered),
    ("memory changed in place", rust_invert),
    ("short buffer", rust_short),
    ("count of a session", rust_count),
    ("long computation", rust_long),
    ("hmac-sha256", rust_hmac),
    ("verification", rust_verify),
    ("unknown command", rust_unknown),
    ("unknown application", unknown_application),
    ("cancelled computation", rust_cancelled),
];

/// The error as a sentence.
pub fn plain(error: Error) -> String {
    error.to_string()
}

/// Checks an answer.
pub fn equal<T: PartialEq>(got: &T, expected: &T) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err("the answer is wrong".into())
    }
}

/// Checks that a call was refused with this code, from this origin.
#[track_caller]
pub fn refused(result: Result<(), Error>, code: u32, origin: u32) -> Result<(), String> {
    match result {
        Err(error) if error.code == code && error.origin == origin => Ok(()),
        Err(error) => Err(format!("{error}; {code:#010x} from origin {origin} was expected")),
        Ok(()) => Err(format!(
            "it was accepted; {code:#010x} from origin {origin} was expected"
        )),
    }
}

/// Bytes that differ from call to call and from place to place.
pub fn message(length: usize) -> Vec<u8> {
    std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect()
}

fn unknown_application(context: &Context) -> Result<(), String> {
    refused(Session::open(context, NOBODY).map(drop), ITEM_NOT_FOUND, FROM_TEE)
}

fn optee_values(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, CRYPT).map_err(plain)?;
    let number = fastrand::u32(..);
    session
        .invoke(CRYPT_SET_GLOBAL, [Parameter::ValueIn(number, 0)])
        .map_err(plain)?;
    let mut answer = [0; 2];
    session
        .invoke(CRYPT_GET_GLOBAL, [Parameter::ValueOut(&mut answer)])
        .map_err(plain)?;
    equal(&answer[0], &number)
}

fn optee_temporary(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, CRYPT).map_err(plain)?;
    for length in [1, 55, 64, 4096, 40_000] {
        let input = message(length);
        let (mut digest, mut size) = ([0; 32], 0);
        let parameters = [Parameter::In(&input), Parameter::Out(&mut digest, &mut size)];
        session.invoke(CRYPT_SHA256, parameters).map_err(plain)?;
        equal(&digest, &expect::sha256(&input)).map_err(|why| format!("{length} bytes: {why}"))?;
    }
    Ok(())
}

fn optee_registered(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, CRYPT).map_err(plain)?;
    let input = message(100_000);
    let expected = expect::sha256(&input[4097..4097 + 60_001]);
    let input = Memory::register(context, input, MEM_INPUT).map_err(plain)?;
    let output = Memory::register(context, vec![0; 8192], MEM_OUTPUT).map_err(plain)?;
    let parameters = [
        Parameter::PartIn(&input, 4097, 60_001),
        Parameter::PartOut(&output, 4090, 32),
    ];
    session.invoke(CRYPT_SHA256, parameters).map_err(plain)?;
    let output = output.copy();
    equal(&&output[4090..4122], &expected.as_slice())?;
    let untouched = output[..4090]
        .iter()
        .chain(&output[4122..])
        .all(|byte| *byte == 0);
    if untouched {
        Ok(())
    } else {
        Err("memory outside of the answer was written".into())
    }
}

fn optee_aes(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, CRYPT).map_err(plain)?;
    let input = message(4096);
    let (mut hidden, mut back, mut size) = (vec![0; 4096], vec![0; 4096], 0);
    let parameters = [Parameter::In(&input), Parameter::Out(&mut hidden, &mut size)];
    session.invoke(CRYPT_AES_ENCRYPT, parameters).map_err(plain)?;
    if hidden == input {
        return Err("nothing was encrypted".into());
    }
    let parameters = [Parameter::In(&hidden), Parameter::Out(&mut back, &mut size)];
    session.invoke(CRYPT_AES_DECRYPT, parameters).map_err(plain)?;
    equal(&back, &input)
}

fn optee_hmac(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, PERFORMANCE).map_err(plain)?;
    let algorithm = Parameter::ValueIn(PERFORMANCE_HMAC_SHA256, 0);
    session.invoke(PERFORMANCE_PREPARE, [algorithm]).map_err(plain)?;
    // The application's key is fixed: 0x00, 0x01, ... 0x3f.
    let key: Vec<u8> = (0..64).collect();
    let input = message(5000);
    let (mut tag, mut size) = ([0; 32], 0);
    let once = Parameter::ValueIn(1, 0);
    let parameters = [Parameter::In(&input), Parameter::Out(&mut tag, &mut size), once];
    session.invoke(PERFORMANCE_PROCESS, parameters).map_err(plain)?;
    equal(&tag, &expect::hmac_sha256(&key, &input))
}

fn optee_unknown(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, CRYPT).map_err(plain)?;
    refused(
        session.invoke::<0>(0x7fff_ffff, []),
        0xffff_0006,
        FROM_APPLICATION,
    )
}

fn rust_values(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    let numbers = [fastrand::u32(..), fastrand::u32(..)];
    let mut answer = [0; 2];
    let parameters = [
        Parameter::ValueIn(numbers[0], numbers[1]),
        Parameter::ValueOut(&mut answer),
    ];
    session.invoke(ECHO_VALUE, parameters).map_err(plain)?;
    equal(&answer, &numbers)
}

fn rust_temporary(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    for length in [1, 4095, 4096, 50_000] {
        let input = message(length);
        let (mut output, mut size) = (vec![0; length], 0);
        let parameters = [Parameter::In(&input), Parameter::Out(&mut output, &mut size)];
        session.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
        equal(&(output, size), &(input, length)).map_err(|why| format!("{length} bytes: {why}"))?;
    }
    Ok(())
}

fn rust_registered(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    let bytes = message(100_000);
    let input = Memory::register(context, bytes.clone(), MEM_INPUT).map_err(plain)?;
    let output = Memory::register(context, vec![0; 100_000], MEM_OUTPUT).map_err(plain)?;
    let parameters = [
        Parameter::PartIn(&input, 4097, 60_001),
        Parameter::PartOut(&output, 511, 60_001),
    ];
    session.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
    let output = output.copy();
    equal(&&output[511..511 + 60_001], &&bytes[4097..4097 + 60_001])?;
    let untouched = output[..511]
        .iter()
        .chain(&output[511 + 60_001..])
        .all(|byte| *byte == 0);
    if untouched {
        Ok(())
    } else {
        Err("memory outside of the answer was written".into())
    }
}

fn rust_invert(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    let before = message(5000);
    let mut bytes = before.clone();
    session
        .invoke(ECHO_INVERT, [Parameter::InOut(&mut bytes)])
        .map_err(plain)?;
    equal(&bytes, &before.iter().map(|byte| !byte).collect())
}

fn rust_short(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    let (mut output, mut size) = ([0; 10], 0);
    let input = message(100);
    let parameters = [Parameter::In(&input), Parameter::Out(&mut output, &mut size)];
    refused(
        session.invoke(ECHO_MEMORY, parameters),
        SHORT_BUFFER,
        FROM_APPLICATION,
    )?;
    equal(&size, &100)
}

fn rust_count(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    let mut other = Session::open(context, ECHO).map_err(plain)?;
    for expected in 1..=3 {
        let mut answer = [0; 2];
        session
            .invoke(ECHO_COUNT, [Parameter::ValueOut(&mut answer)])
            .map_err(plain)?;
        equal(&answer[0], &expected)?;
    }
    let mut answer = [0; 2];
    other
        .invoke(ECHO_COUNT, [Parameter::ValueOut(&mut answer)])
        .map_err(plain)?;
    equal(&answer[0], &1)
}

fn rust_long(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    long(&mut session, 3_000_000 + fastrand::u64(..1000))
}

fn rust_cancelled(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    let mut answer = [0; 2];
    let rounds = Parameter::ValueIn(u32::MAX, u32::MAX);
    let delay = Duration::from_millis(200);
    let endless = session.invoke_and_cancel(ECHO_LONG, [rounds, Parameter::ValueOut(&mut answer)], delay);
    refused(endless, CANCEL, FROM_APPLICATION)?;
    // The session goes on.
    long(&mut session, 1000)
}

/// Lets the echo service compute for `rounds`, and compares.
pub fn long(session: &mut Session<'_>, rounds: u64) -> Result<(), String> {
    let mut answer = [0; 2];
    let count = Parameter::ValueIn(rounds as u32, (rounds >> 32) as u32);
    session
        .invoke(ECHO_LONG, [count, Parameter::ValueOut(&mut answer)])
        .map_err(plain)?;
    let answer = u64::from(answer[0]) | u64::from(answer[1]) << 32;
    equal(&answer, &expect::long(rounds))
}

fn rust_hmac(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, KEYED_HASH).map_err(plain)?;
    keyed_hash(&mut session, b"Jefe", b"what do ya want for nothing?")?;
    keyed_hash(&mut session, &message(64), &message(10_000))
}

/// Sets a key, asks for a tag, and compares.
pub fn keyed_hash(session: &mut Session<'_>, key: &[u8], input: &[u8]) -> Result<(), String> {
    let (mut tag, mut size) = ([0; 32], 0);
    session
        .invoke(HASH_SET_KEY, [Parameter::In(key)])
        .map_err(plain)?;
    let parameters = [Parameter::In(input), Parameter::Out(&mut tag, &mut size)];
    session.invoke(HASH_HMAC, parameters).map_err(plain)?;
    equal(&(tag, size), &(expect::hmac_sha256(key, input), 32))
}

fn rust_verify(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, KEYED_HASH).map_err(plain)?;
    let (key, input) = (message(20), message(500));
    session
        .invoke(HASH_SET_KEY, [Parameter::In(&key)])
        .map_err(plain)?;
    let mut tag = expect::hmac_sha256(&key, &input);
    session
        .invoke(HASH_VERIFY, [Parameter::In(&input), Parameter::In(&tag)])
        .map_err(plain)?;
    tag[31] ^= 1;
    let wrong = session.invoke(HASH_VERIFY, [Parameter::In(&input), Parameter::In(&tag)]);
    refused(wrong, MAC_INVALID, FROM_APPLICATION)
}

fn rust_unknown(context: &Context) -> Result<(), String> {
    let mut session = Session::open(context, ECHO).map_err(plain)?;
    refused(
        session.invoke::<0>(0x7fff_ffff, []),
        0xffff_000a,
        FROM_APPLICATION,
    )
}

/// A client's place at a TEE under load: one call after the other.
pub trait Caller {
    /// The kinds of calls that it makes.
    fn kinds(&self) -> &'static [&'static str];

    /// Makes one call of a kind, and compares its answer.
    fn call(&mut self, kind: usize) -> Result<(), String>;
}

/// Opens a place at the TEE behind `context`.
pub fn caller(context: &Context, kind: Kind) -> Result<Box<dyn Caller + '_>, String> {
    let kept = message(KEPT);
    Ok(match kind {
        Kind::Optee => Box::new(OpteeCaller {
            context,
            crypt: Session::open(context, CRYPT).map_err(plain)?,
            concurrent: Session::open(context, CONCURRENT).map_err(plain)?,
            memory: Memory::register(context, kept.clone(), MEM_INPUT).map_err(plain)?,
            kept,
        }),
        Kind::Rust | Kind::Sel4 => Box::new(RustCaller {
            context,
            echo: Session::open(context, ECHO).map_err(plain)?,
            hash: Session::open(context, KEYED_HASH).map_err(plain)?,
            memory: Memory::register(context, kept.clone(), MEM_INPUT).map_err(plain)?,
            kept,
        }),
    })
}

/// Bytes of a long hash.
const LARGE: usize = 1 << 20;

/// A call that hashes a mebibyte of registered memory, the same each time, and compares.
pub fn large(context: &Context, kind: Kind) -> Result<Box<dyn FnMut() -> Result<(), String> + '_>, String> {
    let bytes = message(LARGE);
    let key = message(32);
    let expected = match kind {
        Kind::Optee => expect::sha256(&bytes),
        Kind::Rust | Kind::Sel4 => expect::hmac_sha256(&key, &bytes),
    };
    let (application, command) = match kind {
        Kind::Optee => (CRYPT, CRYPT_SHA256),
        Kind::Rust | Kind::Sel4 => (KEYED_HASH, HASH_HMAC),
    };
    let memory = Memory::register(context, bytes, MEM_INPUT).map_err(plain)?;
    let mut session = Session::open(context, application).map_err(plain)?;
    if kind.is_ours() {
        session
            .invoke(HASH_SET_KEY, [Parameter::In(&key)])
            .map_err(plain)?;
    }
    Ok(Box::new(move || {
        let (mut digest, mut size) = ([0; 32], 0);
        let parameters = [
            Parameter::PartIn(&memory, 0, LARGE),
            Parameter::Out(&mut digest, &mut size),
        ];
        session.invoke(command, parameters).map_err(plain)?;
        equal(&(digest, size), &(expected, 32))
    }))
}

/// Bytes of the memory that a place keeps registered while it lasts.
const KEPT: usize = 50_000;

/// A part of so many bytes by chance: its offset and its length, at most 9,000.
fn part(whole: usize) -> (usize, usize) {
    let length = fastrand::usize(1..=whole.min(9_000));
    (fastrand::usize(..=whole - length), length)
}

struct OpteeCaller<'c> {
    context: &'c Context,
    crypt: Session<'c>,
    concurrent: Session<'c>,
    memory: Memory<'c>,
    kept: Vec<u8>,
}

impl Caller for OpteeCaller<'_> {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "values",
            "temporary memory",
            "kept memory",
            "fresh memory",
            "aes",
            "long",
        ]
    }

    fn call(&mut self, kind: usize) -> Result<(), String> {
        match kind {
            0 => self.values(),
            1 => self.hash(fastrand::u32(1..5)),
            2 => {
                let (offset, length) = part(self.kept.len());
                digest(&mut self.crypt, &self.memory, &self.kept, (offset, length))
            }
            3 => {
                let bytes = message(fastrand::usize(1..30_000));
                let memory = Memory::register(self.context, bytes.clone(), MEM_INPUT).map_err(plain)?;
                digest(&mut self.crypt, &memory, &bytes, part(bytes.len()))
            }
            4 => self.aes(),
            // Several of Linux's ticks.
            _ => self.hash(fastrand::u32(20..60)),
        }
    }
}

/// SHA-256 of a part of registered memory.
fn digest(
    session: &mut Session<'_>,
    memory: &Memory<'_>,
    bytes: &[u8],
    (offset, length): (usize, usize),
) -> Result<(), String> {
    let (mut digest, mut size) = ([0; 32], 0);
    let parameters = [
        Parameter::PartIn(memory, offset, length),
        Parameter::Out(&mut digest, &mut size),
    ];
    session.invoke(CRYPT_SHA256, parameters).map_err(plain)?;
    equal(&digest, &expect::sha256(&bytes[offset..offset + length]))
}

impl OpteeCaller<'_> {
    fn values(&mut self) -> Result<(), String> {
        let (number, mut answer) = (fastrand::u32(..), [0; 2]);
        self.crypt
            .invoke(CRYPT_SET_GLOBAL, [Parameter::ValueIn(number, 0)])
            .map_err(plain)?;
        self.crypt
            .invoke(CRYPT_GET_GLOBAL, [Parameter::ValueOut(&mut answer)])
            .map_err(plain)?;
        equal(&answer[0], &number)
    }

    fn hash(&mut self, rounds: u32) -> Result<(), String> {
        let input = message(fastrand::usize(1..9000));
        let (mut callers, mut count) = ([0_u8; 4], [rounds, 0]);
        let (mut digest, mut size) = ([0; 32], 0);
        let parameters = [
            Parameter::InOut(&mut callers),
            Parameter::ValueInOut(&mut count),
            Parameter::In(&input),
            Parameter::Out(&mut digest, &mut size),
        ];
        self.concurrent
            .invoke(CONCURRENT_SHA256, parameters)
            .map_err(plain)?;
        equal(&(digest, size), &(expect::sha256(&input), 32))
    }

    fn aes(&mut self) -> Result<(), String> {
        // ECB: whole blocks, which its application has no key of ours for; back and forth must give the same.
        let input = message(16 * fastrand::usize(1..256));
        let (mut hidden, mut back, mut size) = (vec![0; input.len()], vec![0; input.len()], 0);
        let parameters = [Parameter::In(&input), Parameter::Out(&mut hidden, &mut size)];
        self.crypt.invoke(CRYPT_AES_ENCRYPT, parameters).map_err(plain)?;
        if hidden == input {
            return Err("nothing was encrypted".into());
        }
        let parameters = [Parameter::In(&hidden), Parameter::Out(&mut back, &mut size)];
        self.crypt.invoke(CRYPT_AES_DECRYPT, parameters).map_err(plain)?;
        equal(&back, &input)
    }
}

struct RustCaller<'c> {
    context: &'c Context,
    echo: Session<'c>,
    hash: Session<'c>,
    memory: Memory<'c>,
    kept: Vec<u8>,
}

impl Caller for RustCaller<'_> {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "values",
            "temporary memory",
            "kept memory",
            "fresh memory",
            "hmac",
            "long",
        ]
    }

    fn call(&mut self, kind: usize) -> Result<(), String> {
        match kind {
            0 => self.values(),
            1 => self.temporary(),
            2 => {
                let (offset, length) = part(self.kept.len());
                echo(&mut self.echo, &self.memory, &self.kept, (offset, length))
            }
            3 => {
                let bytes = message(fastrand::usize(1..30_000));
                let memory = Memory::register(self.context, bytes.clone(), MEM_INPUT).map_err(plain)?;
                echo(&mut self.echo, &memory, &bytes, part(bytes.len()))
            }
            4 => keyed_hash(
                &mut self.hash,
                &message(fastrand::usize(1..65)),
                &message(fastrand::usize(1..9000)),
            ),
            // Several of Linux's ticks.
            _ => long(&mut self.echo, fastrand::u64(100_000..4_000_000)),
        }
    }
}

/// A part of registered memory comes back.
fn echo(
    session: &mut Session<'_>,
    memory: &Memory<'_>,
    bytes: &[u8],
    (offset, length): (usize, usize),
) -> Result<(), String> {
    let (mut output, mut size) = (vec![0; length], 0);
    let parameters = [
        Parameter::PartIn(memory, offset, length),
        Parameter::Out(&mut output, &mut size),
    ];
    session.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
    equal(
        &(size, output.as_slice()),
        &(length, &bytes[offset..offset + length]),
    )
}

impl RustCaller<'_> {
    fn values(&mut self) -> Result<(), String> {
        let numbers = [fastrand::u32(..), fastrand::u32(..)];
        let mut answer = [0; 2];
        let parameters = [
            Parameter::ValueIn(numbers[0], numbers[1]),
            Parameter::ValueOut(&mut answer),
        ];
        self.echo.invoke(ECHO_VALUE, parameters).map_err(plain)?;
        equal(&answer, &numbers)
    }

    fn temporary(&mut self) -> Result<(), String> {
        let input = message(fastrand::usize(1..9000));
        let (mut output, mut size) = (vec![0; input.len()], 0);
        let parameters = [Parameter::In(&input), Parameter::Out(&mut output, &mut size)];
        self.echo.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
        equal(&(size, output), &(input.len(), input))
    }
}
