//! The dispatcher beside a reference model of what parties have: buffers and who owns them, messages,
//! notifications, and pages of memory, on random sequences of calls.
//!
//! Four callers call all the time, one on each core: the partitions in chains that never end, the normal
//! world on the last core, for itself and for two virtual machines. Fifty thousand calls, in CI a million and
//! more (see `amount`); half of them by a table that limits who may send what.

use std::collections::BTreeMap;
use std::format;
use std::vec::Vec;

use super::amount;
use super::machine::{Machine, regs, run, succeeded, x};
use super::model::{BUSY, DENIED, INVALID};
use super::table::{A, B, C, CHAINS, NORMAL, POLICY, SMALL, VM, memory};
use crate::api::{Action, Page, Ports, World};
use crate::function as f;
use crate::table::{Core, Messages, Table};

const CALLS: usize = 50_000;

const NOT_SUPPORTED: i32 = -1;
const NO_MEMORY: i32 = -3;

/// The parties: partitions in the table's order, each on its core, then the normal world, then its virtual
/// machines, which have no core of their own.
const IDS: [u16; 6] = [A, B, C, 0, VM, SMALL];
const PARTIES: usize = IDS.len();
const NWD: usize = 3;
/// Most execution contexts of each.
const CONTEXTS: [u64; PARTIES] = [4, 4, 3, 4, 64, 2];
/// Shares that a partition may have.
const SHARES: usize = 4;

/// The kinds of message that are told apart here, and their partition properties.
const INDIRECT: (Messages, u32) = (Messages::INDIRECT, 2);
const NOTIFICATIONS: (Messages, u32) = (Messages::NOTIFICATIONS, 3);

/// The notifications of one party.
#[derive(Clone, Default)]
struct Bits {
    /// Execution contexts; 0: there is no bitmap.
    contexts: u64,
    /// Those of partitions, and those of the normal world.
    spaces: [Space; 2],
    /// RX was filled by a partition, by somebody in the normal world.
    full: [bool; 2],
}

/// Notifications that one kind of sender can set.
#[derive(Clone, Default)]
struct Space {
    /// Bit to sender, and whether for one context.
    bound: BTreeMap<u32, (usize, bool)>,
    global: u64,
    own: BTreeMap<u16, u64>,
}

impl Space {
    fn pending(&self) -> u64 {
        self.own.values().fold(self.global, |all, own| all | own)
    }
}

impl Bits {
    fn pending(&self) -> bool {
        self.full != [false; 2] || self.spaces.iter().any(|space| space.pending() != 0)
    }
}

/// Which kind of sender a party is.
fn kind(sender: usize) -> usize {
    usize::from(sender >= NWD)
}

#[derive(Clone, Copy)]
struct Lent {
    page: u64,
    taken: bool,
    /// Whether the normal world was denied it.
    wanted: bool,
}

struct Model {
    table: &'static Table,
    /// Whether buffers are there, and whether RX is the party's own.
    buffers: [Option<bool>; PARTIES],
    bits: [Bits; PARTIES],
    /// What the normal world has shared with A, by handle.
    lent: BTreeMap<u64, Lent>,
}

type Told = Result<Vec<u64>, i32>;

impl Model {
    /// Each partition that takes notifications has a bitmap.
    fn new(table: &'static Table) -> Self {
        let mut bits: [Bits; PARTIES] = core::array::from_fn(|_| Bits::default());
        for (who, partition) in table.partitions.iter().enumerate() {
            if partition.properties & 1 << 3 != 0 {
                bits[who].contexts = CONTEXTS[who];
            }
        }
        Self {
            table,
            buffers: [None; PARTIES],
            bits,
            lent: BTreeMap::new(),
        }
    }

    /// Whether one party may send another a kind of message.
    fn may(&self, from: usize, to: usize, (kind, property): (Messages, u32)) -> Result<(), i32> {
        if to < NWD {
            let to = &self.table.partitions[to];
            let caller = to.caller(IDS[from]).ok_or(INVALID)?;
            if to.properties >> property & 1 == 0 {
                return Err(DENIED);
            }
            return caller.messages.has(kind).then_some(()).ok_or(INVALID);
        }
        let sender = self.table.partitions.get(from).ok_or(INVALID)?;
        sender.caller(IDS[to]).map(|_| ()).ok_or(INVALID)
    }

    fn map(&mut self, who: usize) -> Told {
        if who > NWD && self.buffers[NWD].is_none() {
            return Err(INVALID);
        }
        if self.buffers[who].is_some() {
            return Err(DENIED);
        }
        self.buffers[who] = Some(false);
        Ok(Vec::new())
    }

