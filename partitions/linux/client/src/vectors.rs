//! The vector state of a thread as bytes: z0-z31 (VL bytes each), p0-p15 and FFR (VL/8 bytes each).

/// A state of every register, for vectors of `length` bytes (16 to 256): random, and FFR as the architecture has it.
pub fn state(length: usize) -> Vec<u8> {
    let predicate = length / 8;
    let random = std::iter::repeat_with(|| fastrand::u8(..));
    let mut state: Vec<u8> = random.take(32 * length + 16 * predicate).collect();
    // FFR is a run of set bits from the bottom.
    let set = fastrand::usize(0..=length);
    state.extend((0..predicate).map(|byte| (0xff_u32 >> (8 - set.saturating_sub(8 * byte).min(8))) as u8));
    state
}

/// The register that holds the byte at `place` of a state.
pub fn name(place: usize, length: usize) -> String {
    match place.checked_sub(32 * length) {
        None => format!("z{}", place / length),
        Some(rest) if rest < 2 * length => format!("p{}", rest / (length / 8)),
        Some(_) => "FFR".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_every_register() {
        for length in [16, 64, 256] {
            assert_eq!(state(length).len(), 32 * length + 17 * length / 8);
            assert_eq!(name(0, length), "z0");
            assert_eq!(name(32 * length - 1, length), "z31");
            assert_eq!(name(32 * length, length), "p0");
            assert_eq!(name(34 * length - 1, length), "p15");
            assert_eq!(name(34 * length, length), "FFR");
        }
    }

    #[test]
    fn ffr_is_a_run_of_bits_from_the_bottom() {
        for _ in 0..200 {
            let state = state(32);
            let bits = u32::from_le_bytes(state[34 * 32..].try_into().expect("four bytes"));
            assert_eq!(bits & bits.wrapping_add(1), 0, "{bits:#x}");
        }
    }
}
