//! The TEE against a stand-in for the normal world: right calls, wrong ones, and many at once.
use super::*;
use crate::code::{BAD_STATE, OUT_OF_MEMORY, SHORT_BUFFER};
use crate::services::{echo, hash};
use sp_rt::retrieve::fake::Spmc;
use std::sync::{Arc, Mutex};

const WINDOW: u64 = 0x4000_0000;
const HANDLE: u64 = 0x1_0000_0007;
const PAGE: u64 = 4096;

/// 64 pages of normal-world memory, seen by both sides.
#[derive(Clone)]
struct Pages(Arc<Mutex<Vec<u8>>>);

impl Memory for Pages {
    fn read(&self, address: u64, to: &mut [u8]) -> bool {
        let memory = self.0.lock().unwrap();
        let from = address
            .checked_sub(WINDOW)
            .and_then(|at| memory.get(at as usize..)?.get(..to.len()));
        from.map(|from| to.copy_from_slice(from)).is_some()
    }

    fn write(&self, address: u64, from: &[u8]) -> bool {
        let mut memory = self.0.lock().unwrap();
        let to = address
            .checked_sub(WINDOW)
            .and_then(|at| memory.get_mut(at as usize..)?.get_mut(..from.len()));
        to.map(|to| to.copy_from_slice(from)).is_some()
    }
}

/// A message under construction.
struct Message(Vec<u8>);

impl Message {
    fn new(command: u32, function: u32, session: u32) -> Self {
        let words = [command, function, session, 0, 0, 0xaaaa, 0xbbbb, 0];
        Self(words.iter().flat_map(|w| w.to_le_bytes()).collect())
    }

    fn with(mut self, attributes: u64, numbers: [u64; 3]) -> Self {
        self.0[28] += 1;
        self.0.extend(attributes.to_le_bytes());
        self.0.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
        self
    }

    fn open(uuid: [u8; 16]) -> Self {
        let halves = [uuid[..8].try_into().unwrap(), uuid[8..].try_into().unwrap()].map(u64::from_le_bytes);
        Self::new(0, 0, 0)
            .with(0x101, [halves[0], halves[1], 0])
            .with(0x101, [0; 3])
    }
}

struct World {
    tee: Tee<Spmc, Pages>,
    pages: Pages,
}

/// The first page of the share is the window's third: what the client sees at 0.
const FIRST: u64 = 2 * PAGE;

impl World {
    fn new() -> Self {
        let pages = Pages(Arc::new(Mutex::new(vec![0; 64 * PAGE as usize])));
        let mut spmc = Spmc::new(4096);
        let range = |address, pages| Range {
            address: WINDOW + address,
            pages,
        };
        spmc.shared
            .insert(HANDLE, vec![range(FIRST, 1), range(0, 1), range(8 * PAGE, 4)]);
        spmc.shared.insert(8, vec![range(32 * PAGE, 8)]);
        let tables = Box::leak(Box::new(Tables::new()));
        Self {
            tee: Tee::new(
                0x8003,
                Given {
                    key: Some([9; 32]),
                    random: || None,
                    inspect: |_, _| [u64::MAX; 8],
                    quote: |_, _| [u64::MAX; 5],
                    notify: |receiver, bits| (receiver, bits) == (0, 1 << 40),
                    means: None,
                },
                spmc,
                pages.clone(),
                tables,
            ),
            pages,
        }
    }

    /// Puts a message at the start of the share and calls.
    fn call(&self, message: &Message) -> (Code, Vec<u32>) {
        self.call_at(WINDOW + FIRST, 0, message)
    }

    fn call_at(&self, address: u64, offset: u32, message: &Message) -> (Code, Vec<u32>) {
        assert!(self.pages.write(address + u64::from(offset), &message.0));
        let code = self.tee.call(0, HANDLE, offset);
        let mut answer = vec![0; message.0.len()];
        assert!(self.pages.read(address + u64::from(offset), &mut answer));
        (
            code,
            answer
                .as_chunks::<4>()
                .0
                .iter()
                .map(|w| u32::from_le_bytes(*w))
                .collect(),
        )
    }

    fn open(&self, uuid: [u8; 16]) -> u32 {
        let (code, answer) = self.call(&Message::open(uuid));
        assert_eq!((code, answer[5]), (SUCCESS, SUCCESS));
        answer[2]
    }

