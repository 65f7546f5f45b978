//! Sizes, durations and digests as people write them.

/// A page, the unit of every range, in bytes.
pub const PAGE: u64 = 4096;

/// Why a quantity cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misread {
    /// It is not a number with a unit.
    Form,
    /// It has more than 64 bits.
    TooLarge,
}

/// Reads `"6MiB"`, `"4KiB"`, `"1GiB"` or `"512B"` as bytes.
pub fn size(text: &str) -> Result<u64, Misread> {
    quantity(
        text,
        &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)],
    )
}

/// The size that a text of another form stands for, as `32MB`, `32mib` or `32M` do for `32MiB`.
#[must_use]
pub fn meant(text: &str) -> Option<String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let letter = match unit.trim().to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => "KiB",
        "m" | "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        "b" | "bytes" => "B",
        _ => return None,
    };
    (digits > 0 && unit != letter).then(|| format!("{number}{letter}"))
}

/// Reads `"10ms"`, `"500us"` or `"1s"` as microseconds.
pub fn duration(text: &str) -> Result<u64, Misread> {
    quantity(text, &[("us", 1), ("ms", 1_000), ("s", 1_000_000)])
}

/// A number, perhaps a space, and a unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, Misread> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let factor = units
        .iter()
        .find(|(known, _)| *known == unit)
        .filter(|_| digits > 0)
        .ok_or(Misread::Form)?
        .1;
    let number: u64 = number.parse().map_err(|_| Misread::TooLarge)?;
    number.checked_mul(factor).ok_or(Misread::TooLarge)
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

/// A duration in microseconds in the largest unit that divides it.
#[must_use]
pub fn show_duration(us: u64) -> String {
    let units = [("s", 1_000_000), ("ms", 1_000)];
    let fitting = units
        .iter()
        .find(|(_, factor)| us >= *factor && us.is_multiple_of(*factor));
    fitting.map_or_else(
        || format!("{us} us"),
        |(unit, factor)| format!("{} {unit}", us / factor),
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
        assert_eq!(size("6MiB"), Ok(6 << 20));
        assert_eq!(size("4 KiB"), Ok(4096));
        assert_eq!(size("6MB"), Err(Misread::Form));
        assert_eq!(size("MiB"), Err(Misread::Form));
        assert_eq!(size("-1MiB"), Err(Misread::Form));
        assert_eq!(size("17179869184GiB"), Err(Misread::TooLarge));
        assert_eq!(size("99999999999999999999B"), Err(Misread::TooLarge));
        assert_eq!(size("17179869183GiB"), Ok(17_179_869_183 << 30));
    }

    #[test]
    fn reads_durations() {
        assert_eq!(duration("10ms"), Ok(10_000));
        assert_eq!(duration("1s"), Ok(1_000_000));
        assert_eq!(duration("10"), Err(Misread::Form));
        assert_eq!(duration("18446744073709551615s"), Err(Misread::TooLarge));
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
