//! Is this the machine that the table was compiled for? The firmware's device tree has to agree.

/// Placeholder until the first boot shows what firmware passes.
pub fn check(manifest: u64, hardware: u64) {
    defmt::info!("manifest {=u64:#x} hardware {=u64:#x}", manifest, hardware);
}
