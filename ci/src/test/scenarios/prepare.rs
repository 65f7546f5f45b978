//! From a scenario's file to what can run: its system built, once for all scenarios and variants that share it.

use super::file::{Forgery, Scenario, Time};
use super::job::Job;
use super::own::{Own, Tfa};
use crate::build::{self, BootStage, Firmware, NormalWorld, RootKey};
use crate::parts::Parts;
use crate::paths::Paths;
use crate::run::machine::Machine;
use crate::test::spoil::{forge_digest, forge_hypervisor, spoil};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What differs from a scenario's file.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    /// In words.
    pub name: String,
    pub time: Option<Time>,
    /// Cores that Linux uses.
    pub cores: Option<usize>,
    pub emulator: Option<PathBuf>,
    /// TF-A, and the name of its files.
    pub tfa: Option<(String, Tfa)>,
}

/// A system, with Linux or with cases.
type Built = (Arc<Firmware>, Option<Arc<NormalWorld>>);

/// Builds systems, and keeps them.
pub struct Builder<'a> {
    paths: Paths,
    parts: &'a Parts,
    own: &'a Own,
    built: BTreeMap<(PathBuf, bool), Built>,
}

impl<'a> Builder<'a> {
    /// One that builds systems with what is brought; `traces`: their hypervisors say who runs where.
    pub fn new(paths: &Paths, parts: &'a Parts, own: &'a Own, traces: bool) -> Self {
        let paths = match (own.has_images(), traces) {
            (false, false) => paths.clone(),
            (false, true) => paths.with_systems("traced", true),
            (true, false) => paths.with_systems("own", false),
            (true, true) => paths.with_systems("own-traced", true),
        };
        Self {
            paths,
            parts,
            own,
            built: BTreeMap::new(),
        }
    }

    /// A run of a scenario, with its logs in `folder`.
    pub fn job(&mut self, scenario: &Scenario, variant: &Variant, seed: u64, folder: PathBuf) -> Result<Job> {
        let (firmware, normal) = self.system(scenario)?;
        check(scenario, &firmware)?;
        let mut scenario = scenario.clone();
        scenario.machine.time = variant.time.unwrap_or(scenario.machine.time);
        let wish = &scenario.machine;
        let sve = wish.sve && wish.time == Time::Free;
        let mut machine = Machine::of(&firmware.system, sve);
        if wish.time == Time::Counted {
            machine = machine.counting();
        }
        if let Some(cores) = wish.cores {
            machine = machine.with_cores(cores);
        }
        if let Some(emulator) = &variant.emulator {
            machine = machine.of_emulator(emulator);
        }
        let flash = self.flash(&scenario, &firmware, variant)?;
        let arguments = variant.cores.map(|cores| format!("maxcpus={cores}"));
        Ok(Job {
            variant: variant.name.clone(),
            machine,
            firmware,
            flash,
            normal,
            kernel_symbols: self.own.kernel_symbols.clone(),
            arguments: arguments.unwrap_or_default(),
            options: String::new(),
            seed,
            folder,
            scenario,
        })
    }

    fn system(&mut self, scenario: &Scenario) -> Result<Built> {
        self.own.fits(scenario)?;
        let table = scenario.table.canonicalize().with_context(|| {
            format!(
                "the scenario `{}` names the table {}, which is not there",
                scenario.name,
                scenario.table.display()
            )
        })?;
        let key = (table, scenario.normal_world.cases);
        if let Some(built) = self.built.get(&key) {
            return Ok(built.clone());
        }
        let built = self.build(&key.0, scenario.normal_world.cases)?;
        self.built.insert(key, built.clone());
        Ok(built)
    }

    fn build(&self, table: &Path, cases: bool) -> Result<Built> {
        let (paths, parts) = (&self.paths, self.parts);
        let mut system = build::load(table)?;
        self.own.replace(&mut system)?;
        if cases {
            let firmware = build::build_cases(paths, parts, system, table)?;
            return Ok((Arc::new(firmware), None));
        }
        let firmware = build::build_firmware(paths, parts, system, table)?;
        let mut normal = build::build_normal(paths, parts, &firmware)?;
        if let Some(kernel) = &self.own.kernel {
            normal.kernel.clone_from(kernel);
        }
        if let Some(initrd) = &self.own.initramfs {
            normal.initrd.clone_from(initrd);
        }
        Ok((Arc::new(firmware), Some(Arc::new(normal))))
    }

    /// The flash image that a run boots from.
    fn flash(&self, scenario: &Scenario, firmware: &Firmware, variant: &Variant) -> Result<PathBuf> {
        let own = self
            .own
            .tfa
            .first()
            .map(|tfa| ("own-tf-a".to_owned(), tfa.clone()));
        let flash = match variant.tfa.as_ref().or(own.as_ref()) {
            Some((name, tfa)) => build::with_tfa(firmware, stage(scenario), &tfa.images, &tfa.fiptool, name)?,
            None => firmware.flash.clone(),
        };
        let spoilt = scenario.firmware.spoil.as_deref();
        let flash = match spoilt {
            Some(partition) => spoil(firmware, &flash, partition)?,
            None => flash,
        };
        match (scenario.firmware.forge, spoilt) {
            (None, _) => Ok(flash),
            (Some(Forgery::Table), Some(partition)) => forge_digest(firmware, &flash, partition),
            (Some(Forgery::Table), None) => bail!("no image is spoilt whose digest could be forged"),
            (Some(Forgery::Hypervisor), _) => forge_hypervisor(firmware, &flash),
            (Some(Forgery::Certificates), _) => {
                let key = firmware.folder.join("forged-key.pem");
                RootKey::make(&key)?;
                let (stage, key) = (stage(scenario), RootKey::read(&key)?);
                build::with_certificates_of(&self.paths, self.parts, firmware, stage, key, "forged")
            }
        }
    }
}

fn stage(scenario: &Scenario) -> BootStage {
    if scenario.normal_world.cases {
        BootStage::Cases
    } else {
        BootStage::Linux
    }
}

/// Refuses what names something that the table does not have.
fn check(scenario: &Scenario, firmware: &Firmware) -> Result<()> {
    use super::file::{Log, nearest};
    let partitions = &firmware.system.partitions;
    let names = || partitions.iter().map(|partition| partition.name.as_str());
    let injected = scenario.inject.iter().map(|inject| (&inject.partition, "inject"));
    let after = scenario.inject.iter().filter_map(|inject| inject.after.as_ref());
    let said = scenario.expect.iter().chain(&scenario.never).chain(after);
    let heard = said.filter_map(|said| match &said.on {
        Log::Partition(name) => Some((name, "on")),
        _ => None,
    });
    for (name, key) in injected.chain(heard) {
        if !names().any(|found| found == name) {
            let others = ["hypervisor", "normal-world"];
            let all = names().chain(others.into_iter().filter(|_| key == "on"));
            let near = nearest(name, all.clone()).map(|near| format!("; did you mean `{near}`?"));
            bail!(
                "the scenario `{}` names `{name}` as `{key}`, and there are {}{}",
                scenario.name,
                all.collect::<Vec<_>>().join(", "),
                near.unwrap_or_default()
            );
        }
    }
    Ok(())
}
