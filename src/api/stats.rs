//! `GET /api/v1/stats`: what the live page's counters show. Records are counted since midnight in China, or since the
//! start of the program where that was later; alerts and cases as the store has them.

use super::Shared;
use super::params::Params;
use super::problem::Problem;
use super::upstream::{RulesInForce, Totals};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use time::macros::offset;
use time::{Date, OffsetDateTime};

/// Between two samples of the totals.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// Samples over which the rate is taken.
const SAMPLES: usize = 5;

/// `GET /api/v1/stats`.
pub fn router() -> Router<Shared> {
    Router::new().route("/api/v1/stats", get(stats))
}

#[derive(Serialize)]
struct Stats {
    #[serde(with = "time::serde::rfc3339")]
    now: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    taken: u64,
    screened: u64,
    refused: u64,
    per_second: f64,
    /// These three are null until the journal has been read once.
    yellow: Option<u64>,
    red: Option<u64>,
    open_cases: Option<u64>,
    lag: Option<u64>,
    rule_set: RuleSet,
}

#[derive(Serialize)]
struct RuleSet {
    #[serde(flatten)]
    rules: RulesInForce,
    age_s: u64,
}

async fn stats(State(shared): State<Shared>, params: Params) -> Result<Json<Stats>, Problem> {
    params.only(&[])?;
    let now = OffsetDateTime::now_utc().to_offset(offset!(+8));
    let (totals, rules) = (shared.engine.totals(), shared.engine.rules());
    let today = shared.today.at(now, totals);
    let counts = shared.tally.at(now);
    Ok(Json(Stats {
        now,
        since: today.since,
        taken: today.taken,
        screened: today.screened,
        refused: today.refused,
        per_second: today.per_second,
        yellow: counts.map(|counts| counts.yellow),
        red: counts.map(|counts| counts.red),
        open_cases: counts.map(|counts| counts.open_cases),
        lag: totals.lag,
        rule_set: RuleSet {
            age_s: (now - rules.loaded_at).whole_seconds().max(0) as u64,
            rules,
        },
    }))
}

/// Turns totals since the start into counts of today and a rate.
#[derive(Debug)]
pub struct Today(Mutex<Samples>);

#[derive(Debug)]
struct Samples {
    day: Date,
    since: OffsetDateTime,
    base: Totals,
    last: VecDeque<(Instant, u64)>,
}

struct Counts {
    since: OffsetDateTime,
    taken: u64,
    screened: u64,
    refused: u64,
    per_second: f64,
}

impl Today {
    /// Counts from `now` on, from zero.
    pub fn new(now: OffsetDateTime) -> Self {
        let now = now.to_offset(offset!(+8));
        let last = VecDeque::with_capacity(SAMPLES + 1);
        Self(Mutex::new(Samples {
            day: now.date(),
            since: now,
            base: Totals::default(),
            last,
        }))
    }

    /// Takes a sample: once every [`SAMPLE_EVERY`].
    fn sample(&self, now: OffsetDateTime, at: Instant, totals: Totals) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.turn(now.to_offset(offset!(+8)), totals);
        samples.last.push_back((at, totals.screened));
        if samples.last.len() > SAMPLES {
            samples.last.pop_front();
        }
    }

    fn at(&self, now: OffsetDateTime, totals: Totals) -> Counts {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.turn(now, totals);
        let per_second = match (samples.last.front(), samples.last.back()) {
            (Some((from, before)), Some((to, after))) if to > from => {
                after.saturating_sub(*before) as f64 / (*to - *from).as_secs_f64()
            }
            _ => 0.0,
        };
        let base = samples.base;
        Counts {
            since: samples.since,
            taken: totals.taken.saturating_sub(base.taken),
            screened: totals.screened.saturating_sub(base.screened),
            refused: totals.refused.saturating_sub(base.refused),
            per_second,
        }
    }
}

impl Samples {
    /// At midnight the count starts again.
    fn turn(&mut self, now: OffsetDateTime, totals: Totals) {
        if now.date() > self.day {
            self.day = now.date();
            self.since = now.replace_time(time::Time::MIDNIGHT);
            self.base = totals;
        }
    }
}

/// Takes the samples until the task is ended.
pub async fn sample(shared: Shared) {
    let mut every = tokio::time::interval(SAMPLE_EVERY);
    loop {
        every.tick().await;
        shared
            .today
            .sample(OffsetDateTime::now_utc(), Instant::now(), shared.engine.totals());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn totals(screened: u64) -> Totals {
        Totals {
            taken: screened + 1,
            screened,
            refused: 1,
            lag: None,
        }
    }

    #[test]
    fn the_count_starts_again_at_midnight_in_china() {
        let today = Today::new(datetime!(2026-11-21 15:00 UTC));
        let before = today.at(datetime!(2026-11-21 23:59 +8), totals(100));
        assert_eq!((before.screened, before.since), (100, datetime!(2026-11-21 23:00 +8)));
        today.sample(datetime!(2026-11-21 16:00:01 UTC), Instant::now(), totals(120));
        let after = today.at(datetime!(2026-11-22 00:00:02 +8), totals(150));
        assert_eq!(
            (after.screened, after.refused, after.since),
            (30, 0, datetime!(2026-11-22 00:00 +8))
        );
    }

    #[test]
    fn the_rate_is_that_of_the_last_samples() {
        let (now, start) = (datetime!(2026-11-21 12:00 +8), Instant::now());
        let today = Today::new(now);
        assert!(today.at(now, totals(5)).per_second.abs() < f64::EPSILON);
        for second in 0..20_u64 {
            let screened = if second < 10 { 0 } else { (second - 10) * 1_000 };
            today.sample(now, start + Duration::from_secs(second), totals(screened));
        }
        assert!((today.at(now, totals(9_000)).per_second - 1_000.0).abs() < 1e-6);
    }
}
