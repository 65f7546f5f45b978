//! The one decode: registers of a call become a typed call.
//!
//! In an SMC32 form only the low halves of the registers count (DEN0028E, section 2.6);
//! parameters that the specification reserves as SBZ are not looked at.

use crate::api::Regs;
use crate::function as f;

/// How a direct message is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// FFA_MSG_SEND_DIRECT_REQ and _RESP, SMC32: w3 to w7.
    // From 1 on, so that none of them is zero, and the policy takes no room in flash.
    Short32 = 1,
    /// FFA_MSG_SEND_DIRECT_REQ and _RESP, SMC64: x3 to x7.
    Short64,
    /// FFA_MSG_SEND_DIRECT_REQ2 and _RESP2: x4 to x17, a service UUID in x2 and x3.
    Extended,
}

impl Form {
    /// That of a call which is a direct request.
    #[inline]
    pub(crate) fn of_request(regs: &Regs) -> Option<Self> {
        match low(regs.0[0]) & !f::SVE_HINT {
            f::DIRECT_REQ_64 => Some(Self::Short64),
            f::DIRECT_REQ_32 => Some(Self::Short32),
            f::DIRECT_REQ2 => Some(Self::Extended),
            _ => None,
        }
    }

    /// That of a call which is a direct response.
    #[inline]
    pub(crate) fn of_response(regs: &Regs) -> Option<Self> {
        match low(regs.0[0]) & !f::SVE_HINT {
            f::DIRECT_RESP_64 => Some(Self::Short64),
            f::DIRECT_RESP_32 => Some(Self::Short32),
            f::DIRECT_RESP2 => Some(Self::Extended),
            _ => None,
        }
    }
}

/// What a direct message says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// How it is carried.
    pub form: Form,
    /// Who says it is the sender.
    pub source: u16,
    /// Whom it is for.
    pub target: u16,
    /// Its flags in w2 (DEN0077A 1.2, section 15.2), which say what a framework message is; 0 where the form has none.
    pub flags: u32,
}

impl Head {
    /// That of a message in these registers.
    #[inline]
    pub(crate) fn of(form: Form, regs: &Regs) -> Self {
        let [_, x1, x2, ..] = regs.0;
        let ends = low(x1);
        let flags = if form == Form::Extended { 0 } else { low(x2) };
        Self {
            form,
            source: high_half(ends),
            target: low_half(ends),
            flags,
        }
    }
}

/// A direct message with its registers as they are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direct {
    /// What it says of itself.
    pub head: Head,
    /// All registers: those that the form does not use are zero.
    pub regs: Regs,
}

impl Direct {
    /// The message in the registers of a call.
    pub(crate) fn of(form: Form, regs: &Regs) -> Self {
        let head = Head::of(form, regs);
        let mut regs = *regs;
        trim(form, &mut regs);
        if form != Form::Extended {
            for register in regs.0.iter_mut().skip(8) {
                *register = 0;
            }
        }
        Self { head, regs }
    }
}

/// Leaves of x0 to x7 of a direct message what its form carries.
#[inline(always)]
pub(crate) fn trim(form: Form, regs: &mut Regs) {
    let [x0, x1, x2, x3, x4, x5, x6, x7, ..] = &mut regs.0;
    *x0 = u64::from(low(*x0) & !f::SVE_HINT);
    *x1 = u64::from(low(*x1));
    match form {
        Form::Short32 => {
            for register in [x2, x3, x4, x5, x6, x7] {
                *register = u64::from(low(*register));
            }
        }
        Form::Short64 => *x2 = u64::from(low(*x2)),
        Form::Extended => {}
    }
}

