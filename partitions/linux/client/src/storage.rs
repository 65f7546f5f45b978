//! Objects in a TEE's secure storage, by the storage application of OP-TEE's test suite: `store` makes one, `fetch` says
//! what is in one, `erase` removes one, and `churn` opens one again and again, with the application loaded anew each time,
//! until it is killed.

use bulkhead_client::options::Options;

use crate::teec::{Context, Error, Parameter, Session, Uuid};

/// `ta_storage` of OP-TEE's test suite.
const STORAGE: Uuid = Uuid::new(0xb689f2a7_8adf_477a_9f99_32e90c0ad0a2);
const OPEN: u32 = 0;
const CLOSE: u32 = 1;
const READ: u32 = 2;
const CREATE: u32 = 4;
const UNLINK: u32 = 6;

/// `TEE_STORAGE_PRIVATE`.
const PRIVATE: u32 = 1;
/// `TEE_DATA_FLAG_ACCESS_READ`.
const FOR_READING: u32 = 1;
/// `TEE_DATA_FLAG_ACCESS_WRITE_META`.
const TO_ERASE: u32 = 4;
/// `TEE_DATA_FLAG_OVERWRITE`.
const ANEW: u32 = 0x400;
/// The longest text of an object, in bytes.
const LONGEST: usize = 200;

/// Makes the object with its text.
pub fn store(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    let mut session = Session::open(&context, STORAGE).map_err(plain)?;
    let mut handle = [FOR_READING | ANEW, 0];
    let parameters = [
        Parameter::In(options.object.as_bytes()),
        Parameter::ValueInOut(&mut handle),
        Parameter::ValueIn(0, PRIVATE),
        Parameter::In(options.text.as_bytes()),
    ];
    session.invoke(CREATE, parameters).map_err(plain)?;
    close(&mut session, handle[1])
}

/// Prints the object's text.
pub fn fetch(options: &Options) -> Result<(), String> {
    println!("{}", read(&context(options)?, &options.object)?);
    Ok(())
}

/// Removes the object.
pub fn erase(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    let mut session = Session::open(&context, STORAGE).map_err(plain)?;
    let handle = open(&mut session, &options.object, TO_ERASE)?;
    session
        .invoke(UNLINK, [Parameter::ValueIn(handle, 0)])
        .map_err(plain)
}

/// Reads the object until this process is killed, whatever comes of it: some of its reads may be in the wake of another
/// client that was killed.
pub fn churn(options: &Options) -> Result<(), String> {
    let context = context(options)?;
    loop {
        let _ = read(&context, &options.object);
    }
}

fn read(context: &Context, object: &str) -> Result<String, String> {
    let mut session = Session::open(context, STORAGE).map_err(plain)?;
    let handle = open(&mut session, object, FOR_READING)?;
    let (mut text, mut size, mut count) = (vec![0; LONGEST], 0, [handle, 0]);
    let parameters = [
        Parameter::Out(&mut text, &mut size),
        Parameter::ValueInOut(&mut count),
    ];
    session.invoke(READ, parameters).map_err(plain)?;
    close(&mut session, handle)?;
    text.truncate(count[1] as usize);
    String::from_utf8(text).map_err(|_| "what is in the object is no text".into())
}

fn open(session: &mut Session<'_>, object: &str, how: u32) -> Result<u32, String> {
    let mut handle = [how, 0];
    let parameters = [
        Parameter::In(object.as_bytes()),
        Parameter::ValueInOut(&mut handle),
        Parameter::ValueIn(PRIVATE, 0),
    ];
    session.invoke(OPEN, parameters).map_err(plain)?;
    Ok(handle[1])
}

fn close(session: &mut Session<'_>, handle: u32) -> Result<(), String> {
    session
        .invoke(CLOSE, [Parameter::ValueIn(handle, 0)])
        .map_err(plain)
}

fn context(options: &Options) -> Result<Context, String> {
    Context::new(&options.tee).map_err(plain)
}

fn plain(error: Error) -> String {
    error.to_string()
}
