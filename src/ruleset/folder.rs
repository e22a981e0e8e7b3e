//! A rule folder as it stands on disk: its files, read whole, and the digest of what was read.

use super::lists::{self, Lists};
use super::problem::{Problem, Problems};
use crate::yaml::Mark;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::Arc;

/// What the rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Waybills: the record of `docs/record.md`.
    Waybills,
    /// Any JSON objects.
    AnyJson,
}

/// The files of a rule folder.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    pub(super) rules: Vec<File>,
    term_lists: Vec<File>,
    watchlists: Vec<File>,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Relative to the folder, with `/`.
    pub path: String,
    /// The file's name without its ending.
    pub stem: String,
    pub text: String,
}

/// The largest file that is read: a watchlist of ten million entries is some 700 MB.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Folders inside one another.
const DEPTH_MAX: usize = 8;

impl Folder {
    /// Reads a folder: rules anywhere in it (`*.yml`, `*.yaml`; `tests/` apart), lists in `lists/`.
    pub fn read(dir: &Path) -> Result<Self, Problems> {
        let mut folder = Self::default();
        let mut problems = Vec::new();
        folder.walk(dir, "", 0, &mut problems);
        if problems.is_empty() {
            Ok(folder)
        } else {
            Err(Problems(problems))
        }
    }

    /// A folder of a single rule file and no lists.
    pub fn of_text(path: &str, text: &str) -> Self {
        Self {
            rules: vec![File::new(path, text.to_owned())],
            ..Self::default()
        }
    }

    fn walk(&mut self, dir: &Path, relative: &str, depth: usize, problems: &mut Vec<Problem>) {
        let mut trouble = |path: &str, what: String| {
            let file = if path.is_empty() {
                dir.display().to_string()
            } else {
                path.to_owned()
            };
            problems.push(Problem {
                file,
                mark: Mark::default(),
                key: String::new(),
                what,
            });
        };
        if depth > DEPTH_MAX {
            return trouble(relative, format!("folders deeper than {DEPTH_MAX} levels"));
        }
        let mut entries: Vec<_> = match std::fs::read_dir(dir).and_then(Iterator::collect) {
            Ok(entries) => entries,
            Err(error) => return trouble(relative, format!("the rule folder can't be read: {error}")),
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if relative.is_empty() {
                name.clone()
            } else {
                format!("{relative}/{name}")
            };
            if name.starts_with('.') {
                continue;
            }
            if entry.path().is_dir() {
                if path != "tests" {
                    self.walk(&entry.path(), &path, depth + 1, problems);
                }
            } else if let Err(what) = self.file(&entry.path(), &path) {
                problems.push(Problem {
                    file: path,
                    mark: Mark::default(),
                    key: String::new(),
                    what,
                });
            }
        }
    }

    fn file(&mut self, at: &Path, path: &str) -> Result<(), String> {
        let in_lists = path.starts_with("lists/");
        let ending = at
            .extension()
            .map(|ending| ending.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        let into = match (ending.as_str(), in_lists) {
            ("yml" | "yaml", false) => &mut self.rules,
            ("txt", true) => &mut self.term_lists,
            ("csv", true) => &mut self.watchlists,
            _ => return Ok(()),
        };
        let size = at.metadata().map_err(|error| format!("can't be read: {error}"))?.len();
        if size > FILE_BYTES_MAX {
            return Err(format!("larger than {} MiB: split it", FILE_BYTES_MAX >> 20));
        }
        let bytes = std::fs::read(at).map_err(|error| format!("can't be read: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = memchr::memchr_iter(b'\n', valid).count() + 1;
            format!("not UTF-8 in line {line}: convert the file, from GB 18030 for example")
        })?;
        into.push(File::new(path, text));
        Ok(())
    }

    /// The lists, and what is wrong with them.
    pub(super) fn lists(&self) -> (Lists, Vec<Problem>) {
        let mut lists = Lists::default();
        let mut problems = Vec::new();
        for file in &self.term_lists {
            match lists::terms(&file.stem, &file.text) {
                Ok(terms) => drop(lists.terms.insert(file.stem.clone(), Arc::new(terms))),
                Err(faults) => problems.extend(faults.into_iter().map(|fault| fault.in_file(&file.path))),
            }
        }
        for file in &self.watchlists {
            match lists::watchlist(&file.stem, &file.text) {
                Ok(list) => drop(lists.watch.insert(file.stem.clone(), Arc::new(list))),
                Err(faults) => problems.extend(faults.into_iter().map(|fault| fault.in_file(&file.path))),
            }
        }
        (lists, problems)
    }

    /// The first 16 hexadecimal digits of the SHA-256 over all files, each with its path and length.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for file in self.rules.iter().chain(&self.term_lists).chain(&self.watchlists) {
            hash.update((file.path.len() as u64).to_le_bytes());
            hash.update(&file.path);
            hash.update((file.text.len() as u64).to_le_bytes());
            hash.update(&file.text);
        }
        hash.finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let stem = Path::new(path)
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        Self {
            path: path.to_owned(),
            stem,
            text,
        }
    }
}