    fn unmap(&mut self, who: usize) -> Told {
        self.buffers[who].take().map(|_| Vec::new()).ok_or(INVALID)
    }

    fn release(&mut self, who: usize) -> Told {
        if who > NWD && self.buffers[who].is_none() {
            return Err(INVALID);
        }
        if self.buffers[who] != Some(true) {
            return Err(DENIED);
        }
        self.buffers[who] = Some(false);
        Ok(Vec::new())
    }

    fn acquire(&mut self, who: usize) -> Told {
        match (who, self.buffers[who]) {
            (..NWD, _) => Err(NOT_SUPPORTED),
            (_, None) => Err(INVALID),
            (_, Some(true)) => Err(DENIED),
            (_, Some(false)) => {
                self.buffers[who] = Some(true);
                Ok(Vec::new())
            }
        }
    }

    fn send(&mut self, from: usize, to: usize) -> Told {
        if self.buffers[from].is_none() {
            return Err(INVALID);
        }
        self.may(from, to, INDIRECT)?;
        if from < NWD && self.table.partitions[from].properties & 4 == 0 {
            return Err(DENIED);
        }
        match self.buffers[to] {
            None => return Err(DENIED),
            Some(true) => return Err(BUSY),
            Some(false) => self.buffers[to] = Some(true),
        }
        self.bits[to].full[kind(from)] |= self.bits[to].contexts != 0;
        Ok(Vec::new())
    }

    fn create(&mut self, who: usize, contexts: u64) -> Told {
        match (who, self.bits[who].contexts) {
            (..NWD, _) => Err(NOT_SUPPORTED),
            _ if contexts == 0 => Err(INVALID),
            (_, 1..) => Err(DENIED),
            _ if contexts > CONTEXTS[who] => Err(NO_MEMORY),
            _ => {
                self.bits[who].contexts = contexts;
                Ok(Vec::new())
            }
        }
    }

    fn destroy(&mut self, who: usize) -> Told {
        let bits = &mut self.bits[who];
        match who {
            ..NWD => Err(NOT_SUPPORTED),
            _ if bits.contexts == 0 || bits.pending() => Err(DENIED),
            _ => {
                *bits = Bits::default();
                Ok(Vec::new())
            }
        }
    }

    fn bind(&mut self, who: usize, sender: usize, own: bool, bit: u32) -> Told {
        self.may(sender, who, NOTIFICATIONS)?;
        let Bits { contexts, spaces, .. } = &mut self.bits[who];
        let space = &mut spaces[kind(sender)];
        if *contexts == 0 || space.bound.contains_key(&bit) {
            return Err(DENIED);
        }
        space.bound.insert(bit, (sender, own));
        Ok(Vec::new())
    }

    fn unbind(&mut self, who: usize, sender: usize, bit: u32) -> Told {
        self.may(sender, who, NOTIFICATIONS)?;
        let Bits { contexts, spaces, .. } = &mut self.bits[who];
        let space = &mut spaces[kind(sender)];
        let bound = space.bound.get(&bit).is_some_and(|(from, _)| *from == sender);
        if *contexts == 0 || !bound || space.pending() >> bit & 1 == 1 {
            return Err(DENIED);
        }
        space.bound.remove(&bit);
        Ok(Vec::new())
    }

    fn set(&mut self, who: usize, to: usize, vcpu: Option<u16>, bit: u32) -> Told {
        self.may(who, to, NOTIFICATIONS)?;
        let bits = &mut self.bits[to];
        if vcpu.is_some_and(|vcpu| u64::from(vcpu) >= bits.contexts) {
            return Err(INVALID);
        }
        let space = &mut bits.spaces[kind(who)];
        match space.bound.get(&bit) {
            Some((from, own)) if *from == who => {
                if *own != vcpu.is_some() {
                    return Err(INVALID);
                }
            }
            _ => return Err(DENIED),
        }
        match vcpu {
            Some(vcpu) => *space.own.entry(vcpu).or_default() |= 1 << bit,
            None => space.global |= 1 << bit,
        }
        Ok(Vec::new())
    }

    fn get(&mut self, who: usize, vcpu: u16, flags: u32) -> Told {
        let bits = &mut self.bits[who];
        if u64::from(vcpu) >= bits.contexts || (who > NWD && flags & 0b1010 != 0) {
            return Err(INVALID);
        }
        let mut words = Vec::new();
        for (kind, space) in bits.spaces.iter_mut().enumerate() {
            let mut taken = 0;
            if flags >> kind & 1 == 1 {
                let own = space.own.remove(&vcpu).unwrap_or(0);
                taken = own | core::mem::take(&mut space.global);
            }
            words.extend([taken & 0xffff_ffff, taken >> 32]);
        }
        for (kind, full) in bits.full.iter_mut().enumerate() {
            let asked = flags >> (2 + kind) & 1 == 1;
            words.push(u64::from(asked && core::mem::take(full)));
        }
        Ok(words)
    }

