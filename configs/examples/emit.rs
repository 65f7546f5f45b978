//! Makes every artefact of a table: `emit TABLE OUTDIR [partition=image-file…]`.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use bulkhead_configs::{Images, emit, load};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [table, out, images @ ..] = args.as_slice() else {
        return Err("usage: emit TABLE OUTDIR [partition=image-file…]".into());
    };
    let system = load(Path::new(table))?;
    let mut given = Images::new();
    for image in images {
        let (name, file) = image
            .split_once('=')
            .ok_or("an image is given as partition=file")?;
        given.insert(
            name.to_owned(),
            std::fs::read(file).map_err(|error| format!("{file}: {error}"))?,
        );
    }
    for artefact in emit(&system, &given)? {
        let path = Path::new(out).join(&artefact.path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&path, &artefact.contents)?;
        println!("{} ({} bytes)", path.display(), artefact.contents.len());
    }
    Ok(())
}
