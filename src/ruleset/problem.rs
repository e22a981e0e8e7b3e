//! What is wrong with a rule folder: where, which key, what, and what would be accepted.

use crate::yaml::Mark;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// File, relative to the rule folder.
    pub file: String,
    /// Line and column; 0:0 when it is the file as a whole.
    pub mark: Mark,
    /// The key at fault, or empty.
    pub key: String,
    /// What is wrong and what would be accepted.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.mark.line > 0 {
            write!(f, ":{}", self.mark)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Everything that is wrong with a folder; nothing of it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A fault inside a file, before the file's name is known.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub mark: Mark,
    pub key: String,
    pub what: String,
}

impl Fault {
    pub fn new(mark: Mark, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            mark,
            key: key.into(),
            what: what.into(),
        }
    }

    pub fn in_file(self, file: &str) -> Problem {
        Problem {
            file: file.to_owned(),
            mark: self.mark,
            key: self.key,
            what: self.what,
        }
    }
}

/// The known word nearest to one that is not known, where it is near enough to be meant.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let distance = |other: &&str| strsim::damerau_levenshtein(word, other);
    known
        .into_iter()
        .filter(|other| distance(other) <= 2.min(word.chars().count() / 2))
        .min_by_key(distance)
}
