//! The loop of each context, and the commands.
use crate::commands as command;
use crate::{arch, clock, devices, wishes};
use core::sync::atomic::{AtomicU64, Ordering};
use sp_rt::ffa::{self, Error, Regs};
use sp_rt::mailbox::{Mailbox, Pages};
use sp_rt::paging::Access;
use sp_rt::retrieve::{self, Mailbox as _, Range, Sink};
use sp_rt::{Boot, Locked, MAX_CONTEXTS, call, context_index, gic, hypercall, interrupts, log, park, probe};

sp_rt::entry!(first, serve);

static MAILBOX: Locked<Option<Mailbox>> = Locked::new(None);
static OWN: AtomicU64 = AtomicU64::new(0);
static MESSAGES: [AtomicU64; MAX_CONTEXTS] = [const { AtomicU64::new(0) }; MAX_CONTEXTS];
/// w2 of FFA_MSG_WAIT.
static WAIT_FLAGS: AtomicU64 = AtomicU64::new(0);
/// Pages that the partition may give to others.
static POOL: Pages<POOL_PAGES> = Pages::new();
const POOL_PAGES: usize = 16;
static SEEDS: [AtomicU64; MAX_CONTEXTS] = [const { AtomicU64::new(0) }; MAX_CONTEXTS];

/// What is mapped in stage 1 though it is not this partition's, so that only stage 2 keeps it out:
/// the flash from which images come, EL3's memory, the hypervisor's, the log's UART, the GIC's distributor and redistributors, the secure GPIO; as non-secure addresses, the normal
/// world's memory at its own place; and [`NEIGHBOURS`].
const FOREIGN: [(u64, u64, Access); 8] = [
    (0x0004_0000, 0x1000, Access::Data),
    (0x0e00_0000, 0x1000, Access::Data),
    (0x0e10_0000, 0x1000, Access::Data),
    (0x0904_0000, 0x1000, Access::Device),
    (0x0800_0000, 0x1_0000, Access::Device),
    (0x080a_0000, 0xa_0000, Access::Device),
    (0x090b_0000, 0x1000, Access::Device),
    (0x6000_0000, 0x100_0000, Access::Borrowed),
];
/// Where the tables for tests place partitions, and how much each has: what one of them shares with
/// another is where it was.
const NEIGHBOURS: u64 = 0x0e20_0000;
const NEIGHBOUR: u64 = 0x10_0000;
const MOST: u64 = 9;

fn first(boot: &mut Boot) -> ! {
    for (start, size, access) in FOREIGN {
        if !boot.map(start, size, access) {
            log!("test-sp: {start:#x} is not mapped: it is this partition's own");
        }
    }
    for n in 0..MOST {
        // One of them is this partition itself.
        let _ = boot.map(NEIGHBOURS + n * NEIGHBOUR, NEIGHBOUR, Access::Data);
    }
    match start(boot.further_entry) {
        Ok(own) => log!("test-sp: endpoint {own:#x} is up"),
        Err(error) => {
            log!("test-sp cannot start: the SPMC answered {error:?}");
            park();
        }
    }
    serve(0)
}

fn start(further_entry: u64) -> Result<u64, Error> {
    if call(&Regs::new(ffa::VERSION, &[u64::from(ffa::VERSION_1_2)])).w(0) >> 16 != 1 {
        return Err(Error::NOT_SUPPORTED);
    }
    let own = call(&Regs::new(ffa::ID_GET, &[])).success()?.x(2);
    OWN.store(own, Ordering::Relaxed);
    let mailbox = Mailbox::map()?;
    MAILBOX.with(|place| *place = Some(mailbox));
    // One with a single context has nothing to say here.
    let entry = call(&Regs::new(ffa::SECONDARY_EP_REGISTER_64, &[further_entry])).success();
    if entry != Err(Error::NOT_SUPPORTED) {
        entry?;
    }
    wishes::listen(own)?;
    Ok(own)
}