    fn enable(&self, number: u32) -> Option<Answer> {
        self.tee.immediate(0, Request::EnableNotifications { number })
    }

    fn retrieved(&self) -> Vec<u64> {
        self.tee.mailbox.with(|spmc| spmc.retrieved.clone())
    }
}

#[test]
fn a_client_from_open_to_close() {
    let world = World::new();
    let session = world.open(echo::UUID);
    let echo = Message::new(1, echo::VALUE, session)
        .with(1, [5, 6, 0])
        .with(2, [0; 3])
        .with(0, [0; 3]);
    let (code, answer) = world.call(&echo);
    assert_eq!((code, answer[5]), (SUCCESS, SUCCESS));
    assert_eq!(answer[18..22], [5, 0, 6, 0]);
    assert_eq!(world.call(&Message::new(2, 0, session)).1[5], SUCCESS);
    assert_eq!(world.call(&echo).1[5..7], [BAD_PARAMETERS, 3]);
    assert_eq!(world.retrieved(), [HANDLE]);
    assert_eq!(
        world.tee.immediate(0, Request::Unregister { handle: HANDLE }),
        Some(Answer::Unregistered)
    );
    assert!(world.retrieved().is_empty());
    assert_eq!(
        world.tee.immediate(0, Request::Unregister { handle: HANDLE }),
        Some(Answer::Unregistered)
    );
}

#[test]
fn memory_parameters_across_ranges() {
    let world = World::new();
    let session = world.open(echo::UUID);
    // 6000 bytes from offset 0xf00 of the share (three ranges) to offset 0x80 of the other one.
    let text: Vec<u8> = (0..6000_u32).map(|n| n as u8).collect();
    assert!(world.pages.write(WINDOW + FIRST + 0xf00, &text[..0x100]));
    assert!(world.pages.write(WINDOW, &text[0x100..0x1100]));
    assert!(world.pages.write(WINDOW + 8 * PAGE, &text[0x1100..]));
    let message = Message::new(1, echo::MEMORY, session)
        .with(5, [0xf00, 6000, HANDLE])
        .with(6, [0x80 << 48, 7000, 8])
        .with(0, [0; 3])
        .with(0, [0; 3]);
    let (code, answer) = world.call(&message);
    assert_eq!((code, answer[5], answer[20]), (SUCCESS, SUCCESS, 6000));
    let mut copy = vec![0; 6000];
    assert!(world.pages.read(WINDOW + 32 * PAGE + 0x80, &mut copy));
    assert_eq!(copy, text);
    // Both shares are free again: they can be given back.
    for handle in [HANDLE, 8] {
        assert_eq!(
            world.tee.immediate(0, Request::Unregister { handle }),
            Some(Answer::Unregistered)
        );
    }
    assert!(world.retrieved().is_empty());
}

#[test]
fn references_to_nothing_and_too_short_outputs() {
    let world = World::new();
    let session = world.open(hash::UUID);
    let nothing = [0, 0, u64::MAX];
    let message = Message::new(1, hash::TAG, session)
        .with(5, [0, 16, HANDLE])
        .with(6, nothing);
    let (_, answer) = world.call(&message);
    assert_eq!((answer[5], answer[6], answer[20]), (SHORT_BUFFER, 4, 32));
    let message = Message::new(1, hash::TAG, session)
        .with(5, nothing)
        .with(6, [0x800, 32, HANDLE]);
    assert_eq!(world.call(&message).1[5], SUCCESS);
    // Bytes of nothing are none, whichever way they go.
    for direction in 5..=7 {
        let message = Message::new(1, echo::INVERT, session).with(direction, [0, 1, u64::MAX]);
        assert_eq!(world.call(&message).1[5..7], [BAD_PARAMETERS, 3]);
    }
}

#[test]
fn a_service_knows_who_opened_its_session() {
    let world = World::new();
    let uuid: Vec<u8> = (0x10..0x20).collect();
    let halves = [uuid[..8].try_into().unwrap(), uuid[8..].try_into().unwrap()].map(u64::from_le_bytes);
    let mut message = Message::open(echo::UUID);
    message.0[72..80].copy_from_slice(&halves[0].to_le_bytes());
    message.0[80..88].copy_from_slice(&halves[1].to_le_bytes());
    message.0[88..96].copy_from_slice(&5u64.to_le_bytes());
    let session = world.call(&message).1[2];
    let identity = Message::new(1, echo::IDENTITY, session)
        .with(2, [0; 3])
        .with(6, [0x800, 16, HANDLE]);
    let (_, answer) = world.call(&identity);
    assert_eq!((answer[5], answer[10], answer[20]), (SUCCESS, 5, 16));
    let mut client = [0; 16];
    assert!(world.pages.read(WINDOW + FIRST + 0x800, &mut client));
    assert_eq!(client, uuid[..]);
}

