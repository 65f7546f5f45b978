//! What a TEE with one context does that reaches its own memory and registers x0 to x7 of an SMC, as seL4's root task: it
//! answers the OP-TEE driver of Linux in 32-bit direct requests (docs/own-tee.md), and the project's own bare-metal cases
//! in 64-bit ones (DEN0077A 1.2, chapter 15).
use crate::buffers::Buffers;
use rust_tee::copies::Copies;
use rust_tee::given::{self, Call};
use rust_tee::request::{Answer, Request};
use rust_tee::services::Given;
use rust_tee::{Tables, Tee};
use sp_rt::ffa::{self, Regs};

/// Commands of the cases in x3, those of the test partition with the same numbers: the words as they came, and who answers.
const ECHO: u64 = 1;
const IDENTITY: u64 = 2;
/// Status of an unknown command.
const NOT_SUPPORTED: u64 = (ffa::Error::NOT_SUPPORTED.0 as i64).cast_unsigned();

static TABLES: Tables = Tables::new();
/// How calls are made, and the endpoint ID of this program.
static MACHINE: spin::Once<(Call, u16)> = spin::Once::new();

/// Serves for ever. Physical addresses of this program are `above` its own, by wrapping addition.
pub fn serve(call: Call, above: u64) -> ! {
    let version = call(&Regs::new(ffa::VERSION, &[u64::from(ffa::VERSION_1_2)]));
    let own = call(&Regs::new(ffa::ID_GET, &[])).w(2) as u16;
    MACHINE.call_once(|| (call, own));
    if version.w(0) >> 16 == 1 {
        say(call, b"seL4: the root task is up\n");
    }
    let tee = Buffers::map(call, above)
        .map(|buffers| Tee::new(own, given(call), buffers, Copies::new(call, above), &TABLES));
    if tee.is_err() {
        say(call, b"seL4: no buffers, so no clients\n");
    }
    let mut messages = 0;
    let mut next = Regs::msg_wait();
    loop {
        let request = call(&next);
        next = match request.function() {
            ffa::DIRECT_REQ_32 | ffa::DIRECT_REQ_64 if request.w(2) & ffa::FRAMEWORK_MESSAGE != 0 => {
                Regs::error(ffa::Error::NOT_SUPPORTED)
            }
            ffa::DIRECT_REQ_32 => {
                let answer = tee.as_ref().map_or(Answer::Unknown, |tee| {
                    tee.at_once(request.source(), Request::of(&request))
                });
                answer.to(ffa::DIRECT_RESP_32, &request)
            }
            ffa::DIRECT_REQ_64 => {
                messages += 1;
                case(&request, own, messages)
            }
            // Cycles, for an interrupt or anything else that has been dealt with.
            _ => Regs::msg_wait(),
        };
    }
}

/// The response to a bare-metal case.
fn case(request: &Regs, own: u16, messages: u64) -> Regs {
    let ids = u64::from(request.destination()) << 16 | u64::from(request.source());
    let [status, a, b, c, d] = match request.x(3) {
        ECHO => [0, request.x(4), request.x(5), request.x(6), request.x(7)],
        IDENTITY => [0, u64::from(own), 0, messages, 0],
        _ => [NOT_SUPPORTED, 0, 0, 0, 0],
    };
    Regs::new(ffa::DIRECT_RESP_64, &[ids, 0, status, a, b, c, d])
}

/// What the hypervisor gives.
fn given(call: Call) -> Given {
    Given {
        key: given::secret(given::key(call), || given::random(call)),
        random: || with(|call, _| given::random(call)).flatten(),
        inspect: |subject, page| {
            let none = [u64::MAX; 8];
            with(|call, _| given::inspect(call, subject, page)).unwrap_or(none)
        },
        quote: |half, nonce| with(|call, _| given::quote(call, half, nonce)).unwrap_or([u64::MAX; 5]),
        notify: |receiver, bits| with(|call, own| given::notify(call, own, receiver, bits)) == Some(true),
        means: None,
    }
}

/// What comes of a call, with the endpoint ID of this program.
fn with<R>(f: impl FnOnce(Call, u16) -> R) -> Option<R> {
    let (call, own) = *MACHINE.get()?;
    Some(f(call, own))
}

/// Writes up to 48 bytes to the hypervisor's log.
fn say(call: Call, text: &[u8]) {
    let mut regs = Regs::new(ffa::CONSOLE_LOG_64, &[text.len() as u64]);
    for (word, bytes) in regs.0[2..8].iter_mut().zip(text.chunks(8)) {
        for (n, byte) in bytes.iter().enumerate() {
            *word |= u64::from(*byte) << (8 * n);
        }
    }
    let _ = call(&regs);
}
