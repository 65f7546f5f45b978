//! Reads a flattened device tree (Devicetree Specification 0.4, chapter 5) as far as a board check needs it.
//!
//! Firmware wrote it, but nothing in it is believed: what is not in order ends the list of nodes, and reads as nothing.

/// The tree's first word.
const MAGIC: u32 = 0xd00d_feed;
/// The version whose layout is read.
const VERSION: u32 = 17;
/// Bytes of the header.
pub const HEADER: usize = 40;
/// Nodes in nodes that are looked at.
const DEEPEST: usize = 16;

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOTHING: u32 = 4;

/// The length that the header of a tree states, in bytes.
#[must_use]
pub fn length(header: &[u8]) -> Option<usize> {
    let mut rest = header;
    (word(&mut rest)? == MAGIC).then_some(())?;
    usize::try_from(word(&mut rest)?).ok()
}

/// A tree.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Tree<'a> {
    /// The tree that these bytes begin with; none where the header is not one, or names bytes that are not there.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let bytes = bytes.get(..length(bytes)?)?;
        let field = |number: usize| {
            let mut rest = bytes.get(number.checked_mul(4)?..HEADER)?;
            usize::try_from(word(&mut rest)?).ok()
        };
        let part = |offset: usize, size: usize| bytes.get(offset..)?.get(..size);
        if field(5)? < VERSION as usize || field(6)? > VERSION as usize {
            return None;
        }
        Some(Self {
            structure: part(field(2)?, field(9)?)?,
            strings: part(field(3)?, field(8)?)?,
        })
    }

    /// The nodes in the tree's order, the root first.
    #[must_use]
    pub fn nodes(self) -> Nodes<'a> {
        Nodes {
            tree: self,
            rest: self.structure,
            cells: [Cells::DEFAULT; DEEPEST],
            depth: 0,
        }
    }
}

/// How many words an address and a size have in the nodes of a node.
#[derive(Clone, Copy, Debug)]
struct Cells {
    address: usize,
    size: usize,
}

impl Cells {
    /// Where a node does not say it (Devicetree Specification 0.4, section 2.3.5).
    const DEFAULT: Self = Self { address: 2, size: 1 };
}

/// The nodes of a tree.
#[derive(Clone, Debug)]
pub struct Nodes<'a> {
    tree: Tree<'a>,
    rest: &'a [u8],
    /// What the nodes around this place say of their own nodes; the first entry stands for what is around the root.
    cells: [Cells; DEEPEST],
    depth: usize,
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        loop {
            match token(&mut self.rest)? {
                Token::Begin(name) => {
                    let node = Node {
                        name,
                        tree: self.tree,
                        properties: self.rest,
                        cells: *self.cells.get(self.depth)?,
                    };
                    self.depth = self.depth.checked_add(1)?;
                    *self.cells.get_mut(self.depth)? = node.own_cells();
                    return Some(node);
                }
                Token::End => self.depth = self.depth.checked_sub(1)?,
                Token::Property { .. } => {}
            }
        }
    }
}

/// One node.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Its name, with its address.
    pub name: &'a [u8],
    tree: Tree<'a>,
    properties: &'a [u8],
    cells: Cells,
}

impl<'a> Node<'a> {
    /// The value of a property.
    #[must_use]
    pub fn property(&self, wanted: &str) -> Option<&'a [u8]> {
        let mut rest = self.properties;
        while let Some(Token::Property { name, value }) = token(&mut rest) {
            let found = usize::try_from(name)
                .ok()
                .and_then(|at| self.tree.strings.get(at..));
            if found.and_then(until_zero) == Some(wanted.as_bytes()) {
                return Some(value);
            }
        }
        None
    }

    /// Whether `compatible` names this.
    #[must_use]
    pub fn is_compatible(&self, wanted: &str) -> bool {
        let list = self.property("compatible").unwrap_or_default();
        list.split(|byte| *byte == 0)
            .any(|name| name == wanted.as_bytes())
    }

    /// Address and size of each range of `reg`, as the node around this one has them.
    pub fn reg(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let mut rest = self.property("reg").unwrap_or_default();
        let cells = self.cells;
        core::iter::from_fn(move || {
            // A range of no words would have no end.
            let words = cells.address.saturating_add(cells.size);
            (words > 0 && !rest.is_empty()).then_some(())?;
            Some((number(&mut rest, cells.address)?, number(&mut rest, cells.size)?))
        })
    }

    fn own_cells(&self) -> Cells {
        let count = |name: &str, default: usize| {
            let mut value = self.property(name).unwrap_or_default();
            word(&mut value).map_or(default, |count| count as usize)
        };
        Cells {
            address: count("#address-cells", Cells::DEFAULT.address),
            size: count("#size-cells", Cells::DEFAULT.size),
        }
    }
}