fn serve(_context: usize) -> ! {
    let mut answer = Regs::msg_wait();
    loop {
        let waiting = answer.function() == ffa::MSG_WAIT;
        let request = call(&answer);
        answer = match request.function() {
            // First, and in place: what it costs is part of what the calls of others seem to cost.
            ffa::DIRECT_REQ_64 if request.x(3) == command::ECHO => echo_64(request),
            ffa::DIRECT_REQ_64 => answer_of(request),
            ffa::DIRECT_REQ_32 if request.w(2) & FRAMEWORK != 0 => framework(&request),
            ffa::DIRECT_REQ_32 => echo_32(request),
            ffa::DIRECT_REQ2 => respond_2(&request),
            // Cycles for an interrupt that could not have them when it came.
            ffa::INTERRUPT | ffa::RUN => {
                call_later();
                wishes::serve();
                if !devices::serve() {
                    let _ = interrupts::take();
                }
                wait()
            }
            ffa::ERROR if waiting => park(),
            _ => wait(),
        };
    }
}

/// The IDs of an answer: the other way round.
fn back(request: &Regs) -> u64 {
    u64::from(request.destination()) << 16 | u64::from(request.source())
}

fn echo_64(mut request: Regs) -> Regs {
    let back = back(&request);
    request.0[0] = u64::from(ffa::DIRECT_RESP_64);
    request.0[1] = back;
    request.0[3] = 0;
    request
}

fn echo_32(mut request: Regs) -> Regs {
    let back = back(&request);
    request.0[0] = u64::from(ffa::DIRECT_RESP_32);
    request.0[1] = back;
    request.0[2] = 0;
    request
}

/// What a context was told of its core, and how long it takes to answer next time.
struct Told {
    kind: AtomicU64,
    value: AtomicU64,
    times: AtomicU64,
    answered: AtomicU64,
    steps: AtomicU64,
}

static TOLD: [Told; MAX_CONTEXTS] = [const {
    Told {
        kind: AtomicU64::new(0),
        value: AtomicU64::new(0),
        times: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        steps: AtomicU64::new(0),
    }
}; MAX_CONTEXTS];

/// Flag of a framework message (w2), and type of the answer to a power message.
const FRAMEWORK: u32 = 1 << 31;
const POWER_ANSWER: u32 = FRAMEWORK | 2;

/// Word of virtual machines that are created and destroyed (w2); each answer has the next number.
const VM_CREATED: u32 = FRAMEWORK | 4;
const VM_DESTROYED: u32 = FRAMEWORK | 6;

/// Answers a framework message.
fn framework(request: &Regs) -> Regs {
    match request.w(2) {
        message @ (VM_CREATED | VM_DESTROYED) => {
            Regs::new(ffa::DIRECT_RESP_32, &[back(request), u64::from(message | 1)])
        }
        _ => power(request),
    }
}

/// Answers a power message.
fn power(request: &Regs) -> Regs {
    let told = &TOLD[context_index()];
    told.kind.store(u64::from(request.w(2) & 0xff), Ordering::Relaxed);
    told.value.store(u64::from(request.w(3)), Ordering::Relaxed);
    told.times.fetch_add(1, Ordering::Relaxed);
    let steps = told.steps.swap(0, Ordering::Relaxed);
    if steps > 0 {
        arch::busy(steps);
    }
    told.answered.fetch_add(1, Ordering::Relaxed);
    Regs::new(ffa::DIRECT_RESP_32, &[back(request), u64::from(POWER_ANSWER), 0])
}

/// A call that a context makes when it is run the next time, and x0 to x3 of its answer.
struct Later([AtomicU64; 4], [AtomicU64; 4]);

static LATER: [Later; MAX_CONTEXTS] =
    [const { Later([const { AtomicU64::new(0) }; 4], [const { AtomicU64::new(0) }; 4]) }; MAX_CONTEXTS];

/// Keeps a call for later, or tells what came of the last one.
fn later(context: usize, words: [u64; 4]) -> [u64; 4] {
    let Later(kept, answered) = &LATER[context];
    if words[0] == 0 {
        return core::array::from_fn(|n| answered[n].load(Ordering::Relaxed));
    }
    for (to, word) in kept.iter().zip(words) {
        to.store(word, Ordering::Relaxed);
    }
    [0; 4]
}

