//! Stage-2 truth: the tables as they are in the machine's memory beside what the ledger says may be mapped.
//!
//! The machine is stopped, or pauses when it goes off, and is read by QEMU's gdb stub. A walker of its own
//! (`walk`) goes through each partition's tables as hardware does. What each partition may reach comes from the table
//! that people wrote and from the live ledger (`account`, `ledger`), which is found by the hypervisor's debug
//! information (`layout`). None of that is the hypervisor's code, and the hypervisor has no code for it.

mod account;
mod layout;
mod ledger;
mod plant;
mod view;
mod walk;

use crate::build::Firmware;
use crate::paths::read;
use crate::run::gdb::Stub;
use account::{compare, forbidden, overlaps};
use anyhow::{Context, Result, bail};
use bulkhead_configs::System;
use layout::Layout;
use ledger::Ledger;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use view::{Memory, View};
use walk::{Mappings, Regime, walk};

/// The first-level tables of each partition: those of its secure space and of its window.
const ROOTS: &str = "bulkhead::arch::stage2::ROOTS";
/// How a walk starts: 32 bits of intermediate physical address, from level 1. `registers` compares that with the
/// machine's own registers.
const REGIME: Regime = Regime { bits: 32, level: 1 };
/// Where each exit of a partition goes through.
const LEFT: &str = "guest_left";
/// How long a machine may take until a partition runs.
const START: Duration = Duration::from_secs(60);
/// How often the machine is stopped until no core is changing the ledger.
const TRIES: u32 = 200;
/// Faults that are told of one look.
const TOLD: usize = 5;

/// What one look found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Pages that were compared.
    pub pages: usize,
    /// Live transactions.
    pub shares: usize,
    /// What is not as it may be, in words.
    pub faults: Vec<String>,
}

impl Found {
    /// The first faults in words; none where all is as it may be.
    pub fn faults(&self) -> Option<String> {
        let told = self.faults.get(..TOLD).unwrap_or(&self.faults);
        let more = self.faults.len() - told.len();
        let more = match more {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        (!told.is_empty()).then(|| format!("{}{more}", told.join("; ")))
    }
}

/// What is compared.
struct Subject {
    system: System,
    layout: Layout,
    /// Where the hypervisor is when a partition has just left a core.
    left: u64,
}

/// The tables of a machine that is stopped.
struct Tables {
    secure: Vec<Mappings>,
    window: Vec<Mappings>,
}

impl Subject {
    /// Walks the tables of every partition.
    fn walk(&self, memory: &mut impl Memory) -> Result<Tables> {
        let roots = self.layout.find(ROOTS)?;
        if self.layout.length(roots)? != self.system.partitions.len() as u64 {
            bail!("the hypervisor has tables for another number of partitions than the table");
        }
        let mut all = |space: &str| -> Result<Vec<Mappings>> {
            (0..)
                .zip(&self.system.partitions)
                .map(|(index, partition)| {
                    let root = self.layout.item(roots, index)?;
                    let root = self.layout.field(root, &format!("__0.value.{space}"))?;
                    let walked = walk(memory, root.address, REGIME);
                    walked.with_context(|| format!("the {space} tables of {}", partition.name))
                })
                .collect()
        };
        Ok(Tables {
            secure: all("secure")?,
            window: all("window")?,
        })
    }

