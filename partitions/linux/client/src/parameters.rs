//! Every kind of parameter, of login and of refusal that the GlobalPlatform client API has, on the Rust TEE's echo service.

use bulkhead_client::options::Options;

use crate::applications::{Check, run_each};
use crate::services::{
    ECHO, ECHO_ALL, ECHO_COUNT, ECHO_IDENTITY, ECHO_INVERT, ECHO_MEMORY, ECHO_SWAP, ECHO_VALUE, FROM_API,
    FROM_APPLICATION, FROM_TEE, SHORT_BUFFER, equal, message, plain, refused,
};
use crate::teec::{Context, Error, Login, MEM_INPUT, MEM_OUTPUT, Memory, Parameter, Session};

const CHECKS: &[Check] = &[
    ("values in, out, and in and out", values),
    ("temporary memory of every length", temporary),
    ("whole memory in every direction", whole),
    ("parts of memory in every direction", parts),
    ("four parameters at once", four),
    ("one memory behind three parameters", one_memory),
    ("outputs that are too short", short),
    ("memory of no length, and nowhere", nothing),
    ("bytes of memory that is nowhere", nowhere),
    (
        "parts outside of their memory, and against its direction",
        outside,
    ),
    ("every wrong type of a first parameter", wrong_types),
    ("wrong counts of parameters", wrong_counts),
    ("logins", logins),
    ("logins that are none", no_logins),
    ("parameters of an opening", opening),
];

const BAD_PARAMETERS: u32 = 0xffff_0006;
const NOT_SUPPORTED: u32 = 0xffff_000a;

/// What Linux makes of user 0 and group 0: UUIDs of version 5 of `uid=0` and `gid=0` in its name space.
const ROOT: u128 = 0xef0180a3_13f3_5d1c_b7f5_888c0e21059a;
const ROOT_GROUP: u128 = 0xd93bc168_f863_58d3_a1fe_bb2039421b99;

/// Runs the checks, prints a line for each, and tells whether all is right.
pub fn run(options: &Options) -> bool {
    run_each("parameters", &options.tee, CHECKS, options)
}

/// What a check does with a context.
fn with(
    options: &Options,
    check: impl FnOnce(&Context, &mut Session<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    let mut session = Session::open(&context, ECHO).map_err(plain)?;
    check(&context, &mut session)?;
    // Whatever it was, the session goes on.
    let mut answer = [1, 2];
    session
        .invoke(ECHO_SWAP, [Parameter::ValueInOut(&mut answer)])
        .map_err(plain)?;
    equal(&answer, &[2, 1])
}

fn values(options: &Options) -> Result<(), String> {
    with(options, |_, session| {
        for numbers in [[0, 0], [u32::MAX, 0], [0x8000_0000, u32::MAX], [1, 2]] {
            let mut answer = [7, 7];
            let parameters = [
                Parameter::ValueIn(numbers[0], numbers[1]),
                Parameter::ValueOut(&mut answer),
            ];
            session.invoke(ECHO_VALUE, parameters).map_err(plain)?;
            equal(&answer, &numbers)?;
            session
                .invoke(ECHO_SWAP, [Parameter::ValueInOut(&mut answer)])
                .map_err(plain)?;
            equal(&answer, &[numbers[1], numbers[0]])?;
        }
        Ok(())
    })
}

fn temporary(options: &Options) -> Result<(), String> {
    with(options, |_, session| {
        for length in [1, 511, 512, 513, 4095, 4096, 4097, 65_535, 200_000] {
            let input = message(length);
            let (mut output, mut size) = (vec![0; length + 9], 0);
            let parameters = [Parameter::In(&input), Parameter::Out(&mut output, &mut size)];
            session.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
            equal(
                &(size, &output[..length], &output[length..]),
                &(length, &input, &[0; 9]),
            )?;
            session
                .invoke(ECHO_INVERT, [Parameter::InOut(&mut output[..length])])
                .map_err(plain)?;
            let inverted: Vec<u8> = input.iter().map(|byte| !byte).collect();
            equal(&&output[..length], &&inverted[..])?;
        }
        Ok(())
    })
}

/// Memory that the client has, and memory that the library allocates.
fn both<'c>(context: &'c Context, bytes: &[u8], flags: u32) -> Result<[Memory<'c>; 2], String> {
    let registered = Memory::register(context, bytes.to_vec(), flags).map_err(plain)?;
    let allocated = Memory::allocate(context, bytes, flags).map_err(plain)?;
    Ok([registered, allocated])
}