/// Makes the call that was kept, if there is one.
fn call_later() {
    let Later(kept, answered) = &LATER[context_index()];
    let function = kept[0].swap(0, Ordering::Relaxed);
    if function == 0 {
        return;
    }
    let arguments = [1, 2, 3].map(|n: usize| kept[n].load(Ordering::Relaxed));
    let answer = call(&Regs::new(function as u32, &arguments));
    for (to, word) in answered.iter().zip(answer.0) {
        to.store(word, Ordering::Relaxed);
    }
}

/// FFA_MSG_WAIT with the flags that were last asked for.
fn wait() -> Regs {
    Regs::new(ffa::MSG_WAIT, &[0, WAIT_FLAGS.load(Ordering::Relaxed)])
}

/// Answers FFA_MSG_SEND_DIRECT_REQ2: a command, or what came.
fn respond_2(request: &Regs) -> Regs {
    let mut words = [0; WIDE];
    words.copy_from_slice(&request.0[4..]);
    let done = match words[0] {
        command::wide::CALL => Ok(call_wide(&words[1..])),
        command::wide::PUT => with_mailbox(|mailbox| Ok(put(mailbox, words[1], &words[2..]))),
        command::wide::ANSWER => return Regs::new(words[1] as u32, &words[2..]),
        command::wide::LOOK => with_mailbox(|mailbox| Ok(look(mailbox, words[1]))),
        _ => Ok(words),
    };
    let mut answer = Regs::new(ffa::DIRECT_RESP2, &[back(request)]);
    answer.0[4..].copy_from_slice(&done.unwrap_or([u64::MAX; WIDE]));
    answer
}

/// Words of such a message.
const WIDE: usize = 14;

fn call_wide(regs: &[u64]) -> [u64; WIDE] {
    let answer = call(&Regs::new(regs[0] as u32, &regs[1..]));
    let mut words = [0; WIDE];
    words.copy_from_slice(&answer.0[..WIDE]);
    words
}

fn put(mailbox: &mut Mailbox, at: u64, words: &[u64]) -> [u64; WIDE] {
    let mut bytes = [0; 8 * (WIDE - 2)];
    for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    mailbox.send_at(at as usize, &bytes);
    [0; WIDE]
}

fn look(mailbox: &mut Mailbox, at: u64) -> [u64; WIDE] {
    let mut words = [0; WIDE];
    for (n, word) in words.iter_mut().enumerate() {
        let mut bytes = [0; 8];
        mailbox.receive(at as usize + 8 * n, &mut bytes);
        *word = u64::from_le_bytes(bytes);
    }
    words
}

/// The answer to a command that is no echo. All registers stay registers: only what [`respond`] needs goes through memory.
fn answer_of(request: Regs) -> Regs {
    let arguments = [request.x(4), request.x(5), request.x(6), request.x(7)];
    let [status, a, b, c, d] = respond(request.source(), request.x(3), arguments);
    let back = back(&request);
    Regs::new(ffa::DIRECT_RESP_64, &[back, 0, status, a, b, c, d])
}

/// Does a command: its status, and its results. By itself, so that scenarios can name it as the place of an injury.
#[inline(never)]
fn respond(sender: u16, what: u64, arguments: [u64; 4]) -> [u64; 5] {
    let (status, [a, b, c, d]) = match run(sender, what, arguments) {
        Ok(results) => (0, results),
        Err(Error(status)) => (i64::from(status).cast_unsigned(), [0; 4]),
    };
    // What came meanwhile would have nobody behind the answer.
    devices::serve();
    [status, a, b, c, d]
}

