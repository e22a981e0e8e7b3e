//! Rules: Sigma documents and lists in a folder → checked → compiled. A folder loads whole or not at all.
//!
//! This is the one pure module that reads files, and only here, while loading.

mod condition;
mod detection;
mod document;
mod explain;
mod folder;
mod lists;
mod problem;
mod testing;

pub use document::{CATEGORIES, Rule, RuleTest};
pub use explain::{Explanation, explain};
pub use folder::{Folder, Subject};
pub use lists::Lists;
pub use problem::{Problem, Problems, nearest};
pub use testing::{TestOutcome, sample, test};

use crate::screen::{Mode, Screen, Thresholds};
use crate::yaml::{Mark, Node};
use std::collections::BTreeMap;
use std::path::Path;

/// A folder of rules, compiled.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    screen: Screen,
    digest: String,
}

impl RuleSet {
    /// Reads, checks and compiles a folder of rules over waybills. Any problem anywhere, and nothing is loaded.
    pub fn load(dir: &Path, thresholds: Thresholds) -> Result<Self, Problems> {
        Self::compile(&Folder::read(dir)?, Subject::Waybills, thresholds)
    }

    /// Checks and compiles a folder that was read.
    pub fn compile(folder: &Folder, subject: Subject, thresholds: Thresholds) -> Result<Self, Problems> {
        let (lists, mut problems) = folder.lists();
        let mut rules = Vec::new();
        for file in &folder.rules {
            match Node::parse_all(&file.text) {
                Ok(documents) => {
                    for document in &documents {
                        match document::rule(document, &file.path, &lists) {
                            Ok(rule) => rules.push(rule),
                            Err(faults) => problems.extend(faults.into_iter().map(|fault| fault.in_file(&file.path))),
                        }
                    }
                }
                Err(error) => problems.push(Problem {
                    file: file.path.clone(),
                    mark: error.mark,
                    key: String::new(),
                    what: error.detail,
                }),
            }
        }
        problems.extend(duplicates(&rules));
        if rules.is_empty() && problems.is_empty() {
            let what = "no rule in the folder: rule files end in .yml or .yaml, lists stand in lists/";
            problems.push(Problem {
                file: ".".to_owned(),
                mark: Mark::default(),
                key: String::new(),
                what: what.to_owned(),
            });
        }
        if !problems.is_empty() {
            problems.sort();
            return Err(Problems(problems));
        }
        // A deprecated rule has a successor, and an unsupported one is known not to work.
        rules.retain(|rule| !["deprecated", "unsupported"].contains(&rule.status.as_str()));
        let specs: Vec<_> = rules.iter().map(|rule| rule.spec.clone()).collect();
        let screen = match subject {
            Subject::Waybills => Screen::compile(&specs, thresholds),
            Subject::AnyJson => Screen::compile_for_any(&specs, thresholds),
        };
        let screen = screen.map_err(|error| {
            Problems(vec![Problem {
                file: ".".to_owned(),
                mark: Mark::default(),
                key: String::new(),
                what: error.to_string(),
            }])
        })?;
        Ok(Self {
            rules,
            screen,
            digest: folder.digest(),
        })
    }

    /// The rules, in the order of their files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule with an id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.spec.id == id)
    }

    /// The compiled screen.
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// What tells this rule set from any other: the first 16 hexadecimal digits of the SHA-256 of its files.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many rules are in a mode.
    pub fn count(&self, mode: Mode) -> usize {
        self.rules.iter().filter(|rule| rule.spec.mode == mode).count()
    }
}

/// Rules that have the id of an earlier one.
fn duplicates(rules: &[Rule]) -> Vec<Problem> {
    let mut first: BTreeMap<&str, &Rule> = BTreeMap::new();
    let mut problems = Vec::new();
    for rule in rules {
        if let Some(other) = first.get(rule.spec.id.as_str()) {
            problems.push(Problem {
                file: rule.file.clone(),
                mark: rule.mark,
                key: "id".to_owned(),
                what: format!(
                    "`{}` is the id of `{}` ({}:{}) too: give each its own",
                    rule.spec.id, other.spec.title, other.file, other.mark
                ),
            });
        } else {
            first.insert(&rule.spec.id, rule);
        }
    }
    problems
}
