//! `cargo xtask verify`: whether a machine runs what a table's build made, by what it has signed (docs/measured.md).

mod log;

use crate::paths::{Paths, read};
use anyhow::{Context, Result, bail, ensure};
use bulkhead_configs::{Board, Secret, TEST_SECRET};
use bulkhead_core::quote::{Register, text};
use bulkhead_core::{derive, signature};
use object::{Object, ObjectSymbol};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Options of `verify`.
#[derive(clap::Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub config: crate::cli::ConfigArgs,
    /// The nonce that was given to the machine, 64 hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    pub nonce: String,
    /// The machine's public key (Ed25519), 64 hexadecimal digits [default: that of the board's public test secret]
    #[arg(long, value_name = "HEX")]
    pub key: Option<String>,
    /// What `bulkhead-info --quote NONCE` printed.
    pub quote: PathBuf,
}

/// A quote as `bulkhead-info` prints it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quote {
    nonce: String,
    signature: String,
    log: String,
}

/// What the table's build made.
pub struct Expected {
    /// Names and digests in the order in which they are measured.
    events: Vec<(String, [u8; 32])>,
}

#[derive(Deserialize)]
struct Built {
    sha256: String,
    #[serde(default)]
    partition: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    name: String,
    sha256: String,
}

/// Checks a quote, and says what is not as it should be.
pub fn verify(paths: &Paths, args: &VerifyArgs) -> Result<bool> {
    let table = args.config.table(paths);
    let system = crate::build::load(&table)?;
    let expected = Expected::of(&paths.systems.join(&system.name))?;
    let key = match &args.key {
        Some(key) => bytes(key).context("the key is no 64 hexadecimal digits")?,
        None => test_key(&system.board)?,
    };
    let nonce = bytes(&args.nonce).context("the nonce is no 64 hexadecimal digits")?;
    let quote = std::fs::read_to_string(&args.quote)
        .with_context(|| format!("{} cannot be read", args.quote.display()))?;
    check(&quote, &nonce, &key, &expected)?;
    println!("what runs is what was built of {}", table.display());
    if args.key.is_none() {
        println!("the board's root secret is public: on this board anybody can make such a quote");
    }
    Ok(true)
}

/// The public key of a board whose root secret everybody knows.
pub fn test_key(board: &Board) -> Result<[u8; 32]> {
    let secret = TEST_SECRET.as_bytes().try_into();
    match (board.secret, secret) {
        (Secret::Test, Ok(secret)) => {
            signature::public(&derive::quote_seed(secret)).context("the board's root secret gives no key")
        }
        _ => bail!(
            "the board {} has a secret of its own: say the machine's key with --key",
            board.name
        ),
    }
}

impl Expected {
    /// What lies in the folder of a system that was built.
    pub fn of(folder: &Path) -> Result<Self> {
        let text = String::from_utf8(read(&folder.join("linux/system.toml"))?)
            .ok()
            .with_context(|| format!("{} is no text", folder.display()))?;
        let built: Built = toml::from_str(&text)
            .with_context(|| format!("{} was not made by the build of a table", folder.display()))?;
        let digest = |text: &str| bytes(text).context("linux/system.toml has a digest that is none");
        let mut events = vec![
            ("BULKHEAD".to_owned(), own(folder)?),
            ("BULKHEAD_TABLE".to_owned(), digest(&built.sha256)?),
        ];
        for image in built.partition {
            events.push((image.name, digest(&image.sha256)?));
        }
        Ok(Self { events })
    }
}

/// SHA-256 of the hypervisor's code and constants: the image as far as the symbol behind them.
fn own(folder: &Path) -> Result<[u8; 32]> {
    let (image, elf) = (
        read(&folder.join("bulkhead.bin"))?,
        read(&folder.join("bulkhead.elf"))?,
    );
    let elf = object::File::parse(&*elf)?;
    let at = |name: &str| {
        let symbol = elf.symbols().find(|symbol| symbol.name() == Ok(name));
        symbol
            .map(|symbol| symbol.address())
            .with_context(|| format!("bulkhead.elf has no symbol {name}"))
    };
    let length = usize::try_from(at("__constants_end")?.saturating_sub(at("__image_start")?))?;
    let constants = image
        .get(..length)
        .context("bulkhead.bin ends before its constants do")?;
    Ok(Sha256::digest(constants).into())
}

/// Checks a quote's text against a nonce, the machine's public key and what was built.
///
/// # Errors
/// What is not as it should be: a sentence for the quote, or one for each measurement.
pub fn check(quote: &str, nonce: &[u8; 32], key: &[u8; 32], expected: &Expected) -> Result<()> {
    let quote: Quote =
        serde_json::from_str(quote).context("this is not what `bulkhead-info --quote` prints")?;
    ensure!(
        bytes(&quote.nonce) == Some(*nonce),
        "the quote is for another nonce: it is not of now, or not for you"
    );
    let signature = bytes(&quote.signature).context("the signature is no 128 hexadecimal digits")?;
    let log = decode(&quote.log).context("the log is no hexadecimal digits")?;
    let events = log::read(&log)?;
    let register = events
        .iter()
        .fold(Register::new(), |register, event| register.extend(&event.digest));
    ensure!(
        signature::is_good(key, &text(nonce, &register), &signature),
        "the signature is not this machine's of this log: another key signed, or something was changed behind it"
    );
    let found: Vec<_> = events
        .iter()
        .map(|event| (event.name.as_str(), event.digest))
        .collect();
    let differences = differences(&found, &expected.events);
    ensure!(
        differences.is_empty(),
        "the machine runs something else: {}",
        differences.join("; ")
    );
    Ok(())
}

