//! `cargo xtask sign`: makes a vendor's package of an image, with its version and the vendor's signature (docs/signed.md).

use crate::paths::{read, write};
use anyhow::{Context, Result, ensure};
use bulkhead_configs::signed;
use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Options of `sign`.
#[derive(clap::Args)]
pub struct SignArgs {
    /// The TEE's image.
    #[arg(long, value_name = "FILE")]
    pub image: PathBuf,
    /// UUID of the partition's package, as the table has it.
    #[arg(long, value_name = "UUID")]
    pub uuid: String,
    /// Its version: an update has a higher one.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=i64::from(bulkhead_core::counter::MOST)))]
    pub version: u32,
    /// The vendor's private key: a file with 64 hexadecimal digits.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Make that key first, in a file that does not exist yet.
    #[arg(long)]
    pub make_key: bool,
    /// Where the package goes.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Makes the package, and prints the public key for the table.
pub fn sign(args: &SignArgs) -> Result<()> {
    let public = package(args)?;
    println!("{}: version {}; in the table:", args.out.display(), args.version);
    println!(
        "image = {{ file = \"{}\", signed = {{ by = \"{public}\" }} }}",
        args.out.display()
    );
    Ok(())
}

/// Makes the package; the public key in hexadecimal digits.
pub fn package(args: &SignArgs) -> Result<String> {
    if args.make_key {
        make_key(&args.key)?;
    }
    let seed = seed(&args.key)?;
    let uuid = bytes::<16>(&args.uuid.replace('-', "")).context("the UUID is none")?;
    let image = read(&args.image)?;
    ensure!(!image.is_empty(), "{} is empty", args.image.display());
    // The table has the manifest, so that a vendor cannot give itself more.
    let package = signed::sign(&[], &image, &uuid, args.version, &seed).context("the key is all zeros")?;
    write(&args.out, &package)?;
    Ok(crate::stamp::hex(&signed::public(&seed)))
}

/// A new key, which nobody else may read.
fn make_key(path: &Path) -> Result<()> {
    let mut seed = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let mut file = file.with_context(|| format!("{} cannot be made", path.display()))?;
    writeln!(file, "{}", crate::stamp::hex(&seed))?;
    Ok(())
}

fn seed(path: &Path) -> Result<[u8; 32]> {
    let text = String::from_utf8(read(path)?).ok();
    let seed = text.and_then(|text| bytes(text.trim()));
    seed.with_context(|| format!("{} has no 64 hexadecimal digits", path.display()))
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    crate::quote::decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_opened_with_the_key_that_is_printed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(&at("image"), b"an image").unwrap();
        let mut args = SignArgs {
            image: at("image"),
            uuid: "5d1a0c4e-0101-4e0b-9c1d-8f2e6a7b3c40".into(),
            version: 7,
            key: at("key"),
            make_key: true,
            out: at("package"),
        };
        sign(&args).unwrap();
        assert!(sign(&args).is_err(), "a key is never written over");
        args.make_key = false;
        sign(&args).unwrap();
        let (package, key) = (
            read(&at("package")).unwrap(),
            signed::public(&seed(&at("key")).unwrap()),
        );
        let uuid = bytes(&args.uuid.replace('-', "")).unwrap();
        let opened = signed::open(&package, &key, &uuid).unwrap();
        assert_eq!((opened.image, opened.claim.version), (&b"an image"[..], 7));
        args.uuid.pop();
        assert!(sign(&args).is_err());
    }
}
