//! Registers that `aarch64-cpu` lacks: secure EL2's, the GIC's CPU interface, and a few by name.

/// Defines readers, writers or both of system registers by the name that the assembler knows.
macro_rules! system_registers {
    ($($(#[$doc:meta])* $module:ident = $name:literal, $($access:ident)+;)*) => {
        $(
            $(#[$doc])*
            pub mod $module {
                $(system_registers!(@$access $name);)+
            }
        )*
    };
    (@read $name:literal) => {
        /// Reads the register.
        #[inline(always)]
        #[must_use]
        pub fn read() -> u64 {
            let value: u64;
            // SAFETY: reading this register touches no memory; at EL2 in secure state it exists on
            // every core that the boot check accepts.
            unsafe {
                core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nostack));
            }
            value
        }
    };
    (@write $name:literal) => {
        /// Writes the register. What the value means for the machine is the caller's business; none
        /// of these registers changes how the hypervisor's own memory is reached.
        #[inline(always)]
        pub fn write(value: u64) {
            // SAFETY: the register steers guests, interrupts or traps, not the hypervisor's own
            // translation (SCTLR_EL2, TCR_EL2, TTBR0_EL2 and MAIR_EL2 are written in `start` only).
            unsafe {
                core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) value, options(nostack));
            }
        }
    };
}

system_registers! {
    /// Secure stage-2 root (DDI0487, VSTTBR_EL2).
    vsttbr_el2 = "S3_4_C2_C6_0", read write;
    /// Secure stage-2 control (DDI0487, VSTCR_EL2).
    vstcr_el2 = "S3_4_C2_C6_2", write;
    /// Secure EL2 physical timer: control.
    cnthps_ctl_el2 = "S3_4_C14_C5_1", write;
    /// Secure EL2 physical timer: compare value.
    cnthps_cval_el2 = "S3_4_C14_C5_2", write;
    /// Interrupt priority mask, shared by both worlds.
    icc_pmr_el1 = "S3_0_C4_C6_0", read write;
    /// Acknowledges a group 1 interrupt of this security state: reading it changes the GIC's state.
    icc_iar1_el1 = "S3_0_C12_C12_0", read;
    /// End of a group 1 interrupt.
    icc_eoir1_el1 = "S3_0_C12_C12_1", write;
    /// CPU interface control of this security state.
    icc_ctlr_el1 = "S3_0_C12_C12_4", write;
    /// Active priorities of group 1 interrupts of this security state.
    icc_ap1r0_el1 = "S3_0_C12_C9_0", write;
    /// Group 1 enable of this security state.
    icc_igrpen1_el1 = "S3_0_C12_C12_7", write;
    /// Sends an SGI to this security state's group 1.
    icc_sgi1r_el1 = "S3_0_C12_C11_5", write;
    /// Sends an SGI to the other security state's group 1.
    icc_asgi1r_el1 = "S3_0_C12_C11_6", write;
    /// Controls of the virtual CPU interface, which is not used.
    ich_vmcr_el2 = "S3_4_C12_C11_7", write;
    /// MIDR_EL1 as a partition reads it.
    vpidr_el2 = "vpidr_el2", write;
    /// Traps of EL1 system registers with a System prefix of 15.
    hstr_el2 = "hstr_el2", write;
    /// Vector length limit for EL2 and below, as EL2 sets it.
    zcr_el2 = "S3_4_C1_C2_0", read write;
}

tock_registers::register_bitfields! { u64,
    /// Fields of VTCR_EL2 that exist in secure state only (DDI0487, VTCR_EL2).
    pub VTCR_EL2_SECURE [
        /// Output of the non-secure IPA space: 1 = non-secure physical memory.
        NSA OFFSET(30) NUMBITS(1) [],
        /// Tables of the non-secure IPA space: 0 = in secure physical memory.
        NSW OFFSET(29) NUMBITS(1) []
    ],
    /// VSTCR_EL2 (DDI0487).
    pub VSTCR_EL2 [
        /// Reserved, one.
        RES1 OFFSET(31) NUMBITS(1) [],
        /// Output of the secure IPA space: 0 = secure physical memory.
        SA OFFSET(30) NUMBITS(1) [],
        /// Tables of the secure IPA space: 0 = in secure physical memory.
        SW OFFSET(29) NUMBITS(1) [],
        /// Granule: 0 = 4 KiB.
        TG0 OFFSET(14) NUMBITS(2) [],
        /// Level at which a walk starts: 1 = level 1 for the 4 KiB granule.
        SL0 OFFSET(6) NUMBITS(2) [],
        /// 64 less the bits of the intermediate physical address.
        T0SZ OFFSET(0) NUMBITS(6) []
    ]
}
