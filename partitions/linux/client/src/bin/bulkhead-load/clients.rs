//! The clients: one process each, whose accounts are read as they come.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bulkhead_client::account::Account;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{SUITE, say};
use bulkhead_client::tees::Tee;

/// How long a client may take to its end: it ends the call that it is in. One that does not has lost that call.
const GRACE: Duration = Duration::from_secs(60);
/// How long clients may take to open their sessions: their trusted applications are loaded one after the other.
const OPENING: Duration = Duration::from_secs(180);
/// Seconds of clients that are told when to end.
const ENDLESS: &str = "86400";

/// What is known of a client.
#[derive(Clone, Default)]
struct Known {
    account: Account,
    /// What it said was wrong, first.
    fault: Option<String>,
    /// Whether it said anything: it takes signals from then on.
    heard: bool,
    /// Whether it said that it is through.
    ended: bool,
}

struct Client {
    tee: String,
    pid: Pid,
    child: Mutex<Child>,
    known: Arc<Mutex<Known>>,
    reader: Mutex<Option<JoinHandle<()>>>,
}

/// Clients of all TEEs, which end with this value.
pub struct Crowd {
    clients: Vec<Client>,
}

/// Keeps a process on a core.
pub fn pin(process: Pid, core: usize) -> Result<(), String> {
    place(Some(process), core)
}

/// Keeps this thread on a core.
pub fn pin_this(core: usize) -> Result<(), String> {
    place(None, core)
}