/// One step through the structure.
enum Token<'a> {
    Begin(&'a [u8]),
    End,
    Property { name: u32, value: &'a [u8] },
}

fn token<'a>(rest: &mut &'a [u8]) -> Option<Token<'a>> {
    loop {
        return Some(match word(rest)? {
            BEGIN_NODE => {
                let name = until_zero(rest)?;
                take(rest, name.len().checked_add(1)?)?;
                Token::Begin(name)
            }
            END_NODE => Token::End,
            PROPERTY => {
                let (length, name) = (word(rest)?, word(rest)?);
                let value = take(rest, usize::try_from(length).ok()?)?;
                Token::Property { name, value }
            }
            NOTHING => continue,
            _ => return None,
        });
    }
}

/// A number of so many words, of which the last two count.
fn number(rest: &mut &[u8], words: usize) -> Option<u64> {
    let mut value = 0;
    for _ in 0..words {
        value = value << 32 | u64::from(word(rest)?);
    }
    Some(value)
}

fn word(rest: &mut &[u8]) -> Option<u32> {
    let (word, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    Some(u32::from_be_bytes(*word))
}

/// So many bytes, and those that fill up the last word.
fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let taken = rest.get(..length)?;
    *rest = rest.get(length.checked_next_multiple_of(4)?..)?;
    Some(taken)
}

fn until_zero(bytes: &[u8]) -> Option<&[u8]> {
    bytes
        .split(|byte| *byte == 0)
        .next()
        .filter(|text| text.len() < bytes.len())
}

#[cfg(test)]
mod tests {
    use super::{HEADER, Tree, length};
    use proptest::prelude::*;
    use std::vec::Vec;
    use vm_fdt::FdtWriter;

    /// A tree as QEMU writes it for its `virt` machine, cut down; the first node has no address, as TF-A leaves it.
    fn machine() -> Vec<u8> {
        machine_with(1)
    }

    /// The same, whose cores have addresses of so many words.
    fn machine_with(cells: u32) -> Vec<u8> {
        fn write(fdt: &mut FdtWriter, cells: u32) -> vm_fdt::FdtWriterResult<()> {
            let root = fdt.begin_node("")?;
            fdt.property_string("compatible", "linux,dummy-virt")?;
            fdt.property_u32("#size-cells", 2)?;
            fdt.property_u32("#address-cells", 2)?;
            let psci = fdt.begin_node("psci")?;
            fdt.property_string_list("compatible", ["arm,psci-1.0".into(), "arm,psci".into()].into())?;
            fdt.end_node(psci)?;
            let memory = fdt.begin_node("memory@40000000")?;
            fdt.property_array_u64("reg", &[0x4000_0000, 0x8000_0000, 0x9_0000_0000, 0x1000])?;
            fdt.property_string("device_type", "memory")?;
            fdt.end_node(memory)?;
            let cpus = fdt.begin_node("cpus")?;
            fdt.property_u32("#size-cells", 0)?;
            fdt.property_u32("#address-cells", cells)?;
            for (name, number) in [("cpu@0", 0), ("cpu@1", 1), ("cpu@100", 0x100)] {
                let cpu = fdt.begin_node(name)?;
                fdt.property_u32("reg", number)?;
                fdt.end_node(cpu)?;
            }
            fdt.end_node(cpus)?;
            let gic = fdt.begin_node("intc@8000000")?;
            fdt.property_string("compatible", "arm,gic-v3")?;
            fdt.property_array_u64("reg", &[0x800_0000, 0x1_0000, 0x80a_0000, 0xf6_0000])?;
            let its = fdt.begin_node("its@8080000")?;
            fdt.property_null("ranges")?;
            fdt.end_node(its)?;
            fdt.end_node(gic)?;
            fdt.end_node(root)
        }
        let mut fdt = FdtWriter::new().unwrap();
        write(&mut fdt, cells).unwrap();
        fdt.finish().unwrap()
    }

