//! TF-A's trusted boot: a BL1 and a BL2 that let nothing run but what certificates below the root key name, and these
//! certificates.
//!
//! The source is TF-A's own, built twice. BL2 of the QEMU platform loads a list of packages where the SPMC is at S-EL2,
//! and its chain of trust knows neither the list nor packages: so BL1 and BL2 are built as for an SPMC at S-EL1, for
//! which they load the hypervisor and its manifest alone. BL31 is the ordinary one. Packages are the hypervisor's.

use super::flash::option;
use super::tfa::{self, Spmc};
use crate::parts::Parts;
use crate::paths::{Paths, make_folder, write};
use crate::progress::step;
use crate::stamp;
use crate::tool::Tool;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// What is other than in the ordinary build.
const FLAGS: [&str; 4] = [
    "SPMD_SPM_AT_SEL2=0",
    "TRUSTED_BOARD_BOOT=1",
    "GENERATE_COT=1",
    // What newer compilers warn of in mbedTLS is no error.
    "E=0",
];

/// All flags: those of the TF-A under the hypervisor, but for these.
fn flags() -> Vec<&'static str> {
    let name = |flag: &'static str| flag.split('=').next();
    let other = |flag: &&str| FLAGS.iter().all(|own| name(own) != flag.split('=').next());
    tfa::flags(Spmc::SEl2)
        .into_iter()
        .filter(other)
        .chain(FLAGS)
        .collect()
}

/// Bits of a root key that TF-A takes.
const SIZES: [u32; 3] = [2048, 3072, 4096];

/// The certificates: options of cert_create and of fiptool alike.
const CERTIFICATES: [&str; 8] = [
    "tb-fw-cert",
    "trusted-key-cert",
    "soc-fw-key-cert",
    "soc-fw-cert",
    "tos-fw-key-cert",
    "tos-fw-cert",
    "nt-fw-key-cert",
    "nt-fw-cert",
];

/// The root key of the chain: its private half.
pub struct RootKey {
    file: PathBuf,
    bits: u32,
    /// Its public half, as text.
    public: String,
}

impl RootKey {
    /// The key that was given, or else one that is made here once.
    pub fn find(paths: &Paths) -> Result<Self> {
        if let Some(file) = &paths.root_key {
            return Self::read(file);
        }
        let file = paths.parts.join("root-key.pem");
        if !file.exists() {
            Self::make(&file)?;
        }
        Self::read(&file)
    }

    /// Makes a key.
    pub fn make(file: &Path) -> Result<()> {
        let key = Tool::new("openssl")
            .args(["genrsa", "2048"])
            .output("making a root key")?;
        write(file, key.as_bytes())
    }

    /// Reads a key.
    pub fn read(file: &Path) -> Result<Self> {
        let ask = |what: &[&str]| {
            let tool = Tool::new("openssl").arg("rsa").arg("-in").arg(file).args(what);
            tool.output("reading the root key").with_context(|| {
                format!(
                    "{} is no private RSA key in PEM; make one with `openssl genrsa -out FILE 3072`",
                    file.display()
                )
            })
        };
        let bits = bits(&ask(&["-noout", "-text"])?).unwrap_or_default();
        if !SIZES.contains(&bits) {
            bail!(
                "the root key {} has {bits} bits, and TF-A takes 2048, 3072 or 4096; make one with `openssl genrsa -out \
                 FILE 3072`",
                file.display()
            );
        }
        Ok(Self {
            file: file.to_path_buf(),
            bits,
            public: ask(&["-pubout"])?,
        })
    }
}

/// How many bits a key has, from what openssl says of it.
fn bits(text: &str) -> Option<u32> {
    let (_, behind) = text.lines().next()?.split_once('(')?;
    behind.split_once(" bit")?.0.parse().ok()
}

/// BL1 and BL2 that check, and what makes the certificates for them.
pub struct Loaders {
    /// Where bl1.bin, bl2.bin and cert_create are.
    pub folder: PathBuf,
    key: RootKey,
}