fn place(process: Option<Pid>, core: usize) -> Result<(), String> {
    let mut place = CpuSet::new();
    place.set(core);
    sched_setaffinity(process, &place).map_err(|error| format!("core {core}: {error}"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What clients do.
#[derive(Clone, Copy)]
pub enum Task {
    /// They call by chance.
    Call,
    /// They have a mebibyte hashed.
    Large,
}

impl Crowd {
    /// Starts so many clients for each TEE, which call until [`Crowd::end`]. They take signals when this returns.
    pub fn start(tees: &[Tee], each: usize, seed: u64) -> Result<Crowd, String> {
        let mut clients = Vec::new();
        for number in 0..each {
            for tee in tees {
                // Clients of the same number do the same at TEEs of one kind.
                let seed = seed.wrapping_add(number as u64);
                clients.push(Client::start(tee, Task::Call, seed)?);
            }
        }
        let crowd = Crowd { clients };
        crowd.await_each("said nothing", |known| known.heard)?;
        Ok(crowd)
    }

    /// Starts a client of a TEE on each of these cores, and waits until each has had an answer.
    pub fn pinned(tee: &Tee, task: Task, cores: &[usize], seed: u64) -> Result<Crowd, String> {
        let mut clients = Vec::new();
        for core in cores {
            let client = Client::start(tee, task, seed.wrapping_add(*core as u64))?;
            pin(client.pid, *core)?;
            clients.push(client);
        }
        let crowd = Crowd { clients };
        crowd.await_answers()?;
        Ok(crowd)
    }

    /// Waits until each client has had an answer: it has opened its sessions then.
    pub fn await_answers(&self) -> Result<(), String> {
        self.await_each("had no answer", |known| known.account.begun > 0)
    }

    fn await_each(&self, what: &str, there: impl Fn(&Known) -> bool) -> Result<(), String> {
        let limit = Instant::now() + OPENING;
        while let Some(late) = self.clients.iter().find(|client| !there(&locked(&client.known))) {
            let gone = !matches!(locked(&late.child).try_wait(), Ok(None));
            let fault = locked(&late.known).fault.clone();
            if Instant::now() > limit || gone || fault.is_some() {
                let end = if gone { ", and ended" } else { "" };
                let fault = fault.unwrap_or_default();
                return Err(format!("a client of {} {what}{end}: {fault}", late.tee));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Asks all clients to end behind the call that they are in, and waits. One that does not end is killed, and
    /// known by its account.
    pub fn end(&self) {
        for client in &self.clients {
            // One that has ended too early is known by its account, too.
            let _ = kill_process(client.pid, Signal::TERM);
        }
        let limit = Instant::now() + GRACE;
        for client in &self.clients {
            client.wait(limit);
        }
    }

    /// Whether each call of a TEE's clients had its right answer: their accounts added up, or what went wrong.
    pub fn outcome(&self, tee: &Tee) -> Result<Account, String> {
        let sum = self.sum(tee);
        match self.of(tee).find_map(|client| client.fault) {
            Some(fault) => Err(fault),
            None if sum.right == 0 || sum.right != sum.begun => Err(format!(
                "{} calls of {} had no right answer",
                sum.begun - sum.right,
                sum.begun
            )),
            None => Ok(sum),
        }
    }

    /// The processes.
    pub fn processes(&self) -> Vec<Pid> {
        self.clients.iter().map(|client| client.pid).collect()
    }

    /// The clients' accounts of a TEE, added up.
    pub fn sum(&self, tee: &Tee) -> Account {
        let mut sum = Account::default();
        for client in self.of(tee) {
            sum.add(&client.account);
        }
        sum
    }

    /// What each client of a TEE has done.
    pub fn right(&self, tee: &Tee) -> Vec<u64> {
        self.of(tee).map(|client| client.account.right).collect()
    }

    fn of<'a>(&'a self, tee: &'a Tee) -> impl Iterator<Item = Known> + 'a {
        let clients = self.clients.iter().filter(|client| client.tee == tee.name);
        clients.map(|client| locked(&client.known).clone())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for client in &self.clients {
            let mut child = locked(&client.child);
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Client {
    fn start(tee: &Tee, task: Task, seed: u64) -> Result<Client, String> {
        let task = match task {
            Task::Call => "call",
            Task::Large => "large",
        };
        let mut child = Command::new("bulkhead-client")
            .args([task, "--tee", &tee.name, "--kind", &tee.kind])
            .args(["--seconds", ENDLESS, "--seed", &seed.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("a client could not be started: {error}"))?;
        let output = child.stdout.take().ok_or("a client has no output")?;
        let known = Arc::new(Mutex::new(Known::default()));
        let reader = std::thread::spawn({
            let known = known.clone();
            move || listen(output, &known)
        });
        Ok(Client {
            tee: tee.name.clone(),
            pid: Pid::from_child(&child),
            child: Mutex::new(child),
            known,
            reader: Mutex::new(Some(reader)),
        })
    }

    fn wait(&self, limit: Instant) {
        let mut child = locked(&self.child);
        while matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > limit {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if let Some(reader) = locked(&self.reader).take() {
            let _ = reader.join();
        }
    }
}

/// Takes over what a client says.
fn listen(output: ChildStdout, known: &Mutex<Known>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        hear(&line, &mut locked(known));
    }
}

fn hear(line: &str, known: &mut Known) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "so-far" | "end" => match Account::read(rest) {
            Some(account) => {
                known.account = account;
                known.heard = true;
                known.ended = word == "end";
            }
            None => drop(known.fault.get_or_insert(format!("it said `{line}`"))),
        },
        _ => {
            let fault = if word == "fault" { rest } else { line };
            known.fault.get_or_insert(fault.to_owned());
        }
    }
}

/// Tells how each TEE's clients fared: a case for each TEE, and its figures.
pub fn report(crowd: &Crowd, tees: &[Tee], start: Instant) -> bool {
    let mut ok = true;
    for tee in tees {
        let (sum, clients) = (crowd.sum(tee), crowd.of(tee).collect::<Vec<_>>());
        for (number, client) in clients.iter().enumerate() {
            say::progress(&format!(
                "load, {} client {number}: {}",
                tee.name,
                client.account.line()
            ));
        }
        let missing = clients.iter().filter(|client| !client.ended).count();
        let fault = clients.iter().find_map(|client| client.fault.clone());
        let good = missing == 0 && sum.begun == sum.right && sum.right > 0 && fault.is_none();
        let detail = format!(
            "{} clients, {} calls, {} right, {} wrong, {} lost, {missing} clients without an end{}",
            clients.len(),
            sum.begun,
            sum.right,
            sum.wrong,
            sum.lost(),
            fault
                .map(|fault| format!("; first fault: {fault}"))
                .unwrap_or_default()
        );
        ok &= say::case(
            SUITE,
            &tee.name,
            "every call has its right answer",
            good,
            start,
            &detail,
        );
        // What did not happen was not tested.
        let disturbed =
            sum.migrations > 0 && sum.interrupted > 0 && sum.kinds.iter().all(|(_, count)| *count > 0);
        let detail = format!(
            "{} calls ended on another core, {} had a signal, {} signals in all",
            sum.migrations, sum.interrupted, sum.signals
        );
        ok &= say::case(
            SUITE,
            &tee.name,
            "calls of each kind, moved and interrupted",
            disturbed,
            start,
            &detail,
        );
        say::figure(SUITE, &tee.name, "clients", clients.len());
        say::figure(SUITE, &tee.name, "calls, all answered right", sum.right);
        for (kind, count) in &sum.kinds {
            say::figure(SUITE, &tee.name, &format!("calls: {kind}"), count);
        }
        say::figure(
            SUITE,
            &tee.name,
            "calls that ended on another core",
            sum.migrations,
        );
        say::figure(SUITE, &tee.name, "calls with a signal in them", sum.interrupted);
    }
    ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_its_last_account_and_first_fault() {
        let mut known = Known::default();
        hear("so-far 3 3 0 1 1 0;values=3", &mut known);
        assert_eq!((known.account.right, known.heard, known.ended), (3, true, false));
        hear("fault values: wrong", &mut known);
        hear("thread main panicked", &mut known);
        hear("end 9 8 1 1 1 0;values=8", &mut known);
        assert_eq!((known.account.right, known.ended), (8, true));
        assert_eq!(known.fault.as_deref(), Some("values: wrong"));
    }

    #[test]
    fn a_torn_line_is_a_fault() {
        let mut known = Known::default();
        hear("end 9 8", &mut known);
        assert!(!known.ended && known.fault.is_some());
    }
}