    /// A virtual machine is no more.
    fn forget(&mut self, who: usize) {
        (self.buffers[who], self.bits[who]) = (None, Bits::default());
    }

    /// FFA_VERSION and FFA_RXTX_MAP of the normal world: over registered buffers, another one begins.
    fn start_anew(&mut self) {
        if self.buffers[NWD].is_some() {
            self.lent.clear();
            for who in NWD..PARTIES {
                self.forget(who);
            }
        }
        self.buffers[NWD] = Some(false);
    }

    fn share(&mut self, page: u64, to: usize) -> Told {
        if self.buffers[NWD].is_none() {
            return Err(INVALID);
        }
        self.lent.retain(|_, lent| lent.taken || !lent.wanted);
        if IDS[to] != A {
            return Err(INVALID);
        }
        if self.lent.len() == SHARES {
            return Err(NO_MEMORY);
        }
        if self.lent.values().any(|lent| lent.page == page) {
            return Err(DENIED);
        }
        Ok(Vec::new())
    }

    fn retrieve(&mut self, who: usize, handle: u64) -> Told {
        match (self.buffers[who], self.lent.get_mut(&handle)) {
            (None | Some(true), _) => Err(BUSY),
            (_, Some(lent)) if IDS[who] == A => {
                if lent.taken {
                    return Err(DENIED);
                }
                lent.taken = true;
                self.buffers[who] = Some(true);
                Ok(Vec::new())
            }
            _ => Err(INVALID),
        }
    }

    fn relinquish(&mut self, who: usize, handle: u64) -> Told {
        match (self.buffers[who], self.lent.get_mut(&handle)) {
            (Some(_), Some(lent)) if IDS[who] == A => {
                if !lent.taken {
                    return Err(DENIED);
                }
                lent.taken = false;
                Ok(Vec::new())
            }
            _ => Err(INVALID),
        }
    }

    fn reclaim(&mut self, who: usize, handle: u64) -> Told {
        match self.lent.get_mut(&handle) {
            Some(lent) if who == NWD => {
                if lent.taken {
                    lent.wanted = true;
                    return Err(DENIED);
                }
                self.lent.remove(&handle);
                Ok(Vec::new())
            }
            _ => Err(INVALID),
        }
    }
}

/// A page of a party's buffers.
fn page(who: usize, rx: bool) -> Page {
    let offset = if rx { 0x1000 } else { 0 };
    if who >= NWD {
        Page {
            world: World::Normal,
            address: NORMAL.base + 0x2000 * (who - NWD) as u64 + offset,
        }
    } else {
        Page {
            world: World::Secure,
            address: memory(who) + offset,
        }
    }
}

/// The core of whoever calls for a party.
fn core_of(who: usize) -> Core {
    who.min(NWD) as Core
}

/// What a hypervisor writes to register the buffers of a virtual machine.
fn endpoint(who: usize) -> Vec<u8> {
    let mut bytes = std::vec![0u8; 80];
    bytes[..2].copy_from_slice(&IDS[who].to_le_bytes());
    (bytes[4], bytes[8]) = (16, 48);
    for (at, rx) in [(16, true), (48, false)] {
        (bytes[at], bytes[at + 4], bytes[at + 24]) = (1, 1, 1);
        bytes[at + 16..at + 24].copy_from_slice(&page(who, rx).address.to_le_bytes());
    }
    bytes
}

/// A descriptor of FF-A 1.2: of a page for a partition, or a retrieve.
fn descriptor(to: u16, address: u64, handle: u64) -> Vec<u8> {
    let mut bytes = std::vec![0u8; 112];
    bytes[2] = 0x2f;
    bytes[8..16].copy_from_slice(&handle.to_le_bytes());
    (bytes[24], bytes[28], bytes[32]) = (32, 1, 48);
    bytes[48..50].copy_from_slice(&to.to_le_bytes());
    bytes[50] = 2;
    if handle != 0 {
        bytes.truncate(80);
        return bytes;
    }
    (bytes[52], bytes[80], bytes[84]) = (80, 1, 1);
    bytes[96..104].copy_from_slice(&address.to_le_bytes());
    bytes[104] = 1;
    bytes
}

