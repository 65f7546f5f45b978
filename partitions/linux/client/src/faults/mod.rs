//! TEEs fail while they are used. Clients call all of them without a pause, and xtest runs on the peers of the one whose
//! turn it is. `xtask` injures that one when it reads `inject NAME`, and ends it for certain when it reads `finish NAME`:
//! one that goes on with what the injury has left of it must be ended, too. In each round its clients are told, it is
//! back in service, and the clients of its peers lose no call and get no wrong answer.

mod client;
mod watch;
mod xtest;

use std::time::{Duration, Instant};

use bulkhead_client::lent::{KEPT, Lent, lent};
use bulkhead_client::options::{Kind, Options};
use bulkhead_client::report::Line;
use bulkhead_client::tees::{self, Tee};

use client::Work;
use watch::{Patience, Watch};
use xtest::Xtest;

/// The name of the suite.
const SUITE: &str = "faults";
/// From so many rounds on, all chosen cases of xtest run beside each turn; below, one in so many, and more in the last.
const MANY: u64 = 100;
const PART: usize = 6;
const LAST_PART: usize = 2;

/// How long clients may take to their first answers.
const SETTLES: Duration = Duration::from_secs(120);
/// One that answers nothing has its call's budget of the table, and some more.
const PATIENCE: Patience = Patience {
    silent: Duration::from_secs(8),
    goes_on: Duration::from_millis(1_500),
};
/// A TEE that fails too often without such a time in between stays down, by the table. So many of its rounds follow each
/// other at most: each may fail it twice.
const BETWEEN: Duration = Duration::from_millis(5_300);
const IN_A_ROW: u32 = 2;
/// How long one may be out of service that a client takes for ended: a restart under load takes half of it.
const REFUSES: Duration = Duration::from_secs(10);
/// How long the clients of its peers may take to their next answers.
const GOES_ON: Duration = Duration::from_secs(60);
/// How often a TEE is ended until its client is told, or served again, and how long that may take each time. A client that is
/// in no call at that moment, or waits for a session, may have the next instance's answer without a word of the end.
const TRIES: u32 = 4;
const ENDS: Duration = Duration::from_secs(15);

/// Has the TEEs injured for so many rounds, at least, and tells whether all was right.
pub fn run(options: &Options) -> Result<bool, String> {
    let mut tees = tees::tees()?;
    // Those on which xtest cannot run come last: it passes on the others beside them.
    tees.sort_by_key(|tee| tee.kind != "optee");
    fastrand::seed(options.seed);
    let mut campaign = Campaign {
        watch: Watch::start(&tees, options.seed)?,
        ended: vec![None; tees.len()],
        tees,
        rounds: 0,
        lent: Vec::new(),
        ok: true,
    };
    if let Err(why) = campaign.turns(options.rounds) {
        campaign.tell("-", "all rounds are played", false, Duration::ZERO, &why);
    }
    let (calls, lost) = campaign.watch.end();
    campaign.is_back();
    let detail = format!("{calls} calls, {} lost or wrong; {}", lost.len(), lost.join("; "));
    tell(
        "-",
        "peers have lost no call",
        lost.is_empty() && calls > 0,
        Duration::ZERO,
        &detail,
    );
    Ok(campaign.ok && lost.is_empty())
}

struct Campaign {
    tees: Vec<Tee>,
    watch: Watch,
    rounds: u64,
    /// What was lent to each TEE before the first round, with all clients at work.
    lent: Vec<Lent>,
    /// When the last round of each TEE ended, and how many were in a row.
    ended: Vec<Option<(Instant, u32)>>,
    ok: bool,
}

impl Campaign {
    /// All turns, with so many rounds together: each OP-TEE has its own, and the rest fails in all of them. In the last
    /// one xtest runs on every OP-TEE, so that it passes on those that have failed.
    fn turns(&mut self, rounds: u64) -> Result<(), String> {
        for (place, tee) in self.tees.iter().enumerate() {
            self.watch.aim(place);
            if !self.watch.settles(Instant::now() + SETTLES) {
                return Err(format!("the client of {} does not get to an answer", tee.name));
            }
        }
        self.lent = lent(&self.tees)?;
        let many = rounds >= MANY;
        let (tested, others): (Vec<_>, Vec<_>) =
            (0..self.tees.len()).partition(|tee| self.tees[*tee].kind == "optee");
        let turns = tested.len() as u64 + 1;
        for (turn, target) in (1..).zip(&tested) {
            let mut targets = vec![*target, *target];
            targets.extend(&others);
            self.turn(&targets, rounds * turn / turns, if many { 1 } else { PART })?;
        }
        self.turn(&others, rounds, if many { 1 } else { LAST_PART })
    }

