//! Make variables for an OP-TEE of a partition.

use crate::draft::Tee;
use crate::model::{IMAGE_OFFSET, Origin, Partition};

/// The variables with which OP-TEE OS is built for this partition; its `tee-raw.bin` is then the image.
/// Empty for other TEEs. They can be had before any image exists.
#[must_use]
pub fn mk_args(partition: &Partition) -> Vec<(String, String)> {
    if partition.image.origin != Origin::Build(Tee::Optee) {
        return Vec::new();
    }
    let home = partition.home();
    let platform = partition
        .optee_platform
        .iter()
        .map(|platform| ("PLATFORM", platform.clone()));
    let fixed = [
        ("CFG_ARM64_core", "y"),
        ("CFG_USER_TA_TARGETS", "ta_arm64"),
        ("CFG_CORE_SEL2_SPMC", "y"),
        // Its log leaves through FFA_CONSOLE_LOG, so that several can be told apart.
        ("CFG_FFA_CONSOLE", "y"),
        // Linux's driver enumerates through the first TEE device only; two that offer the same fail.
        ("CFG_DEVICE_ENUM_PTA", "n"),
    ];
    let fixed = fixed
        .iter()
        .map(|(variable, value)| (*variable, (*value).to_owned()));
    let placed = [
        ("CFG_TZDRAM_START", format!("{:#010x}", partition.load())),
        ("CFG_TZDRAM_SIZE", format!("{:#010x}", home.size - IMAGE_OFFSET)),
        ("CFG_TEE_CORE_NB_CORE", partition.contexts().to_string()),
    ];
    let settings = partition.image.settings.iter();
    let settings = settings.filter_map(|setting| setting.split_once('='));
    platform
        .chain(fixed)
        .chain(placed)
        .chain(settings.map(|(variable, value)| (variable, value.to_owned())))
        .map(|(variable, value)| (variable.to_owned(), value))
        .collect()
}

/// The variables that the table itself decides.
pub(crate) const OWN: [&str; 8] = [
    "CFG_ARM64_core",
    "CFG_USER_TA_TARGETS",
    "CFG_CORE_SEL2_SPMC",
    "CFG_FFA_CONSOLE",
    "CFG_DEVICE_ENUM_PTA",
    "CFG_TZDRAM_START",
    "CFG_TZDRAM_SIZE",
    "CFG_TEE_CORE_NB_CORE",
];