fn whole(options: &Options) -> Result<(), String> {
    with(options, |context, session| {
        let bytes = message(10_000);
        let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
        let inputs = both(context, &bytes, MEM_INPUT)?;
        let outputs = both(context, &[0; 10_100], MEM_OUTPUT)?;
        let changed = both(context, &bytes, MEM_INPUT | MEM_OUTPUT)?;
        for ((input, output), changed) in inputs.iter().zip(&outputs).zip(&changed) {
            let (mut sent, mut size) = (0, 0);
            let parameters = [
                Parameter::Whole(input, &mut sent),
                Parameter::Whole(output, &mut size),
            ];
            session.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
            equal(&(size, &output.copy()[..10_000]), &(10_000, &bytes[..]))?;
            session
                .invoke(ECHO_INVERT, [Parameter::Whole(changed, &mut size)])
                .map_err(plain)?;
            equal(&changed.copy(), &inverted)?;
        }
        Ok(())
    })
}

fn parts(options: &Options) -> Result<(), String> {
    with(options, |context, session| {
        let bytes = message(20_000);
        let inputs = both(context, &bytes, MEM_INPUT)?;
        let outputs = both(context, &[0; 20_000], MEM_OUTPUT)?;
        let changed = both(context, &bytes, MEM_INPUT | MEM_OUTPUT)?;
        for ((input, output), changed) in inputs.iter().zip(&outputs).zip(&changed) {
            for (from, to, length) in [
                (0, 0, 1),
                (4095, 1, 4098),
                (1, 8191, 9000),
                (19_999, 0, 1),
                (5, 5, 0),
            ] {
                let before = output.copy();
                let mut size = length;
                let parameters = [
                    Parameter::PartIn(input, from, length),
                    Parameter::PartOutSized(output, to, &mut size),
                ];
                session.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
                let mut expected = before;
                expected[to..to + length].copy_from_slice(&bytes[from..from + length]);
                equal(&(size, output.copy()), &(length, expected))?;
            }
            session
                .invoke(ECHO_INVERT, [Parameter::PartInOut(changed, 4090, 5000)])
                .map_err(plain)?;
            let mut expected = bytes.clone();
            expected[4090..9090].iter_mut().for_each(|byte| *byte = !*byte);
            equal(&changed.copy(), &expected)?;
        }
        Ok(())
    })
}

fn four(options: &Options) -> Result<(), String> {
    with(options, |context, session| {
        let input = message(5000);
        let output = Memory::register(context, vec![0; 8000], MEM_OUTPUT).map_err(plain)?;
        let mut changed = message(3000);
        let inverted: Vec<u8> = changed.iter().map(|byte| !byte).collect();
        let (mut numbers, mut size) = ([0; 2], 6000);
        let parameters = [
            Parameter::ValueInOut(&mut numbers),
            Parameter::In(&input),
            Parameter::PartOutSized(&output, 1000, &mut size),
            Parameter::InOut(&mut changed),
        ];
        session.invoke(ECHO_ALL, parameters).map_err(plain)?;
        equal(&(numbers, size, changed), &([5000, 3000], 5000, inverted))?;
        equal(&&output.copy()[1000..6000], &&input[..])
    })
}

/// Three parameters that are parts of one memory, of which two overlap: what the TEE reads is what it wrote.
fn one_memory(options: &Options) -> Result<(), String> {
    with(options, |context, session| {
        let bytes = message(9000);
        let memory = Memory::register(context, bytes.clone(), MEM_INPUT | MEM_OUTPUT).map_err(plain)?;
        let (mut numbers, mut size) = ([0; 2], 3000);
        let parameters = [
            Parameter::ValueInOut(&mut numbers),
            Parameter::PartIn(&memory, 0, 3000),
            Parameter::PartOutSized(&memory, 3000, &mut size),
            Parameter::PartInOut(&memory, 3000, 6000),
        ];
        session.invoke(ECHO_ALL, parameters).map_err(plain)?;
        let mut expected = bytes;
        expected.copy_within(0..3000, 3000);
        expected[3000..].iter_mut().for_each(|byte| *byte = !*byte);
        equal(&(numbers, memory.copy()), &([3000, 6000], expected))
    })
}

