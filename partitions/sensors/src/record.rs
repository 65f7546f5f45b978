//! How late a period's work began, counted: fixed space, whatever comes.

/// Buckets of lateness: four to each power of two, from less than 80 ns to more than 58 ms.
pub const BUCKETS: usize = 80;
/// The first power of two that has buckets of its own: 64 ns.
const FIRST: u32 = 6;

/// Numbers of 64 bits in a record.
pub const WORDS: usize = 6 + BUCKETS;

/// What was counted since the partition started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The period, in nanoseconds.
    pub period: u64,
    /// Periods whose work began.
    pub periods: u64,
    /// Periods whose work did not begin before they were over.
    pub missed: u64,
    /// The least lateness, in nanoseconds; [`u64::MAX`] before the first period.
    pub least: u64,
    /// The most.
    pub most: u64,
    /// How often somebody asked.
    pub asked: u64,
    /// How often the lateness was in each bucket; missed periods have none.
    pub buckets: [u64; BUCKETS],
}

impl Record {
    /// Nothing is counted yet, of a period of so many nanoseconds.
    #[must_use]
    pub const fn new(period: u64) -> Self {
        Self {
            period,
            periods: 0,
            missed: 0,
            least: u64::MAX,
            most: 0,
            asked: 0,
            buckets: [0; BUCKETS],
        }
    }

    /// A period's work began, so many nanoseconds late. Gives how many periods after it are over already, and missed.
    pub fn began(&mut self, late: u64) -> u64 {
        let missed = late.checked_div(self.period).unwrap_or(0);
        self.periods += 1;
        self.missed += missed;
        self.least = self.least.min(late);
        self.most = self.most.max(late);
        if let Some(bucket) = self.buckets.get_mut(bucket(late)) {
            *bucket += 1;
        }
        missed
    }

    /// As numbers, in the order of the fields.
    #[must_use]
    pub fn words(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        let (head, buckets) = words.split_at_mut(WORDS - BUCKETS);
        head.copy_from_slice(&[
            self.period,
            self.periods,
            self.missed,
            self.least,
            self.most,
            self.asked,
        ]);
        buckets.copy_from_slice(&self.buckets);
        words
    }

    /// From numbers.
    #[must_use]
    pub fn of(words: &[u64; WORDS]) -> Self {
        let [period, periods, missed, least, most, asked, buckets @ ..] = *words;
        Self {
            period,
            periods,
            missed,
            least,
            most,
            asked,
            buckets,
        }
    }

    /// What was counted since another record of the same start was made. The least and the most are those since the
    /// start.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut rest = self.clone();
        rest.periods = self.periods.saturating_sub(before.periods);
        rest.missed = self.missed.saturating_sub(before.missed);
        rest.asked = self.asked.saturating_sub(before.asked);
        for (count, old) in rest.buckets.iter_mut().zip(before.buckets) {
            *count = count.saturating_sub(old);
        }
        rest
    }

    /// So many nanoseconds late were so many of a million periods at most: the end of the bucket of that one, and where
    /// it was the latest since the start, that one. None without periods.
    #[must_use]
    pub fn at_most(&self, of_a_million: u64) -> Option<u64> {
        let sum: u64 = self.buckets.iter().sum();
        let wanted = (u128::from(sum) * u128::from(of_a_million))
            .div_ceil(1_000_000)
            .max(1);
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += u128::from(*count);
            seen >= wanted
        })?;
        Some(start(bucket + 1).saturating_sub(1).min(self.most))
    }
}

/// The bucket of a lateness in nanoseconds.
#[must_use]
pub fn bucket(late: u64) -> usize {
    let late = late.max(1 << FIRST);
    let power = late.ilog2();
    let quarter = late >> (power - 2) & 3;
    (((power - FIRST) * 4) as usize + quarter as usize).min(BUCKETS - 1)
}

/// The first lateness in nanoseconds of a bucket; the first bucket has all that is less, too, and the last one all that
/// is more.
#[must_use]
pub fn start(bucket: usize) -> u64 {
    let (power, quarter) = (FIRST + (bucket / 4) as u32, (bucket % 4) as u64);
    (4 + quarter) << (power - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lateness_is_in_its_bucket() {
        for bucket_ in 0..BUCKETS {
            let from = start(bucket_);
            assert_eq!(bucket(from), bucket_);
            assert_eq!(bucket(start(bucket_ + 1) - 1), bucket_);
        }
        assert_eq!((bucket(0), bucket(79), bucket(80)), (0, 0, 1));
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(start(BUCKETS - 1), 58_720_256);
    }

    #[test]
    fn a_period_that_was_over_is_missed() {
        let mut record = Record::new(1000);
        assert_eq!([999, 1000, 3500].map(|late| record.began(late)), [0, 1, 3]);
        assert_eq!((record.periods, record.missed), (3, 4));
        assert_eq!((record.least, record.most), (999, 3500));
    }

    #[test]
    fn words_say_it_all() {
        let mut record = Record::new(7);
        for late in [0, 1, 100, 5_000, 1 << 40] {
            record.began(late);
        }
        record.asked = 9;
        assert_eq!(Record::of(&record.words()), record);
    }

    #[test]
    fn shares_of_the_periods() {
        let mut record = Record::new(1_000_000);
        assert_eq!(record.at_most(500_000), None);
        for late in [100; 98] {
            record.began(late);
        }
        record.began(1000);
        let before = record.clone();
        record.began(70_000);
        assert_eq!(record.at_most(1), Some(111));
        assert_eq!(record.at_most(980_000), Some(111));
        assert_eq!(record.at_most(980_001), Some(1023));
        assert_eq!(record.at_most(1_000_000), Some(70_000));
        let last = record.since(&before);
        assert_eq!((last.periods, last.missed), (1, 0));
        assert_eq!(last.at_most(1), Some(70_000));
    }

    #[test]
    fn another_start_makes_no_nonsense() {
        let mut old = Record::new(1);
        let _ = old.began(0);
        assert_eq!(Record::new(1).since(&old).periods, 0);
    }
}
