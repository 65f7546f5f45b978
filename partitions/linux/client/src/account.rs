//! What a client under load has done so far, as one line of text between the client and `bulkhead-load`.

use std::fmt::Write;

/// Counts of one client since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Calls that it made.
    pub begun: u64,
    /// Calls whose answer came and was right.
    pub right: u64,
    /// Calls whose answer was wrong, or an error.
    pub wrong: u64,
    /// Signals that it handled.
    pub signals: u64,
    /// Calls in which one came.
    pub interrupted: u64,
    /// Calls that ended on another core than they began on.
    pub migrations: u64,
    /// Right calls of each kind.
    pub kinds: Vec<(String, u64)>,
}

impl Account {
    /// Calls without any answer.
    pub fn lost(&self) -> u64 {
        self.begun.saturating_sub(self.right).saturating_sub(self.wrong)
    }

    /// The account as a line, without the newline.
    pub fn line(&self) -> String {
        let mut line = self.counts().map(|count| count.to_string()).join(" ");
        for (kind, count) in &self.kinds {
            let _ = write!(line, ";{kind}={count}");
        }
        line
    }

    /// Reads such a line.
    pub fn read(line: &str) -> Option<Account> {
        let mut parts = line.trim_end().split(';');
        let counts: Option<Vec<u64>> = parts.next()?.split(' ').map(|word| word.parse().ok()).collect();
        let [begun, right, wrong, signals, interrupted, migrations] = counts?.try_into().ok()?;
        let kinds = parts.map(|part| {
            let (kind, count) = part.split_once('=')?;
            Some((kind.to_owned(), count.parse().ok()?))
        });
        Some(Account {
            begun,
            right,
            wrong,
            signals,
            interrupted,
            migrations,
            kinds: kinds.collect::<Option<_>>()?,
        })
    }

    /// Adds another client's counts.
    pub fn add(&mut self, other: &Account) {
        self.begun += other.begun;
        self.right += other.right;
        self.wrong += other.wrong;
        self.signals += other.signals;
        self.interrupted += other.interrupted;
        self.migrations += other.migrations;
        for (kind, count) in &other.kinds {
            match self.kinds.iter_mut().find(|(own, _)| own == kind) {
                Some((_, own)) => *own += count,
                None => self.kinds.push((kind.clone(), *count)),
            }
        }
    }

    fn counts(&self) -> [u64; 6] {
        [
            self.begun,
            self.right,
            self.wrong,
            self.signals,
            self.interrupted,
            self.migrations,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            begun: 12,
            right: 9,
            wrong: 1,
            signals: 40,
            interrupted: 3,
            migrations: 2,
            kinds: vec![("values".into(), 4), ("aes round trip".into(), 5)],
        }
    }

    #[test]
    fn a_line_is_read_back() {
        assert_eq!(Account::read(&(account().line() + "\n")), Some(account()));
        assert_eq!(
            Account::read(&Account::default().line()),
            Some(Account::default())
        );
        for torn in [
            "",
            "1 2 3",
            "1 2 3 4 5 6 7",
            "1 2 3 4 5 6;values",
            "1 2 3 4 5 six",
        ] {
            assert_eq!(Account::read(torn), None, "{torn}");
        }
    }

    #[test]
    fn a_call_without_an_answer_is_lost() {
        assert_eq!(account().lost(), 2);
    }

    #[test]
    fn accounts_add_up_by_kind() {
        let mut sum = account();
        sum.add(&Account {
            begun: 1,
            kinds: vec![("aes round trip".into(), 1), ("long".into(), 2)],
            ..Account::default()
        });
        assert_eq!(sum.begun, 13);
        let kinds = [("values", 4), ("aes round trip", 6), ("long", 2)];
        assert_eq!(sum.kinds, kinds.map(|(kind, count)| (kind.to_owned(), count)));
    }
}