/// The driver takes this code as "no thread is free", waits, and brings the message again.
#[test]
fn a_command_in_a_busy_session_is_brought_again() {
    let world = World::new();
    let session = world.open(echo::UUID);
    let (_, state) = world
        .tee
        .sessions
        .with(|sessions| sessions.begin(0, session, 9))
        .unwrap();
    let swap = Message::new(1, echo::SWAP, session).with(3, [1, 2, 0]);
    let (code, answer) = world.call(&swap);
    assert_eq!(code, code::BUSY);
    let unchanged: Vec<u32> = swap
        .0
        .as_chunks::<4>()
        .0
        .iter()
        .map(|w| u32::from_le_bytes(*w))
        .collect();
    assert_eq!(answer, unchanged, "the message is as it was");
    // A cancellation and another session do not wait.
    assert_eq!(world.call(&Message::new(3, 0, session)).1[5], SUCCESS);
    world.open(echo::UUID);
    world
        .tee
        .sessions
        .with(|sessions| sessions.end(0, session, state));
    let (code, answer) = world.call(&swap);
    assert_eq!(
        (code, answer[5], answer[10], answer[12]),
        (SUCCESS, SUCCESS, 2, 1)
    );
}

#[test]
fn places_outside_of_the_memory_are_refused() {
    let world = World::new();
    let session = world.open(echo::UUID);
    let length = 6 * PAGE;
    let wrong: [[u64; 3]; 7] = [
        [0, length + 1, HANDLE],
        [length, 1, HANDLE],
        [1, length, HANDLE],
        [1 << 48, length, HANDLE],
        [0, u64::MAX, HANDLE],
        [0xffff_ffff_ffff, u64::MAX - 0xffff_ffff, HANDLE],
        [0, 1, 99],
    ];
    for place in wrong {
        let message = Message::new(1, echo::INVERT, session).with(7, place);
        assert_eq!(world.call(&message).1[5..7], [BAD_PARAMETERS, 3], "{place:x?}");
    }
    // A good one before a bad one is released again.
    let message = Message::new(1, echo::MEMORY, session)
        .with(5, [0, 8, 8])
        .with(6, [0, 8, 99]);
    assert_eq!(world.call(&message).1[5], BAD_PARAMETERS);
    assert_eq!(
        world.tee.immediate(0, Request::Unregister { handle: 8 }),
        Some(Answer::Unregistered)
    );
}

#[test]
fn messages_that_are_none() {
    let world = World::new();
    for (handle, offset) in [
        (99, 0),
        (HANDLE, 4),
        (HANDLE, 6 * 4096),
        (HANDLE, 6 * 4096 - 24),
        (HANDLE, u32::MAX - 7),
    ] {
        assert_eq!(
            world.tee.call(0, handle, offset),
            BAD_PARAMETERS,
            "{handle:#x} {offset:#x}"
        );
    }
    // Somebody else's memory: retrieved for the first owner, then named by another one.
    world.open(echo::UUID);
    assert_eq!(world.tee.call(1, HANDLE, 0), BAD_PARAMETERS);
    // Counts: more than a page holds, more than is understood, more than the memory holds.
    let mut many = Message::new(1, 0, 0);
    many.0[28] = 128;
    assert_eq!(world.call(&many).0, BAD_PARAMETERS);
    many.0[28] = 7;
    assert_eq!(world.call(&many).1[5..7], [BAD_PARAMETERS, 3]);
    many.0[28] = 6;
    let last = (4 * PAGE - 32) as u32;
    let at = 2 * PAGE as u32 + last;
    assert!(world.pages.write(WINDOW + 8 * PAGE + u64::from(last), &many.0));
    assert_eq!(world.tee.call(0, HANDLE, at), BAD_PARAMETERS);
}

