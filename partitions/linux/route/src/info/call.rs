//! Asks TEE devices for the hypervisor's pages, by the kernel's own calls: no library, and no table, is needed.
//!
//! Any TEE may serve them, under one UUID of a trusted application (docs/inspect.md); the devices are tried in order.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

use super::page::Words;

/// The trusted application that hands the pages on: b0b3ec40-7d3a-4f0e-9c52-1f0c8e6a7d04.
const APPLICATION: [u8; 16] = 0xb0b3ec40_7d3a_4f0e_9c52_1f0c8e6a7d04_u128.to_be_bytes();
/// Its command: parameter 0, a subject and a page; parameter 1, the page's bytes.
const PAGE: u32 = 0;
/// Its command: parameter 0, a nonce; parameter 1, a signature.
const QUOTE: u32 = 1;
/// Bytes of a nonce and of a signature, and where the signature goes in the memory that is shared.
const NONCE: usize = 32;
const SIGNATURE: usize = 64;
const SIGNATURE_AT: usize = 64;
/// Bytes of the memory that is shared: what the largest command needs.
const ROOM: usize = SIGNATURE_AT + SIGNATURE;
/// Bytes of a page.
const BYTES: usize = size_of::<Words>();

const TEEC_ERROR_ACCESS_DENIED: u32 = 0xffff_0001;
const TEEC_ERROR_ITEM_NOT_FOUND: u32 = 0xffff_0008;
const TEEC_ERROR_NOT_SUPPORTED: u32 = 0xffff_000a;

/// Devices that the kernel may have: `/dev/tee0` to `/dev/tee9`, as the stock library has it.
const DEVICES: u32 = 10;

/// `linux/tee.h`: _IOWR(0xa4, 1, 16 bytes), _IOR(0xa4, 2 and 3, 16 bytes), _IOR(0xa4, 5, 4 bytes).
const SHM_ALLOC: libc::Ioctl = 0xc010_a401_u32 as libc::Ioctl;
const OPEN_SESSION: libc::Ioctl = 0x8010_a402_u32 as libc::Ioctl;
const INVOKE: libc::Ioctl = 0x8010_a403_u32 as libc::Ioctl;
const CLOSE_SESSION: libc::Ioctl = 0x8004_a405_u32 as libc::Ioctl;
const VALUE_INPUT: u64 = 1;
const MEMORY_INPUT: u64 = 5;
const MEMORY_OUTPUT: u64 = 6;

/// `struct tee_ioctl_shm_alloc_data`.
#[repr(C)]
struct Allocation {
    size: u64,
    flags: u32,
    id: i32,
}

/// `struct tee_ioctl_buf_data`.
#[repr(C)]
struct Argument {
    address: u64,
    length: u64,
}

/// `struct tee_ioctl_open_session_arg`, without parameters.
#[repr(C)]
struct Opening {
    application: [u8; 16],
    client: [u8; 16],
    login: u32,
    cancel_id: u32,
    session: u32,
    code: u32,
    origin: u32,
    parameters: u32,
}

/// `struct tee_ioctl_invoke_arg` with four parameters.
#[repr(C)]
struct Invocation {
    function: u32,
    session: u32,
    cancel_id: u32,
    code: u32,
    origin: u32,
    count: u32,
    parameters: [[u64; 4]; 4],
}

/// A TEE that hands the hypervisor's pages on.
pub struct Served {
    device: File,
    session: u32,
    memory: Shared,
}

/// Why nobody answers; `Display` is one sentence that says what to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no TEE device at all.
    NoDevice,
    /// The device may not be opened, and why.
    NotAllowed(String, String),
    /// There are TEEs (these devices), and none of them has the application.
    Unserved(String),
    /// The TEE behind this device serves it, and the hypervisor does not answer that TEE.
    Forbidden(String),
    /// Something else went wrong with this device.
    Failed(String, String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NoDevice => f.write_str(
                "there is no TEE device; load the modules ffa-core, ffa-module and optee, and see whether a TEE runs",
            ),
            Refused::NotAllowed(path, why) => write!(
                f,
                "{path} cannot be opened: {why}; run this as root, or in the group that the device belongs to"
            ),
            Refused::Unserved(paths) => write!(
                f,
                "no TEE here ({paths}) serves the hypervisor's view; one of them has to, such as the Rust TEE"
            ),
            Refused::Forbidden(path) => write!(
                f,
                "the hypervisor does not answer the TEE of {path}; write `inspects = true` in the table for its partition"
            ),
            Refused::Failed(path, why) => write!(f, "{path}: {why}"),
        }
    }
}

