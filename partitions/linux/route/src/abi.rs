//! The C side: the one function that clients call, and the calls that it makes. All `unsafe` of this crate is here.
//!
//! Nothing here may panic: the release profile would end the client.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::choice::{self, Choice, Wish};
use crate::devices;
use crate::routes::{self, Route, Routes};

/// `TEEC_Context` of libteec 4.x (`tee_client_api.h`).
#[repr(C)]
pub struct Context {
    fd: c_int,
    reg_mem: bool,
    memref_null: bool,
}

const _: () = assert!(size_of::<Context>() == 8 && std::mem::offset_of!(Context, memref_null) == 5);

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

const TEEC_SUCCESS: u32 = 0;
const TEEC_ERROR_BAD_FORMAT: u32 = 0xffff_0005;
const TEEC_ERROR_BAD_PARAMETERS: u32 = 0xffff_0006;
const TEEC_ERROR_ITEM_NOT_FOUND: u32 = 0xffff_0008;
const TEEC_ERROR_COMMUNICATION: u32 = 0xffff_000e;

type InitializeContext = unsafe extern "C" fn(*const c_char, *mut Context) -> u32;

/// `TEEC_InitializeContext` of the GlobalPlatform TEE Client API 1.0: connects a client to a TEE.
///
/// Returns `TEEC_ERROR_BAD_PARAMETERS` without a context, `TEEC_ERROR_BAD_FORMAT` when the table cannot be used,
/// `TEEC_ERROR_COMMUNICATION` when the TEE has no usable device, and otherwise what the stock function returns,
/// which is `TEEC_ERROR_ITEM_NOT_FOUND` for unknown names. Says on standard error what is wrong with the machine.
///
/// # Safety
/// `name` is NULL or a C string, `context` is NULL or points to a `TEEC_Context`, as the API states.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TEEC_InitializeContext(name: *const c_char, context: *mut Context) -> u32 {
    if context.is_null() {
        return TEEC_ERROR_BAD_PARAMETERS;
    }
    let argument = if name.is_null() {
        None
    } else {
        // SAFETY: the caller passes a C string that lives through this call.
        Some(unsafe { CStr::from_ptr(name) }.to_bytes())
    };
    let wish = Wish::new(argument, environment());
    match choice::choose(wish, Routes::load(Path::new(routes::PATH))) {
        Choice::Open(route) => match open(&route) {
            Ok(opened) => {
                // SAFETY: not NULL, and the caller passes memory for a context.
                unsafe { context.write(opened) };
                TEEC_SUCCESS
            }
            Err(why) => refuse(&format!("{}: {why}", route.name), TEEC_ERROR_COMMUNICATION),
        },
        Choice::Stock(name) => stock(name.as_deref(), context),
        Choice::Refuse(fault) => refuse(&fault.to_string(), TEEC_ERROR_BAD_FORMAT),
    }
}

/// The TEE that the environment names; nothing for a client that runs with more rights than its caller.
fn environment() -> Option<Vec<u8>> {
    // SAFETY: reads a constant of the process.
    if unsafe { libc::getauxval(libc::AT_SECURE) } != 0 {
        return None;
    }
    std::env::var_os(choice::VARIABLE).map(OsStringExt::into_vec)
}

/// Opens the device of a TEE, and fills a context as the stock library does.
fn open(route: &Route) -> Result<Context, String> {
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

/// Calls the stock library's function.
fn stock(name: Option<&[u8]>, context: *mut Context) -> u32 {
    // SAFETY: the symbol is a C string; RTLD_NEXT is a valid handle.
    let symbol = unsafe { libc::dlsym(libc::RTLD_NEXT, c"TEEC_InitializeContext".as_ptr()) };
    if symbol.is_null() {
        return refuse("the client is not linked with libteec", TEEC_ERROR_ITEM_NOT_FOUND);
    }
    let Ok(name) = name.map(CString::new).transpose() else {
        return TEEC_ERROR_ITEM_NOT_FOUND;
    };
    // SAFETY: the next definition of this name is libteec's, whose type the API states.
    let call = unsafe { std::mem::transmute::<*mut c_void, InitializeContext>(symbol) };
    // SAFETY: the name lives through the call, and the context is the caller's, checked not to be NULL.
    unsafe { call(name.as_deref().map_or(std::ptr::null(), CStr::as_ptr), context) }
}

/// Tells people why a client is refused, and the client by a code. A closed standard error is no reason to end it.
fn refuse(why: &str, code: u32) -> u32 {
    let _ = writeln!(std::io::stderr(), "bulkhead: {why}");
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_without_a_context_is_refused() {
        // SAFETY: NULL is allowed for both.
        let code = unsafe { TEEC_InitializeContext(std::ptr::null(), std::ptr::null_mut()) };
        assert_eq!(code, TEEC_ERROR_BAD_PARAMETERS);
    }

    #[test]
    fn a_client_without_libteec_is_refused() {
        let mut context = Context {
            fd: -1,
            reg_mem: false,
            memref_null: false,
        };
        assert_eq!(
            stock(Some(b"optee-tz"), &raw mut context),
            TEEC_ERROR_ITEM_NOT_FOUND
        );
        assert_eq!(context.fd, -1);
    }

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
