//! Flattened device trees. The trees here have fixed shapes, so that writing them cannot fail.

use vm_fdt::FdtWriter;

/// A property's value.
pub enum Value<'a> {
    /// Present without a value.
    Flag,
    /// 32-bit cells.
    Cells(Vec<u32>),
    /// One number of 64 bits (two cells).
    Long(u64),
    /// Numbers of 64 bits.
    Longs(Vec<u64>),
    /// A string.
    Text(&'a str),
}

/// A node.
pub struct Node<'a> {
    /// Its name; empty for the root.
    pub name: &'a str,
    /// Its properties.
    pub properties: Vec<(&'static str, Value<'a>)>,
    /// Its children.
    pub children: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    /// A node without children.
    pub fn new(name: &'a str, properties: Vec<(&'static str, Value<'a>)>) -> Self {
        Self {
            name,
            properties,
            children: Vec::new(),
        }
    }
}

/// One cell.
pub fn cell(value: u32) -> Value<'static> {
    Value::Cells(vec![value])
}

/// A UUID as the manifest binding has it: four cells in the order in which it is written.
pub fn uuid_cells(uuid: &[u8; 16]) -> impl Iterator<Item = u32> {
    uuid.chunks_exact(4)
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

/// The tree's bytes.
pub fn flatten(root: &Node<'_>) -> Vec<u8> {
    // Errors of the writer are misuse (unclosed nodes, bad characters); names are checked by the table's rules.
    write(root).expect("trees are well-formed by construction")
}

fn write(root: &Node<'_>) -> vm_fdt::FdtWriterResult<Vec<u8>> {
    let mut writer = FdtWriter::new()?;
    add(&mut writer, root)?;
    writer.finish()
}

fn add(writer: &mut FdtWriter, node: &Node<'_>) -> vm_fdt::FdtWriterResult<()> {
    let open = writer.begin_node(node.name)?;
    for (name, value) in &node.properties {
        match value {
            Value::Flag => writer.property_null(name)?,
            Value::Cells(cells) => writer.property_array_u32(name, cells)?,
            Value::Long(value) => writer.property_u64(name, *value)?,
            Value::Longs(values) => writer.property_array_u64(name, values)?,
            Value::Text(text) => writer.property_string(name, text)?,
        }
    }
    for child in &node.children {
        add(writer, child)?;
    }
    writer.end_node(open)
}
