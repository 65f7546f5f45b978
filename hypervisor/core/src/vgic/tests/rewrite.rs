//! Replaced instructions.

use std::vec::Vec;

use crate::api::SystemRegister;
use crate::vgic::rewrite::{Operands, rewrite};

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// What the call says, as the exception's syndrome has it.
fn operands(instruction: u32) -> Option<Operands> {
    assert_eq!(
        instruction & 0xffe0_001f,
        0xd400_0002,
        "{instruction:#x} is no HVC"
    );
    Operands::of((instruction >> 5 & 0xffff) as u16)
}

#[test]
fn each_access_says_its_operands() {
    let icc = |crm, op2| SystemRegister::new(3, 0, 12, crm, op2);
    let known = [
        // mrs x7, icc_iar1_el1; msr icc_eoir1_el1, x30; msr icc_pmr_el1, xzr; mrs x0, icc_sre_el1
        (0xd538_cc07, icc(12, 0), true, 7),
        (0xd518_cc3e, icc(12, 1), false, 30),
        (0xd518_461f, SystemRegister::new(3, 0, 4, 6, 0), false, 31),
        (0xd538_cca0, icc(12, 5), true, 0),
        // msr icc_sgi1r_el1, x1; mrs x2, icc_ap1r0_el1; msr icc_dir_el1, x3; mrs x4, icc_iar0_el1
        (0xd518_cba1, icc(11, 5), false, 1),
        (0xd538_c902, icc(9, 0), true, 2),
        (0xd518_cb23, icc(11, 1), false, 3),
        (0xd538_c804, icc(8, 0), true, 4),
    ];
    for (instruction, register, reads, target) in known {
        let mut image = bytes(&[instruction]);
        assert_eq!(rewrite(&mut image), 1, "{instruction:#x}");
        let expected = Operands {
            register,
            reads,
            target,
        };
        assert_eq!(operands(words(&image)[0]), Some(expected), "{instruction:#x}");
    }
}

#[test]
fn nothing_else_is_touched() {
    let others = [
        0xd503_201f, // nop
        0xd400_0002, // hvc #0
        0xd400_0003, // smc #0
        0xd538_1000, // mrs x0, sctlr_el1
        0xd538_c120, // mrs x0, disr_el1
        0xd518_c000, // msr vbar_el1, x0
        0xd53b_e020, // mrs x0, cntpct_el0
        0xd51b_e320, // msr cntv_ctl_el0, x0
        0xd53c_cb00, // mrs x0, ich_hcr_el2
        0xd518_463f, // msr of the register behind icc_pmr_el1
        0xd50c_cc07, // sys, not an access of a register
        0xd53e_cca0, // mrs x0, icc_sre_el3
        0,
        u32::MAX,
    ];
    let mut image = bytes(&others);
    image.extend([0x07, 0xcc, 0x38]);
    let before = image.clone();
    assert_eq!(rewrite(&mut image), 0);
    assert_eq!(image, before);
    assert_eq!(rewrite(&mut []), 0);
}

#[test]
fn a_call_of_another_number_is_no_access() {
    for number in 0..=u16::MAX {
        let marked = number & 0xf000 == 0xa000;
        let place = number >> 8 & 7;
        let known = place <= 4 || (place == 7 && number >> 5 & 7 == 0);
        assert_eq!(Operands::of(number).is_some(), marked && known, "{number:#x}");
    }
}