    fn text(name: &[u8]) -> &str {
        core::str::from_utf8(name).unwrap()
    }

    #[test]
    fn it_reads_what_the_fdt_crate_reads() {
        let bytes = machine();
        assert_eq!(length(&bytes[..8]), Some(bytes.len()));
        let (tree, other) = (Tree::new(&bytes).unwrap(), fdt::Fdt::new(&bytes).unwrap());
        let names: Vec<_> = other
            .all_nodes()
            .map(|node| node.name.trim_start_matches('/'))
            .collect();
        assert_eq!(
            tree.nodes().map(|node| text(node.name)).collect::<Vec<_>>(),
            names
        );
        for (node, other) in tree.nodes().zip(other.all_nodes()) {
            for property in other.properties() {
                assert_eq!(
                    node.property(property.name),
                    Some(property.value),
                    "{}",
                    property.name
                );
            }
            assert_eq!(node.property("another"), None);
            if !other.name.starts_with("cpu@") {
                let theirs = other.reg().into_iter().flatten();
                let theirs: Vec<_> = theirs
                    .map(|r| (r.starting_address as u64, r.size.unwrap() as u64))
                    .collect();
                assert_eq!(node.reg().collect::<Vec<_>>(), theirs, "{}", other.name);
            }
        }
    }

    #[test]
    fn it_finds_what_a_board_is_known_by() {
        let bytes = machine();
        let tree = Tree::new(&bytes).unwrap();
        assert!(tree.nodes().next().unwrap().is_compatible("linux,dummy-virt"));
        assert!(!tree.nodes().next().unwrap().is_compatible("linux"));
        let cpus = tree.nodes().filter(|node| node.name.starts_with(b"cpu@"));
        let cpus: Vec<_> = cpus.flat_map(|node| node.reg()).collect();
        assert_eq!(cpus, [(0, 0), (1, 0), (0x100, 0)]);
        let psci = tree.nodes().find(|node| node.is_compatible("arm,psci")).unwrap();
        assert_eq!(text(psci.name), "psci");
    }

    #[test]
    fn what_is_no_tree_is_none() {
        let mut bytes = machine();
        assert!(Tree::new(&bytes[..bytes.len() - 1]).is_none(), "cut short");
        assert!(Tree::new(&[]).is_none());
        for (at, why) in [
            (0, "its name"),
            (20, "an older version"),
            (24, "its last compatible version"),
            (36, "a part behind its end"),
        ] {
            let kept = bytes[at];
            bytes[at] = if at == 20 { 0 } else { 0x7f };
            if at == 20 {
                bytes[at + 3] = 16;
            }
            assert!(Tree::new(&bytes).is_none(), "{why}");
            bytes[at] = kept;
            bytes[23] = 17;
        }
        assert!(Tree::new(&bytes).is_some());
    }

    #[test]
    fn ranges_of_no_words_are_none() {
        let bytes = machine_with(0);
        let tree = Tree::new(&bytes).unwrap();
        let cpus = tree.nodes().filter(|node| node.name.starts_with(b"cpu@"));
        assert!(cpus.flat_map(|node| node.reg()).count() == 0);
    }

    proptest! {
        #[test]
        fn no_bytes_confuse_it(changes in prop::collection::vec((0usize..2048, any::<u8>()), 0..12)) {
            let mut bytes = machine();
            let len = bytes.len();
            for (at, value) in changes {
                bytes[(HEADER - 40 + at) % len] = value;
            }
            let Some(tree) = Tree::new(&bytes) else { return Ok(()) };
            let most = bytes.len();
            prop_assert!(tree.nodes().count() <= most);
            for node in tree.nodes() {
                prop_assert!(node.reg().count() <= most);
                prop_assert!(!node.is_compatible("no such thing"));
            }
        }
    }
}