/// A chain on each core but the last, so that each partition runs on its own.
fn running(table: &'static Table) -> Machine {
    let mut m = Machine::of(table).start();
    let ends = |from: u16, to: u16| u64::from(from) << 16 | u64::from(to);
    for core in 0..3 {
        run(m.normal(core, &[f::DIRECT_REQ_32.into(), ends(VM, A), 0]));
    }
    for core in 1..3 {
        run(m.call(core, &[f::DIRECT_REQ_32.into(), ends(A, B), 0]));
    }
    run(m.call(2, &[f::DIRECT_REQ_32.into(), ends(B, C), 0]));
    for who in 0..=NWD {
        ask(&mut m, who, &[f::VERSION.into(), 0x1_0002]);
    }
    m
}

fn ask(m: &mut Machine, who: usize, call: &[u64]) -> Action {
    if who >= NWD {
        m.normal(core_of(who), call)
    } else {
        m.call(core_of(who), call)
    }
}

/// What an action says, as the model says it.
fn told(action: Action) -> Result<Vec<u64>, i32> {
    let regs = regs(action);
    match regs.0[0] as u32 {
        f::ERROR => Err((regs.0[2] as u32).cast_signed()),
        _ => Ok(regs.0[2..8].into()),
    }
}

/// What happens to the normal world as a whole, now and then.
fn upheaval(m: &mut Machine, model: &mut Model, what: u64) {
    let normal = [page(NWD, false).address, page(NWD, true).address];
    if what == 0 {
        m.normal(3, &[f::VERSION.into(), 0x1_0002]);
        let map = m.normal(3, &[f::RXTX_MAP_64.into(), normal[0], normal[1], 1]);
        assert!(succeeded(map));
        model.start_anew();
        return;
    }
    // a is told on the core on which it waits.
    let who = NWD + what as usize;
    let gone = [
        f::DIRECT_REQ_32.into(),
        A.into(),
        0x8000_0006,
        0,
        0,
        IDS[who].into(),
    ];
    run(m.normal(3, &gone));
    let back = m.call(3, &[f::DIRECT_RESP_32.into(), u64::from(A) << 16, 0x8000_0007]);
    assert_eq!(x(back, 2), 0x8000_0007);
    model.forget(who);
}

#[test]
fn with_the_model_of_parties() {
    for table in [&CHAINS, &POLICY] {
        live(table);
    }
}

