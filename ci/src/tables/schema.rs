//! `schema`: the JSON schema with which an editor completes and checks tables.

use bulkhead_configs::language::{self, BOARD, FILE};

/// Options of `schema`.
#[derive(clap::Args)]
pub struct SchemaArgs {
    /// The schema of board files instead.
    #[arg(long)]
    board: bool,
}

/// Prints the schema.
pub fn schema(args: &SchemaArgs) {
    let (file, title) = if args.board {
        (&BOARD, "Bulkhead board")
    } else {
        (&FILE, "Bulkhead partition table")
    };
    println!("{:#}", language::schema(file, title));
}