/// Builds them where they are not built yet. The root key's digest stands in BL1, where a product has it in fuses.
pub fn build(paths: &Paths, parts: &Parts, key: RootKey) -> Result<Loaders> {
    let (tree, crypto) = (parts.tfa(paths)?, parts.mbedtls(paths)?);
    let sources = [super::source_of(&tree), super::source_of(&crypto)].join(" with ");
    let inputs = [sources.as_str(), &super::compiler()?, &key.public];
    let inputs = stamp::digest(inputs.into_iter().chain(flags()));
    let folder = paths.parts.join(format!("tfa-trusted/{}", &inputs[..16]));
    if !stamp::is_current(&folder, &inputs) {
        let what = format!("building TF-A's trusted boot ({sources})");
        step(&what, || {
            stamp::make(&folder, &inputs, |to| {
                make(paths, [&tree, &crypto], &key, &what, to).map(|()| sources.clone())
            })
        })?;
    }
    Ok(Loaders { folder, key })
}

fn make(paths: &Paths, [tree, crypto]: [&Path; 2], key: &RootKey, what: &str, to: &Path) -> Result<()> {
    let (work, image) = (to.join("work"), to.join("work/image"));
    make_folder(&work)?;
    // It wants images to name, though these targets do not use them.
    write(&image, b"image")?;
    let key_file = std::path::absolute(&key.file)?;
    Tool::new("make")
        .within(tree)
        .arg(format!("-j{}", super::jobs()))
        .args(flags())
        .arg("CROSS_COMPILE=aarch64-linux-gnu-")
        .arg(format!("BUILD_BASE={}", work.display()))
        .arg(format!("MBEDTLS_DIR={}", crypto.display()))
        .arg(format!("ROT_KEY={}", key_file.display()))
        .arg(format!("KEY_SIZE={}", key.bits))
        .args(["BL32", "BL33"].map(|name| format!("{name}={}", image.display())))
        .args(["bl1", "bl2", "certtool"])
        .run(what, &paths.logs.join("tfa-trusted.log"))?;
    for name in ["bl1.bin", "bl2.bin"] {
        tfa::take(&work.join("qemu/release").join(name), &to.join(name))?;
    }
    tfa::take(
        &tree.join("tools/cert_create/cert_create"),
        &to.join("cert_create"),
    )?;
    fs::remove_dir_all(&work).context("TF-A's build folder cannot be removed")
}

impl Loaders {
    /// The same with certificates below another key, which these loaders refuse.
    pub fn signing_with(self, key: RootKey) -> Self {
        Self { key, ..self }
    }

    /// Makes the certificates of these images (options of cert_create and their files), the key's and no other's; returns
    /// fiptool's arguments for them. All keys below the root key are made here and forgotten.
    pub fn certify(&self, images: &[(&str, PathBuf)], folder: &Path) -> Result<Vec<String>> {
        make_folder(folder)?;
        let certificates: Vec<String> = CERTIFICATES
            .iter()
            .flat_map(|name| option(name, &folder.join(format!("{name}.crt"))))
            .collect();
        Tool::new(self.folder.join("cert_create"))
            .args(["-n", "--key-alg", "rsa", "--tfw-nvctr", "0", "--ntfw-nvctr", "0"])
            .args(["--key-size".to_owned(), self.key.bits.to_string()])
            .args(option("rot-key", &self.key.file))
            .args(images.iter().flat_map(|(name, file)| option(name, file)))
            .args(&certificates)
            .run("signing what firmware checks", &folder.join("cert_create.log"))?;
        Ok(certificates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_and_what_is_none_is_told() {
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("key.pem");
        RootKey::make(&file).unwrap();
        let key = RootKey::read(&file).unwrap();
        assert_eq!(key.bits, 2048);
        assert!(
            key.public.starts_with("-----BEGIN PUBLIC KEY-----"),
            "{}",
            key.public
        );
        let refused = |file: &Path| format!("{:#}", RootKey::read(file).err().unwrap());
        fs::write(&file, "hello").unwrap();
        assert!(refused(&file).contains("is no private RSA key in PEM; make one with `openssl genrsa"));
        let small = Tool::new("openssl")
            .args(["genrsa", "1024"])
            .output("a key")
            .unwrap();
        fs::write(&file, small).unwrap();
        assert!(refused(&file).contains("has 1024 bits, and TF-A takes 2048"));
    }
}