fn live(table: &'static Table) {
    let (mut m, mut model) = (running(table), Model::new(table));
    let (calls_made, mut seed) = (amount::calls(CALLS).div_ceil(2), amount::seed());
    let mut below = |n: u64| {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    let (mut good, mut handles) = (0, Vec::from([1u64]));
    for _ in 0..calls_made {
        if below(500) == 0 {
            upheaval(&mut m, &mut model, below(3));
        }
        let (who, other) = (below(6) as usize, below(6) as usize);
        let (id, peer) = (u64::from(IDS[who]), u64::from(IDS[other]));
        // The field is for who speaks for another.
        let own_id = if who > NWD { id } else { 0 };
        let (bit, vcpu, flags) = (below(6) as u32, below(5) as u16, below(16) as u32);
        let own = below(2) == 1;
        let low = 1u64 << bit;
        let handle = handles[handles.len().saturating_sub(1 + below(6) as usize)];
        let lent = NORMAL.base + 0x8000 + below(6) * 0x1000;
        let what = below(16);
        let call: [u64; 5] = match what {
            0 if who > NWD => {
                m.ports.write(page(NWD, false), 0, &endpoint(who));
                [f::RXTX_MAP_64.into(), 0, 0, 0, 0]
            }
            0 => [
                f::RXTX_MAP_64.into(),
                page(who, false).address,
                page(who, true).address,
                1,
                0,
            ],
            1 if below(8) == 0 => [f::RXTX_UNMAP.into(), own_id << 16, 0, 0, 0],
            1 | 2 => [f::RX_RELEASE.into(), own_id, 0, 0, 0],
            3 => [f::RX_ACQUIRE.into(), own_id, 0, 0, 0],
            4 | 5 => {
                let mut bytes = [0; 48];
                let ends = [40u32, (id << 16 | peer) as u32, 8];
                for (to, word) in bytes[8..20].chunks_exact_mut(4).zip(ends) {
                    to.copy_from_slice(&word.to_le_bytes());
                }
                m.ports.write(page(who, false), 0, &bytes);
                let sender = if who > NWD { id } else { 0 };
                [f::MSG_SEND2.into(), sender << 16, 0, 0, 0]
            }
            6 => [f::NOTIFICATION_BITMAP_CREATE.into(), id, vcpu.into(), 0, 0],
            7 if below(8) == 0 => [f::NOTIFICATION_BITMAP_DESTROY.into(), id, 0, 0, 0],
            7 | 8 => [f::NOTIFICATION_BIND.into(), peer << 16 | id, own.into(), low, 0],
            9 => [f::NOTIFICATION_UNBIND.into(), peer << 16 | id, 0, low, 0],
            10 | 11 => {
                let flags = if own { u64::from(vcpu) << 16 | 1 } else { 0 };
                [f::NOTIFICATION_SET.into(), id << 16 | peer, flags, low, 0]
            }
            12 => [
                f::NOTIFICATION_GET.into(),
                u64::from(vcpu) << 16 | id,
                flags.into(),
                0,
                0,
            ],
            // The normal world itself may share with a only.
            13 if who == NWD && other != 1 => {
                m.ports
                    .write(page(who, false), 0, &descriptor(IDS[other], lent, 0));
                [f::MEM_SHARE_64.into(), 112, 112, 0, 0]
            }
            13 | 14 if who < NWD => {
                m.ports
                    .write(page(who, false), 0, &descriptor(IDS[who], 0, handle));
                [f::MEM_RETRIEVE_REQ_64.into(), 80, 80, 0, 0]
            }
            15 if who < NWD => {
                let mut bytes = [0; 18];
                bytes[..8].copy_from_slice(&handle.to_le_bytes());
                bytes[12] = 1;
                bytes[16..].copy_from_slice(&IDS[who].to_le_bytes());
                m.ports.write(page(who, false), 0, &bytes);
                [f::MEM_RELINQUISH.into(), 0, 0, 0, 0]
            }
            _ => [f::MEM_RECLAIM.into(), handle & 0xffff_ffff, handle >> 32, 0, 0],
        };
        let expected = match call[0] as u32 {
            f::RXTX_MAP_64 => model.map(who),
            f::RXTX_UNMAP => model.unmap(who),
            f::RX_RELEASE => model.release(who),
            f::RX_ACQUIRE => model.acquire(who),
            f::MSG_SEND2 => model.send(who, other),
            f::NOTIFICATION_BITMAP_CREATE => model.create(who, vcpu.into()),
            f::NOTIFICATION_BITMAP_DESTROY => model.destroy(who),
            f::NOTIFICATION_BIND => model.bind(who, other, own, bit),
            f::NOTIFICATION_UNBIND => model.unbind(who, other, bit),
            f::NOTIFICATION_SET => model.set(who, other, own.then_some(vcpu), bit),
            f::NOTIFICATION_GET => model.get(who, vcpu, flags),
            f::MEM_SHARE_64 => model.share(lent, other),
            f::MEM_RETRIEVE_REQ_64 => model.retrieve(who, handle),
            f::MEM_RELINQUISH => model.relinquish(who, handle),
            _ => model.reclaim(core_of(who).into(), handle),
        };
        let got = told(ask(&mut m, who, &call));
        let text = format!(
            "{}: party {who}: {call:x?}: {got:x?}, not {expected:x?}",
            table.name
        );
        match (&got, &expected) {
            (Err(is), Err(wanted)) => assert_eq!(is, wanted, "{text}"),
            (Ok(_), Ok(wanted)) if wanted.is_empty() => good += 1,
            (Ok(is), Ok(wanted)) => assert_eq!(is, wanted, "{text}"),
            _ => panic!("{text}"),
        }
        if let (f::MEM_SHARE_64, Ok(words)) = (call[0] as u32, &got) {
            let handle = words[1] << 32 | words[0];
            assert!(!handles.contains(&handle), "a handle comes twice");
            handles.push(handle);
            let page = lent;
            model.lent.insert(
                handle,
                Lent {
                    page,
                    taken: false,
                    wanted: false,
                },
            );
        }
        // A sees the pages that it took, and nobody sees any other.
        let mut seen: Vec<(usize, u64, u32)> = m.ports.mapped.iter().map(|m| (m.0, m.2, m.3)).collect();
        let taken = model.lent.values().filter(|lent| lent.taken);
        let mut wanted: Vec<(usize, u64, u32)> = taken.map(|lent| (0, lent.page, 1)).collect();
        seen.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(seen, wanted, "{text}");
        if handles.len() > 64 {
            handles.drain(1..32);
        }
    }
    assert_eq!(m.spmc.check_invariants(), Ok(()));
    assert!(
        good > calls_made / 25,
        "{}: {good} calls of {calls_made} were legal",
        table.name
    );
}