fn short(options: &Options) -> Result<(), String> {
    with(options, |context, session| {
        let input = message(5000);
        let (mut output, mut size) = (vec![0; 4999], 0);
        let parameters = [Parameter::In(&input), Parameter::Out(&mut output, &mut size)];
        refused(
            session.invoke(ECHO_MEMORY, parameters),
            SHORT_BUFFER,
            FROM_APPLICATION,
        )?;
        equal(&(size, output), &(5000, vec![0; 4999]))?;
        let memory = Memory::register(context, vec![0; 4999], MEM_OUTPUT).map_err(plain)?;
        let parameters = [Parameter::In(&input), Parameter::Whole(&memory, &mut size)];
        refused(
            session.invoke(ECHO_MEMORY, parameters),
            SHORT_BUFFER,
            FROM_APPLICATION,
        )?;
        let mut part = 100;
        let parameters = [
            Parameter::In(&input),
            Parameter::PartOutSized(&memory, 7, &mut part),
        ];
        refused(
            session.invoke(ECHO_MEMORY, parameters),
            SHORT_BUFFER,
            FROM_APPLICATION,
        )?;
        equal(&(size, part, memory.copy()), &(5000, 5000, vec![0; 4999]))
    })
}

/// Nothing may be given, and nothing asked for: a client asks so how much room it needs.
fn nothing(options: &Options) -> Result<(), String> {
    with(options, |_, session| {
        let (mut none, mut size) = (0, 9);
        let parameters = [Parameter::In(&[]), Parameter::Out(&mut [], &mut size)];
        session.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
        equal(&size, &0)?;
        let mut other = 0;
        let parameters = [
            Parameter::Nowhere(5, &mut none),
            Parameter::Nowhere(6, &mut other),
        ];
        session.invoke(ECHO_MEMORY, parameters).map_err(plain)?;
        equal(&other, &0)?;
        session
            .invoke(ECHO_INVERT, [Parameter::Nowhere(7, &mut none)])
            .map_err(plain)?;
        let input = message(100);
        let parameters = [Parameter::In(&input), Parameter::Nowhere(6, &mut other)];
        refused(
            session.invoke(ECHO_MEMORY, parameters),
            SHORT_BUFFER,
            FROM_APPLICATION,
        )?;
        equal(&other, &100)
    })
}

fn nowhere(options: &Options) -> Result<(), String> {
    with(options, |_, session| {
        let input = message(100);
        for length in [1, 4096] {
            let (mut from, mut to) = (length, length);
            let mut output = [0; 100];
            let mut size = 0;
            let parameters = [
                Parameter::Nowhere(5, &mut from),
                Parameter::Out(&mut output, &mut size),
            ];
            bad(session.invoke(ECHO_MEMORY, parameters))?;
            let parameters = [Parameter::In(&input), Parameter::Nowhere(6, &mut to)];
            bad(session.invoke(ECHO_MEMORY, parameters))?;
            bad(session.invoke(ECHO_INVERT, [Parameter::Nowhere(7, &mut from)]))?;
        }
        Ok(())
    })
}

/// Whether it is refused as a wrong parameter, by whom ever.
fn bad(result: Result<(), Error>) -> Result<(), String> {
    match result {
        Err(error) if error.code == BAD_PARAMETERS => Ok(()),
        Err(error) => Err(error.to_string()),
        Ok(()) => Err("it was accepted".into()),
    }
}

fn outside(options: &Options) -> Result<(), String> {
    with(options, |context, session| {
        let input = Memory::register(context, message(5000), MEM_INPUT).map_err(plain)?;
        let output = Memory::register(context, vec![0; 5000], MEM_OUTPUT).map_err(plain)?;
        for (offset, length) in [(0, 5001), (5000, 1), (1, 5000), (usize::MAX, 2), (2, usize::MAX)] {
            let parameters = [
                Parameter::PartIn(&input, offset, length),
                Parameter::PartOut(&output, 0, 5000),
            ];
            refused(session.invoke(ECHO_MEMORY, parameters), BAD_PARAMETERS, FROM_API)?;
        }
        let parameters = [
            Parameter::PartIn(&output, 0, 10),
            Parameter::PartOut(&input, 0, 10),
        ];
        refused(session.invoke(ECHO_MEMORY, parameters), BAD_PARAMETERS, FROM_API)?;
        equal(&output.copy(), &vec![0; 5000])
    })
}

