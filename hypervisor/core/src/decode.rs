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
    Short32,
    /// FFA_MSG_SEND_DIRECT_REQ and _RESP, SMC64: x3 to x7.
    Short64,
    /// FFA_MSG_SEND_DIRECT_REQ2 and _RESP2: x4 to x17, a service UUID in x2 and x3.
    Extended,
}

/// A direct request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direct {
    /// How it is carried.
    pub form: Form,
    /// Who says it is the sender.
    pub source: u16,
    /// Whom it is for.
    pub target: u16,
    /// All registers as they are delivered: those that the form does not use are zero.
    pub regs: Regs,
}

impl Direct {
    /// The framework message that it is: the flags in w2 (DEN0077A 1.2, section 15.2); 0: it is none.
    pub(crate) fn framework(&self) -> u32 {
        if self.form == Form::Extended {
            0
        } else {
            low(self.regs.0[2])
        }
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
    DirectRequest(Direct),
    DirectResponse(Direct),
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

/// Decodes the registers of a call.
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
        f::DIRECT_REQ_32 | f::DIRECT_REQ_64 | f::DIRECT_REQ2 => Call::DirectRequest(direct(id, regs)),
        f::DIRECT_RESP_32 | f::DIRECT_RESP_64 | f::DIRECT_RESP2 => Call::DirectResponse(direct(id, regs)),
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

fn direct(id: u32, regs: &Regs) -> Direct {
    let form = match id {
        f::DIRECT_REQ2 | f::DIRECT_RESP2 => Form::Extended,
        _ if id & f::SMC64 != 0 => Form::Short64,
        _ => Form::Short32,
    };
    let mut delivered = *regs;
    for (n, value) in delivered.0.iter_mut().enumerate() {
        *value = match (n, form) {
            (0, _) => u64::from(id),
            (1, _) => *value & 0xffff_ffff,
            (2, Form::Short64) => *value & 0xffff_ffff,
            (2..8, Form::Short32) => *value & 0xffff_ffff,
            (8.., Form::Short32 | Form::Short64) => 0,
            _ => *value,
        };
    }
    let info = low(regs.0[1]);
    Direct {
        form,
        source: high_half(info),
        target: low_half(info),
        regs: delivered,
    }
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
