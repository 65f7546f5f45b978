//! Instructions of AArch64 for what is put into a TEE (DDI0487, C6).

/// Instructions in a row, from one address on.
#[derive(Default)]
pub struct Code(Vec<u32>);

/// A place in the code, in instructions.
#[derive(Clone, Copy)]
pub struct Place(usize);

/// `mrs x0, pmcr_el0`: the hypervisor ends a partition's kernel for it.
pub const FORBIDDEN: u32 = 0xd53b_9c00;
/// `b .`
pub const BRANCH_TO_ITSELF: u32 = 0x1400_0000;
/// `msr daifset, #15`
pub const MASK_ALL: u32 = 0xd503_4fdf;
/// `isb`
pub const BARRIER: u32 = 0xd503_3fdf;
/// `wfi`
pub const WAIT: u32 = 0xd503_207f;
/// `smc #0`
pub const SMC: u32 = 0xd400_0003;
/// `hvc #0`
pub const HVC: u32 = 0xd400_0002;
/// `ldr x0, [x1]`
pub const LOAD: u32 = 0xf940_0020;
/// `str x0, [x1]`
pub const STORE: u32 = 0xf900_0020;
/// `nop`
const NOP: u32 = 0xd503_201f;

impl Code {
    /// The next place.
    pub fn here(&self) -> Place {
        Place(self.0.len())
    }

    /// Adds an instruction.
    pub fn put(&mut self, instruction: u32) {
        self.0.push(instruction);
    }

    /// `mov x<register>, #value`
    pub fn set(&mut self, register: u32, value: u64) {
        for part in 0..4 {
            let bits = (value >> (16 * part)) as u32 & 0xffff;
            match part {
                0 => self.put(0xd280_0000 | bits << 5 | register),
                _ if bits == 0 => {}
                _ => self.put(0xf280_0000 | part << 21 | bits << 5 | register),
            }
        }
    }

    /// `mov x<to>, x<from>`
    pub fn copy(&mut self, to: u32, from: u32) {
        self.put(0xaa00_03e0 | from << 16 | to);
    }

    /// Goes on at `place` where w<register> is this value, or where it is not; x17 is lost.
    pub fn branch_if(&mut self, register: u32, is: bool, value: u32, place: Place) {
        self.set(17, value.into());
        // cmp w<register>, w17
        self.put(0x6b11_001f | register << 5);
        self.put(0x5400_0000 | (self.to(place, 19)) << 5 | u32::from(!is));
    }

    /// `sub x<register>, x<register>, #1`, and on at `place` until it is zero.
    pub fn count_down(&mut self, register: u32, place: Place) {
        self.put(0xd100_0400 | register << 5 | register);
        self.put(0xb500_0000 | self.to(place, 19) << 5 | register);
    }

    /// `b place`
    pub fn branch(&mut self, place: Place) {
        self.put(BRANCH_TO_ITSELF | self.to(place, 26));
    }

    /// Room for a branch to where `land` is called.
    pub fn hole(&mut self) -> Place {
        let place = self.here();
        self.put(NOP);
        place
    }

    /// Room for one where w<register> is this value; x17 is lost.
    pub fn hole_if(&mut self, register: u32, value: u32) -> Place {
        let here = Place(self.0.len());
        self.branch_if(register, true, value, here);
        Place(self.0.len() - 1)
    }

    /// A branch from a hole to here.
    pub fn land(&mut self, hole: Place) {
        let distance = (self.0.len() - hole.0) as u32;
        if let Some(instruction) = self.0.get_mut(hole.0) {
            *instruction = match *instruction {
                NOP => BRANCH_TO_ITSELF | distance,
                branch => branch & 0xff00_001f | distance << 5,
            };
        }
    }

    /// How far a place is, as a field of so many bits.
    fn to(&self, place: Place, bits: u32) -> u32 {
        (place.0 as u32).wrapping_sub(self.0.len() as u32) & ((1 << bits) - 1)
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

impl Place {
    /// Its address, where the code is at `start`.
    pub fn address(self, start: u64) -> u64 {
        start + 4 * self.0 as u64
    }
}

/// A system register, by op0, op1, CRn, CRm and op2.
pub struct Register(pub u32, pub u32, pub u32, pub u32, pub u32);

impl Register {
    /// `msr register, x<from>`
    pub fn write(&self, from: u32) -> u32 {
        0xd500_0000 | self.number() | from
    }

    /// `mrs x<to>, register`
    pub fn read(&self, to: u32) -> u32 {
        0xd520_0000 | self.number() | to
    }

    fn number(&self) -> u32 {
        self.0 << 19 | self.1 << 16 | self.2 << 12 | self.3 << 8 | self.4 << 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(build: impl FnOnce(&mut Code)) -> Vec<u32> {
        let mut code = Code::default();
        build(&mut code);
        code.0
    }

    /// What GNU as makes of the same.
    #[test]
    fn instructions_are_the_assemblers() {
        assert_eq!(words(|code| code.set(3, 0)), [0xd280_0003]);
        assert_eq!(
            words(|code| code.set(1, 0xc400_0000_1234)),
            [0xd282_4681, 0xf2d8_8001]
        );
        assert_eq!(words(|code| code.copy(26, 0)), [0xaa00_03fa]);
        assert_eq!(Register(3, 3, 9, 12, 0).read(0), FORBIDDEN);
        assert_eq!(
            Register(3, 0, 1, 0, 0).write(16),
            0xd518_1010,
            "msr sctlr_el1, x16"
        );
        assert_eq!(Register(1, 0, 7, 6, 2).write(1), 0xd508_7641, "dc isw, x1");
    }

    #[test]
    fn branches_lead_back_and_forth() {
        let code = words(|code| {
            let start = code.here();
            code.branch_if(0, false, 5, start);
            code.count_down(28, start);
            code.branch(start);
            let hole = code.hole();
            code.put(WAIT);
            code.land(hole);
            let hole = code.hole_if(2, 5);
            code.put(WAIT);
            code.land(hole);
        });
        let wanted = [
            0xd280_00b1, // mov x17, #5
            0x6b11_001f, // cmp w0, w17
            0x54ff_ffc1, // b.ne start
            0xd100_079c, // sub x28, x28, #1
            0xb5ff_ff9c, // cbnz x28, start
            0x17ff_fffb, // b start
            0x1400_0002, // b behind the next one
            WAIT,
            0xd280_00b1, // mov x17, #5
            0x6b11_005f, // cmp w2, w17
            0x5400_0040, // b.eq behind the next one
            WAIT,
        ];
        assert_eq!(code, wanted);
        assert_eq!(Place(3).address(0x1000), 0x100c);
    }
}