/// Finds a TEE that serves the pages: the one behind `device`, or the first of all.
///
/// # Errors
/// Why there is none.
pub fn find(device: Option<&str>) -> Result<Served, Refused> {
    let all: Vec<String> = (0..DEVICES).map(|number| format!("/dev/tee{number}")).collect();
    let paths = device.map_or(all, |device| vec![device.to_owned()]);
    let (mut tried, mut refused) = (Vec::new(), None);
    for path in &paths {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && device.is_none() => continue,
            Err(error) => {
                refused.get_or_insert(Refused::NotAllowed(path.clone(), error.to_string()));
                continue;
            }
        };
        tried.push(path.as_str());
        match serve(path, file) {
            Ok(Some(served)) => return Ok(served),
            Ok(None) => {}
            Err(why) => {
                refused.get_or_insert(why);
            }
        }
    }
    Err(match refused {
        Some(why) => why,
        None if tried.is_empty() => Refused::NoDevice,
        None => Refused::Unserved(tried.join(", ")),
    })
}

/// Opens a session at one TEE; none where it does not have the application.
fn serve(path: &str, device: File) -> Result<Option<Served>, Refused> {
    let failed = |what: &str| {
        let why = std::io::Error::last_os_error();
        Refused::Failed(path.to_owned(), format!("{what}: {why}"))
    };
    let mut opening = Opening {
        application: APPLICATION,
        client: [0; 16],
        login: 0,
        cancel_id: 0,
        session: 0,
        code: 0,
        origin: 0,
        parameters: 0,
    };
    request(&device, OPEN_SESSION, &mut opening).ok_or_else(|| failed("opening a session"))?;
    match opening.code {
        0 => {}
        TEEC_ERROR_ITEM_NOT_FOUND | TEEC_ERROR_NOT_SUPPORTED | TEEC_ERROR_ACCESS_DENIED => return Ok(None),
        code => {
            let why = format!(
                "opening a session gave {code:#010x} from origin {}",
                opening.origin
            );
            return Err(Refused::Failed(path.to_owned(), why));
        }
    }
    let session = opening.session;
    let memory = Shared::new(&device).ok_or_else(|| failed("memory to share with it"))?;
    let served = Served {
        device,
        session,
        memory,
    };
    match served.invoke(0, 0) {
        Some((TEEC_ERROR_NOT_SUPPORTED, _)) => Err(Refused::Forbidden(path.to_owned())),
        _ => Ok(Some(served)),
    }
}

impl Served {
    /// The page of a subject.
    ///
    /// # Errors
    /// What went wrong, in a sentence.
    pub fn page(&self, subject: u32, page: u32) -> Result<Words, String> {
        match self.invoke(subject, page) {
            Some((0, BYTES)) => Ok(self.memory.words(0)),
            Some((0, length)) => Err(format!("the TEE gave {length} bytes for a page of {BYTES}")),
            Some((code, _)) => Err(format!(
                "page {page} of subject {subject} was refused with {code:#010x}"
            )),
            None => Err(format!(
                "the kernel refused the call: {}",
                std::io::Error::last_os_error()
            )),
        }
    }

    /// The hypervisor's signature of what was measured at the start, for this nonce.
    ///
    /// # Errors
    /// What went wrong, in a sentence.
    pub fn quote(&self, nonce: [u8; NONCE]) -> Result<[u8; SIGNATURE], String> {
        self.memory.fill(nonce);
        let id = u64::from(self.memory.id);
        let parameters = [
            [MEMORY_INPUT, 0, NONCE as u64, id],
            [MEMORY_OUTPUT, SIGNATURE_AT as u64, SIGNATURE as u64, id],
            [0; 4],
            [0; 4],
        ];
        match self.command(QUOTE, parameters) {
            Some((0, SIGNATURE)) => {
                let words = self.memory.words::<{ SIGNATURE / 8 }>(SIGNATURE_AT);
                let mut bytes = words.iter().flat_map(|word| word.to_le_bytes());
                Ok(std::array::from_fn(|_| bytes.next().unwrap_or(0)))
            }
            Some((0, length)) => Err(format!("the TEE gave {length} bytes for a signature of {SIGNATURE}")),
            Some((TEEC_ERROR_NOT_SUPPORTED, _)) => Err(
                "the hypervisor signs nothing for this TEE; write `quotes = true` in the table for its partition".into(),
            ),
            Some((code, _)) => Err(format!("a signature was refused with {code:#010x}")),
            None => Err(format!(
                "the kernel refused the call: {}",
                std::io::Error::last_os_error()
            )),
        }
    }