fn differences(found: &[(&str, [u8; 32])], wanted: &[(String, [u8; 32])]) -> Vec<String> {
    let names = |names: Vec<&str>| names.join(", ");
    let (ran, built) = (
        names(found.iter().map(|(name, _)| *name).collect()),
        names(wanted.iter().map(|(name, _)| name.as_str()).collect()),
    );
    if ran != built {
        return vec![format!("{ran} were measured, and {built} were expected")];
    }
    found
        .iter()
        .zip(wanted)
        .filter(|((_, found), (_, wanted))| found != wanted)
        .map(|((name, found), (_, wanted))| {
            let hex = |digest| crate::stamp::hex(digest);
            format!("{name} is {}, and {} was expected", hex(found), hex(wanted))
        })
        .collect()
}

/// The bytes that hexadecimal digits stand for.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let digit = |byte: &u8| (*byte as char).to_digit(16);
    let pairs = digits.as_chunks::<2>();
    let whole = pairs.1.is_empty();
    let bytes = pairs
        .0
        .iter()
        .map(|[high, low]| Some((digit(high)? << 4 | digit(low)?) as u8));
    bytes.collect::<Option<Vec<u8>>>().filter(|_| whole)
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::hex;

    const SEED: [u8; 32] = [9; 32];
    const NONCE: [u8; 32] = [7; 32];
    const EVENTS: [(&str, [u8; 32]); 3] = [
        ("BULKHEAD", [1; 32]),
        ("BULKHEAD_TABLE", [2; 32]),
        ("vendor-a", [3; 32]),
    ];

    fn expected() -> Expected {
        Expected {
            events: EVENTS.map(|(name, digest)| (name.to_owned(), digest)).to_vec(),
        }
    }

    /// A quote of these events; the log says `said`.
    fn quote(events: &[(&str, [u8; 32])], said: &[(&str, [u8; 32])]) -> String {
        let register = events
            .iter()
            .fold(Register::new(), |register, (_, digest)| register.extend(digest));
        let signature = signature::sign(&SEED, &text(&NONCE, &register)).unwrap();
        format!(
            "{{\"nonce\":\"{}\",\"signature\":\"{}\",\"log\":\"{}\"}}",
            hex(&NONCE),
            hex(&signature),
            hex(&log::tests::log(said))
        )
    }

    fn refused(quote: &str, nonce: [u8; 32], seed: [u8; 32]) -> String {
        let key = signature::public(&seed).unwrap();
        match check(quote, &nonce, &key, &expected()) {
            Ok(()) => "nothing".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_runs_as_it_was_built_is_good() {
        assert_eq!(refused(&quote(&EVENTS, &EVENTS), NONCE, SEED), "nothing");
    }

    #[test]
    fn another_nonce_is_refused() {
        let old = quote(&EVENTS, &EVENTS);
        let why = "the quote is for another nonce: it is not of now, or not for you";
        assert_eq!(refused(&old, [8; 32], SEED), why);
        // One that only says that it is for this nonce.
        let renamed = old.replace(&hex(&NONCE), &hex(&[8; 32]));
        let why = "the signature is not this machine's of this log: another key signed, or something was changed behind it";
        assert_eq!(refused(&renamed, [8; 32], SEED), why);
    }

    #[test]
    fn another_log_or_key_is_refused() {
        let why = "the signature is not this machine's of this log: another key signed, or something was changed behind it";
        let mut other = EVENTS;
        other[2].1 = [4; 32];
        // The machine runs another image, and the log hides that.
        assert_eq!(refused(&quote(&other, &EVENTS), NONCE, SEED), why);
        assert_eq!(refused(&quote(&EVENTS, &EVENTS[..2]), NONCE, SEED), why);
        assert_eq!(refused(&quote(&EVENTS, &EVENTS), NONCE, [10; 32]), why);
    }

    #[test]
    fn another_image_or_partition_is_refused() {
        let mut other = EVENTS;
        other[2].1 = [4; 32];
        let why = format!(
            "the machine runs something else: vendor-a is {}, and {} was expected",
            hex(&[4; 32]),
            hex(&[3; 32])
        );
        assert_eq!(refused(&quote(&other, &other), NONCE, SEED), why);
        // A name is not signed, but its place is the table's.
        let mut renamed = EVENTS;
        renamed[2].0 = "vendor-b";
        assert_eq!(
            refused(&quote(&EVENTS, &renamed), NONCE, SEED),
            "the machine runs something else: BULKHEAD, BULKHEAD_TABLE, vendor-b were measured, and BULKHEAD, \
             BULKHEAD_TABLE, vendor-a were expected"
        );
    }

    #[test]
    fn what_is_no_quote_is_refused() {
        let good = quote(&EVENTS, &EVENTS);
        for (wrong, why) in [
            ("{}".to_owned(), "this is not what `bulkhead-info --quote` prints"),
            (
                good.replace("\"log\":\"", "\"log\":\"0"),
                "the log is no hexadecimal digits",
            ),
            (
                good.replace("\"signature\":\"", "\"signature\":\"00"),
                "the signature is no 128 hexadecimal digits",
            ),
        ] {
            assert_eq!(refused(&wrong, NONCE, SEED), why);
        }
    }
}