#[test]
fn wrong_commands_are_answered() {
    let world = World::new();
    let session = world.open(echo::UUID);
    let cases = [
        Message::new(4, 0, session),
        Message::new(u32::MAX, 0, session),
        Message::new(2, 0, session).with(1, [0; 3]),
        Message::new(3, 0, session + 1),
        Message::new(1, 0, session).with(0x101, [0; 3]),
        Message::new(1, 0, session).with(9, [0; 3]),
        Message::new(0, 0, 0),
        Message::new(0, 0, 0).with(0x101, [0; 3]),
        Message::new(0, 0, 0).with(0x101, [0; 3]).with(1, [0; 3]),
    ];
    for (n, message) in cases.iter().enumerate() {
        let (code, answer) = world.call(message);
        assert_eq!(
            (code, answer[5], answer[6]),
            (SUCCESS, BAD_PARAMETERS, 3),
            "case {n}"
        );
    }
    assert_eq!(world.call(&Message::open([1; 16])).1[5..7], [ITEM_NOT_FOUND, 3]);
    assert_eq!(
        world.call(&Message::new(1, 77, session)).1[5..7],
        [code::NOT_SUPPORTED, 4]
    );
}

#[test]
fn sessions_run_out_and_come_back() {
    let world = World::new();
    let sessions: Vec<u32> = (0..crate::sessions::MAX_SESSIONS)
        .map(|_| world.open(echo::UUID))
        .collect();
    let (_, answer) = world.call(&Message::open(echo::UUID));
    assert_eq!((answer[2], answer[5]), (0, OUT_OF_MEMORY));
    for session in sessions {
        assert_eq!(world.call(&Message::new(2, 0, session)).1[5], SUCCESS);
    }
    world.open(echo::UUID);
}

#[test]
fn many_at_once() {
    let world = World::new();
    std::thread::scope(|scope| {
        for core in 0..4_u32 {
            let world = &world;
            scope.spawn(move || {
                let (address, offset) = (WINDOW + FIRST, core * 512);
                let session = world.call_at(address, offset, &Message::open(echo::UUID)).1[2];
                for n in 0..200 {
                    let numbers = [n, u64::from(core), 0];
                    let message = Message::new(1, echo::VALUE, session)
                        .with(1, numbers)
                        .with(2, [0; 3]);
                    let (code, answer) = world.call_at(address, offset, &message);
                    assert_eq!((code, answer[5]), (SUCCESS, SUCCESS));
                    assert_eq!([answer[18], answer[20]], [n as u32, core]);
                    // Another one's memory comes and goes meanwhile.
                    let place = [u64::from(core) * 64, 64, 8];
                    let message = Message::new(1, echo::INVERT, session).with(7, place);
                    assert_eq!(world.call_at(address, offset, &message).1[5], SUCCESS);
                    let answer = world.tee.immediate(0, Request::Unregister { handle: 8 });
                    assert!(matches!(answer, Some(Answer::Unregistered | Answer::InUse)));
                }
            });
        }
    });
    let answer = world.tee.immediate(0, Request::Unregister { handle: 8 });
    assert_eq!(answer, Some(Answer::Unregistered));
    assert_eq!(world.retrieved(), [HANDLE]);
}

#[test]
fn the_driver_is_notified_and_its_bottom_halves_are_counted() {
    let world = World::new();
    let session = world.open(echo::UUID);
    let code = |command, function| world.call(&Message::new(command, function, session)).1[5];
    let halves = || {
        world
            .call(&Message::new(1, echo::HALVES, session).with(2, [9, 9, 0]))
            .1[10]
    };
    assert_eq!(code(1, echo::NOTIFY), BAD_STATE, "no driver named a notification");
    assert_eq!(world.enable(64), Some(Answer::Notifications(BAD_PARAMETERS)));
    assert_eq!(world.enable(40), Some(Answer::Notifications(SUCCESS)));
    assert_eq!(code(1, echo::NOTIFY), SUCCESS);
    assert_eq!(halves(), 0);
    assert_eq!(code(6, 0), SUCCESS);
    let with_parameter = Message::new(6, 0, 0).with(1, [0; 3]);
    assert_eq!(world.call(&with_parameter).1[5], BAD_PARAMETERS);
    assert_eq!(halves(), 1);
    assert_eq!(code(7, 0), SUCCESS);
    assert_eq!(code(1, echo::NOTIFY), BAD_STATE, "it wants none any more");
}
