//! The registers of answers.

use crate::api::Regs;
use crate::decode::Form;
use crate::error::Error;
use crate::function;

/// An answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// x0 to x7; x8 to x17 keep the values that the caller had in them (DEN0028E,
    /// section 2.7: what is no result is preserved).
    Short([u64; 8]),
    /// x0 to x17.
    Wide(Regs),
    /// SMCCC's "unknown function": x0 is -1, nothing else changes.
    Unknown,
}

impl Reply {
    /// FFA_SUCCESS (SMC32) with w2 and w3, all else zero.
    pub(crate) fn success(w2: u32, w3: u32) -> Self {
        Self::words(function::SUCCESS_32, &[0, w2, w3])
    }

    /// FFA_SUCCESS without a result.
    pub(crate) fn done() -> Self {
        Self::success(0, 0)
    }

    /// FFA_ERROR.
    pub(crate) fn error(error: Error) -> Self {
        Self::words(function::ERROR, &[0, error.code()])
    }

    /// FFA_INTERRUPT that names an execution context (DEN0077A 1.2, section 14.4).
    pub(crate) fn interrupt(endpoint: u16, vcpu: u16) -> Self {
        Self::words(function::INTERRUPT, &[target(endpoint, vcpu)])
    }

    /// A function ID with 32-bit parameters from w1 on.
    pub(crate) fn words(id: u32, parameters: &[u32]) -> Self {
        let mut regs = [0; 8];
        regs[0] = u64::from(id);
        for (to, from) in regs.iter_mut().skip(1).zip(parameters) {
            *to = u64::from(*from);
        }
        Self::Short(regs)
    }

    /// The registers that the caller gets, where `kept` are the ones that it called with.
    pub(crate) fn over(&self, kept: &Regs) -> Regs {
        let mut regs = *kept;
        self.put(&mut regs);
        regs
    }

    /// Puts it over the registers that the caller called with.
    #[inline]
    pub(crate) fn put(&self, regs: &mut Regs) {
        match self {
            Self::Wide(all) => *regs = *all,
            Self::Unknown => regs.0[0] = u64::MAX,
            Self::Short(first) => {
                for (to, from) in regs.0.iter_mut().zip(first) {
                    *to = *from;
                }
            }
        }
    }

    /// As [`Self::put`], of an answer or the error in its place: nothing is moved to make one of the two.
    #[inline]
    pub(crate) fn put_result(result: &Result<Self, Error>, regs: &mut Regs) {
        match result {
            Ok(reply) => reply.put(regs),
            Err(error) => Self::error(*error).put(regs),
        }
    }

    /// The answer that a direct response of this form has in its registers.
    #[cold]
    pub(crate) fn of_response(form: Form, regs: &Regs) -> Self {
        match form {
            Form::Extended => Self::Wide(*regs),
            Form::Short32 | Form::Short64 => {
                let [x0, x1, x2, x3, x4, x5, x6, x7, ..] = regs.0;
                Self::Short([x0, x1, x2, x3, x4, x5, x6, x7])
            }
        }
    }
}

/// Target information: endpoint in bits 31 to 16, execution context in bits 15 to 0.
pub(crate) fn target(endpoint: u16, vcpu: u16) -> u32 {
    u32::from(endpoint) << 16 | u32::from(vcpu)
}
