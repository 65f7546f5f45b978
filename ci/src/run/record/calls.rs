//! Calls of a partition in words.

use crate::test::name_of_call;
use bulkhead_core::function as f;

/// The names of calls that are not FF-A's.
const OTHERS: [(u32, &str); 8] = [
    (f::INTERRUPT_ENABLE, "interrupt enable"),
    (f::INTERRUPT_GET, "interrupt get"),
    (f::INTERRUPT_DEACTIVATE, "interrupt deactivate"),
    (f::INTERRUPT_RECONFIGURE, "interrupt reconfigure"),
    (f::PARTITION_KEY, "partition key"),
    (f::INSPECT, "inspect"),
    (f::WINDOW_READ, "window read"),
    (f::WINDOW_WRITE, "window write"),
];

/// A call with its arguments x1 to x3.
pub fn words(call: &[u64]) -> String {
    let id = call.first().map_or(0, |word| *word as u32);
    let other = OTHERS.iter().find(|(known, _)| *known == id);
    let name = name_of_call(id).or(other.map(|(_, name)| *name));
    let name = name.map_or_else(|| format!("{id:#x}"), str::to_owned);
    let arguments = call.iter().skip(1).map(|word| format!(" {word:#x}"));
    arguments.fold(name, |text, argument| text + &argument)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn calls_have_names() {
        assert_eq!(
            words(&[0xc400_006f, 0x8001, 0, 7]),
            "FFA_MSG_SEND_DIRECT_REQ 0x8001 0x0 0x7"
        );
        assert_eq!(words(&[0xff04]), "interrupt get");
        assert_eq!(words(&[0x1234, 1]), "0x1234 0x1");
        assert_eq!(words(&[]), "0x0");
    }
}
