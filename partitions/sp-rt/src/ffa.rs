//! FF-A numbers and the registers of a call (DEN0077A 1.2, chapters 12 to 18; DEN0140 1.2, chapter 2).

/// x0 to x17 of a call or of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Regs(pub [u64; 18]);

impl Regs {
    /// A call: function ID and the first arguments, everything behind them zero.
    ///
    /// # Panics
    /// Never for the at most 17 arguments that fit; more are cut off.
    #[must_use]
    pub fn new(function: u32, arguments: &[u64]) -> Self {
        let mut regs = [0; 18];
        regs[0] = u64::from(function);
        for (to, from) in regs[1..].iter_mut().zip(arguments) {
            *to = *from;
        }
        Self(regs)
    }

    /// The function ID: the low 32 bits of x0.
    #[must_use]
    pub fn function(&self) -> u32 {
        self.w(0)
    }

    /// The low 32 bits of register `n` (0 to 17).
    #[must_use]
    pub fn w(&self, n: usize) -> u32 {
        self.0[n] as u32
    }

    /// Register `n` (0 to 17) as a whole.
    #[must_use]
    pub fn x(&self, n: usize) -> u64 {
        self.0[n]
    }

    /// Who sent a direct message (w1, bits 31:16).
    #[must_use]
    pub fn source(&self) -> u16 {
        (self.w(1) >> 16) as u16
    }

    /// To whom a direct message goes (w1, bits 15:0).
    #[must_use]
    pub fn destination(&self) -> u16 {
        self.w(1) as u16
    }

    /// `Ok` for FFA_SUCCESS in both forms, else the status of FFA_ERROR (or [`Error::NOT_SUPPORTED`]
    /// for an answer that is neither).
    ///
    /// # Errors
    /// The FF-A status code that the answer carries.
    pub fn success(self) -> Result<Self, Error> {
        match self.function() {
            SUCCESS_32 | SUCCESS_64 => Ok(self),
            ERROR => Err(Error(self.w(2).cast_signed())),
            _ => Err(Error::NOT_SUPPORTED),
        }
    }

    /// FFA_ERROR with this status.
    #[must_use]
    pub fn error(status: Error) -> Self {
        Self::new(ERROR, &[0, u64::from(status.0.cast_unsigned())])
    }

    /// FFA_MSG_WAIT: this context is free for the next message.
    #[must_use]
    pub fn msg_wait() -> Self {
        Self::new(MSG_WAIT, &[])
    }
}

/// An FF-A status code (DEN0077A 1.2, table 12.2): a small negative number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(pub i32);

impl Error {
    /// The call is not implemented.
    pub const NOT_SUPPORTED: Self = Self(-1);
    /// An argument is wrong.
    pub const INVALID_PARAMETERS: Self = Self(-2);
    /// Out of memory.
    pub const NO_MEMORY: Self = Self(-3);
    /// What the call needs is in use.
    pub const BUSY: Self = Self(-4);
    /// The call was interrupted.
    pub const INTERRUPTED: Self = Self(-5);
    /// Not allowed, or not in this state.
    pub const DENIED: Self = Self(-6);
    /// Try again later.
    pub const RETRY: Self = Self(-7);
    /// The callee was stopped.
    pub const ABORTED: Self = Self(-8);
    /// Nothing to report.
    pub const NO_DATA: Self = Self(-9);
}

impl core::fmt::Debug for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = match self.0 {
            -1 => "NOT_SUPPORTED",
            -2 => "INVALID_PARAMETERS",
            -3 => "NO_MEMORY",
            -4 => "BUSY",
            -5 => "INTERRUPTED",
            -6 => "DENIED",
            -7 => "RETRY",
            -8 => "ABORTED",
            -9 => "NO_DATA",
            other => return write!(f, "status {other}"),
        };
        f.write_str(name)
    }
}

/// The version that this runtime speaks: 1.2.
pub const VERSION_1_2: u32 = 0x0001_0002;

/// Version 1.1.
pub const VERSION_1_1: u32 = 0x0001_0001;

/// Version 1.0.
pub const VERSION_1_0: u32 = 0x0001_0000;

