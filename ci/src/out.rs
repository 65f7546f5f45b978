//! Output that ends quietly where nobody reads on, as in `cargo xtask explain | head -1`.
//!
//! Rust's own `println!` panics when its reader is gone. These macros have its names, so that no use of it is left.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Writes to a stream; ends the process where its reader is gone, since what is still to say is for nobody.
pub fn write(mut stream: impl Write, text: Arguments<'_>) {
    if let Err(error) = stream.write_fmt(text)
        && error.kind() == ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

macro_rules! print {
    ($($text:tt)*) => { crate::out::write(std::io::stdout(), format_args!($($text)*)) };
}

macro_rules! println {
    () => { crate::out::write(std::io::stdout(), format_args!("\n")) };
    ($($text:tt)*) => { crate::out::write(std::io::stdout(), format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprint {
    ($($text:tt)*) => { crate::out::write(std::io::stderr(), format_args!($($text)*)) };
}

macro_rules! eprintln {
    () => { crate::out::write(std::io::stderr(), format_args!("\n")) };
    ($($text:tt)*) => { crate::out::write(std::io::stderr(), format_args!("{}\n", format_args!($($text)*))) };
}
