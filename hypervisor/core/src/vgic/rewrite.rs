//! Instructions that access the GIC's CPU interface, for boards on which those of secure EL1 do not trap to
//! secure EL2 (QEMU up to 10): the hypervisor puts hypervisor calls in their place before the partition runs.
//!
//! `MSR` and `MRS` of an ICC register become `HVC` with a number that says which register, which direction, and
//! which general register. The number of any other such call is no access.

use crate::api::SystemRegister;

const MSR: u32 = 0xd510_0000;
const MRS: u32 = 0xd530_0000;
/// What the two instructions have in common with others of their kind: all but the operands.
const OPCODE: u32 = 0xfff0_0000;
const HVC: u32 = 0xd400_0002;

/// Marks the number of such a call; the low eleven bits are its operands, the highest says that it reads.
const MARK: u16 = 0xa000;
const MARK_BITS: u16 = 0xf000;
const READS: u16 = 1 << 11;
/// The place of ICC_PMR_EL1 among those that a number can say: the others are of CRm 8 to 12.
const PMR_PLACE: u16 = 7;
const PMR: SystemRegister = SystemRegister::new(3, 0, 4, 6, 0);

/// An access that an instruction makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operands {
    /// Which register.
    pub register: SystemRegister,
    /// Whether it is read.
    pub reads: bool,
    /// Number of the general register; 31 is the zero register.
    pub target: u8,
}

impl Operands {
    /// What an `HVC` of this number stands for; none of another's.
    #[must_use]
    pub const fn of(number: u16) -> Option<Self> {
        if number & MARK_BITS != MARK {
            return None;
        }
        let (place, op2) = (number >> 8 & 7, number >> 5 & 7);
        let register = match place {
            PMR_PLACE if op2 == 0 => PMR,
            0..=4 => SystemRegister::new(3, 0, 12, 8 + place, op2),
            _ => return None,
        };
        Some(Self {
            register,
            reads: number & READS != 0,
            target: (number & 0x1f) as u8,
        })
    }

    /// The number that stands for it, where there is one.
    const fn number(self) -> Option<u16> {
        let (op0, op1, crn, crm, op2) = self.register.parts();
        let place = match (op0, op1, crn, crm) {
            (3, 0, 4, 6) if op2 == 0 => PMR_PLACE,
            (3, 0, 12, 8..=12) => crm - 8,
            _ => return None,
        };
        let reads = if self.reads { READS } else { 0 };
        Some(MARK | reads | place << 8 | op2 << 5 | self.target as u16)
    }

    /// The access of an instruction, if it is one of a system register.
    const fn of_instruction(instruction: u32) -> Option<Self> {
        let reads = match instruction & OPCODE {
            MRS => true,
            MSR => false,
            _ => return None,
        };
        let register = SystemRegister::new(
            2 + (instruction >> 19 & 1) as u16,
            (instruction >> 16 & 7) as u16,
            (instruction >> 12 & 0xf) as u16,
            (instruction >> 8 & 0xf) as u16,
            (instruction >> 5 & 7) as u16,
        );
        Some(Self {
            register,
            reads,
            target: (instruction & 0x1f) as u8,
        })
    }
}

/// Puts hypervisor calls in the place of accesses to the CPU interface; how many. What is left of a length that
/// is no multiple of four is no instruction.
pub fn rewrite(image: &mut [u8]) -> usize {
    let mut count = 0usize;
    let (words, _) = image.as_chunks_mut::<4>();
    for word in words {
        let operands = Operands::of_instruction(u32::from_le_bytes(*word));
        if let Some(number) = operands.and_then(Operands::number) {
            *word = (HVC | u32::from(number) << 5).to_le_bytes();
            count = count.saturating_add(1);
        }
    }
    count
}