/// FFA_ERROR.
pub const ERROR: u32 = 0x8400_0060;
/// FFA_SUCCESS, 32-bit form.
pub const SUCCESS_32: u32 = 0x8400_0061;
/// FFA_SUCCESS, 64-bit form.
pub const SUCCESS_64: u32 = 0xC400_0061;
/// FFA_INTERRUPT.
pub const INTERRUPT: u32 = 0x8400_0062;
/// FFA_VERSION.
pub const VERSION: u32 = 0x8400_0063;
/// FFA_FEATURES.
pub const FEATURES: u32 = 0x8400_0064;
/// FFA_RX_RELEASE.
pub const RX_RELEASE: u32 = 0x8400_0065;
/// FFA_RX_ACQUIRE.
pub const RX_ACQUIRE: u32 = 0x8400_0084;
/// FFA_RXTX_MAP, 32-bit form.
pub const RXTX_MAP_32: u32 = 0x8400_0066;
/// FFA_RXTX_MAP, 64-bit form.
pub const RXTX_MAP_64: u32 = 0xC400_0066;
/// FFA_RXTX_UNMAP.
pub const RXTX_UNMAP: u32 = 0x8400_0067;
/// FFA_PARTITION_INFO_GET.
pub const PARTITION_INFO_GET: u32 = 0x8400_0068;
/// FFA_ID_GET.
pub const ID_GET: u32 = 0x8400_0069;
/// FFA_MSG_WAIT.
pub const MSG_WAIT: u32 = 0x8400_006B;
/// FFA_YIELD.
pub const YIELD: u32 = 0x8400_006C;
/// FFA_RUN.
pub const RUN: u32 = 0x8400_006D;
/// FFA_MSG_SEND_DIRECT_REQ, 32-bit form.
pub const DIRECT_REQ_32: u32 = 0x8400_006F;
/// FFA_MSG_SEND_DIRECT_RESP, 32-bit form.
pub const DIRECT_RESP_32: u32 = 0x8400_0070;
/// FFA_MSG_SEND_DIRECT_REQ, 64-bit form.
pub const DIRECT_REQ_64: u32 = 0xC400_006F;
/// FFA_MSG_SEND_DIRECT_RESP, 64-bit form.
pub const DIRECT_RESP_64: u32 = 0xC400_0070;
/// FFA_MEM_DONATE, 32-bit form.
pub const MEM_DONATE: u32 = 0x8400_0071;
/// FFA_MEM_DONATE, 64-bit form.
pub const MEM_DONATE_64: u32 = 0xC400_0071;
/// FFA_MEM_LEND, 32-bit form.
pub const MEM_LEND: u32 = 0x8400_0072;
/// FFA_MEM_LEND, 64-bit form.
pub const MEM_LEND_64: u32 = 0xC400_0072;
/// FFA_MEM_SHARE, 32-bit form.
pub const MEM_SHARE: u32 = 0x8400_0073;
/// FFA_MEM_SHARE, 64-bit form.
pub const MEM_SHARE_64: u32 = 0xC400_0073;
/// FFA_MEM_RETRIEVE_REQ, 32-bit form.
pub const MEM_RETRIEVE_REQ: u32 = 0x8400_0074;
/// FFA_MEM_RETRIEVE_REQ, 64-bit form.
pub const MEM_RETRIEVE_REQ_64: u32 = 0xC400_0074;
/// FFA_MEM_RETRIEVE_RESP.
pub const MEM_RETRIEVE_RESP: u32 = 0x8400_0075;
/// FFA_MEM_RELINQUISH.
pub const MEM_RELINQUISH: u32 = 0x8400_0076;
/// FFA_MEM_RECLAIM.
pub const MEM_RECLAIM: u32 = 0x8400_0077;
/// FFA_MEM_OP_PAUSE, withdrawn by FF-A 1.1.
pub const MEM_OP_PAUSE: u32 = 0x8400_0078;
/// FFA_MEM_OP_RESUME, withdrawn by FF-A 1.1.
pub const MEM_OP_RESUME: u32 = 0x8400_0079;
/// FFA_MEM_FRAG_RX.
pub const MEM_FRAG_RX: u32 = 0x8400_007A;
/// FFA_MEM_FRAG_TX.
pub const MEM_FRAG_TX: u32 = 0x8400_007B;
/// FFA_NOTIFICATION_BITMAP_CREATE.
pub const NOTIFICATION_BITMAP_CREATE: u32 = 0x8400_007D;
/// FFA_NOTIFICATION_BITMAP_DESTROY.
pub const NOTIFICATION_BITMAP_DESTROY: u32 = 0x8400_007E;
/// FFA_NOTIFICATION_BIND.
pub const NOTIFICATION_BIND: u32 = 0x8400_007F;
/// FFA_NOTIFICATION_UNBIND.
pub const NOTIFICATION_UNBIND: u32 = 0x8400_0080;
/// FFA_NOTIFICATION_SET.
pub const NOTIFICATION_SET: u32 = 0x8400_0081;
/// FFA_NOTIFICATION_GET.
pub const NOTIFICATION_GET: u32 = 0x8400_0082;
/// FFA_NOTIFICATION_INFO_GET, 32-bit form.
pub const NOTIFICATION_INFO_GET_32: u32 = 0x8400_0083;
/// FFA_NOTIFICATION_INFO_GET, 64-bit form.
pub const NOTIFICATION_INFO_GET_64: u32 = 0xC400_0083;
/// FFA_SPM_ID_GET.
pub const SPM_ID_GET: u32 = 0x8400_0085;
/// FFA_MSG_SEND2.
pub const MSG_SEND2: u32 = 0x8400_0086;
/// FFA_SECONDARY_EP_REGISTER, 32-bit form.
pub const SECONDARY_EP_REGISTER_32: u32 = 0x8400_0087;
/// FFA_SECONDARY_EP_REGISTER, 64-bit form.
pub const SECONDARY_EP_REGISTER_64: u32 = 0xC400_0087;
/// FFA_MEM_PERM_GET, 32-bit form.
pub const MEM_PERM_GET: u32 = 0x8400_0088;
/// FFA_MEM_PERM_SET, 32-bit form.
pub const MEM_PERM_SET: u32 = 0x8400_0089;
/// FFA_CONSOLE_LOG, 32-bit form.
pub const CONSOLE_LOG_32: u32 = 0x8400_008A;
/// FFA_CONSOLE_LOG, 64-bit form.
pub const CONSOLE_LOG_64: u32 = 0xC400_008A;
/// FFA_PARTITION_INFO_GET_REGS.
pub const PARTITION_INFO_GET_REGS: u32 = 0xC400_008B;
/// FFA_MSG_SEND_DIRECT_REQ2.
pub const DIRECT_REQ2: u32 = 0xC400_008D;
/// FFA_MSG_SEND_DIRECT_RESP2.
pub const DIRECT_RESP2: u32 = 0xC400_008E;
/// FFA_ABORT, 32-bit form.
pub const ABORT: u32 = 0x8400_0090;
/// FFA_ABORT, 64-bit form.
pub const ABORT_64: u32 = 0xC400_0090;

