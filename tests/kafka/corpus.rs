//! Waybills with known findings, and what the library itself makes of them in this process.

use jingyou::alert::{AlertId, SubjectKey};
use jingyou::engine::lane::{Lane, Passed};
use jingyou::generate::{Generator, Options};
use jingyou::ruleset::RuleSet;
use jingyou::screen::Thresholds;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Records, each with its key.
pub struct Corpus(pub Vec<(Vec<u8>, Vec<u8>)>);

impl Corpus {
    /// So many records, 2 % of which carry something.
    pub fn generate(count: u64, seed: u64) -> Self {
        let options = Options {
            count,
            seed,
            findings_per_million: 20_000,
            ..Options::default()
        };
        let mut generator = Generator::new(options);
        let mut line = Vec::new();
        let mut records = Vec::new();
        while generator.next_into(&mut line).is_some() {
            let waybill: serde_json::Value = serde_json::from_slice(&line).expect("a waybill");
            let key = waybill["waybill_no"].as_str().expect("a number").as_bytes().to_vec();
            records.push((key, line.clone()));
        }
        Self(records)
    }

    pub fn messages(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, record)| (key.as_slice(), record.as_slice()))
    }

    /// Ids of the alerts that these records must raise.
    pub fn expected(&self) -> BTreeSet<String> {
        let mut lane = lane();
        let mut ids = BTreeSet::new();
        for (_, record) in &self.0 {
            if let Passed::Hit(screened) = lane.pass(record)
                && let Some(finding) = screened.finding
            {
                ids.insert(AlertId::detection(&finding.waybill_no, finding.color).to_string());
            }
        }
        assert!(!ids.is_empty(), "nothing is planted");
        ids
    }
}

/// A lane over the shipped rules.
pub fn lane() -> Lane {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let rules = RuleSet::load(&dir, Thresholds::default()).expect("the shipped rules load");
    Lane::new(Arc::new(rules), None, SubjectKey::new(b"test"))
}