/// Which memory transaction is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// FFA_MEM_DONATE.
    Donate,
    /// FFA_MEM_LEND.
    Lend,
    /// FFA_MEM_SHARE.
    Share,
    /// FFA_MEM_RETRIEVE_REQ.
    Retrieve,
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Version {
        requested: u32,
    },
    Features {
        id: u32,
        input: u32,
    },
    IdGet,
    SpmIdGet,
    RxTxMap {
        tx: u64,
        rx: u64,
        pages: u32,
    },
    RxTxUnmap {
        endpoint: u16,
    },
    RxAcquire {
        endpoint: u16,
    },
    RxRelease {
        endpoint: u16,
    },
    PartitionInfoGet {
        uuid: [u32; 4],
        flags: u32,
    },
    PartitionInfoGetRegs {
        uuid: [u64; 2],
        start: u16,
        tag: u16,
    },
    Run {
        endpoint: u16,
        vcpu: u16,
    },
    MsgWait {
        flags: u32,
    },
    Yield,
    Success,
    Interrupt,
    Error {
        code: u32,
    },
    /// A function of PSCI by which a machine, here a partition, ends.
    PowerOff {
        function: u32,
    },
    Abort {
        code: u32,
    },
    Send {
        sender: u16,
        flags: u32,
    },
    SecondaryEntry {
        address: u64,
    },
    ConsoleLog {
        wide: bool,
        length: u32,
    },
    Memory {
        kind: Transaction,
        total: u32,
        fragment: u32,
        address: u64,
        pages: u32,
    },
    Relinquish,
    Reclaim {
        handle: u64,
        flags: u32,
    },
    FragmentRx {
        handle: u64,
        offset: u32,
        endpoint: u32,
    },
    FragmentTx {
        handle: u64,
        length: u32,
        endpoint: u32,
    },
    NotificationBitmapCreate {
        vm: u16,
        vcpus: u64,
    },
    NotificationBitmapDestroy {
        vm: u16,
    },
    NotificationBind {
        sender: u16,
        receiver: u16,
        flags: u32,
        bitmap: u64,
    },
    NotificationUnbind {
        sender: u16,
        receiver: u16,
        bitmap: u64,
    },
    NotificationSet {
        sender: u16,
        receiver: u16,
        flags: u32,
        bitmap: u64,
    },
    NotificationGet {
        vcpu: u16,
        receiver: u16,
        flags: u32,
    },
    NotificationInfoGet {
        wide: bool,
    },
    /// An FF-A function ID that is not served here.
    UnknownFfa,
    /// Anything else (PSCI, vendor calls ...).
    Unknown,
}

/// Decodes the registers of a call that is no direct message.
pub(crate) fn decode(regs: &Regs) -> Call {
    let [x0, x1, x2, x3, x4, x5, ..] = regs.0;
    let id = low(x0) & !f::SVE_HINT;
    let (w1, w2, w3, w4, w5) = (low(x1), low(x2), low(x3), low(x4), low(x5));
    let wide = id & f::SMC64 != 0;
    match id {
        f::VERSION => Call::Version { requested: w1 },
        f::FEATURES => Call::Features { id: w1, input: w2 },
        f::ID_GET => Call::IdGet,
        f::SPM_ID_GET => Call::SpmIdGet,
        f::RXTX_MAP_32 => Call::RxTxMap {
            tx: u64::from(w1),
            rx: u64::from(w2),
            pages: w3,
        },
        f::RXTX_MAP_64 => Call::RxTxMap {
            tx: x1,
            rx: x2,
            pages: w3,
        },
        f::RXTX_UNMAP => Call::RxTxUnmap {
            endpoint: high_half(w1),
        },
        f::RX_ACQUIRE => Call::RxAcquire {
            endpoint: low_half(w1),
        },
        f::RX_RELEASE => Call::RxRelease {
            endpoint: low_half(w1),
        },
        f::PARTITION_INFO_GET => Call::PartitionInfoGet {
            uuid: [w1, w2, w3, w4],
            flags: w5,
        },
        f::PARTITION_INFO_GET_REGS => Call::PartitionInfoGetRegs {
            uuid: [x1, x2],
            start: low_half(w3),
            tag: high_half(w3),
        },
        f::RUN => Call::Run {
            endpoint: high_half(w1),
            vcpu: low_half(w1),
        },
        f::MSG_WAIT => Call::MsgWait { flags: w2 },
        f::YIELD => Call::Yield,
        f::SUCCESS_32 | f::SUCCESS_64 => Call::Success,
        f::INTERRUPT => Call::Interrupt,
        f::ERROR => Call::Error { code: w2 },
        f::ABORT_32 | f::ABORT_64 => Call::Abort { code: w2 },
        f::SYSTEM_OFF | f::SYSTEM_RESET | f::SYSTEM_RESET2_32 | f::SYSTEM_RESET2_64 => {
            Call::PowerOff { function: id }
        }
        f::MSG_SEND2 => Call::Send {
            sender: high_half(w1),
            flags: w2,
        },
        f::SECONDARY_EP_REGISTER_32 => Call::SecondaryEntry {
            address: u64::from(w1),
        },
        f::SECONDARY_EP_REGISTER_64 => Call::SecondaryEntry { address: x1 },
        f::CONSOLE_LOG_32 | f::CONSOLE_LOG_64 => Call::ConsoleLog {
            wide,
            length: w1 & 0xff,
        },
        _ => decode_memory(id, regs)
            .or_else(|| decode_notification(id, regs))
            .unwrap_or({
                if f::is_ffa(id) {
                    Call::UnknownFfa
                } else {
                    Call::Unknown
                }
            }),
    }
}

