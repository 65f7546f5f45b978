//! What a case is: its name, the calls that it checks, the clause of the specification, and what it does.
use super::Outcome;
use crate::uart;

/// What a case is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call as the specification allows it, and what it has to do.
    Right,
    /// A call that has to be refused with the specified error, and change nothing.
    Wrong,
    /// Isolation: no call of FF-A is the subject.
    Isolation,
}

/// A case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, one word.
    pub name: &'static str,
    /// Which kind.
    pub kind: Kind,
    /// Function IDs of the calls that it checks, each in the form that it uses.
    pub calls: &'static [u32],
    /// The clause that it checks: a section of DEN0077A 1.2, where no other document is named.
    pub clause: &'static str,
    /// What it does.
    pub run: fn() -> Outcome,
}

/// A case of calls that are allowed.
pub const fn right(
    name: &'static str,
    calls: &'static [u32],
    clause: &'static str,
    run: fn() -> Outcome,
) -> Case {
    Case {
        name,
        kind: Kind::Right,
        calls,
        clause,
        run,
    }
}

/// A case of calls that are refused.
pub const fn wrong(
    name: &'static str,
    calls: &'static [u32],
    clause: &'static str,
    run: fn() -> Outcome,
) -> Case {
    Case {
        kind: Kind::Wrong,
        ..right(name, calls, clause, run)
    }
}

/// A case of isolation; the property that it tries to break stands at it (`docs/threats.md`).
pub const fn isolation(name: &'static str, run: fn() -> Outcome) -> Case {
    Case {
        kind: Kind::Isolation,
        ..right(name, &[], "", run)
    }
}

/// Its function IDs in hexadecimal, with a space between.
struct Calls(&'static [u32]);

impl core::fmt::Display for Calls {
    fn fmt(&self, to: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (n, id) in self.0.iter().enumerate() {
            write!(to, "{}{id:08x}", if n == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl Case {
    /// Reports how it ended: `@case pass|fail; name; right|wrong|isolation; clause; calls; detail`.
    pub fn report(&self, passed: bool, detail: core::fmt::Arguments<'_>) {
        let result = if passed { "pass" } else { "fail" };
        let kind = match self.kind {
            Kind::Right => "right",
            Kind::Wrong => "wrong",
            Kind::Isolation => "isolation",
        };
        uart::line(format_args!(
            "@case {result}; {}; {kind}; {}; {}; {detail}",
            self.name,
            self.clause,
            Calls(self.calls)
        ));
    }
}