    /// Compares the registers of stage 2 with what is walked (DDI0487: HCR_EL2, VTCR_EL2, VSTCR_EL2, VTTBR_EL2,
    /// VSTTBR_EL2): it is on, walks start as ours do, at the roots of one partition, tables and a partition's own memory
    /// are secure, and what its window leads to is not.
    fn registers(&self, hcr: u64, [vtcr, vstcr]: [u64; 2], [vttbr, vsttbr]: [u64; 2]) -> Result<()> {
        const VM: u64 = 1 << 0;
        const OUTPUT: u64 = 1 << 30;
        const TABLES: u64 = 1 << 29;
        const BASE: u64 = 0x0000_ffff_ffff_fffe;
        if hcr & VM == 0 {
            bail!("stage 2 is off: HCR_EL2 {hcr:#x}");
        }
        if Regime::of(vtcr)? != REGIME || Regime::of(vstcr)? != REGIME {
            bail!("walks start otherwise: VTCR_EL2 {vtcr:#x}, VSTCR_EL2 {vstcr:#x}");
        }
        if vtcr & (OUTPUT | TABLES) != OUTPUT || vstcr & (OUTPUT | TABLES) != 0 {
            bail!("memory of another security state: VTCR_EL2 {vtcr:#x}, VSTCR_EL2 {vstcr:#x}");
        }
        let roots = self.layout.find(ROOTS)?;
        for index in 0..self.layout.length(roots)? {
            let root = self.layout.item(roots, index)?;
            let secure = self.layout.field(root, "__0.value.secure")?.address;
            let window = self.layout.field(root, "__0.value.window")?.address;
            if (vttbr & BASE, vsttbr & BASE) == (window, secure) {
                return Ok(());
            }
        }
        bail!("no partition's tables: VTTBR_EL2 {vttbr:#x}, VSTTBR_EL2 {vsttbr:#x}")
    }

    /// Compares all of it; none while a core changes the ledger.
    fn look(&self, memory: &mut impl Memory) -> Result<Option<Found>> {
        let Some(ledger) = ledger::read(&self.layout, memory)? else {
            return Ok(None);
        };
        let tables = match self.walk(memory) {
            Ok(tables) => tables,
            Err(error) => {
                return Ok(Some(Found {
                    faults: vec![format!("{error:#}")],
                    ..Found::default()
                }));
            }
        };
        Ok(Some(self.judge(&ledger, &tables)))
    }

    fn judge(&self, ledger: &Ledger, tables: &Tables) -> Found {
        let mut found = Found {
            shares: ledger.shares.len(),
            faults: overlaps(&self.system, &tables.secure, ledger),
            pages: 0,
        };
        let may = account::of(&self.system, ledger);
        let both = tables.secure.iter().zip(&tables.window);
        for ((partition, may), (secure, window)) in self.system.partitions.iter().zip(&may).zip(both) {
            let name = &partition.name;
            found.faults.extend(forbidden(&self.system, name, secure, window));
            found.faults.extend(compare(name, "secure", secure, &may.secure));
            found.faults.extend(compare(name, "window", window, &may.window));
            found.pages += secure.len() + window.len();
        }
        found
    }
}

/// A machine whose tables are looked at.
pub struct Watch {
    subject: Arc<Subject>,
    stub: Stub,
    /// Whether it has gone off.
    off: Arc<AtomicBool>,
    /// Whether nobody waits for its end any more.
    over: Arc<AtomicBool>,
    end: JoinHandle<Result<Option<End>>>,
    arguments: Vec<String>,
    /// The sockets.
    _room: tempfile::TempDir,
}

/// What was seen when the machine had gone off.
pub struct End {
    /// How its tables were.
    pub found: Found,
    /// What became of wrong entries that were planted then: what each was, and what was said of it, if anything was.
    pub planted: Vec<(String, Option<String>)>,
}

impl Watch {
    /// Begins, for a machine that is started with `arguments`: it pauses when it goes off, and its tables are looked at
    /// then. Where the machine has a gdb stub already, that is used.
    ///
    /// # Errors
    /// The hypervisor cannot be read, or no socket be opened.
    pub fn start(firmware: &Firmware, stub: Option<&Path>) -> Result<Self> {
        let elf = read(&firmware.hypervisor)?;
        let subject = Arc::new(Subject {
            system: firmware.system.clone(),
            layout: Layout::read(&elf)?,
            left: layout::label(&elf, LEFT)?,
        });
        let room = tempfile::Builder::new().prefix("bulkhead").tempdir()?;
        let monitor = room.path().join("monitor");
        let listener = UnixListener::bind(&monitor).context("no socket can be opened")?;
        let mut arguments = ["-action", "shutdown=pause", "-qmp"].map(str::to_owned).to_vec();
        arguments.push(format!("unix:{}", monitor.display()));
        let stub = stub.map_or_else(
            || {
                let own = room.path().join("gdb");
                let address = format!("unix:{},server=on,wait=off", own.display());
                arguments.extend(["-gdb".to_owned(), address]);
                own
            },
            Path::to_path_buf,
        );
        let [off, over] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let theirs = Follower {
            listener,
            subject: subject.clone(),
            stub: stub.clone(),
            off: off.clone(),
            over: over.clone(),
        };
        Ok(Self {
            subject,
            stub: Stub::at(&stub),
            off,
            over,
            end: thread::spawn(move || theirs.follow()),
            arguments,
            _room: room,
        })
    }

