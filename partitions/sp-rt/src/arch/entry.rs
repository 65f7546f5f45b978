//! Entry of the contexts from the assembly code, the contexts' own data, and the fatal end.
use super::{mmu, window::Window};
use crate::paging::Access;
use crate::{MAX_CONTEXTS, bootinfo, console};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a context's stack, its guard page included.
const STACK: usize = 16 * 1024;
/// Bytes of the stack on which a context says why it ends.
const EMERGENCY: usize = 4096;

#[repr(C, align(4096))]
struct Stack<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: used as stack memory by the one context that it belongs to; never borrowed by Rust code.
unsafe impl<const SIZE: usize> Sync for Stack<SIZE> {}

#[unsafe(link_section = ".stacks.contexts")]
static STACKS: [Stack<STACK>; MAX_CONTEXTS] = [const { Stack(UnsafeCell::new([0; STACK])) }; MAX_CONTEXTS];
#[unsafe(link_section = ".stacks.emergency")]
static EMERGENCY_STACKS: [Stack<EMERGENCY>; MAX_CONTEXTS] =
    [const { Stack(UnsafeCell::new([0; EMERGENCY])) }; MAX_CONTEXTS];

core::arch::global_asm!(
    include_str!("entry.S"),
    contexts = const MAX_CONTEXTS,
    context_stacks = sym STACKS,
    context_stack_size = const STACK,
);

/// What the assembly code finds through TPIDR_EL1. It knows these fields.
#[repr(C)]
struct Context {
    /// The stack pointer of the context while a thread runs on it.
    stack_pointer: AtomicU64,
    /// The end of its emergency stack.
    emergency_stack: AtomicU64,
    /// Not 0 while an exception is expected.
    probe: AtomicU64,
    /// The syndrome of the one that came.
    syndrome: AtomicU64,
}

static CONTEXTS: [Context; MAX_CONTEXTS] = [const { Context::new() }; MAX_CONTEXTS];

impl Context {
    const fn new() -> Self {
        Self {
            stack_pointer: AtomicU64::new(0),
            emergency_stack: AtomicU64::new(0),
            probe: AtomicU64::new(0),
            syndrome: AtomicU64::new(0),
        }
    }
}

/// Runs `f`, in which single instructions may fail by an exception: each such is stepped over.
/// Gives the syndrome (ESR_EL1) of the last one, or `None`.
///
/// Not for threads: the context must not change meanwhile.
pub fn probe(f: impl FnOnce()) -> Option<u64> {
    let context = &CONTEXTS[super::context_index()];
    context.syndrome.store(0, Ordering::Relaxed);
    context.probe.store(1, Ordering::Release);
    f();
    context.probe.store(0, Ordering::Release);
    Some(context.syndrome.load(Ordering::Acquire)).filter(|syndrome| *syndrome != 0)
}

unsafe extern "C" {
    static __image_start: u8;
    static __rodata_start: u8;
    static __data_start: u8;
    static __bss_end: u8;
    static __image_end: u8;
    fn sp_rt_further_entry();
}

unsafe extern "Rust" {
    // Both are defined by `entry!` in the partition.
    safe fn sp_rt_main(boot: Boot) -> !;
    safe fn sp_rt_further(context: usize) -> !;
}

/// Names the functions in which a partition's contexts start: the first one gets a
/// [`Boot`], the others (and any whose core was off) their number.
#[macro_export]
macro_rules! entry {
    ($main:path, $further:path) => {
        // SAFETY: the runtime's own names; the types are checked by the calls below.
        #[unsafe(no_mangle)]
        fn sp_rt_main(mut boot: $crate::Boot) -> ! {
            $main(&mut boot)
        }
        // SAFETY: as above.
        #[unsafe(no_mangle)]
        fn sp_rt_further(context: usize) -> ! {
            $further(context)
        }
        #[panic_handler]
        fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
            $crate::panicked(info)
        }
    };
}

/// What a partition learns at its start.
pub struct Boot {
    /// The window for borrowed memory, if the manifest names one.
    pub window: Option<Window>,
    /// The address at which the other contexts are to be entered.
    pub further_entry: u64,
}

impl Boot {
    /// Maps `[start, start + size)`, which is not the image's own, onto itself. False if that is
    /// not possible. Only at the start: before the other contexts can be entered.
    pub fn map(&mut self, start: u64, size: u64, access: Access) -> bool {
        mmu::map_apart(start, size, access)
    }

    /// Maps `[start, start + size)`, which another partition lent, onto itself; `None` if that is not possible. Only
    /// while no other context can be entered.
    pub fn borrow(&mut self, start: u64, size: u64) -> Option<Window> {
        self.map(start, size, Access::Data)
            .then(|| Window::over(start, size))
    }
}

/// The image's parts: addresses of its start, read-only data, data, and end.
pub(super) fn image() -> mmu::Image {
    mmu::Image {
        code: (&raw const __image_start).addr() as u64,
        read_only: (&raw const __rodata_start).addr() as u64,
        data: (&raw const __data_start).addr() as u64,
        data_end: (&raw const __bss_end).addr() as u64,
        end: (&raw const __image_end).addr() as u64,
    }
}

/// Ranges (start, size) within the image that are stacks without their guard pages.
pub(super) fn stacks() -> impl Iterator<Item = (u64, u64)> {
    const PAGE: u64 = 4096;
    let contexts = STACKS
        .iter()
        .map(|s| (s.0.get().addr() as u64 + PAGE, STACK as u64 - PAGE));
    let emergency = EMERGENCY_STACKS
        .iter()
        .map(|s| (s.0.get().addr() as u64, EMERGENCY as u64));
    contexts.chain(emergency)
}

/// Sets what each context needs before anything else: vectors, its data, stage 1.
fn start_context() -> usize {
    let index = super::context_index();
    let context = &CONTEXTS[index];
    mmu::set_vectors(core::ptr::from_ref(context).addr() as u64);
    mmu::enable();
    // Not before: with the MMU off, the store would pass by lines that other cores have cached.
    let emergency = EMERGENCY_STACKS[index].0.get().addr() + EMERGENCY;
    context.emergency_stack.store(emergency as u64, Ordering::Relaxed);
    index
}

#[unsafe(no_mangle)]
extern "C" fn sp_rt_first_context(boot_info: u64) -> ! {
    if !mmu::build(boot_info) {
        super::park();
    }
    start_context();
    let manifest = bootinfo::manifest(mmu::boot_page(boot_info));
    let window = manifest
        .and_then(|m| mmu::map_manifest(boot_info, m))
        .and_then(bootinfo::window);
    let window = window.and_then(|(base, size)| Window::map(base, size));
    sp_rt_main(Boot {
        window,
        further_entry: (sp_rt_further_entry as *const ()).addr() as u64,
    })
}

#[unsafe(no_mangle)]
extern "C" fn sp_rt_further_context() -> ! {
    let index = start_context();
    sp_rt_further(index)
}

#[unsafe(no_mangle)]
extern "C" fn sp_rt_fatal(syndrome: u64, at: u64, address: u64, link: u64) -> ! {
    let base = (&raw const __image_start).addr() as u64;
    let at = at.wrapping_sub(base);
    let link = link.wrapping_sub(base);
    console::last_words(format_args!(
        "exception: syndrome {syndrome:#x} at image+{at:#x}, address {address:#x}, called from image+{link:#x}"
    ));
    super::park()
}

/// Says why the partition panics and ends it.
pub fn panicked(info: &core::panic::PanicInfo<'_>) -> ! {
    console::last_words(format_args!("{info}"));
    super::park()
}