    /// The TEE's code, and the length that it says; none where the kernel refused the call.
    fn invoke(&self, subject: u32, page: u32) -> Option<(u32, usize)> {
        let parameters = [
            [VALUE_INPUT, u64::from(subject), u64::from(page), 0],
            [MEMORY_OUTPUT, 0, BYTES as u64, u64::from(self.memory.id)],
            [0; 4],
            [0; 4],
        ];
        self.command(PAGE, parameters)
    }

    /// As `invoke`, with any command.
    fn command(&self, function: u32, parameters: [[u64; 4]; 4]) -> Option<(u32, usize)> {
        let mut invocation = Invocation {
            function,
            session: self.session,
            cancel_id: 0,
            code: 0,
            origin: 0,
            count: 4,
            parameters,
        };
        request(&self.device, INVOKE, &mut invocation)?;
        let [_, [_, _, length, _], ..] = invocation.parameters;
        Some((invocation.code, usize::try_from(length).unwrap_or(usize::MAX)))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let mut session = self.session;
        // SAFETY: the request reads one number of 32 bits.
        unsafe { libc::ioctl(self.device.as_raw_fd(), CLOSE_SESSION, &raw mut session) };
    }
}

/// A call whose argument the kernel reads and writes; none where it failed.
fn request<T>(device: &File, number: libc::Ioctl, argument: &mut T) -> Option<()> {
    let mut data = Argument {
        address: std::ptr::from_mut(argument) as u64,
        length: size_of::<T>() as u64,
    };
    // SAFETY: the request reads and writes exactly the bytes that `data` names, which are `argument`'s; all values of
    // its numbers are valid.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), number, &raw mut data) };
    (result == 0).then_some(())
}

/// A page of memory that the kernel shares with the TEE.
struct Shared {
    id: u32,
    address: NonNull<u64>,
    size: usize,
    /// Keeps the memory registered.
    _memory: OwnedFd,
}

impl Shared {
    fn new(device: &File) -> Option<Shared> {
        let mut allocation = Allocation {
            size: ROOM as u64,
            flags: 0,
            id: 0,
        };
        // SAFETY: the request reads and writes exactly an Allocation.
        let fd = unsafe { libc::ioctl(device.as_raw_fd(), SHM_ALLOC, &raw mut allocation) };
        if fd < 0 {
            return None;
        }
        // SAFETY: the request returned a new descriptor that nothing else owns.
        let memory = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = usize::try_from(allocation.size).ok()?;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                rights,
                libc::MAP_SHARED,
                memory.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED || size < ROOM {
            return None;
        }
        Some(Shared {
            id: u32::try_from(allocation.id).ok()?,
            address: NonNull::new(address.cast())?,
            size,
            _memory: memory,
        })
    }

    /// A copy of what the TEE wrote from `at` on, in bytes, a multiple of 8.
    fn words<const N: usize>(&self, at: usize) -> [u64; N] {
        assert!(at + N * 8 <= ROOM && at.is_multiple_of(8));
        // SAFETY: the mapping has at least `ROOM` bytes, begins on a page, and lives as long as this. The TEE may write
        // it at any time: each word is read once, as a volatile copy.
        std::array::from_fn(|n| u64::from_le(unsafe { self.address.add(at / 8 + n).read_volatile() }))
    }

    /// Puts a nonce at its start.
    fn fill(&self, nonce: [u8; NONCE]) {
        for (n, byte) in nonce.into_iter().enumerate() {
            // SAFETY: as in `words`; the mapping is writable, and `NONCE` is less than `ROOM`.
            unsafe { self.address.cast::<u8>().add(n).write_volatile(byte) };
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's own, and no reference to it is ever handed out.
        unsafe { libc::munmap(self.address.as_ptr().cast(), self.size) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_none_is_refused_with_advice() {
        let Err(Refused::NotAllowed(path, _)) = find(Some("/dev/there-is-no-such-device")) else {
            panic!("it is not there");
        };
        assert_eq!(path, "/dev/there-is-no-such-device");
        let why = find(Some("/dev/null")).err().map(|why| why.to_string());
        assert!(
            why.as_deref()
                .is_some_and(|why| why.starts_with("/dev/null: opening a session")),
            "{why:?}"
        );
    }

    #[test]
    fn structures_are_the_kernel_s() {
        assert_eq!((size_of::<Opening>(), size_of::<Invocation>()), (56, 152));
        assert_eq!(
            (size_of::<Allocation>(), size_of::<Argument>(), BYTES),
            (16, 16, 56)
        );
    }
}
