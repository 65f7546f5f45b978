//! Where a program keeps what: its statics and the fields of their types, as its debug information has them.
//!
//! So a value of the hypervisor's can be read out of the machine without a line of code in the hypervisor for it, and
//! without a guess at how the compiler has laid it out.

use anyhow::{Context, Result, bail};
use gimli::{
    AttributeValue, DebuggingInformationEntry, EndianSlice, EvaluationResult, LittleEndian, Location,
};
use object::{Object, ObjectSection, ObjectSymbol};
use std::collections::HashMap;

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a, 'b, 'c> = DebuggingInformationEntry<'b, 'c, Slice<'a>>;
type Dwarf<'a> = gimli::Dwarf<Slice<'a>>;
type Unit<'a> = gimli::Unit<Slice<'a>>;

/// A place in the machine's memory, and the type of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub address: u64,
    kind: usize,
}

/// A type: its size in bytes, and what it is made of.
#[derive(Debug, Default)]
struct Type {
    name: String,
    size: u64,
    fields: HashMap<String, (u64, usize)>,
    /// The type of an array's items, and how many there are.
    items: Option<(usize, u64)>,
    /// The names of an enumeration's values.
    names: HashMap<u64, String>,
}

/// The statics and types of a program.
#[derive(Default)]
pub struct Layout {
    statics: HashMap<String, Place>,
    /// By their offsets in the debug information.
    types: HashMap<usize, Type>,
}

