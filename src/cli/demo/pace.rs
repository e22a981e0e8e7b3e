//! How many records are due: a steady rate, without bursts after a pause.

use std::time::Duration;

/// What may be owed after a pause, as time at the rate: a machine that slept does not flood.
const OWED_MAX: Duration = Duration::from_millis(500);

/// A rate, and how far it is fulfilled.
#[derive(Debug)]
pub struct Pace {
    per_second: f64,
    due: f64,
    at: Duration,
}

impl Pace {
    /// So many records a second, from time zero.
    pub fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            due: 0.0,
            at: Duration::ZERO,
        }
    }

    /// Records due at `now` since the last asking.
    pub fn due(&mut self, now: Duration) -> u64 {
        let passed = now.saturating_sub(self.at).min(OWED_MAX);
        self.at = now;
        self.due += passed.as_secs_f64() * self.per_second;
        let whole = self.due.floor();
        self.due -= whole;
        whole as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_kept_and_a_pause_is_not_made_up_for() {
        let mut pace = Pace::new(1_000);
        let due: u64 = (1..=300).map(|tick| pace.due(Duration::from_millis(tick * 7))).sum();
        assert_eq!(due, 2_100);
        assert_eq!(pace.due(Duration::from_hours(1)), 500);
        let mut slow = Pace::new(1);
        let due: Vec<u64> = (1..=8)
            .map(|tick| slow.due(Duration::from_millis(tick * 250)))
            .collect();
        assert_eq!(due, [0, 0, 0, 1, 0, 0, 0, 1]);
    }
}
