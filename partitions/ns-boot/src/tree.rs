//! Takes nodes out of the device tree that Linux gets, in place: their tokens become FDT_NOP (Devicetree
//! Specification 0.4, section 5.4).

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const MAGIC: u32 = 0xd00d_feed;

/// Hides each node of this name, with all that is in it. Nothing in a tree that is none, or from where it is broken.
pub fn hide(tree: &mut [u8], name: &str) {
    if word(tree, 0) != Some(MAGIC) {
        return;
    }
    let Some(structure) = word(tree, 8) else {
        return;
    };
    let mut at = structure as usize;
    // Nodes that are open within one that is hidden.
    let mut hidden = 0;
    while let Some(token) = word(tree, at) {
        let from = at;
        at += 4;
        match token {
            BEGIN_NODE => {
                let Some(length) = tree
                    .get(at..)
                    .and_then(|rest| rest.iter().position(|byte| *byte == 0))
                else {
                    return;
                };
                let named = tree.get(at..at + length) == Some(name.as_bytes());
                at += (length + 4) & !3;
                hidden += u32::from(named || hidden > 0);
            }
            PROPERTY => match word(tree, at) {
                Some(length) => at += 8 + ((length as usize + 3) & !3),
                None => return,
            },
            END_NODE | NOP => {}
            _ => return,
        }
        if hidden > 0 {
            for place in (from..at.min(tree.len())).step_by(4) {
                if let Some(word) = tree.get_mut(place..place + 4) {
                    word.copy_from_slice(&NOP.to_be_bytes());
                }
            }
            hidden -= u32::from(token == END_NODE);
        }
    }
}

fn word(tree: &[u8], at: usize) -> Option<u32> {
    let bytes = tree.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(all(test, not(target_os = "none")))]
mod tests {
    use super::{MAGIC, hide};
    use std::vec::Vec;

    fn tree(words: &[u32]) -> Vec<u8> {
        let header = [MAGIC, 0, 12];
        header
            .iter()
            .chain(words)
            .flat_map(|word| word.to_be_bytes())
            .collect()
    }

    const CPU0: u32 = u32::from_be_bytes(*b"cpu0");
    const CPU1: u32 = u32::from_be_bytes(*b"cpu1");

    #[test]
    fn a_node_goes_with_all_that_is_in_it() {
        // /{ cpu0 { x = <7>; } cpu1 { inner { } x = <7>; } cpu0-like after it }
        let nodes = |second: &[u32]| {
            let before = [1, 0, 1, CPU0, 0, 3, 4, 0, 7, 2];
            let after = [1, CPU0, 0, 2, 2, 9];
            [&before[..], second, &after[..]].concat()
        };
        let node = [1, CPU1, 0, 1, CPU0, 0, 2, 3, 4, 0, 7, 2];
        let mut shown = tree(&nodes(&node));
        hide(&mut shown, "cpu1");
        assert_eq!(shown, tree(&nodes(&[4; 12])));
    }

    #[test]
    fn what_is_not_there_changes_nothing() {
        let whole = tree(&[1, 0, 1, CPU0, 0, 2, 2, 9]);
        let mut shown = whole.clone();
        hide(&mut shown, "cpu1");
        hide(&mut shown, "cpu");
        assert_eq!(shown, whole);
    }

    #[test]
    fn a_broken_tree_is_survived() {
        let whole = tree(&[1, 0, 1, CPU0, 0, 3, u32::MAX, 0, 7, 2, 2, 9]);
        for length in 0..whole.len() {
            hide(&mut whole[..length].to_vec(), "cpu0");
        }
        let mut none = [0; 64];
        hide(&mut none, "cpu0");
        assert_eq!(none, [0; 64]);
    }
}