fn decode_memory(id: u32, regs: &Regs) -> Option<Call> {
    let [_, x1, x2, x3, x4, ..] = regs.0;
    let (w1, w2, w3, w4) = (low(x1), low(x2), low(x3), low(x4));
    let kind = match id {
        f::MEM_DONATE_32 | f::MEM_DONATE_64 => Transaction::Donate,
        f::MEM_LEND_32 | f::MEM_LEND_64 => Transaction::Lend,
        f::MEM_SHARE_32 | f::MEM_SHARE_64 => Transaction::Share,
        f::MEM_RETRIEVE_REQ_32 | f::MEM_RETRIEVE_REQ_64 => Transaction::Retrieve,
        f::MEM_RELINQUISH => return Some(Call::Relinquish),
        f::MEM_RECLAIM => {
            return Some(Call::Reclaim {
                handle: pair(w1, w2),
                flags: w3,
            });
        }
        f::MEM_FRAG_RX => {
            return Some(Call::FragmentRx {
                handle: pair(w1, w2),
                offset: w3,
                endpoint: w4,
            });
        }
        f::MEM_FRAG_TX => {
            return Some(Call::FragmentTx {
                handle: pair(w1, w2),
                length: w3,
                endpoint: w4,
            });
        }
        _ => return None,
    };
    let address = if id & f::SMC64 != 0 { x3 } else { u64::from(w3) };
    Some(Call::Memory {
        kind,
        total: w1,
        fragment: w2,
        address,
        pages: w4,
    })
}

fn decode_notification(id: u32, regs: &Regs) -> Option<Call> {
    let [_, x1, x2, x3, x4, ..] = regs.0;
    let (w1, w2, bitmap) = (low(x1), low(x2), pair(low(x3), low(x4)));
    let (sender, receiver) = (high_half(w1), low_half(w1));
    Some(match id {
        f::NOTIFICATION_BITMAP_CREATE => Call::NotificationBitmapCreate {
            vm: receiver,
            vcpus: u64::from(w2),
        },
        f::NOTIFICATION_BITMAP_DESTROY => Call::NotificationBitmapDestroy { vm: receiver },
        f::NOTIFICATION_BIND => Call::NotificationBind {
            sender,
            receiver,
            flags: w2,
            bitmap,
        },
        f::NOTIFICATION_UNBIND => Call::NotificationUnbind {
            sender,
            receiver,
            bitmap,
        },
        f::NOTIFICATION_SET => Call::NotificationSet {
            sender,
            receiver,
            flags: w2,
            bitmap,
        },
        f::NOTIFICATION_GET => Call::NotificationGet {
            vcpu: sender,
            receiver,
            flags: w2,
        },
        f::NOTIFICATION_INFO_GET_32 => Call::NotificationInfoGet { wide: false },
        f::NOTIFICATION_INFO_GET_64 => Call::NotificationInfoGet { wide: true },
        _ => return None,
    })
}

/// The low 32 bits.
pub(crate) fn low(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

/// Bits 31 to 16.
pub(crate) fn high_half(value: u32) -> u16 {
    (value >> 16) as u16
}

/// Bits 15 to 0.
pub(crate) fn low_half(value: u32) -> u16 {
    (value & 0xffff) as u16
}

/// A 64-bit value whose low half comes first.
pub(crate) fn pair(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