impl Layout {
    /// Those of an ELF file.
    ///
    /// # Errors
    /// The file has no debug information, or damaged one.
    pub fn read(elf: &[u8]) -> Result<Self> {
        let file = object::File::parse(elf).context("the hypervisor is no ELF file")?;
        let section = |id: gimli::SectionId| -> Result<Slice<'_>> {
            let data = file.section_by_name(id.name()).map(|section| section.data());
            Ok(EndianSlice::new(
                data.transpose()?.unwrap_or_default(),
                LittleEndian,
            ))
        };
        let dwarf = gimli::Dwarf::load(section)?;
        let mut layout = Self::default();
        let mut units = dwarf.units();
        while let Some(header) = units.next()? {
            layout.take_unit(&dwarf, &dwarf.unit(header)?)?;
        }
        if layout.statics.is_empty() {
            bail!("the hypervisor has no debug information");
        }
        Ok(layout)
    }

    fn take_unit(&mut self, dwarf: &Dwarf<'_>, unit: &Unit<'_>) -> Result<()> {
        // What encloses an entry: its name, and its offset where it is a type.
        let mut path: Vec<(String, Option<usize>)> = Vec::new();
        let mut entries = unit.entries();
        let mut depth = 0;
        while let Some((delta, entry)) = entries.next_dfs()? {
            depth += delta;
            path.truncate(usize::try_from(depth)?);
            let name = text(dwarf, unit, entry, gimli::DW_AT_name)?;
            let offset = global(unit, entry.offset())?;
            let parent = path.last().and_then(|(_, kind)| *kind);
            let mut kind = None;
            match entry.tag() {
                gimli::DW_TAG_structure_type
                | gimli::DW_TAG_union_type
                | gimli::DW_TAG_base_type
                | gimli::DW_TAG_pointer_type
                | gimli::DW_TAG_enumeration_type => {
                    let size = number(entry, gimli::DW_AT_byte_size)?.unwrap_or(0);
                    let new = Type {
                        name: name.clone(),
                        size,
                        ..Type::default()
                    };
                    self.types.insert(offset, new);
                    kind = Some(offset);
                }
                gimli::DW_TAG_array_type => {
                    let items = reference(unit, entry)?.context("an array of no type")?;
                    let new = Type {
                        name: "array".to_owned(),
                        items: Some((items, 0)),
                        ..Type::default()
                    };
                    self.types.insert(offset, new);
                    kind = Some(offset);
                }
                gimli::DW_TAG_subrange_type => {
                    let count = number(entry, gimli::DW_AT_count)?;
                    if let Some(array) = parent.and_then(|parent| self.types.get_mut(&parent)) {
                        array.items = array.items.map(|(kind, _)| (kind, count.unwrap_or(0)));
                    }
                }
                gimli::DW_TAG_enumerator => {
                    let value = number(entry, gimli::DW_AT_const_value)?.unwrap_or(0);
                    if let Some(kind) = parent.and_then(|parent| self.types.get_mut(&parent)) {
                        kind.names.insert(value, name.clone());
                    }
                }
                gimli::DW_TAG_member => {
                    let at = number(entry, gimli::DW_AT_data_member_location)?.unwrap_or(0);
                    let of = reference(unit, entry)?;
                    if let (Some(of), Some(kind)) =
                        (of, parent.and_then(|parent| self.types.get_mut(&parent)))
                    {
                        kind.fields.insert(name.clone(), (at, of));
                    }
                }
                gimli::DW_TAG_variable => {
                    let within = path.iter().map(|(name, _)| name.as_str());
                    let within: Vec<_> = within.skip(1).chain([name.as_str()]).collect();
                    if let (Some(address), Some(kind)) = (address(unit, entry)?, reference(unit, entry)?) {
                        self.statics.insert(within.join("::"), Place { address, kind });
                    }
                }
                _ => {}
            }
            path.push((name, kind));
        }
        Ok(())
    }

    /// A static by its path, such as `bulkhead::boot::SPMC`.
    pub fn find(&self, path: &str) -> Result<Place> {
        let found = self.statics.get(path).copied();
        found.with_context(|| format!("the hypervisor has no static `{path}`"))
    }

    /// A field of what is at a place, and one of that, and so on: `inner.data.value`.
    pub fn field(&self, place: Place, path: &str) -> Result<Place> {
        path.split('.').try_fold(place, |place, name| {
            let of = self.kind(place)?;
            let found = of.fields.get(name);
            let (offset, kind) = found.with_context(|| format!("`{}` has no field `{name}`", of.name))?;
            Ok(Place {
                address: place.address + offset,
                kind: *kind,
            })
        })
    }

    /// How many items the array at a place has.
    pub fn length(&self, place: Place) -> Result<u64> {
        let (_, count) = self.items(place)?;
        Ok(count)
    }

    /// An item of the array at a place.
    pub fn item(&self, place: Place, index: u64) -> Result<Place> {
        let (kind, count) = self.items(place)?;
        if index >= count {
            bail!("item {index} of an array of {count}");
        }
        let mut item = Place { kind, ..place };
        item.address += index * self.size(item)?;
        Ok(item)
    }

    /// The bytes of what is at a place.
    pub fn size(&self, place: Place) -> Result<u64> {
        let kind = self.kind(place)?;
        match kind.items {
            Some((of, count)) => Ok(count * self.size(Place { kind: of, ..place })?),
            None => Ok(kind.size),
        }
    }

    /// The name of an enumeration's value.
    pub fn name(&self, place: Place, value: u64) -> Result<&str> {
        let kind = self.kind(place)?;
        let name = kind.names.get(&value);
        let name = name.with_context(|| format!("`{}` has no value {value}", kind.name))?;
        Ok(name)
    }

    fn items(&self, place: Place) -> Result<(usize, u64)> {
        let kind = self.kind(place)?;
        kind.items.with_context(|| format!("`{}` is no array", kind.name))
    }

    fn kind(&self, place: Place) -> Result<&Type> {
        self.types
            .get(&place.kind)
            .context("a type is not in the debug information")
    }
}

/// Where a label of assembly code is in an ELF file.
///
/// # Errors
/// It has none of this name.
pub fn label(elf: &[u8], name: &str) -> Result<u64> {
    let file = object::File::parse(elf).context("the hypervisor is no ELF file")?;
    let found = file.symbols().find(|symbol| symbol.name() == Ok(name));
    let found = found.with_context(|| format!("the hypervisor has no label `{name}`"))?;
    Ok(found.address())
}