fn run(sender: u16, what: u64, [a, b, c, d]: [u64; 4]) -> Result<[u64; 4], Error> {
    let context = context_index();
    let messages = MESSAGES[context].fetch_add(1, Ordering::Relaxed) + 1;
    let own = OWN.load(Ordering::Relaxed);
    Ok(match what {
        command::ECHO => [a, b, c, d],
        command::IDENTITY => [own, context as u64, messages, 0],
        command::RETRIEVE => with_mailbox(|mailbox| {
            let mut seen = Seen::default();
            let flags = match b as u32 {
                0 => retrieve::KIND_SHARE,
                flags => flags,
            };
            let from = match (b >> 32) as u16 {
                0 => sender,
                other => other,
            };
            retrieve::retrieve_as(mailbox, own as u16, from, a, flags, &mut seen)?;
            Ok([seen.first, seen.ranges, seen.pages, seen.sum])
        })?,
        command::RELINQUISH => with_mailbox(|mailbox| {
            retrieve::relinquish(mailbox, own as u16, a);
            Ok([0; 4])
        })?,
        command::READ => {
            let mut value = 0;
            let syndrome = probe(|| value = arch::read(a));
            [value, syndrome.unwrap_or(0), 0, 0]
        }
        command::WATCH => {
            let first = arch::read(a);
            let others = (0..b).filter(|_| arch::read(a) != first).count();
            [others as u64, 0, 0, 0]
        }
        command::WRITE => [0, probe(|| arch::write(a, b)).unwrap_or(0), 0, 0],
        command::CLOBBER => clobber(context, a, b),
        command::CHECK => check(context),
        command::BUSY => [busy(a, b), clock::ticks(), 0, 0],
        command::FORBIDDEN => forbid(a, b),
        command::CALL => {
            let answer = call(&Regs::new(a as u32, &[b, c, d]));
            [answer.x(0), answer.x(1), answer.x(2), answer.x(3)]
        }
        command::BORROW => with_mailbox(|mailbox| {
            retrieve::retrieve(mailbox, own as u16, sender, a, &mut Unseen)?;
            retrieve::relinquish(mailbox, own as u16, a);
            Ok([0; 4])
        })?,
        command::TIME => {
            let (ticks, answer) = clock::repeat(&Regs::new(a as u32, &[b, c, d]), command::ROUNDS);
            [ticks, answer.x(0), answer.x(2), 0]
        }
        command::AWAIT => [u64::from(interrupts::wait(a as u32, b)), 0, 0, 0],
        command::PLACES => {
            let [tx, rx] = Mailbox::addresses();
            [tx, rx, POOL.address(), POOL_PAGES as u64]
        }
        command::POWER => {
            let told = TOLD.get(b as usize).ok_or(Error::INVALID_PARAMETERS)?;
            told.steps.store(a, Ordering::Relaxed);
            [&told.kind, &told.value, &told.times, &told.answered].map(|word| word.load(Ordering::Relaxed))
        }
        command::WAIT_FLAGS => [WAIT_FLAGS.swap(a, Ordering::Relaxed), 0, 0, 0],
        command::GIC_START => {
            gic::start(a, b);
            [0; 4]
        }
        command::GIC_ENABLE => {
            gic::enable(a as u32, b as u8);
            [0; 4]
        }
        command::GIC_TAKEN => [gic::taken(b as usize, a as u32), gic::when(b as usize), 0, 0],
        command::GIC_WAIT => [u64::from(gic::wait(a as u32, b)), 0, 0, 0],
        command::GIC_QUIET => {
            gic::quiet(a);
            [0; 4]
        }
        command::GIC_SLOW => {
            gic::slow(a);
            [0; 4]
        }
        command::ACCESS => {
            let mut value = 0;
            let syndrome = probe(|| value = arch::access(a, b, (c == 1).then_some(d)));
            [value, syndrome.unwrap_or(0), 0, 0]
        }
        command::REGISTER_READ => [gic::read_register(a), 0, 0, 0],
        command::REGISTER_WRITE => {
            gic::write_register(a, b);
            [c.checked_sub(1).map_or(0, gic::read_register), 0, 0, 0]
        }
        command::UART_START => {
            devices::start_uart(a, b, c & 1 != 0, c & 2 != 0);
            [0; 4]
        }
        command::UART_TALK => {
            devices::talk(a, b == 1);
            [0; 4]
        }
        command::GPIO_START => {
            devices::start_gpio(a, b, c & 2 != 0);
            [0; 4]
        }
        command::GPIO_PULSE => [devices::pulse(a, b), 0, 0, 0],
        command::GPIO_FLICKER => {
            devices::flicker(a);
            [0; 4]
        }
        command::DEVICE_STORM => {
            devices::storm(a == 1);
            [0; 4]
        }
        command::DEVICE_STATE => devices::state(),
        command::TICK => {
            devices::tick(a, b & 2 != 0);
            [devices::ticks(), devices::empty(), 0, 0]
        }
        command::TAKE_LINE => {
            devices::take_line(a, c & 2 != 0);
            [0; 4]
        }
        command::HAMMER => {
            for _ in 0..d {
                arch::access(a, 4, Some(c));
                arch::access(b, 4, Some(c));
            }
            [0; 4]
        }
        command::FLIP => {
            arch::flip(a, [b, c], d);
            [0; 4]
        }
        command::LATER => later(context, [a, b, c, d]),
        command::IDENTIFY => {
            let [value, wrong] = arch::identification();
            [value, wrong, 0, 0]
        }
        command::HYPERCALL => [hypercall(a as u32, b, c, d), 0, 0, 0],
        _ => return Err(Error::NOT_SUPPORTED),
    })
}

