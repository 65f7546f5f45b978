//! Attacks from within: code that is put into a TEE, and does there what a partition must not. Each call of it must be
//! answered with the error that FF-A specifies, and what cannot be answered must end the partition. An attack that got
//! through ends the partition too, with a mark in its registers, which the black box then has.

use super::code::{self, Code, Place, Register};
use super::dice::Dice;
use bulkhead_configs::{Partition, System};
use bulkhead_core::function as f;

/// What x24 has when an attack got through; x26 has what it got.
const THROUGH: u64 = 0xbad0_0000_0000_0bad;
/// What x24 has when all calls were refused.
const REFUSED: u64 = 0x900d_0000_0000_900d;
/// Registers of the marks. SMC and HVC keep them, as do interrupts.
const STATE: usize = 24;
const NUMBER: usize = 25;
const GOT: usize = 26;
/// The register with which the debug port tells the code apart from that of another core which came upon it.
pub const TOKEN: usize = 27;
/// The register that counts repeated calls.
const COUNTER: u32 = 28;

/// The most calls in one piece of code.
const CALLS: u64 = 5;

/// How the calls of a partition are answered that is refused.
#[derive(Clone, Copy)]
enum Answer {
    /// FFA_ERROR with one of these.
    Error(&'static [i32]),
    /// FFA_ERROR: which one depends on what is in its buffers.
    AnyError,
    /// -1 in w0: nobody knows the function.
    Unknown,
    /// Whatever it is, it harms nobody.
    Anything,
}

const NOT_SUPPORTED: i32 = -1;
const INVALID_PARAMETERS: i32 = -2;
const DENIED: i32 = -6;

/// One call.
struct Call {
    name: String,
    conduit: u32,
    registers: Vec<u64>,
    times: u64,
    answer: Answer,
}

/// What follows the calls.
enum Ending {
    /// The TEE goes on as if nothing had been.
    GoOn,
    /// An instruction that ends it.
    Instruction(&'static str, u32),
    /// An access to memory that is not its own, past its own tables.
    Memory(&'static str, u64, u32),
    /// A call that ends it, FFA_ABORT or PSCI's SYSTEM_OFF.
    GiveUp(&'static str, u32),
    /// A loop with everything masked.
    Hang,
    /// The same, asleep.
    Sleep,
}

/// Code that attacks, for one address.
pub struct Attack {
    /// Its bytes.
    pub code: Vec<u8>,
    /// What it does, in the order of the numbers in x25.
    pub names: Vec<String>,
    /// Where it waits to be taken away again, if it does.
    pub park: u64,
    /// Whether it waits there when all went as it should.
    pub goes_on: bool,
}

/// What a partition's registers say of an attack.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It came so far, and nothing was let through: the number of the last one that was tried.
    Refused(usize),
    /// This one got through, with this answer.
    Through(usize, u64),
}

/// What x0 to x30 say of the attack with this token; none where they are of another program.
pub fn outcome(registers: &[u64], token: u64) -> Option<Outcome> {
    if registers.get(TOKEN) != Some(&token) {
        return None;
    }
    let number = *registers.get(NUMBER)? as usize;
    Some(match *registers.get(STATE)? {
        THROUGH => Outcome::Through(number, *registers.get(GOT)?),
        _ => Outcome::Refused(number),
    })
}

/// An attack on the others by a partition's kernel, for this address.
pub fn by_kernel(system: &System, partition: &Partition, at: u64, dice: &mut Dice) -> Attack {
    let calls = calls(system, partition, dice);
    let mut code = Code::default();
    let mut names = Vec::new();
    let start = code.hole();
    let through = got_through(&mut code);
    code.land(start);
    code.set(STATE as u32, 0);
    for _ in 0..dice.below(CALLS) + 1 {
        if let Some(call) = dice.one(&calls) {
            code.set(NUMBER as u32, names.len() as u64);
            names.push(call.name.clone());
            put_call(&mut code, call, through);
        }
    }
    code.set(NUMBER as u32, names.len() as u64);
    code.set(STATE as u32, REFUSED);
    let ending = ending(system, partition, dice);
    names.push(ending.name());
    put_ending(&mut code, &ending, through);
    let park = code.here();
    code.put(code::BRANCH_TO_ITSELF);
    Attack {
        code: code.bytes(),
        names,
        park: park.address(at),
        goes_on: matches!(ending, Ending::GoOn),
    }
}

/// An attack on its own TEE and what is behind it by a trusted application, for this address.
pub fn by_application(system: &System, at: u64, dice: &mut Dice) -> Attack {
    let hypervisor = system.hypervisor.base;
    let instructions = [
        ("an SMC of an application", code::SMC),
        ("an HVC of an application", code::HVC),
        ("an application that reads the counters", code::FORBIDDEN),
        ("an application that reads the hypervisor", code::LOAD),
        ("an application that writes the hypervisor", code::STORE),
        ("an application that cleans by set and way", SET_WAY.write(1)),
        (
            "an application that writes the secure timer",
            SECURE_TIMER.write(1),
        ),
    ];
    let mut code = Code::default();
    let &(name, instruction) = dice.one(&instructions).unwrap_or(&instructions[0]);
    code.set(NUMBER as u32, 0);
    code.set(0, f::ID_GET.into());
    code.set(1, hypervisor);
    code.put(instruction);
    code.copy(GOT as u32, 0);
    code.set(STATE as u32, THROUGH);
    let park = code.here();
    code.put(code::BRANCH_TO_ITSELF);
    Attack {
        code: code.bytes(),
        names: vec![name.to_owned()],
        park: park.address(at),
        goes_on: false,
    }
}

/// Where the code goes when an attack got through: the partition ends with the mark.
fn got_through(code: &mut Code) -> Place {
    let place = code.here();
    code.copy(GOT as u32, 0);
    code.set(STATE as u32, THROUGH);
    code.put(code::FORBIDDEN);
    code.put(code::BRANCH_TO_ITSELF);
    place
}

fn put_call(code: &mut Code, call: &Call, through: Place) {
    code.set(COUNTER, call.times);
    let again = code.here();
    for (register, value) in (0..).zip(&call.registers) {
        code.set(register, *value);
    }
    code.put(call.conduit);
    match call.answer {
        Answer::Anything => {}
        Answer::Unknown => code.branch_if(0, false, u32::MAX, through),
        Answer::AnyError => code.branch_if(0, false, f::ERROR, through),
        Answer::Error(allowed) => {
            code.branch_if(0, false, f::ERROR, through);
            let (last, others) = allowed.split_last().unwrap_or((&INVALID_PARAMETERS, &[]));
            let good: Vec<_> = others
                .iter()
                .map(|error| code.hole_if(2, error.cast_unsigned()))
                .collect();
            code.branch_if(2, false, last.cast_unsigned(), through);
            good.into_iter().for_each(|hole| code.land(hole));
        }
    }
    code.count_down(COUNTER, again);
}

fn put_ending(code: &mut Code, ending: &Ending, through: Place) {
    match *ending {
        Ending::GoOn => {}
        Ending::Instruction(_, instruction) => {
            code.set(1, 0);
            code.put(instruction);
            code.branch(through);
        }
        Ending::Memory(_, address, access) => {
            // Its own tables do not have it: it goes without them, and only stage 2 is in the way.
            code.set(1, address);
            code.put(code::MASK_ALL);
            code.put(CONTROL.read(16));
            // and x16, x16, #~1: without its MMU
            code.put(0x927f_fa10);
            code.put(CONTROL.write(16));
            code.put(code::BARRIER);
            code.put(access);
            code.branch(through);
        }
        Ending::GiveUp(_, function) => {
            code.set(0, function.into());
            code.set(1, 0);
            code.set(2, 0x7e57);
            code.put(code::SMC);
            code.branch(through);
        }
        Ending::Hang => code.put(code::MASK_ALL),
        Ending::Sleep => {
            code.put(code::MASK_ALL);
            let again = code.here();
            code.put(code::WAIT);
            code.branch(again);
        }
    }
}

impl Ending {
    fn name(&self) -> String {
        match *self {
            Self::GoOn => "it goes on".to_owned(),
            Self::Instruction(name, _) => name.to_owned(),
            Self::Memory(whose, address, code::LOAD) => format!("a load from {whose} at {address:#x}"),
            Self::Memory(whose, address, _) => format!("a store to {whose} at {address:#x}"),
            Self::GiveUp(name, _) => (*name).to_owned(),
            Self::Hang => "it hangs".to_owned(),
            Self::Sleep => "it sleeps".to_owned(),
        }
    }
}

const CONTROL: Register = Register(3, 0, 1, 0, 0);
/// DC ISW
const SET_WAY: Register = Register(1, 0, 7, 6, 2);
/// CNTPS_CTL_EL1
const SECURE_TIMER: Register = Register(3, 7, 14, 2, 1);

/// Instructions that are not a partition's (DDI0487, D19).
fn instructions() -> Vec<(&'static str, u32)> {
    vec![
        ("cleaning by set and way (ISW)", SET_WAY.write(1)),
        ("cleaning by set and way (CSW)", Register(1, 0, 7, 10, 2).write(1)),
        (
            "cleaning by set and way (CISW)",
            Register(1, 0, 7, 14, 2).write(1),
        ),
        ("the secure timer", SECURE_TIMER.write(1)),
        ("a debug register, MDSCR_EL1", Register(2, 0, 0, 2, 2).write(1)),
        ("a breakpoint, DBGBVR0_EL1", Register(2, 0, 0, 0, 4).write(1)),
        ("the OS lock", Register(2, 0, 1, 0, 4).write(1)),
        ("the counters, PMCR_EL0", Register(3, 3, 9, 12, 0).write(1)),
        ("trace, TRFCR_EL1", Register(3, 0, 1, 2, 1).write(1)),
        (
            "a key of pointer authentication",
            Register(3, 0, 2, 1, 0).write(1),
        ),
        (
            "an SGI to others, ICC_SGI1R_EL1",
            Register(3, 0, 12, 11, 5).write(1),
        ),
        ("error records, ERRIDR_EL1", Register(3, 0, 5, 3, 0).read(0)),
        ("activity monitors, AMCR_EL0", Register(3, 3, 13, 2, 0).write(1)),
        ("limited ordering, LORC_EL1", Register(3, 0, 10, 4, 3).write(1)),
        ("EL2's control, HCR_EL2", Register(3, 4, 1, 1, 0).write(1)),
        ("stage 2, VSTTBR_EL2", Register(3, 4, 2, 6, 0).write(1)),
        ("EL3's control, SCR_EL3", Register(3, 6, 1, 1, 0).write(1)),
        ("a register that does not exist", Register(3, 0, 15, 0, 0).read(0)),
        ("a vector of SVE", 0x04bf_5020),
    ]
}

fn ending(system: &System, partition: &Partition, dice: &mut Dice) -> Ending {
    match dice.below(12) {
        0..3 => Ending::GoOn,
        3..7 => {
            let (whose, address) = memory(system, partition, dice);
            let access = if dice.below(2) == 0 {
                code::LOAD
            } else {
                code::STORE
            };
            Ending::Memory(whose, address, access)
        }
        7..10 => match dice.one(&instructions()) {
            Some(&(name, instruction)) => Ending::Instruction(name, instruction),
            None => Ending::GoOn,
        },
        10 if dice.below(2) == 0 => Ending::GiveUp("it gives up", f::ABORT_32),
        10 => Ending::GiveUp("it turns the machine off", f::SYSTEM_OFF),
        _ if dice.below(2) == 0 => Ending::Hang,
        _ => Ending::Sleep,
    }
}

/// Memory that is not a partition's, and whose it is.
fn memory(system: &System, partition: &Partition, dice: &mut Dice) -> (&'static str, u64) {
    const PAGE: u64 = 0x1000;
    let others = system.partitions.iter().filter(|other| other.id != partition.id);
    let peers = others
        .flat_map(|other| &other.memory)
        .map(|region| ("a peer's memory", region.range.base, region.range.size));
    let own = &system.hypervisor;
    let places: Vec<_> = [
        ("the hypervisor", own.base, own.size),
        ("firmware", own.base - 0x10_0000, 0x10_0000),
        ("the normal world's kernel", 0x4200_0000, 0x200_0000),
        ("the normal world's memory", 0x4000_0000, 0x2000_0000),
        ("flash", 0, 0x10_0000),
        ("the interrupt controller", 0x800_0000, PAGE),
        ("the console", 0x900_0000, PAGE),
        ("the hypervisor's log", 0x904_0000, PAGE),
    ]
    .into_iter()
    .chain(peers)
    .collect();
    let &(whose, base, size) = dice.one(&places).unwrap_or(&places[0]);
    (whose, base + (dice.below(size / 8)) * 8)
}

/// Calls that are refused, or harm nobody.
fn calls(system: &System, partition: &Partition, dice: &mut Dice) -> Vec<Call> {
    const REFUSED: Answer = Answer::Error(&[INVALID_PARAMETERS]);
    const FLOOD: u64 = 2_000;
    let own = u64::from(partition.id);
    let others: Vec<_> = system
        .partitions
        .iter()
        .filter(|other| other.id != partition.id)
        .collect();
    let (peer, base) = dice.one(&others).map_or((0, 0), |peer| {
        (
            u64::from(peer.id),
            peer.memory.first().map_or(0, |region| region.range.base),
        )
    });
    let handle = dice.next() | 1 << 40;
    let mut calls = Vec::new();
    let mut add = |name: &str, registers: &[u64], answer, times| {
        // Function IDs of FF-A and SMCCC; those of interrupts are hypervisor calls.
        let is_hypercall = registers.first().is_some_and(|id| *id < 0x1_0000);
        calls.push(Call {
            name: name.to_owned(),
            conduit: if is_hypercall { code::HVC } else { code::SMC },
            registers: registers.to_vec(),
            times,
            answer,
        });
    };
    let direct = u64::from(f::DIRECT_REQ_32);
    let answers = u64::from(f::DIRECT_RESP_32);
    let set = u64::from(f::NOTIFICATION_SET);
    let no_answer = Answer::Error(&[INVALID_PARAMETERS, DENIED]);
    add("a request to a peer", &[direct, own << 16 | peer, 0], REFUSED, 1);
    add(
        "a request in a peer's name",
        &[direct, peer << 16 | own, 0],
        REFUSED,
        1,
    );
    add(
        "a request in the normal world's name",
        &[direct, peer, 0],
        REFUSED,
        1,
    );
    add(
        "an answer in a peer's name",
        &[answers, peer << 16, 0],
        no_answer,
        1,
    );
    add(
        "an answer to a peer",
        &[answers, own << 16 | peer, 0],
        no_answer,
        1,
    );
    add("a turn of a peer", &[f::RUN.into(), peer << 16], REFUSED, 1);
    add(
        "a notification in a peer's name",
        &[set, peer << 16, 0, 1, 0],
        REFUSED,
        1,
    );
    add(
        "a flood of notifications to a peer",
        &[set, own << 16 | peer, 0, 1, 0],
        REFUSED,
        FLOOD,
    );
    let unbound = &[set, own << 16, 0, 0, 0x8000_0000];
    add(
        "a flood of notifications to the normal world",
        unbound,
        Answer::AnyError,
        FLOOD,
    );
    let bind = &[f::NOTIFICATION_BIND.into(), peer << 16 | own, 0, 1, 0];
    add("notifications of a peer, bound", bind, REFUSED, 1);
    let bitmap = &[f::NOTIFICATION_BITMAP_CREATE.into(), peer, 4];
    add("a bitmap for a peer", bitmap, Answer::Error(&[NOT_SUPPORTED]), 1);
    let reclaim = &[f::MEM_RECLAIM.into(), handle & 0xffff_ffff, handle >> 32, 0];
    add("a reclaim of what it has not shared", reclaim, REFUSED, 1);
    let share = &[f::MEM_SHARE_32.into(), 0x40, 0x40, 0, 0];
    add("a flood of shares", share, Answer::AnyError, FLOOD / 4);
    let retrieve = &[f::MEM_RETRIEVE_REQ_32.into(), 4, 4, 0, 0];
    add("a flood of retrieves", retrieve, Answer::AnyError, FLOOD / 4);
    let map = &[f::RXTX_MAP_64.into(), base, base + 0x1000, 1];
    add("a peer's memory for its buffers", map, no_answer, 1);
    add(
        "the end of a peer's buffers",
        &[f::RXTX_UNMAP.into(), peer << 16],
        REFUSED,
        1,
    );
    let message = &[f::MSG_SEND2.into(), peer << 16, 0];
    add("a message in a peer's name", message, Answer::AnyError, 1);
    for (name, id) in [
        ("its core, off", 0x8400_0002),
        ("another core, on", 0xc400_0003),
        ("its core, suspended", 0xc400_0001),
        ("a call of the board's firmware", 0xc200_0000),
        ("a call of a trusted OS", 0xbf00_ff01),
        ("a call of the SPMD's", 0x3200_0000),
    ] {
        add(name, &[id, 1, base, 0], Answer::Unknown, 1);
    }
    for (name, id, may) in [
        ("a key", f::PARTITION_KEY, partition.key),
        ("what runs here", f::INSPECT, partition.inspects),
        ("a copy of a window", f::WINDOW_READ, partition.copies),
    ] {
        if !may {
            add(name, &[id.into(), 0, base, 8], Answer::Unknown, 1);
        }
    }
    for (name, id) in [
        ("an interrupt of another, enabled", f::INTERRUPT_ENABLE),
        ("an interrupt of another, ended", f::INTERRUPT_DEACTIVATE),
        ("an interrupt of another, changed", f::INTERRUPT_RECONFIGURE),
    ] {
        add(name, &[id.into(), 32 + dice.below(900), 1, 0], Answer::Unknown, 1);
    }
    add(
        "a flood of calls that nobody knows",
        &[0x8600_1234, 1, 2, 3],
        Answer::Unknown,
        FLOOD,
    );
    add(
        "a flood of hypervisor calls that nobody knows",
        &[0xff77, 1, 2, 3],
        Answer::Unknown,
        FLOOD,
    );
    let text = &[
        f::CONSOLE_LOG_64.into(),
        16,
        0x6c6c_6120_6461_6572,
        0x0a21_2174_6920_2c20,
    ];
    add("a flood of the log", text, Answer::Anything, FLOOD / 10);
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phone() -> System {
        let table = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/phone.toml");
        crate::build::load(&table).expect("the default table is good")
    }

    #[test]
    fn attacks_fit_where_they_go() {
        let system = phone();
        for seed in 0..2_000 {
            for partition in &system.partitions {
                let attack = by_kernel(&system, partition, 0x1000, &mut Dice::new(seed));
                assert!(attack.code.len() <= 1024, "{} bytes", attack.code.len());
                assert!(attack.names.len() >= 2, "{:?}", attack.names);
                assert_eq!(attack.park, 0x1000 + attack.code.len() as u64 - 4);
            }
        }
    }

    #[test]
    fn none_aims_at_its_own_memory() {
        let system = phone();
        for seed in 0..2_000 {
            for partition in &system.partitions {
                let (whose, address) = memory(&system, partition, &mut Dice::new(seed));
                let own = partition
                    .memory
                    .iter()
                    .any(|region| (region.range.base..region.range.end()).contains(&address));
                assert!(!own, "{whose} at {address:#x} is {}'s", partition.name);
            }
        }
    }

    #[test]
    fn marks_are_read() {
        let mut registers = [0; 31];
        assert_eq!(outcome(&registers, 7), None, "another program");
        registers[TOKEN] = 7;
        registers[NUMBER] = 3;
        assert_eq!(outcome(&registers, 7), Some(Outcome::Refused(3)));
        registers[STATE] = REFUSED;
        assert_eq!(outcome(&registers, 7), Some(Outcome::Refused(3)));
        registers[STATE] = THROUGH;
        registers[GOT] = 0xbeef;
        assert_eq!(outcome(&registers, 7), Some(Outcome::Through(3, 0xbeef)));
        assert_eq!(outcome(&[], 7), None);
    }
}
