//! `new`: the first text of a table, from flags, or from questions where standard input is a terminal.

use super::{coloured, write};
use crate::paths::Paths;
use anyhow::{Context, Result, anyhow, bail};
use bulkhead_configs::{Severity, Starter, Tee, Wish, board, boards, load_text, start};
use sha2::{Digest, Sha256};
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Options of `new`.
#[derive(clap::Args)]
pub struct NewArgs {
    /// The file to write, such as `configs/mine.toml`; the system has its name.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The board.
    #[arg(long, value_name = "NAME")]
    board: Option<String>,
    /// The TEEs in the order of their start: optee, rust, test; or sel4=IMAGE, other=IMAGE.
    #[arg(long, value_name = "TEE", value_delimiter = ',')]
    tees: Vec<String>,
    /// The cores on which they run; all where none is named.
    #[arg(long, value_name = "CORE", value_delimiter = ',')]
    cores: Option<Vec<String>>,
}

/// Writes a new table that passes its own check.
pub fn new(paths: &Paths, args: &NewArgs) -> Result<()> {
    let file = &args.file;
    if file.exists() {
        bail!("{} is there already; name a new file", file.display());
    }
    let name = file.file_stem().and_then(|stem| stem.to_str());
    let name = name
        .context("the file needs a name, as in configs/mine.toml")?
        .to_owned();
    let known = boards(file);
    let asked = |given: Option<String>, question: &str, default: &str| match given {
        Some(given) => Ok(given),
        None => ask(question, default),
    };
    let first = known.iter().find(|name| *name == "qemu-virt").or(known.first());
    let first = first.map_or("qemu-virt", String::as_str);
    let board_name = asked(
        args.board.clone(),
        &format!("board ({})", known.join(", ")),
        first,
    )?;
    let machine = board(file, &board_name).map_err(|report| refused(&report))?;
    let all = machine.core_names().join(",");
    let tees = if args.tees.is_empty() {
        list(&ask(
            "TEEs in the order of their start (optee, rust, test, sel4=IMAGE, other=IMAGE)",
            "optee,rust",
        )?)
    } else {
        args.tees.clone()
    };
    let cores = match &args.cores {
        Some(cores) => cores.clone(),
        None => list(&ask("cores on which they run", &all)?),
    };
    let every = machine
        .core_names()
        .iter()
        .all(|core| cores.iter().any(|own| own == core));
    let starter = Starter {
        schema: schema(paths, file),
        name,
        board: board_name,
        tees: tees.iter().map(|tee| wish(file, tee)).collect::<Result<_>>()?,
        cores: if every { Vec::new() } else { cores },
    };
    let text = start(&starter);
    let system = load_text(file, &text).map_err(|report| refused(&report))?;
    write(file, &text)?;
    print!("{}", bulkhead_configs::plan::text(&system));
    eprintln!(
        "\n{} is written; change it as you like, and run `cargo xtask check` on it",
        file.display()
    );
    Ok(())
}

/// Where the schema is, seen from the table's folder.
fn schema(paths: &Paths, file: &Path) -> String {
    let schema = paths.root.join("configs/table.schema.json");
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let beside = folder
        .canonicalize()
        .is_ok_and(|folder| Some(folder.as_path()) == schema.parent());
    if beside {
        "./table.schema.json".to_owned()
    } else {
        schema.display().to_string()
    }
}

fn refused(report: &bulkhead_configs::Report) -> anyhow::Error {
    eprintln!("{}\n", report.show(Severity::Error, coloured()));
    anyhow!("no table was written, for the reasons above")
}

fn list(text: &str) -> Vec<String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}

/// `optee`, or `sel4=IMAGE` with a path relative to the table.
fn wish(table: &Path, text: &str) -> Result<Wish> {
    let (word, image) = match text.split_once('=') {
        Some((word, image)) => (word, Some(image)),
        None => (text, None),
    };
    let tee = Tee::named(word).ok_or_else(|| {
        anyhow!("there is no TEE `{word}`; write optee, rust, test, sel4=IMAGE or other=IMAGE")
    })?;
    let image = match image {
        Some(image) => {
            let path = table.parent().unwrap_or(Path::new("")).join(image);
            let bytes = std::fs::read(&path).with_context(|| {
                format!(
                    "the image {} cannot be read; give its path beside the table",
                    path.display()
                )
            })?;
            Some((image.to_owned(), Sha256::digest(bytes).into()))
        }
        None if matches!(tee, Tee::Sel4 | Tee::Other) => {
            bail!("`{word}` is not built here; name its image, as in {word}=image.bin")
        }
        None => None,
    };
    Ok(Wish { tee, image })
}

/// Asks a question on the terminal; takes the default where nobody is there to answer.
fn ask(question: &str, default: &str) -> Result<String> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(default.to_owned());
    }
    eprint!("{question} [{default}]: ");
    std::io::stderr().flush().ok();
    let mut line = String::new();
    input
        .lock()
        .read_line(&mut line)
        .context("the answer cannot be read")?;
    let answer = line.trim();
    Ok(if answer.is_empty() { default } else { answer }.to_owned())
}