/// Is busy for so many steps, in parts between which an emulated machine that runs one core at a time may go on with
/// another one; registers that changed.
fn busy(steps: u64, parts: u64) -> u64 {
    let parts = parts.max(1);
    let mut changed = 0;
    for _ in 0..parts {
        arch::pause();
        changed += arch::busy(steps / parts);
    }
    changed
}

fn with_mailbox<T>(f: impl FnOnce(&mut Mailbox) -> Result<T, Error>) -> Result<T, Error> {
    MAILBOX.with(|place| place.as_mut().map_or(Err(Error::DENIED), f))
}

/// Counts what somebody left behind who has this value, or what is made from it, in its registers, then leaves as much as possible behind itself.
fn clobber(context: usize, looked_for: u64, seed: u64) -> [u64; 4] {
    let vectors = arch::vectors().iter().filter(|v| **v == looked_for).count() as u64;
    let filled = arch::filling(looked_for);
    let held = |(value, filled): (&u64, &u64)| *value == looked_for || value == filled;
    let registers = arch::registers()
        .iter()
        .zip(&filled)
        .filter(|pair| held(*pair))
        .count() as u64;
    arch::fill_registers(seed);
    // Some have bits that cannot be set: what they are now is what they have to stay.
    SEEDS[context].store(digest(&arch::registers()), Ordering::Relaxed);
    arch::fill_vectors(seed);
    [vectors, registers, 0, 0]
}

/// Whether this context's system registers are as `clobber` left them (x4: 0 if so).
fn check(context: usize) -> [u64; 4] {
    let same = digest(&arch::registers()) == SEEDS[context].load(Ordering::Relaxed);
    [u64::from(!same), 0, 0, 0]
}

fn digest(values: &[u64]) -> u64 {
    values.iter().fold(0, |sum: u64, v| sum.rotate_left(7) ^ v)
}

fn forbid(what: u64, argument: u64) -> [u64; 4] {
    let mut got = 0;
    let syndrome = match what {
        command::forbidden::FIRMWARE => probe(|| got = call(&Regs::new(argument as u32, &[])).x(0)),
        command::forbidden::OWN_FAULT => {
            arch::forbidden(what, argument);
            None
        }
        command::forbidden::PANIC => panic!("as asked"),
        _ => probe(|| got = arch::forbidden(what, argument)),
    };
    [got, syndrome.unwrap_or(0), 0, 0]
}

/// Nobody looks.
struct Unseen;

impl Sink for Unseen {
    fn begin(&mut self, _ranges: usize) -> Result<(), Error> {
        Ok(())
    }

    fn range(&mut self, _range: Range) -> Result<(), Error> {
        Ok(())
    }
}

/// What a retrieval brought.
#[derive(Default)]
struct Seen {
    first: u64,
    ranges: u64,
    pages: u64,
    sum: u64,
}

impl Sink for Seen {
    fn begin(&mut self, _ranges: usize) -> Result<(), Error> {
        Ok(())
    }

    fn range(&mut self, range: Range) -> Result<(), Error> {
        if self.ranges == 0 {
            self.first = range.address;
        }
        self.ranges += 1;
        self.pages += u64::from(range.pages);
        self.sum = self.sum.wrapping_add(range.address);
        Ok(())
    }
}
