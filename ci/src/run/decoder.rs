//! The hypervisor's log: frames from the secure UART, decoded with the ELF file that made them.

use anyhow::{Context, Result, anyhow};
use console::style;
use defmt_decoder::{DecodeError, Table};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Reads the format strings out of the hypervisor's ELF file.
pub fn table(elf: &Path) -> Result<Table> {
    let table = Table::parse(&crate::paths::read(elf)?)
        .map_err(|error| anyhow!("{} has no readable log table: {error}", elf.display()))?;
    table.with_context(|| {
        format!(
            "{} has no log table: it was built without defmt's linker script",
            elf.display()
        )
    })
}

/// Decodes the stream until it ends: raw bytes and plain text go to files, and `line` gets each record.
pub fn follow(
    table: &Table,
    mut stream: UnixStream,
    folder: &Path,
    mut line: impl FnMut(&Record),
) -> Result<()> {
    let mut raw = File::create(folder.join("log.defmt")).context("the log cannot be written")?;
    let mut text = File::create(folder.join("hypervisor.log")).context("the log cannot be written")?;
    let mut decoder = table.new_stream_decoder();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            return Ok(());
        }
        raw.write_all(&buffer[..count])?;
        decoder.received(&buffer[..count]);
        loop {
            let record = match decoder.decode() {
                Ok(frame) => Record {
                    time: frame
                        .display_timestamp()
                        .map(|time| time.to_string())
                        .unwrap_or_default(),
                    level: frame.level().map_or("", |level| level.as_str()),
                    message: frame.display_message().to_string(),
                },
                Err(DecodeError::Malformed) => Record::malformed(),
                Err(DecodeError::UnexpectedEof) => break,
            };
            writeln!(text, "{}", record.plain())?;
            line(&record);
        }
    }
}

/// One record of the log.
pub struct Record {
    time: String,
    level: &'static str,
    message: String,
}

impl Record {
    /// What stands for bytes that are no frame. The stream goes on with the next one.
    fn malformed() -> Self {
        Self {
            time: String::new(),
            level: "warn",
            message: "(a damaged log frame)".to_owned(),
        }
    }

    /// Whether these are the hypervisor's last words.
    pub fn is_fatal(&self) -> bool {
        self.level == "error" && self.message.starts_with("fatal: ")
    }

    /// Whether it is the hypervisor's own and of more than passing interest; lines of the TEEs' consoles
    /// have no level.
    pub fn is_notable(&self) -> bool {
        matches!(self.level, "info" | "warn" | "error")
    }

    /// How grave it is; nothing for a line of a TEE's console.
    pub const fn level(&self) -> &'static str {
        self.level
    }

    /// When it was written, in seconds since the start.
    pub fn time(&self) -> &str {
        &self.time
    }

    /// What it says.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The record without colour.
    fn plain(&self) -> String {
        format!("{:>12} {:5} {}", self.time, self.level, self.message)
    }

    /// The record for a terminal, apart from the consoles by its bar.
    pub fn coloured(&self) -> String {
        let level = match self.level {
            "error" => style(self.level).red().bold(),
            "warn" => style(self.level).yellow(),
            "info" => style(self.level).green(),
            _ => style(self.level).dim(),
        };
        let bar = style("bulkhead |").cyan().for_stderr();
        format!(
            "{bar} {} {:5} {}",
            style(&self.time).dim().for_stderr(),
            level.for_stderr(),
            self.message
        )
    }
}