    /// QEMU's arguments for that.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Lets the machine run until it leaves a partition, and compares the registers of stage 2 with what is walked.
    ///
    /// # Errors
    /// No partition runs, or a register says something else.
    pub fn registers(&self) -> Result<()> {
        let mut gdb = self.stub.stop()?;
        let core = gdb.run_to(self.subject.left, START)?;
        let (_, level) = gdb.place(&core)?;
        let names = ["HCR_EL2", "VTCR_EL2", "VSTCR_EL2", "VTTBR_EL2", "VSTTBR_EL2"];
        let values = names.map(|name| gdb.system_register(name));
        let [hcr, vtcr, vstcr, vttbr, vsttbr] = values;
        if level != 2 {
            bail!("the machine stopped at EL{level} where it leaves a partition");
        }
        self.subject.registers(hcr?, [vtcr?, vstcr?], [vttbr?, vsttbr?])
    }

    /// Stops the machine between any two of its instructions, and looks; nothing where it has gone off, which is looked
    /// at for itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn look(&self) -> Result<Option<Found>> {
        for _ in 0..TRIES {
            let seen = View::stop(&self.stub).and_then(|mut view| self.subject.look(&mut view));
            match seen {
                _ if self.off.load(Ordering::Acquire) => return Ok(None),
                Ok(None) => thread::sleep(Duration::from_millis(1)),
                seen => return seen,
            }
        }
        bail!("some core was changing the ledger in each of {TRIES} looks")
    }

    /// What was seen when the machine had gone off. The machine has ended.
    ///
    /// # Errors
    /// It did not go off by itself, or could not be read.
    pub fn end(self) -> Result<End> {
        self.over.store(true, Ordering::Release);
        let seen = self
            .end
            .join()
            .ok()
            .context("the thread that looks at tables died")??;
        seen.context("the machine did not go off by itself, so its tables were not looked at")
    }
}

/// What waits for the end of a machine.
struct Follower {
    listener: UnixListener,
    subject: Arc<Subject>,
    stub: PathBuf,
    /// Whether the machine has gone off.
    off: Arc<AtomicBool>,
    /// Whether nobody waits for it any more.
    over: Arc<AtomicBool>,
}

impl Follower {
    /// Waits until the machine goes off, looks, and ends it.
    fn follow(&self) -> Result<Option<End>> {
        self.listener.set_nonblocking(true)?;
        let mut stream = loop {
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if self.over.load(Ordering::Acquire) => return Ok(None),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_nonblocking(false)?;
        stream.write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        while let Some(Ok(line)) = lines.next() {
            if line.contains("\"event\": \"SHUTDOWN\"") {
                self.off.store(true, Ordering::Release);
                let end = look_at_end(&self.subject, &Stub::at(&self.stub));
                stream.write_all(b"{\"execute\":\"quit\"}\n")?;
                // A connection that is closed takes what was not read yet with it.
                lines.by_ref().for_each(drop);
                return end.map(Some);
            }
        }
        Ok(None)
    }
}

fn look_at_end(subject: &Subject, stub: &Stub) -> Result<End> {
    let mut view = View::stop(stub)?;
    let found = subject.look(&mut view)?;
    let found = found.context("a core was changing the ledger when the machine went off; run it again")?;
    let planted = plant::all(subject, &mut view)?;
    Ok(End { found, planted })
}
