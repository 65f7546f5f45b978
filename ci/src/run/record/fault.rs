//! A fault in words: the syndrome, and what stage 2 has at the address (DDI0487, ESR_EL2 and VMSAv8-64).

use super::{number, numbers};

/// A fault as the hypervisor's log has it.
pub struct Fault {
    syndrome: u64,
    address: u64,
    ipa: u64,
    /// What the walk of the address found, level by level.
    secure: Vec<u64>,
    window: Vec<u64>,
}

impl Fault {
    /// Reads it.
    pub fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("syndrome ")?;
        let (syndrome, rest) = rest.split_once(" address ")?;
        let (address, rest) = rest.split_once(" ipa ")?;
        let (ipa, rest) = rest.split_once(" secure ")?;
        let (secure, window) = rest.split_once(" window ")?;
        Some(Self {
            syndrome: number(syndrome)?,
            address: number(address)?,
            ipa: number(ipa)?,
            secure: numbers(secure)?,
            window: numbers(window)?,
        })
    }

    /// Its lines: what each is about, and the words.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("fault", class(self.syndrome))];
        if is_abort(self.syndrome) {
            lines.push((
                "address",
                format!("{:#x}, intermediate {:#x}", self.address, self.ipa),
            ));
            lines.push(("secure", walk(&self.secure)));
            lines.push(("window", walk(&self.window)));
        }
        lines
    }
}

/// Whether it is of an instruction fetch, a load or a store.
fn is_abort(syndrome: u64) -> bool {
    matches!(syndrome >> 26 & 0x3f, 0x20 | 0x24)
}

/// The exception class, and what is known of it.
fn class(syndrome: u64) -> String {
    const VALID: u64 = 1 << 24;
    const WRITES: u64 = 1 << 6;
    const WALK: u64 = 1 << 7;
    match syndrome >> 26 & 0x3f {
        0x00 => "an instruction that is undefined, or a system error".to_owned(),
        0x01 => "WFI or WFE".to_owned(),
        0x07 => "FP or SIMD".to_owned(),
        0x09 => "pointer authentication".to_owned(),
        0x16 => format!("HVC {:#x}", syndrome & 0xffff),
        0x17 => format!("SMC {:#x}", syndrome & 0xffff),
        0x18 => register(syndrome),
        0x19 => "SVE".to_owned(),
        0x1d => "SME".to_owned(),
        0x20 => format!(
            "instruction abort of a lower Exception level; {}",
            status(syndrome)
        ),
        0x24 => {
            let what = if syndrome & WRITES != 0 {
                "a store"
            } else {
                "a load"
            };
            let size = match 1u64 << (syndrome >> 22 & 3) {
                _ if syndrome & VALID == 0 => String::new(),
                1 => " of 1 byte".to_owned(),
                size => format!(" of {size} bytes"),
            };
            let walk = if syndrome & WALK != 0 {
                " in a walk of its own tables"
            } else {
                ""
            };
            format!(
                "data abort of a lower Exception level: {what}{size}{walk}; {}",
                status(syndrome)
            )
        }
        0x2f => "system error".to_owned(),
        class => format!("exception class {class:#x}, syndrome {syndrome:#x}"),
    }
}

/// A trapped access to a system register.
fn register(syndrome: u64) -> String {
    let [op0, op1, crn, crm, op2] = [(20, 3), (14, 7), (10, 15), (1, 15), (17, 7)]
        .map(|(shift, mask): (u32, u64)| syndrome >> shift & mask);
    let what = if syndrome & 1 == 1 { "MRS" } else { "MSR or SYS" };
    format!("{what} of S{op0}_{op1}_C{crn}_C{crm}_{op2}")
}

/// The fault status code of an abort.
fn status(syndrome: u64) -> String {
    let (code, level) = (syndrome & 0x3f, syndrome & 3);
    match code >> 2 {
        0b0000 => format!("address size fault at level {level}"),
        0b0001 => format!("translation fault at level {level}"),
        0b0010 => format!("access flag fault at level {level}"),
        0b0011 => format!("permission fault at level {level}"),
        _ if code == 0x10 => "external abort".to_owned(),
        _ if code == 0x21 => "alignment fault".to_owned(),
        _ => format!("status {code:#x}"),
    }
}

/// What a walk of stage 2 found.
fn walk(entries: &[u64]) -> String {
    let mut words = Vec::new();
    for (level, entry) in (1..).zip(entries) {
        let (what, last) = match (entry & 3, level) {
            (3, 1 | 2) => ("a table".to_owned(), false),
            (1, 1 | 2) => (format!("a block, {}", rights(*entry)), true),
            (3, 3) => (format!("a page, {}", rights(*entry)), true),
            _ => ("nothing".to_owned(), true),
        };
        words.push(format!("level {level}: {what}"));
        if last {
            break;
        }
    }
    words.join("; ")
}

/// The rights of a block or a page, and where it leads.
fn rights(entry: u64) -> String {
    const READ: u64 = 1 << 6;
    const WRITE: u64 = 1 << 7;
    const EXECUTE_NEVER: u64 = 1 << 54;
    let letter = |there: bool, letter: char| if there { letter } else { '-' };
    format!(
        "{}{}{} at {:#x}",
        letter(entry & READ != 0, 'r'),
        letter(entry & WRITE != 0, 'w'),
        letter(entry & EXECUTE_NEVER == 0, 'x'),
        entry & 0xffff_ffff_f000
    )
}

/// PSTATE in words (DDI0487, SPSR_EL2).
pub fn pstate(value: u64) -> String {
    let level = match value & 0x1f {
        0x0 => "EL0",
        0x4 => "EL1 with EL0's stack",
        0x5 => "EL1 with its own stack",
        bits if bits & 0x10 != 0 => "AArch32",
        _ => "an Exception level that is none of a partition's",
    };
    let masks = [(9, "debug"), (8, "SError"), (7, "IRQ"), (6, "FIQ")];
    let masked: Vec<_> = masks
        .iter()
        .filter(|(bit, _)| value >> bit & 1 == 1)
        .map(|(_, name)| *name)
        .collect();
    let masked = if masked.is_empty() {
        "nothing masked".to_owned()
    } else {
        format!("masked: {}", masked.join(" "))
    };
    format!("{value:#x}: {level}; {masked}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syndromes_have_words() {
        assert_eq!(class(0x6232_0000 | 1), "MRS of S3_0_C0_C0_1");
        assert_eq!(class(0x5e00_0007), "SMC 0x7");
        assert_eq!(
            class(0x9200_004f),
            "data abort of a lower Exception level: a store; permission fault at level 3"
        );
        assert_eq!(
            class(0x8200_0007),
            "instruction abort of a lower Exception level; translation fault at level 3"
        );
        assert_eq!(class(0xbe00_0000), "system error");
    }

    #[test]
    fn walks_have_words() {
        assert_eq!(
            walk(&[3, 0x40_0000_0000_00c1 | 0xe20_0000, 0]),
            "level 1: a table; level 2: a block, rw- at 0xe200000"
        );
        assert_eq!(
            walk(&[3, 3, 0xe20_1043]),
            "level 1: a table; level 2: a table; level 3: a page, r-x at 0xe201000"
        );
        assert_eq!(walk(&[]), "");
    }

    #[test]
    fn pstate_has_words() {
        assert_eq!(pstate(0x0), "0x0: EL0; nothing masked");
        assert_eq!(
            pstate(0x3c5),
            "0x3c5: EL1 with its own stack; masked: debug SError IRQ FIQ"
        );
    }
}