/// The echo of numbers takes two numbers in: no other kind, known or not, gets through.
fn wrong_types(options: &Options) -> Result<(), String> {
    with(options, |_, session| {
        for kind in [0x0, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, 0x9, 0xa, 0xb] {
            let mut answer = [0; 2];
            let parameters = [Parameter::Wrong(kind), Parameter::ValueOut(&mut answer)];
            bad(session.invoke(ECHO_VALUE, parameters)).map_err(|why| format!("type {kind:#x}: {why}"))?;
        }
        Ok(())
    })
}

fn wrong_counts(options: &Options) -> Result<(), String> {
    with(options, |_, session| {
        let wrong = |result| refused(result, BAD_PARAMETERS, FROM_APPLICATION);
        wrong(session.invoke(ECHO_VALUE, []))?;
        wrong(session.invoke(ECHO_VALUE, [Parameter::ValueIn(1, 2)]))?;
        let (mut a, mut b, mut c) = ([0; 2], [0; 2], [0; 2]);
        let parameters = [
            Parameter::ValueIn(1, 2),
            Parameter::ValueOut(&mut a),
            Parameter::ValueOut(&mut b),
            Parameter::ValueOut(&mut c),
        ];
        wrong(session.invoke(ECHO_VALUE, parameters))?;
        equal(&[a, b, c], &[[0; 2]; 3])?;
        wrong(session.invoke(ECHO_COUNT, []))?;
        refused(session.invoke(99, []), NOT_SUPPORTED, FROM_APPLICATION)
    })
}

/// The login method and the client's UUID, as the service sees them.
fn identity(context: &Context, login: Login) -> Result<(u32, u128), String> {
    let mut session = Session::open_with(context, ECHO, login, []).map_err(plain)?;
    let (mut method, mut uuid, mut size) = ([9; 2], [9; 16], 0);
    let parameters = [
        Parameter::ValueOut(&mut method),
        Parameter::Out(&mut uuid, &mut size),
    ];
    session.invoke(ECHO_IDENTITY, parameters).map_err(plain)?;
    equal(&size, &16)?;
    Ok((method[0], u128::from_be_bytes(uuid)))
}

/// The clients of these tests run as root.
fn logins(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    for (login, expected) in [
        (Login::Public, (0, 0)),
        (Login::User, (1, ROOT)),
        (Login::Group(0), (2, ROOT_GROUP)),
    ] {
        let found = identity(&context, login)?;
        if found != expected {
            return Err(format!(
                "the service sees {:#x} {:032x}, and {:#x} {:032x} is right",
                found.0, found.1, expected.0, expected.1
            ));
        }
    }
    Ok(())
}

/// Methods that Linux does not serve, that do not exist, and that are for its kernel alone.
fn no_logins(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    for method in [3, 4, 5, 7, 0x8000_0000, u32::MAX] {
        if identity(&context, Login::Other(method)).is_ok() {
            return Err(format!("login method {method:#x} was accepted"));
        }
    }
    Session::open(&context, ECHO).map(drop).map_err(plain)
}

/// The services take parameters of an opening and do not look at them; what is no parameter is refused.
fn opening(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    let memory = Memory::register(&context, message(100), MEM_INPUT).map_err(plain)?;
    let mut numbers = [1, 2];
    let parameters = [
        Parameter::ValueIn(1, 2),
        Parameter::In(b"a text"),
        Parameter::PartIn(&memory, 1, 10),
        Parameter::ValueInOut(&mut numbers),
    ];
    let session = Session::open_with(&context, ECHO, Login::Public, parameters);
    session.map(drop).map_err(plain)?;
    let wrong = Session::open_with(&context, ECHO, Login::Public, [Parameter::Wrong(4)]);
    bad(wrong.map(drop))?;
    let nobody = Session::open_with(
        &context,
        crate::services::NOBODY,
        Login::User,
        [Parameter::ValueIn(1, 2)],
    );
    refused(nobody.map(drop), 0xffff_0008, FROM_TEE)
}
