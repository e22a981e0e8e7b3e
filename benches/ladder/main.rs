//! The ladder: what each part of the way costs, on the real code, one corpus, in one process. Each rung is run in turn,
//! round after round, so that a machine that slows down slows all of them; medians are printed, and the ratios between
//! rungs are what counts.
//!
//! `cargo bench --bench ladder` runs the rungs in memory (R2, R3, R4); with `KAFKA_BOOTSTRAP` set, those on a broker too
//! (R1, R5, R6). `--records N` and `--rounds N` change the size.

mod corpus;
mod kafka;
mod memory;

use std::fmt::Write as _;

/// What was measured of one rung.
pub struct Rung {
    /// `R2`, ….
    pub name: &'static str,
    /// What it does.
    pub what: String,
    /// Nanoseconds a record, one for each round.
    pub ns: Vec<f64>,
}

impl Rung {
    /// A rung that was not run yet.
    pub fn new(name: &'static str, what: impl Into<String>) -> Self {
        Self {
            name,
            what: what.into(),
            ns: Vec::new(),
        }
    }

    /// The median of the rounds, in nanoseconds a record.
    pub fn median(&self) -> f64 {
        let mut sorted = self.ns.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

fn option(name: &str, default: usize) -> usize {
    let mut words = std::env::args().skip_while(|word| word != name).skip(1);
    words.next().and_then(|word| word.parse().ok()).unwrap_or(default)
}

fn main() {
    let records = option("--records", 100_000);
    let rounds = option("--rounds", 9);
    let corpus = corpus::waybills(records);
    let rules = corpus::rules();
    println!(
        "{records} records, mean {:.0} bytes; {} rules, {} terms, watchlist of {}; {rounds} rounds",
        corpus.iter().map(Vec::len).sum::<usize>() as f64 / records as f64,
        rules.set.rules().len(),
        rules.terms.len(),
        corpus::WATCHLIST_ENTRIES,
    );
    let mut rungs = memory::run(&corpus, &rules, rounds);
    match std::env::var("KAFKA_BOOTSTRAP") {
        Ok(brokers) => rungs.extend(kafka::run(&brokers, &corpus, &rules, rounds)),
        Err(_) => println!("KAFKA_BOOTSTRAP is not set: R1, R5 and R6 are left out (make bench runs them)"),
    }
    print!("{}", table(&rungs));
}

/// The results as a table.
fn table(rungs: &[Rung]) -> String {
    let mut text = String::from(
        "\n| rung | what | ns a record (median) | min – max | records a second |\n| --- | --- | --: | --- | --: |\n",
    );
    for rung in rungs {
        let (min, max) = rung
            .ns
            .iter()
            .fold((f64::MAX, 0.0_f64), |(min, max), &ns| (min.min(ns), max.max(ns)));
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {min:.0} – {max:.0} | {:.0} |",
            rung.name,
            rung.what,
            rung.median(),
            1e9 / rung.median()
        );
    }
    let median = |name: &str| rungs.iter().find(|rung| rung.name == name).map(Rung::median);
    let mut goal = |what: &str, value: Option<f64>, goal: &str| {
        if let Some(value) = value {
            let _ = writeln!(text, "\n{what} = {value:.2} (goal {goal})");
        }
    };
    goal(
        "R4 / R2",
        median("R4").zip(median("R2")).map(|(r4, r2)| r4 / r2),
        "≤ 2.5",
    );
    let workers = kafka::workers() as f64;
    let speed = |name: &str| median(name).map(|ns| 1e9 / ns);
    let bound = speed("R1").zip(speed("R4")).map(|(r1, r4)| r1.min(r4 * workers));
    goal(
        "R5 / min(R1, R4 × workers), in records a second",
        speed("R5").zip(bound).map(|(r5, bound)| r5 / bound),
        "≥ 0.7",
    );
    goal(
        "R6 / R5, in records a second",
        speed("R6").zip(speed("R5")).map(|(r6, r5)| r6 / r5),
        "≥ 0.95",
    );
    text
}
