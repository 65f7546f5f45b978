//! The first text of a new table: partitions by their kinds, everything else placed, chosen or left to defaults.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::draft::Tee;
use crate::units::hex;

/// What a new system is to have.
#[derive(Clone, Debug)]
pub struct Starter {
    /// Where the schema for editors is, seen from the table's folder.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The board.
    pub board: String,
    /// Its TEEs, in the order of their start.
    pub tees: Vec<Wish>,
    /// Names of the cores on which TEEs run; all of them if there is none.
    pub cores: Vec<String>,
}

/// One TEE of a new system.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Its kind.
    pub tee: Tee,
    /// Its image, where it is not built here: the path as the table is to have it, and the content's digest.
    pub image: Option<(String, [u8; 32])>,
}

/// The table's text. The same wishes give the same text.
#[must_use]
pub fn start(starter: &Starter) -> String {
    let mut out = format!(
        "#:schema {}\n# Made by `cargo xtask new`. Memory without a base is placed; `cargo xtask plan` shows where.\n\n\
         [system]\nname = \"{}\"\nboard = \"{}\"\nhypervisor = {{ memory = \"1MiB\" }}\n",
        starter.schema, starter.name, starter.board
    );
    for (index, wish) in starter.tees.iter().enumerate() {
        partition(&mut out, starter, index, wish);
    }
    out
}

fn partition(out: &mut String, starter: &Starter, index: usize, wish: &Wish) {
    let name = name(index);
    let word = wish.tee.word();
    let uuid = uuid(&starter.name, &name);
    let image = match &wish.image {
        Some((path, digest)) => format!("{{ file = {path:?}, sha256 = \"{}\" }}", hex(digest)),
        None => format!("{{ build = \"{word}\" }}"),
    };
    let _ = write!(
        out,
        "\n[[partition]]\nname = \"{name}\"\nid = {:#06x}\ntee = \"{word}\"\nimage = {image}\nuuid = \"{uuid}\"\n",
        0x8001 + index
    );
    if matches!(wish.tee, Tee::Sel4 | Tee::Other) {
        let protocol = self::uuid(&starter.name, &format!("{name}/protocol"));
        let _ = writeln!(out, "uuids = [\"{protocol}\"]   # the protocol that it speaks");
    }
    let _ = writeln!(out, "memory = \"{}\"", memory(wish.tee));
    let _ = writeln!(out, "cores = {}", cores(starter, wish.tee));
    let _ = writeln!(out, "boot-order = {}", index + 1);
    // Linux's driver knows the protocol of these two.
    if matches!(wish.tee, Tee::Optee | Tee::Rust) {
        let first = starter.tees[..index]
            .iter()
            .all(|wish| !matches!(wish.tee, Tee::Optee | Tee::Rust));
        let default = if first { ", default = true" } else { "" };
        let _ = writeln!(out, "client = {{ name = \"{name}\"{default} }}");
    }
}

/// `vendor-a`, `vendor-b` and so on; with numbers behind the alphabet.
fn name(index: usize) -> String {
    let letter = u8::try_from(index)
        .ok()
        .and_then(|index| b'a'.checked_add(index))
        .filter(u8::is_ascii_lowercase);
    letter.map_or_else(
        || format!("vendor-{}", index + 1),
        |letter| format!("vendor-{}", char::from(letter)),
    )
}

fn memory(tee: Tee) -> &'static str {
    match tee {
        Tee::Optee => "6MiB",
        Tee::Sel4 | Tee::Other => "2MiB",
        Tee::Rust | Tee::Test | Tee::Sensors => "1MiB",
    }
}

fn cores(starter: &Starter, tee: Tee) -> String {
    let list = |names: &[String]| {
        names
            .iter()
            .map(|name| format!("\"{name}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (tee, starter.cores.as_slice()) {
        (Tee::Sel4, []) => "\"all\"\ncontexts = 1".to_owned(),
        (_, []) => "\"all\"".to_owned(),
        (Tee::Sel4, [first, ..]) => format!("{{ called = [\"{first}\"], forward = true }}"),
        (_, names) => format!("{{ called = [{}], forward = true }}", list(names)),
    }
}

/// A UUID of its own for each name (version 8: made from a digest).
fn uuid(system: &str, name: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(format!("bulkhead/{system}/{name}")).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
