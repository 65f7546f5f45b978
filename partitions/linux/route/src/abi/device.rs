//! Opens a TEE's device as the stock library does, but the one of an endpoint.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::Path;

use super::layout::Context;
use crate::devices;
use crate::routes::Route;

/// `struct tee_ioctl_version_data` of Linux (`linux/tee.h`).
#[derive(Default)]
#[repr(C)]
struct Version {
    implementation: u32,
    implementation_caps: u32,
    general_caps: u32,
}

/// `TEE_IOC_VERSION`: `_IOR(0xa4, 0, struct tee_ioctl_version_data)`.
const TEE_IOC_VERSION: libc::Ioctl = 0x800c_a400;
const TEE_GEN_CAP_GP: u32 = 1 << 0;
const TEE_GEN_CAP_REG_MEM: u32 = 1 << 2;
const TEE_GEN_CAP_MEMREF_NULL: u32 = 1 << 3;

/// Opens the device of a TEE, and fills a context as the stock library does.
pub fn open(route: &Route) -> Result<Context, String> {
    let sysfs = Path::new(devices::SYSFS);
    let found = devices::find(sysfs).map_err(|fault| fault.to_string())?;
    let device = found
        .iter()
        .find(|device| device.endpoint == route.endpoint)
        .ok_or_else(|| {
            format!(
                "endpoint {:#06x} has no TEE device; is the TEE running, and the module optee loaded?",
                route.endpoint
            )
        })?;
    let name = format!("tee{}", device.tee);
    let path = format!("/dev/{name}");
    let file = open_device(&path)?;
    check_node(&file, &sysfs.join("class/tee").join(&name)).map_err(|why| format!("{path} {why}"))?;
    let version = version(&file).map_err(|why| format!("{path} gives no version: {why}"))?;
    if version.general_caps & TEE_GEN_CAP_GP == 0 {
        return Err(format!("{path} is no GlobalPlatform TEE"));
    }
    Ok(Context {
        fd: file.into_raw_fd(),
        reg_mem: version.general_caps & TEE_GEN_CAP_REG_MEM != 0,
        memref_null: version.general_caps & TEE_GEN_CAP_MEMREF_NULL != 0,
    })
}

/// Opens for reading and writing, kept open across `exec`: as stock does.
fn open_device(path: &str) -> Result<OwnedFd, String> {
    let c_path = CString::new(path).map_err(|error| error.to_string())?;
    // SAFETY: the path is a C string.
    let fd = unsafe { libc::open(c_path.as_ptr(), libc::O_RDWR) };
    if fd < 0 {
        return Err(format!(
            "{path} cannot be opened: {}",
            std::io::Error::last_os_error()
        ));
    }
    // SAFETY: open returned a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A context that leads to no TEE, with a descriptor that nothing else has: the client's calls on it are led away.
pub fn nowhere() -> Result<Context, String> {
    open_device("/dev/null").map(|file| Context {
        fd: file.into_raw_fd(),
        reg_mem: false,
        memref_null: false,
    })
}

/// Checks that an open file is the character device that sysfs describes, not another node with its name.
fn check_node(file: &OwnedFd, class: &Path) -> Result<(), String> {
    let stated =
        fs::read_to_string(class.join("dev")).map_err(|error| format!("is unknown to sysfs: {error}"))?;
    // SAFETY: all-zero bytes are a valid stat.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, and stat is ours to write.
    if unsafe { libc::fstat(file.as_raw_fd(), &mut stat) } != 0 {
        return Err(format!("cannot be examined: {}", std::io::Error::last_os_error()));
    }
    let found = format!("{}:{}", libc::major(stat.st_rdev), libc::minor(stat.st_rdev));
    let character = stat.st_mode & libc::S_IFMT == libc::S_IFCHR;
    if !character || found != stated.trim() {
        return Err(format!(
            "is device {found}, and the kernel's is {}; make /dev anew",
            stated.trim()
        ));
    }
    Ok(())
}

fn version(file: &OwnedFd) -> Result<Version, std::io::Error> {
    let mut version = Version::default();
    // SAFETY: the request writes exactly a Version.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), TEE_IOC_VERSION, &raw mut version) };
    if result == 0 {
        Ok(version)
    } else {
        Err(std::io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_must_be_the_kernel_s_device() {
        let dir = tempfile::tempdir().expect("tempdir");
        let state = |text| std::fs::write(dir.path().join("dev"), text).expect("write");
        let null = open_device("/dev/null").expect("open");
        assert!(check_node(&null, dir.path()).is_err_and(|why| why.contains("unknown to sysfs")));
        state("1:3\n");
        check_node(&null, dir.path()).expect("1:3 is /dev/null");
        state("1:5\n");
        assert!(check_node(&null, dir.path()).is_err_and(|why| why.contains("is device 1:3")));
        let plain = open_device(&dir.path().join("dev").display().to_string()).expect("open");
        state("0:0\n");
        assert!(
            check_node(&plain, dir.path()).is_err(),
            "a plain file is no device"
        );
    }

    #[test]
    fn a_device_that_is_no_tee_is_refused() {
        assert!(version(&open_device("/dev/null").expect("open")).is_err());
        assert!(open_device("/dev/there-is-no-such-device").is_err());
    }
}
