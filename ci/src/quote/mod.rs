//! `cargo xtask verify`: whether a machine runs what a table's build made, by what it has signed (docs/measured.md).

mod log;

use crate::paths::{Paths, read};
use anyhow::{Context, Result, bail, ensure};
use bulkhead_configs::{Board, Partition, Secret, System, TEST_SECRET, signed};
use bulkhead_core::quote::{Register, Taken, text};
use bulkhead_core::{derive, signature};
use log::{Event, What};
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
    /// The package that a vendor has put into a slot since the build: `--package vendor-a=tee-2.pkg`.
    #[arg(long, value_name = "NAME=FILE")]
    pub package: Vec<String>,
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

/// What should run.
pub struct Expected {
    /// In the order in which it is measured.
    images: Vec<Measured<u32>>,
}

/// What was measured, or should have been.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Measured<P> {
    name: String,
    digest: [u8; 32],
    /// Of one that its vendor signs: the package's version, and where it was taken.
    package: Option<P>,
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
    let mut expected = Expected::of(&paths.systems.join(&system.name), &system)?;
    for value in &args.package {
        let (name, file) = value
            .split_once('=')
            .with_context(|| format!("`--package {value}` names no file; write `--package NAME=FILE`"))?;
        let partition = system
            .partition(name)
            .with_context(|| format!("`--package {value}`: the table has no partition `{name}`"))?;
        expected.take(partition, Path::new(file))?;
    }
    let key = match &args.key {
        Some(key) => bytes(key).context("the key is no 64 hexadecimal digits")?,
        None => test_key(&system.board)?,
    };
    let nonce = bytes(&args.nonce).context("the nonce is no 64 hexadecimal digits")?;
    let quote = std::fs::read_to_string(&args.quote)
        .with_context(|| format!("{} cannot be read", args.quote.display()))?;
    let taken = check(&quote, &nonce, &key, &expected)?;
    println!("what runs is what was built of {}", table.display());
    for said in taken {
        println!("{said}");
    }
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
    pub fn of(folder: &Path, system: &System) -> Result<Self> {
        let text = String::from_utf8(read(&folder.join("linux/system.toml"))?)
            .ok()
            .with_context(|| format!("{} is no text", folder.display()))?;
        let built: Built = toml::from_str(&text)
            .with_context(|| format!("{} was not made by the build of a table", folder.display()))?;
        let digest = |text: &str| bytes(text).context("linux/system.toml has a digest that is none");
        let code = |name: &str, digest| Measured {
            name: name.to_owned(),
            digest,
            package: None,
        };
        let mut images = vec![
            code("BULKHEAD", own(folder)?),
            code("BULKHEAD_TABLE", digest(&built.sha256)?),
        ];
        for image in built.partition {
            images.push(code(&image.name, digest(&image.sha256)?));
        }
        let mut expected = Self { images };
        for partition in system.partitions.iter().filter(|one| one.image.signed.is_some()) {
            expected.take(partition, &folder.join(partition.package_path()))?;
        }
        Ok(expected)
    }

    /// Expects this package of a partition whose vendor signs it.
    fn take(&mut self, partition: &Partition, file: &Path) -> Result<()> {
        let name = &partition.name;
        let key = partition.signing_key().with_context(|| {
            format!("the package of {name} is signed by nobody; the table has its digest")
        })?;
        let package = read(file)?;
        let Ok(opened) = signed::open(&package, &key, &partition.package_uuid) else {
            bail!(
                "{} is no package of {name} that its vendor has signed",
                file.display()
            );
        };
        let image = self.images.iter_mut().find(|image| image.name == *name);
        let image = image.with_context(|| format!("{name} was not built"))?;
        image.digest = opened.claim.sha256;
        image.package = Some(opened.claim.version);
        Ok(())
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
/// Returns a sentence for each signed package that runs.
///
/// # Errors
/// What is not as it should be: a sentence for the quote, or one for each measurement.
pub fn check(quote: &str, nonce: &[u8; 32], key: &[u8; 32], expected: &Expected) -> Result<Vec<String>> {
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
    let found = found(events)?;
    let differences = differences(&found, &expected.images);
    ensure!(
        differences.is_empty(),
        "the machine runs something else: {}",
        differences.join("; ")
    );
    let said = |image: &Measured<Taken>| {
        let Taken { slot, version } = image.package?;
        let slot = if slot == 0 { "a" } else { "b" };
        Some(format!("{}: version {version}, from slot {slot}", image.name))
    };
    Ok(found.iter().filter_map(said).collect())
}

/// What was measured, each package with the image that it is of.
fn found(events: Vec<Event>) -> Result<Vec<Measured<Taken>>> {
    let mut found: Vec<Measured<Taken>> = Vec::new();
    for Event { digest, what } in events {
        match (what, found.last_mut()) {
            (What::Code(name), _) => found.push(Measured {
                name,
                digest,
                package: None,
            }),
            (What::Package(taken), Some(image)) if image.package.is_none() => image.package = Some(taken),
            (What::Package(_), _) => bail!("a package of the log is of no image"),
        }
    }
    Ok(found)
}

fn differences(found: &[Measured<Taken>], wanted: &[Measured<u32>]) -> Vec<String> {
    // Who is signed by whom is the table's, and so is the order.
    let name = |name: &str, signed: bool| {
        if signed {
            format!("{name} (signed)")
        } else {
            name.to_owned()
        }
    };
    let names = |names: Vec<String>| names.join(", ");
    let (ran, built) = (
        names(
            found
                .iter()
                .map(|one| name(&one.name, one.package.is_some()))
                .collect(),
        ),
        names(
            wanted
                .iter()
                .map(|one| name(&one.name, one.package.is_some()))
                .collect(),
        ),
    );
    if ran != built {
        return vec![format!("{ran} were measured, and {built} were expected")];
    }
    let hex = |digest| crate::stamp::hex(digest);
    let pairs = found.iter().zip(wanted);
    let each = pairs.map(|(found, wanted)| {
        let name = &found.name;
        match (found.package, wanted.package) {
            (Some(Taken::NONE), _) => Some(format!("no package of {name} was taken")),
            (Some(taken), Some(version)) if taken.version != version => Some(format!(
                "{name} is of version {}, and version {version} was expected",
                taken.version
            )),
            _ if found.digest != wanted.digest => Some(format!(
                "{name} is {}, and {} was expected",
                hex(&found.digest),
                hex(&wanted.digest)
            )),
            _ => None,
        }
    });
    each.flatten().collect()
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
        let images = EVENTS.map(|(name, digest)| Measured {
            name: name.to_owned(),
            digest,
            package: None,
        });
        Expected {
            images: images.to_vec(),
        }
    }

    /// What a quote of a system says in which `vendor-a` has a signed package.
    fn signed_package(taken: Taken, wanted: u32) -> String {
        let mut expected = expected();
        expected.images[2].package = Some(wanted);
        let log = log::tests::log_with(&EVENTS.map(|(name, digest)| {
            let package = (name == "vendor-a").then_some(taken);
            (name, digest, package)
        }));
        let register = EVENTS
            .iter()
            .fold(Register::new(), |register, (_, digest)| register.extend(digest))
            .extend(&bulkhead_core::quote::package(Some(taken)));
        let signature = signature::sign(&SEED, &text(&NONCE, &register)).unwrap();
        let quote = format!(
            "{{\"nonce\":\"{}\",\"signature\":\"{}\",\"log\":\"{}\"}}",
            hex(&NONCE),
            hex(&signature),
            hex(&log)
        );
        let key = signature::public(&SEED).unwrap();
        match check(&quote, &NONCE, &key, &expected) {
            Ok(said) => said.join("; "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_signed_package_is_of_the_version_that_is_expected() {
        let taken = |slot, version| Taken { slot, version };
        assert_eq!(signed_package(taken(0, 3), 3), "vendor-a: version 3, from slot a");
        assert_eq!(signed_package(taken(1, 3), 3), "vendor-a: version 3, from slot b");
        assert_eq!(
            signed_package(taken(1, 2), 3),
            "the machine runs something else: vendor-a is of version 2, and version 3 was expected"
        );
        assert_eq!(
            signed_package(Taken::NONE, 3),
            "the machine runs something else: no package of vendor-a was taken"
        );
    }

    #[test]
    fn who_is_signed_is_the_table_s() {
        let mut wanted = expected().images;
        wanted[2].package = Some(1);
        let plain: Vec<Measured<Taken>> = EVENTS
            .map(|(name, digest)| Measured {
                name: name.to_owned(),
                digest,
                package: None,
            })
            .to_vec();
        assert_eq!(
            differences(&plain, &wanted),
            [
                "BULKHEAD, BULKHEAD_TABLE, vendor-a were measured, and BULKHEAD, BULKHEAD_TABLE, vendor-a (signed) were \
              expected"
            ]
        );
        let package = || Event {
            digest: [0; 32],
            what: What::Package(Taken::NONE),
        };
        let alone = found(vec![package()]).unwrap_err().to_string();
        assert_eq!(alone, "a package of the log is of no image");
        let code = Event {
            digest: [0; 32],
            what: What::Code("a".into()),
        };
        assert!(found(vec![code, package(), package()]).is_err());
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
            Ok(_) => "nothing".into(),
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
