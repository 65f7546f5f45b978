//! What one kernel tells the next in the device tree: properties of its node `chosen`.

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;
const END: u32 = 9;
/// Fields of the header, version 17.
const HEADER: usize = 40;

/// A property's name, and its value; none: it must not be there.
pub type Property<'a> = (&'a str, Option<Vec<u8>>);

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    field.try_into().ok().map(u32::from_be_bytes)
}

fn text(bytes: &[u8], at: usize) -> Option<&[u8]> {
    bytes.get(at..)?.split(|byte| *byte == 0).next()
}

/// A device tree with these properties of `/chosen` in the place of those that it has; none where it is not one.
pub fn with_chosen(tree: &[u8], set: &[Property<'_>]) -> Option<Vec<u8>> {
    let field = |at| word(tree, at).map(|value| value as usize);
    if word(tree, 0)? != MAGIC {
        return None;
    }
    let (structure, names, reserved) = (field(8)?, field(12)?, field(16)?);
    let mut names = tree.get(names..names.checked_add(field(32)?)?)?.to_vec();
    let (mut out, mut at, mut depth, mut inside, mut found) = (Vec::new(), structure, 0, false, false);
    loop {
        let token = word(tree, at)?;
        let next = match token {
            BEGIN_NODE => at + 4 + (text(tree, at + 4)?.len() + 1).next_multiple_of(4),
            PROPERTY => at + 12 + (field(at + 4)?).next_multiple_of(4),
            END_NODE | NOP | END => at + 4,
            _ => return None,
        };
        let ours = inside && depth == 2 && token == PROPERTY && {
            let name = text(&names, field(at + 8)?)?;
            set.iter().any(|(own, _)| own.as_bytes() == name)
        };
        if !ours {
            out.extend(tree.get(at..next)?);
        }
        match token {
            BEGIN_NODE => {
                depth += 1;
                if depth == 2 && text(tree, at + 4)? == b"chosen" {
                    (inside, found) = (true, true);
                    for (name, value) in set {
                        let Some(value) = value else { continue };
                        let header = [PROPERTY, value.len() as u32, names.len() as u32];
                        out.extend(header.iter().flat_map(|word| word.to_be_bytes()));
                        out.extend(value);
                        out.resize(out.len().next_multiple_of(4), 0);
                        names.extend(name.as_bytes());
                        names.push(0);
                    }
                }
            }
            END_NODE => {
                inside &= depth != 2;
                depth = usize::checked_sub(depth, 1)?;
            }
            END => break,
            _ => {}
        }
        at = next;
    }
    found.then(|| whole(tree, reserved, &out, &names)).flatten()
}

/// Puts the parts together, with the header and the list of reserved memory of the old tree.
fn whole(tree: &[u8], reserved: usize, structure: &[u8], names: &[u8]) -> Option<Vec<u8>> {
    let list = tree.get(reserved..)?.chunks_exact(16);
    let entries = list
        .take_while(|entry| entry.iter().any(|byte| *byte != 0))
        .count();
    let list = tree.get(reserved..reserved + 16 * (entries + 1))?;
    let structure_at = HEADER + list.len();
    let names_at = structure_at + structure.len();
    let mut out = Vec::new();
    for (at, value) in [
        (0, MAGIC),
        (4, u32::try_from(names_at + names.len()).ok()?),
        (8, structure_at as u32),
        (12, names_at as u32),
        (16, HEADER as u32),
        (20, word(tree, 20)?),
        (24, word(tree, 24)?),
        (28, word(tree, 28)?),
        (32, names.len() as u32),
        (36, structure.len() as u32),
    ] {
        debug_assert_eq!(at, out.len());
        out.extend(value.to_be_bytes());
    }
    out.extend(list);
    out.extend(structure);
    out.extend(names);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree with `/chosen { a = "one"; }`, `/chosen/below { a = "deep"; }` and `/other { a = "two"; }`.
    fn sample() -> Vec<u8> {
        let mut structure = Vec::new();
        let mut put = |words: &[u32], bytes: &[u8]| {
            structure.extend(words.iter().flat_map(|word| word.to_be_bytes()));
            structure.extend(bytes);
            structure.resize(structure.len().next_multiple_of(4), 0);
        };
        put(&[BEGIN_NODE], b"\0");
        put(&[BEGIN_NODE], b"chosen\0");
        put(&[PROPERTY, 4, 0], b"one\0");
        put(&[BEGIN_NODE], b"below\0");
        put(&[PROPERTY, 5, 0], b"deep\0");
        put(&[END_NODE, END_NODE, BEGIN_NODE], b"other\0");
        put(&[PROPERTY, 4, 0], b"two\0");
        put(&[END_NODE, END_NODE, END], b"");
        let mut old = vec![0; 40];
        for (at, value) in [(8, 0), (20, 17), (24, 16), (28, 0)] {
            old[at..at + 4].copy_from_slice(&u32::to_be_bytes(value));
        }
        old.extend([1; 16]);
        old.extend([0; 16]);
        whole(&old, 40, &structure, b"a\0").expect("a tree")
    }

    fn has(tree: &[u8], bytes: &[u8]) -> bool {
        tree.windows(bytes.len()).any(|window| window == bytes)
    }

    #[test]
    fn chosen_gets_its_properties_and_nothing_else_changes() {
        let tree = with_chosen(
            &sample(),
            &[("a", Some(b"new\0".to_vec())), ("bb", Some(vec![7; 5]))],
        )
        .expect("good");
        assert_eq!(word(&tree, 4), Some(tree.len() as u32));
        for kept in [
            &b"two\0"[..],
            b"deep\0",
            b"new\0",
            b"a\0",
            b"bb\0",
            &[7; 5],
            &[1; 16],
        ] {
            assert!(has(&tree, kept), "{kept:?}");
        }
        assert!(!has(&tree, b"one"));
        // And again: what was set is replaced, and removed.
        let tree = with_chosen(&tree, &[("a", Some(b"old\0".to_vec())), ("bb", None)]).expect("good");
        assert!(has(&tree, b"old\0") && has(&tree, b"deep\0"));
        assert!(!has(&tree, b"new\0") && !has(&tree, &[7; 5]));
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let tree = sample();
        assert_eq!(with_chosen(b"", &[]), None);
        for length in 0..tree.len() - 2 {
            assert_eq!(with_chosen(&tree[..length], &[]), None, "{length}");
        }
        let mut other = tree.clone();
        let at = other
            .windows(6)
            .position(|window| window == b"chosen")
            .expect("there");
        other[at] = b'k';
        assert_eq!(with_chosen(&other, &[]), None);
    }
}