/// Bit of w2 of a direct message that marks a framework message (DEN0077A 1.2, section 15.2).
pub const FRAMEWORK_MESSAGE: u32 = 1 << 31;

/// Paravirtual interrupt calls, by `HVC #0`.
pub mod interrupt_call {
    /// Enables or disables an interrupt: x1 INTID, x2 1 or 0, x3 0 for IRQ.
    pub const ENABLE: u32 = 0xff03;
    /// Gives the INTID of the interrupt that is to be handled, or `NONE`.
    pub const GET: u32 = 0xff04;
    /// Ends the handling of an interrupt: x1 and x2 its INTID.
    pub const DEACTIVATE: u32 = 0xff08;
    /// The answer of `GET` when nothing is pending.
    pub const NONE: u32 = 0xffff_ffff;
    /// The INTID that asks for a managed exit.
    pub const MANAGED_EXIT: u32 = 4;
    /// The INTID that says that a notification is pending.
    pub const NOTIFICATION_PENDING: u32 = 5;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_answers_carry_their_status() {
        let answer = Regs::new(ERROR, &[0, 0xffff_fffa]);
        assert_eq!(answer.success(), Err(Error::DENIED));
        assert_eq!(Regs::error(Error::BUSY).success(), Err(Error::BUSY));
        assert_eq!(Regs::new(0x8400_0099, &[]).success(), Err(Error::NOT_SUPPORTED));
        // NOT_SUPPORTED as an SMCCC answer stands in x0 itself.
        assert_eq!(Regs([u64::MAX; 18]).success(), Err(Error::NOT_SUPPORTED));
    }

    #[test]
    fn endpoints_of_a_message() {
        let message = Regs::new(DIRECT_REQ_32, &[0x0003_8003]);
        assert_eq!((message.source(), message.destination()), (3, 0x8003));
    }
}
