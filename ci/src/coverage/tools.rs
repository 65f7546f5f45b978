//! llvm-profdata and llvm-cov that understand what the compiler's own LLVM counts: rustup's, or Debian's of the same version.

use crate::parts;
use crate::paths::Paths;
use crate::progress;
use crate::tool::{self, Tool};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// The two tools.
pub struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    /// A run of llvm-profdata.
    pub fn profdata(&self) -> Tool {
        Tool::new(&self.profdata)
    }

    /// A run of llvm-cov.
    pub fn cov(&self) -> Tool {
        Tool::new(&self.cov)
    }

    /// Both in one folder.
    fn of(folder: &Path) -> Option<Self> {
        let [profdata, cov] = ["llvm-profdata", "llvm-cov"].map(|name| folder.join(name));
        (profdata.is_file() && cov.is_file()).then_some(Self { profdata, cov })
    }
}

/// The compiler, as far as it matters here.
struct Compiler {
    sysroot: PathBuf,
    host: String,
    /// LLVM's major version.
    llvm: String,
}

/// Finds the tools; installs them where there are none.
pub fn provide(paths: &Paths) -> Result<Tools> {
    let compiler = compiler(paths)?;
    if let Some(tools) = find(&compiler) {
        return Ok(tools);
    }
    let add = Tool::new("rustup")
        .args(["component", "add", "llvm-tools"])
        .within(&paths.root);
    if add.output("adding LLVM's tools with rustup").is_ok()
        && let Some(tools) = find(&compiler)
    {
        return Ok(tools);
    }
    progress::note("rustup cannot add LLVM's tools: Debian's of the same version are taken instead");
    parts::provide_llvm(paths, &compiler.llvm)?;
    find(&compiler).with_context(|| {
        format!(
            "there are no llvm-profdata and llvm-cov {}; run `rustup component add llvm-tools`, or install llvm-{}",
            compiler.llvm, compiler.llvm
        )
    })
}

fn compiler(paths: &Paths) -> Result<Compiler> {
    let ask = |arguments: &[&str]| {
        Tool::new("rustc")
            .args(arguments)
            .within(&paths.root)
            .output("asking the compiler about itself")
    };
    let words = ask(&["-vV"])?;
    let (host, llvm) = about(&words).context("`rustc -vV` names no host and no LLVM")?;
    Ok(Compiler {
        sysroot: ask(&["--print", "sysroot"])?.trim().into(),
        host: host.to_owned(),
        llvm: llvm.to_owned(),
    })
}

/// The host and LLVM's major version in what `rustc -vV` says.
fn about(words: &str) -> Option<(&str, &str)> {
    let field = |name: &str| {
        words
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    Some((field("host")?, field("LLVM version")?.split('.').next()?))
}

/// Rust's own tools, or Debian's, whose folder has the version's name.
fn find(compiler: &Compiler) -> Option<Tools> {
    let own = compiler
        .sysroot
        .join("lib/rustlib")
        .join(&compiler.host)
        .join("bin");
    let debian = PathBuf::from(format!("/usr/lib/llvm-{}/bin", compiler.llvm));
    let named = tool::find(&format!("llvm-cov-{}", compiler.llvm));
    let named = named.and_then(|file| Some(file.canonicalize().ok()?.parent()?.to_path_buf()));
    [Some(own), Some(debian), named]
        .into_iter()
        .flatten()
        .find_map(|folder| Tools::of(&folder))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_compiler_says_what_it_is() {
        let words = "rustc 1.95.0 (x)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        assert_eq!(super::about(words), Some(("x86_64-unknown-linux-gnu", "22")));
        assert_eq!(super::about("rustc 1.95.0\n"), None);
    }
}
