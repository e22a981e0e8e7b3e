//! A lane: one waybill's way through the pure stages — decode, screen, finding — on one thread. Every source runs its
//! records through a lane, so there is one way through, whatever the records come from.

use crate::alert::{Finding, SubjectKey};
use crate::ruleset::RuleSet;
use crate::screen::{Hit, Scratch};
use crate::waybill::{CsvLayout, Decoder, Mapping, Record, Refusal};
use std::sync::Arc;

/// The pure stages with their buffers. One a thread and a source.
#[derive(Debug)]
pub struct Lane {
    rules: Arc<RuleSet>,
    mapping: Option<Arc<Mapping>>,
    key: SubjectKey,
    shape: Shape,
    record: Record,
    scratch: Scratch,
}

/// How the source writes its records.
#[derive(Debug)]
enum Shape {
    Json(Decoder),
    Csv { layout: CsvLayout, header: Vec<u8> },
}

/// What became of one record.
#[derive(Debug)]
pub enum Passed {
    /// Screened, and no rule hit.
    Clean,
    /// Screened, and rules hit.
    Hit(Box<Screened>),
    /// Not a waybill.
    Refused(Refusal),
}

/// A screened record that rules hit.
#[derive(Debug)]
pub struct Screened {
    /// Ids of the live rules that hit.
    pub live: Vec<String>,
    /// Ids of the shadow rules that hit.
    pub shadow: Vec<String>,
    /// What goes on to the desk, when the hits amount to a colour.
    pub finding: Option<Finding>,
}

impl Lane {
    /// A lane for JSON records, canonical or through a mapping.
    pub fn new(rules: Arc<RuleSet>, mapping: Option<Arc<Mapping>>, key: SubjectKey) -> Self {
        let decoder = json_decoder(&rules, mapping.as_deref());
        let (record, scratch) = (decoder.record(), Scratch::new(rules.screen()));
        Self {
            rules,
            mapping,
            key,
            shape: Shape::Json(decoder),
            record,
            scratch,
        }
    }

    /// A lane for CSV rows under a header row; an error when the header is not one.
    pub fn csv(
        rules: Arc<RuleSet>,
        mapping: Option<Arc<Mapping>>,
        key: SubjectKey,
        header: &[u8],
    ) -> Result<Self, Refusal> {
        let layout = CsvLayout::new(header, rules.screen().schema().clone(), mapping.as_deref())?;
        let (record, scratch) = (layout.record(), Scratch::new(rules.screen()));
        let shape = Shape::Csv {
            layout,
            header: header.to_owned(),
        };
        Ok(Self {
            rules,
            mapping,
            key,
            shape,
            record,
            scratch,
        })
    }

    /// The rules in use.
    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Goes over to another rule set; costs nothing when it is the same. Once a batch.
    pub fn adopt(&mut self, rules: &Arc<RuleSet>) {
        if Arc::ptr_eq(&self.rules, rules) {
            return;
        }
        self.rules = rules.clone();
        match &mut self.shape {
            Shape::Json(decoder) => *decoder = json_decoder(rules, self.mapping.as_deref()),
            Shape::Csv { layout, header } => {
                let schema = rules.screen().schema().clone();
                // The header was right before; what its columns mean does not depend on the rules.
                if let Ok(new) = CsvLayout::new(header, schema, self.mapping.as_deref()) {
                    *layout = new;
                }
            }
        }
        self.record = match &self.shape {
            Shape::Json(decoder) => decoder.record(),
            Shape::Csv { layout, .. } => layout.record(),
        };
        self.scratch = Scratch::new(rules.screen());
    }

    /// One record through all stages.
    #[inline]
    pub fn pass(&mut self, bytes: &[u8]) -> Passed {
        let decoded = match &mut self.shape {
            Shape::Json(decoder) => decoder.decode(bytes, &mut self.record),
            Shape::Csv { layout, .. } => layout.decode(bytes, &mut self.record),
        };
        let waybill = match decoded {
            Ok(waybill) => waybill,
            Err(refusal) => return Passed::Refused(refusal),
        };
        let Some(verdict) = self.rules.screen().run(&waybill, &mut self.scratch) else {
            return Passed::Clean;
        };
        let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.rule_id.clone()).collect();
        let (live, shadow) = (ids(&verdict.hits), ids(&verdict.shadow));
        let finding = Finding::new(&waybill, verdict, &self.key, self.rules.digest());
        Passed::Hit(Box::new(Screened { live, shadow, finding }))
    }
}

fn json_decoder(rules: &RuleSet, mapping: Option<&Mapping>) -> Decoder {
    let schema = rules.screen().schema().clone();
    match mapping {
        Some(mapping) => Decoder::mapped(schema, mapping),
        None => Decoder::new(schema),
    }
}