    /// One turn: these TEEs fail, one after the other, until there are so many rounds and xtest is through on the other ones.
    fn turn(&mut self, targets: &[usize], until: u64, part: usize) -> Result<(), String> {
        let begin = self.rounds;
        let start = |tee: usize| Xtest::start(SUITE, (tee, &self.tees[tee].name), part);
        let tested = (0..self.tees.len()).filter(|tee| !targets.contains(tee));
        let mut tests = tested.map(start).collect::<Result<Vec<_>, _>>()?;
        let mut order = targets.iter().cycle();
        while self.rounds < until || !tests.is_empty() {
            let Some(target) = order.next() else { return Ok(()) };
            self.rest(*target);
            self.rounds += 1;
            self.round(*target)?;
            let mut again = Vec::new();
            tests.retain_mut(|test| {
                let ended = test.ended();
                self.ok &= ended != Some(false);
                if ended.is_some() && self.rounds - begin < until.saturating_sub(begin) / 2 {
                    again.push(test.tee);
                }
                ended.is_none()
            });
            for tee in again {
                tests.push(Xtest::start(SUITE, (tee, &self.tees[tee].name), part)?);
            }
        }
        Ok(())
    }

    /// Waits until another failure of a TEE is not one too many.
    fn rest(&mut self, target: usize) {
        let row = match self.ended[target] {
            Some((at, row)) if at.elapsed() < BETWEEN && row < IN_A_ROW => row,
            Some((at, _)) => {
                std::thread::sleep(BETWEEN.saturating_sub(at.elapsed()));
                0
            }
            None => 0,
        };
        self.ended[target] = Some((Instant::now(), row + 1));
    }

    /// Whether Linux has back what it had lent to instances that are no more. Clients are gone by now.
    fn is_back(&mut self) {
        let start = Instant::now();
        let after = lent(&self.tees);
        for (place, tee) in self.tees.clone().iter().enumerate() {
            let before = self.lent.get(place);
            let after = after.as_ref().map_err(Clone::clone).map(|all| all.get(place));
            let good = matches!((before, after.as_ref()), (Some(before), Ok(Some(after))) if after.shares <= before.shares + KEPT);
            let detail = format!("{before:?}, then {after:?}");
            self.tell(
                &tee.name,
                "nothing stays lent for who is gone",
                good,
                start.elapsed(),
                &detail,
            );
        }
    }

    fn round(&mut self, target: usize) -> Result<(), String> {
        let (name, round) = (self.tees[target].name.clone(), self.rounds);
        self.watch.aim(target);
        let before = self.watch.answers();
        let start = Instant::now();
        note(&format!("inject {name}"));
        let first = self.watch.told(&PATIENCE);
        let (mut told, mut why) = (first.clone(), first.map_or("nothing".to_owned(), |told| told.why));
        // Who was cut off in a call has seen the TEE end. Whoever was told something else may have one that goes on.
        if !told.as_ref().is_some_and(|told| told.is_end) {
            told = (0..TRIES).find_map(|_| {
                note(&format!("finish {name}"));
                self.watch.ends(Instant::now() + ENDS)
            });
            why += told
                .as_ref()
                .map_or(", and nothing then", |_| ", and then that it ended");
        }
        // For a hash its TEE is in its kernel most of the time.
        self.watch.want(if fastrand::bool() {
            Work::Mixed
        } else {
            Work::Large
        });
        let ended = told.as_ref().map_or_else(Instant::now, |told| told.at);
        self.tell(
            &name,
            &format!("round {round}: its client is told"),
            told.is_some(),
            ended - start,
            &why,
        );
        self.ended[target] = self.ended[target].map(|(_, row)| (ended, row));
        let mut back = self.watch.settles(Instant::now() + REFUSES);
        if !back {
            // It has refused the call, which a client is told as its end, and goes on refusing.
            back = (0..TRIES).any(|_| {
                note(&format!("finish {name}"));
                self.ended[target] = self.ended[target].map(|(_, row)| (Instant::now(), row));
                self.watch.settles(Instant::now() + ENDS)
            });
        }
        let first = self.watch.first_served(ended).unwrap_or_else(Instant::now);
        self.tell(
            &name,
            &format!("round {round}: it is back in service"),
            back,
            first - ended,
            "",
        );
        let calls = self.watch.go_on(&before, Instant::now() + GOES_ON);
        self.tell(
            &name,
            &format!("round {round}: its failure costs its peers nothing"),
            calls.is_ok(),
            start.elapsed(),
            &calls.unwrap_or_else(|why| why),
        );
        if back {
            Ok(())
        } else {
            Err(format!("{name} is not in service any more"))
        }
    }

    fn tell(&mut self, tee: &str, name: &str, ok: bool, took: Duration, detail: &str) {
        self.ok &= ok;
        tell(tee, name, ok, took, detail);
    }
}

/// A case that ended.
fn tell(tee: &str, name: &str, ok: bool, took: Duration, detail: &str) {
    Line::new("case")
        .text("suite", SUITE)
        .text("tee", tee)
        .text("name", name)
        .truth("ok", ok)
        .number("ms", took.as_millis() as u64)
        .text("detail", detail)
        .print();
}

/// What `xtask` reads.
fn note(text: &str) {
    Line::new("note").text("text", text).print();
}

/// What a TEE of the list answers.
fn kind(tee: &Tee) -> Result<Kind, String> {
    match tee.kind.as_str() {
        "optee" => Ok(Kind::Optee),
        "rust" => Ok(Kind::Rust),
        other => Err(format!("{} is of kind {other}, which this cannot call", tee.name)),
    }
}
