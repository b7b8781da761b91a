//! Times of many rounds as the two figures that are told of them, and tables.

/// Times in nanoseconds, as they were measured.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<u64>);

impl Times {
    /// One more.
    pub fn add(&mut self, nanoseconds: u64) {
        self.0.push(nanoseconds);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a hundred do not exceed; 0 when there is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> u64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        // The nearest rank: of ten, the 50th percentile is the fifth.
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(0)
    }

    /// The median and the 99th percentile in milliseconds, for a table.
    #[must_use]
    pub fn cell(&self) -> String {
        if self.0.is_empty() {
            return "-".to_owned();
        }
        format!("{} / {}", milliseconds(self.percentile(50)), milliseconds(self.percentile(99)))
    }
}

/// A time in milliseconds, with as many digits as mean something.
#[must_use]
pub fn milliseconds(nanoseconds: u64) -> String {
    let value = nanoseconds as f64 / 1e6;
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}

/// Prints rows as a table in Markdown, the first one being its head.
pub fn print(rows: &[Vec<String>]) {
    for (number, row) in rows.iter().enumerate() {
        println!("| {} |", row.join(" | "));
        if number == 0 {
            println!("|{}", "---:|".repeat(row.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut times = Times::default();
        assert_eq!((times.percentile(50), times.cell()), (0, "-".to_owned()));
        for time in (1..=200).rev() {
            times.add(time * 1_000_000);
        }
        assert_eq!(times.percentile(50), 100_000_000);
        assert_eq!(times.percentile(99), 198_000_000);
        assert_eq!(times.percentile(100), 200_000_000);
        assert_eq!(times.cell(), "100.0 / 198.0");
    }
}
