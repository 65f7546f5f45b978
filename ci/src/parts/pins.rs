//! Which versions of Debian's packages are used. Suites move: where one has vanished, a newer one is taken, and said.

/// A package and the version that this project was tested with.
pub struct Pin {
    /// The package's name.
    pub name: &'static str,
    /// The version that is preferred.
    pub version: &'static str,
}

const fn pin(name: &'static str, version: &'static str) -> Pin {
    Pin { name, version }
}

/// The suites in which the parts are looked for.
pub const SUITES: [&str; 4] = ["trixie", "trixie-backports", "sid", "bookworm-backports"];

/// The oldest QEMU with the secure EL2 timers.
pub const QEMU: u32 = 10;

/// Source package of the firmware at EL3.
pub const TFA: Pin = pin("arm-trusted-firmware", "2.12.1+dfsg-1");

/// Source package of what firmware checks signatures with, in trusted boot.
pub const MBEDTLS: Pin = pin("mbedtls", "3.6.6-0.1~deb13u1");

/// Source package of the vendors' TEE.
pub const OPTEE: Pin = pin("optee-os", "4.10.0-2");

/// The kernel's version as it stands in its packages' names, and the suite's mark in them.
pub const LINUX: Pin = pin("7.2.12+deb13", "7.2.12-1~bpo13+1");

/// systemd and udev, for the check of an installation; of the same release as the library that others need.
pub const SERVICES: [Pin; 5] = [
    pin("systemd", "262.1-1"),
    pin("udev", "262.1-1"),
    pin("libsystemd-shared", "262.1-1"),
    pin("libudev1", "262.1-1"),
    pin("libkmod2", "34.2-2+b2"),
];

/// What clients of libteec are built with; of the same version as the library.
pub const HEADERS: [Pin; 1] = [pin("optee-client-dev", "4.11.0-1")];

/// What runs in the normal world's Linux, and what that needs.
pub const USERLAND: [Pin; 21] = [
    pin("optee-test-qemu", "4.10.0-1"),
    pin("tee-supplicant", "4.11.0-1"),
    pin("libteec2", "4.11.0-1"),
    pin("libckteec0t64", "4.11.0-1"),
    pin("libssl3t64", "3.6.5-1"),
    pin("zlib1g", "1:1.3.dfsg+really1.3.2-4"),
    pin("libzstd1", "1.5.7+dfsg-4"),
    pin("libgcc-s1", "16.2.0-4"),
    pin("libc6", "2.43-7"),
    pin("busybox-static", "1:1.38.0-3+b1"),
    // A client that nobody changed, and what it needs.
    pin("opensc", "0.27.1-3"),
    pin("opensc-pkcs11", "0.27.1-3"),
    pin("libeac3", "1.1.2+ds+git20220117+453c3d6b03a0-1.1+b4"),
    pin("libglib2.0-0t64", "2.90.1-2"),
    pin("libmount1", "2.42.4-1"),
    pin("libblkid1", "2.42.4-1"),
    pin("libselinux1", "3.11-2.1+b1"),
    pin("libpcre2-8-0", "10.49-1"),
    pin("libffi8", "3.8.0-2"),
    pin("libatomic1", "16.2.0-4"),
    pin("libsystemd0", "262.1-1"),
];