/// The offset of an entry in all of the debug information.
fn global(unit: &Unit<'_>, offset: gimli::UnitOffset) -> Result<usize> {
    let offset = offset.to_debug_info_offset(&unit.header);
    Ok(offset.context("an entry outside the debug information")?.0)
}

/// The type that an entry has.
fn reference(unit: &Unit<'_>, entry: &Entry<'_, '_, '_>) -> Result<Option<usize>> {
    match entry.attr_value(gimli::DW_AT_type)? {
        Some(AttributeValue::UnitRef(offset)) => global(unit, offset).map(Some),
        Some(AttributeValue::DebugInfoRef(offset)) => Ok(Some(offset.0)),
        _ => Ok(None),
    }
}

fn number(entry: &Entry<'_, '_, '_>, name: gimli::DwAt) -> Result<Option<u64>> {
    Ok(entry.attr_value(name)?.and_then(|value| value.udata_value()))
}

fn text(dwarf: &Dwarf<'_>, unit: &Unit<'_>, entry: &Entry<'_, '_, '_>, name: gimli::DwAt) -> Result<String> {
    let Some(value) = entry.attr_value(name)? else {
        return Ok(String::new());
    };
    Ok(dwarf.attr_string(unit, value)?.to_string_lossy().into_owned())
}

/// Where a static is; none of what has no fixed place.
fn address(unit: &Unit<'_>, entry: &Entry<'_, '_, '_>) -> Result<Option<u64>> {
    let Some(AttributeValue::Exprloc(expression)) = entry.attr_value(gimli::DW_AT_location)? else {
        return Ok(None);
    };
    let mut evaluation = expression.evaluation(unit.encoding());
    let mut state = evaluation.evaluate()?;
    while let EvaluationResult::RequiresRelocatedAddress(address) = state {
        state = evaluation.resume_with_relocated_address(address)?;
    }
    if state != EvaluationResult::Complete {
        return Ok(None);
    }
    let pieces = evaluation.result();
    Ok(match pieces.first().map(|piece| &piece.location) {
        Some(Location::Address { address }) => Some(*address),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(u8)]
    #[derive(Clone, Copy)]
    #[allow(dead_code)]
    enum Colour {
        Red = 3,
        Blue = 7,
    }

    #[derive(Clone, Copy)]
    struct Inner {
        byte: u8,
        colour: Colour,
    }

    struct Outer {
        list: [Inner; 3],
        word: u64,
    }

    #[used]
    static SAMPLE: Outer = Outer {
        list: [Inner {
            byte: 5,
            colour: Colour::Blue,
        }; 3],
        word: 0x1234,
    };

    #[test]
    fn values_of_this_program_are_found() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let layout = Layout::read(&own).unwrap();
        let sample = layout.find("xtask::truth::layout::tests::SAMPLE").unwrap();
        assert_eq!(layout.size(sample).unwrap(), size_of::<Outer>() as u64);
        let word = layout.field(sample, "word").unwrap();
        let base = &raw const SAMPLE as u64;
        assert_eq!(
            word.address - sample.address,
            &raw const SAMPLE.word as u64 - base
        );
        let list = layout.field(sample, "list").unwrap();
        assert_eq!(layout.length(list).unwrap(), 3);
        let last = layout.item(list, 2).unwrap();
        assert_eq!(
            last.address - sample.address,
            &raw const SAMPLE.list[2] as u64 - base
        );
        let colour = layout.field(last, "colour").unwrap();
        assert_eq!(layout.name(colour, 7).unwrap(), "Blue");
        assert!(layout.name(colour, 4).is_err());
        assert!(layout.item(list, 3).is_err());
        assert!(layout.field(sample, "wrod").is_err());
        let used = SAMPLE.list.iter().map(|inner| (inner.byte, inner.colour as u8));
        assert!(used.eq([(5, 7); 3]));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(Layout::read(b"\x7fELF, and nothing behind it").is_err());
    }
}
