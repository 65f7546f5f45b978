//! Who watches the clients: what they tell, and what they have done.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bulkhead_client::tees::Tee;

use super::client::{Client, News, Place, What, Work};

/// `TEEC_ERROR_COMMUNICATION`: what Linux's driver makes of a call that its TEE did not survive.
const CUT_OFF: &str = "0xffff000e";
/// How often who waits looks.
const LOOK: Duration = Duration::from_millis(5);
/// How long clients may take to their end.
const GRACE: Duration = Duration::from_secs(30);
/// Calls that have their right answers before a client is taken to be in service: the second was begun in that time.
const CALLS: u64 = 2;

/// A client was told that something is wrong.
#[derive(Clone)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// What it was told.
    pub why: String,
    /// Whether that means that its TEE has ended.
    pub is_end: bool,
}

/// How long a TEE that was injured is watched.
pub struct Patience {
    /// One that answers nothing.
    pub silent: Duration,
    /// One that goes on answering.
    pub goes_on: Duration,
}

/// The clients of all TEEs, one each.
pub struct Watch {
    clients: Vec<Client>,
    news: Receiver<News>,
    /// Whether each client has a place that is in service.
    up: Vec<bool>,
    /// The TEE whose round it is.
    target: usize,
    /// What its client was told in this round, and when it had a place again.
    told: Vec<Told>,
    served: Vec<Instant>,
    /// Right answers of each client when this round began.
    since: Vec<u64>,
    /// Right answers of peers in the rounds before this one.
    calls: u64,
    /// What clients of peers were told.
    lost: Vec<String>,
}

impl Watch {
    /// Starts a client for each TEE.
    pub fn start(tees: &[Tee], seed: u64) -> Result<Watch, String> {
        let (sender, news) = channel();
        let mut clients = Vec::new();
        for (tee, found) in tees.iter().enumerate() {
            let place = Place {
                name: found.name.clone(),
                kind: super::kind(found)?,
                seed: seed.wrapping_add(tee as u64),
            };
            clients.push(Client::start(tee, place, sender.clone()));
        }
        Ok(Watch {
            up: vec![false; clients.len()],
            since: vec![0; clients.len()],
            clients,
            news,
            target: usize::MAX,
            told: Vec::new(),
            served: Vec::new(),
            calls: 0,
            lost: Vec::new(),
        })
    }

    /// From here on it is this TEE's round.
    pub fn aim(&mut self, target: usize) {
        self.hear();
        self.count_peers();
        self.target = target;
        self.since = self.answers();
    }

    /// What the target's client is to call.
    pub fn want(&self, work: Work) {
        if let Some(client) = self.clients.get(self.target) {
            client.want(work);
        }
    }

    /// Ends all clients. Right answers that peers' clients have had, and what others they were given.
    pub fn end(&mut self) -> (u64, Vec<String>) {
        let limit = Instant::now() + GRACE;
        self.hear();
        self.count_peers();
        for client in std::mem::take(&mut self.clients) {
            if !client.end(limit) {
                self.lost.push("a client does not end".to_owned());
            }
        }
        self.hear();
        (self.calls, std::mem::take(&mut self.lost))
    }

    /// Waits until the target's client has a place, and has had right answers there from here on.
    pub fn settles(&mut self, limit: Instant) -> bool {
        let before = self.right();
        loop {
            self.hear();
            if self.up.get(self.target) == Some(&true) && self.right() >= before + CALLS {
                return true;
            }
            if Instant::now() > limit {
                return false;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// What the target's client is told from here on; none where the TEE goes on, or answers nothing.
    pub fn told(&mut self, patience: &Patience) -> Option<Told> {
        let start = Instant::now();
        self.hear();
        self.told.clear();
        self.served.clear();
        let (mut last, mut answered, mut goal) = (self.right(), start, None);
        loop {
            self.hear();
            if let Some(told) = self.told.first() {
                return Some(told.clone());
            }
            let now = self.right();
            if now > last {
                (last, answered) = (now, Instant::now());
            }
            // It counts what it answers when it had its time to stop that.
            if start.elapsed() > patience.goes_on && now >= *goal.get_or_insert(now + CALLS) {
                return None;
            }
            if answered.elapsed() > patience.silent {
                return None;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until the target's client is told that its TEE has ended.
    pub fn ends(&mut self, limit: Instant) -> Option<Told> {
        loop {
            self.hear();
            if let Some(end) = self.told.iter().find(|told| told.is_end) {
                return Some(end.clone());
            }
            if Instant::now() > limit {
                return None;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// When the target's client had a place again after that moment.
    pub fn first_served(&self, after: Instant) -> Option<Instant> {
        self.served.iter().filter(|at| **at > after).min().copied()
    }

    /// Right answers of each client.
    pub fn answers(&self) -> Vec<u64> {
        self.clients.iter().map(Client::right).collect()
    }

    /// Waits until each peer's client has had more right answers than these; what was wrong meanwhile is the error.
    pub fn go_on(&mut self, before: &[u64], limit: Instant) -> Result<String, String> {
        loop {
            self.hear();
            if let Some(why) = self.lost.first() {
                return Err(why.clone());
            }
            let all = self.answers().into_iter().zip(before).enumerate();
            let peers = all.filter(|(tee, _)| *tee != self.target);
            let calls: Vec<_> = peers.map(|(_, (now, before))| now - before).collect();
            if calls.iter().all(|calls| *calls > 0) {
                return Ok(format!("{} calls", calls.iter().sum::<u64>()));
            }
            if Instant::now() > limit {
                return Err("a client of a peer has no answer any more".to_owned());
            }
            std::thread::sleep(LOOK);
        }
    }

    fn count_peers(&mut self) {
        let all = self.answers().into_iter().zip(&self.since).enumerate();
        let peers = all.filter(|(tee, _)| *tee != self.target);
        self.calls += peers.map(|(_, (now, since))| now - since).sum::<u64>();
    }

    /// Right answers of the target's client.
    fn right(&self) -> u64 {
        self.clients.get(self.target).map_or(0, Client::right)
    }

    /// Takes what clients have told.
    fn hear(&mut self) {
        for News { tee, at, what } in self.news.try_iter() {
            let is_target = tee == self.target;
            self.up[tee] = matches!(what, What::Served);
            match what {
                What::Served if is_target => self.served.push(at),
                What::Served => {}
                What::Failed(why) if is_target => {
                    let is_end = why.contains(CUT_OFF);
                    self.told.push(Told { at, why, is_end });
                }
                What::Failed(why) => self.lost.push(why),
            }
        }
    }
}
