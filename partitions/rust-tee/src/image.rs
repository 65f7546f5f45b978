//! What runs at S-EL1: the TEE's one instance and the loop of its contexts.
use rust_tee::asker::Means;
use rust_tee::code::{self, SUCCESS};
use rust_tee::given;
use rust_tee::request::{Answer, Request};
use rust_tee::services::Given;
use rust_tee::{Memory, Tables, Tee};
use sp_rt::ffa::{self, Regs};
use sp_rt::mailbox::{Mailbox, Pages};
use sp_rt::threads::{self, Outcome};
use sp_rt::{Boot, MAX_THREADS, Window, call, clock, interrupts, log, park};

sp_rt::entry!(first, serve_context);

/// What is shared with the partition of sensors.
static PAGE: Pages<1> = Pages::new();
static TABLES: Tables = Tables::new();
static TEE: spin::Once<Tee<Mailbox, Borrowed>> = spin::Once::new();

/// The window, or nothing where the manifest names none.
struct Borrowed(Option<Window>);

impl Memory for Borrowed {
    fn read(&self, address: u64, to: &mut [u8]) -> bool {
        self.0.is_some_and(|window| window.read(address, to))
    }

    fn write(&self, address: u64, from: &[u8]) -> bool {
        self.0.is_some_and(|window| window.write(address, from))
    }
}

/// The first context: makes the TEE and its buffers known, then serves.
fn first(boot: &mut Boot) -> ! {
    match start(boot) {
        Ok(own) => log!("rust-tee: endpoint {own:#x} is up"),
        Err(error) => {
            log!("rust-tee cannot start: the SPMC answered {error:?}");
            park();
        }
    }
    serve_context(0)
}

fn start(boot: &Boot) -> Result<u16, ffa::Error> {
    let version = call(&Regs::new(ffa::VERSION, &[u64::from(ffa::VERSION_1_2)])).w(0);
    if version >> 16 != 1 || version & 0xffff < 2 {
        return Err(ffa::Error::NOT_SUPPORTED);
    }
    let own = call(&Regs::new(ffa::ID_GET, &[])).success()?.w(2) as u16;
    let buffers = Mailbox::map()?;
    if boot.window.is_none() {
        log!("rust-tee: the manifest names no window: memory cannot be borrowed");
    }
    TEE.call_once(|| Tee::new(own, given(), buffers, Borrowed(boot.window), &TABLES));
    call(&Regs::new(ffa::SECONDARY_EP_REGISTER_64, &[boot.further_entry])).success()?;
    Ok(own)
}

/// What the hypervisor gives: the key that it derived for this partition, by which it opens what it once sealed; where the
/// table gives it none, one that is new at every start.
fn given() -> Given {
    let key = given::key(call);
    if key.is_none() {
        log!("rust-tee: no key was given: what is sealed now cannot be opened after a restart");
    }
    Given {
        key: given::secret(key, sp_rt::random),
        random: sp_rt::random,
        inspect: |subject, page| given::inspect(call, subject, page),
        quote: |half, nonce| given::quote(call, half, nonce),
        notify: |receiver, bits| {
            TEE.get()
                .is_some_and(|tee| given::notify(call, tee.own(), receiver, bits))
        },
        means: Some(Means {
            page: || PAGE.address(),
            read: |offset, to| PAGE.window().read(PAGE.address() + offset, to),
            write: |offset, from| PAGE.window().write(PAGE.address() + offset, from),
            ticks: clock::ticks,
            second: clock::frequency,
        }),
    }
}

/// Answers messages for ever.
fn serve_context(_context: usize) -> ! {
    interrupts::enable_managed_exit();
    let mut answer = Regs::msg_wait();
    loop {
        let waiting = answer == Regs::msg_wait();
        let request = call(&answer);
        answer = match request.function() {
            ffa::DIRECT_REQ_32 => respond(ffa::DIRECT_RESP_32, &request),
            ffa::DIRECT_REQ_64 => respond(ffa::DIRECT_RESP_64, &request),
            ffa::DIRECT_REQ2 => Regs::error(ffa::Error::NOT_SUPPORTED),
            ffa::INTERRUPT => {
                let _ = interrupts::take();
                Regs::msg_wait()
            }
            // The SPMC would not even let this context wait: it can never be called again.
            ffa::ERROR if waiting => park(),
            _ => Regs::msg_wait(),
        };
    }
}

/// The response to a direct request.
fn respond(function: u32, request: &Regs) -> Regs {
    if request.w(2) & ffa::FRAMEWORK_MESSAGE != 0 {
        return Regs::error(ffa::Error::NOT_SUPPORTED);
    }
    answer(request.source(), Request::of(request)).to(function, request)
}

fn answer(sender: u16, request: Request) -> Answer {
    let Some(tee) = TEE.get() else {
        return Answer::Unknown;
    };
    if let Some(answer) = tee.immediate(sender, request) {
        return answer;
    }
    let owner = u64::from(sender);
    let (outcome, missing) = match request {
        Request::Call { handle, offset } => {
            let arguments = [owner, handle, u64::from(offset), 0];
            (
                threads::start(work, arguments, owner, MAX_THREADS),
                Answer::NoThread,
            )
        }
        // The driver takes "busy" for a failure of a call that it has resumed: that call is left once more instead.
        Request::Resume { thread } => (
            threads::resume(thread, owner, u64::from(code::BUSY)),
            Answer::Unknown,
        ),
        _ => (None, Answer::Unknown),
    };
    match outcome {
        Some(Outcome::Done(code)) => Answer::Done(code as u32),
        Some(Outcome::Left(thread)) => Answer::Left(thread),
        None => missing,
    }
}

/// A thread's work: one call.
extern "C" fn work(sender: u64, handle: u64, offset: u64, _: u64) -> u64 {
    let code = TEE
        .get()
        .map_or(SUCCESS, |tee| tee.call(sender as u16, handle, offset as u32));
    u64::from(code)
}
