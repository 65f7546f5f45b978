//! Sizes, durations and digests as people write them.

/// A page, the unit of every range, in bytes.
pub const PAGE: u64 = 4096;

/// Reads `"6MiB"`, `"4KiB"`, `"1GiB"` or `"512B"`. None if the form is wrong or the value has more than 64 bits.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Reads `"10ms"`, `"500us"` or `"1s"` as microseconds. None if the form is wrong or the value too large.
#[must_use]
pub fn duration(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Parts a number from the unit behind it.
fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

/// Reads 64 hexadecimal digits.
#[must_use]
pub fn digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; 32];
    for (byte, at) in out.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(out)
}

/// A digest or another string of bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A size in the largest unit that divides it.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let fitting = units
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    fitting.map_or_else(
        || format!("{bytes} bytes"),
        |(unit, factor)| format!("{} {unit}", bytes / factor),
    )
}

/// A range as `0x0e200000..0x0e800000`, the end exclusive.
#[must_use]
pub fn show_range(base: u64, end: u64) -> String {
    format!("{base:#010x}..{end:#010x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_and_refuses_what_overflows() {
        assert_eq!(size("6MiB"), Some(6 << 20));
        assert_eq!(size("4 KiB"), Some(4096));
        assert_eq!(size("6MB"), None);
        assert_eq!(size("MiB"), None);
        assert_eq!(size("-1MiB"), None);
        assert_eq!(size("17179869184GiB"), None);
        assert_eq!(size("17179869183GiB"), Some(17_179_869_183 << 30));
    }

    #[test]
    fn reads_durations() {
        assert_eq!(duration("10ms"), Some(10_000));
        assert_eq!(duration("1s"), Some(1_000_000));
        assert_eq!(duration("10"), None);
        assert_eq!(duration("18446744073709551615s"), None);
    }

    #[test]
    fn digests_are_64_hexadecimal_digits() {
        assert_eq!(digest(&"0f".repeat(32)), Some([0x0f; 32]));
        assert_eq!(digest(&"0f".repeat(31)), None);
        assert_eq!(digest(&"+f".repeat(32)).map(|_| ()), None);
        assert_eq!(digest(&"é".repeat(32)), None);
    }

    #[test]
    fn shows_sizes_in_the_largest_whole_unit() {
        assert_eq!(show_size(6 << 20), "6 MiB");
        assert_eq!(show_size(4097), "4097 bytes");
    }
}
