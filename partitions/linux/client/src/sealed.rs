//! Objects that the Rust TEE seals and the client keeps as files in a directory: `store` makes one, `fetch` says what is in
//! one.

use std::fs;
use std::path::PathBuf;

use bulkhead_client::options::Options;

use crate::services::{SEALED, SEALED_OPEN, SEALED_SEAL, plain};
use crate::teec::{Context, Parameter, Session};

/// Bytes by which a sealed object is longer than what is in it.
const OVERHEAD: usize = 40;

/// Seals the text, and keeps what came of it.
pub fn store(options: &Options) -> Result<(), String> {
    let context = Context::new(&options.tee).map_err(plain)?;
    let mut session = Session::open(&context, SEALED).map_err(plain)?;
    let (mut object, mut size) = (vec![0; options.text.len() + OVERHEAD], 0);
    let parameters = [
        Parameter::In(options.text.as_bytes()),
        Parameter::Out(&mut object, &mut size),
    ];
    session.invoke(SEALED_SEAL, parameters).map_err(plain)?;
    object.truncate(size);
    let path = path(options);
    fs::write(&path, object).map_err(|error| format!("{}: {error}", path.display()))
}

/// Opens the object, and prints the text.
pub fn fetch(options: &Options) -> Result<(), String> {
    let path = path(options);
    let object = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let context = Context::new(&options.tee).map_err(plain)?;
    let mut session = Session::open(&context, SEALED).map_err(plain)?;
    let (mut text, mut size) = (vec![0; object.len()], 0);
    let parameters = [Parameter::In(&object), Parameter::Out(&mut text, &mut size)];
    session.invoke(SEALED_OPEN, parameters).map_err(plain)?;
    text.truncate(size);
    println!(
        "{}",
        String::from_utf8(text).map_err(|_| "what is in the object is no text")?
    );
    Ok(())
}

/// Where the object is: in the TEE's directory.
fn path(options: &Options) -> PathBuf {
    PathBuf::from("/var/lib/tee")
        .join(&options.tee)
        .join(&options.object)
}
