//! The hot path: record in, verdict out. Pure: no I/O, no clock, no tokio.
//!
//! [`Screen::compile`] turns checked rules into tables; [`Screen::run`] walks one record through them:
//!
//! 1. each field that a rule can be woken by is looked up once: its text in the term matcher and the tables of whole
//!    values, prefixes and suffixes, its number among the thresholds, its canonical form in the watchlists;
//! 2. what is found there wakes the rules that can't match without it — for almost every parcel, none;
//! 3. the conditions of the woken rules are evaluated, with what is costly (regexes above all) last and only now;
//! 4. the rules that matched become a verdict, with evidence.

mod compile;
mod matcher;
mod predicate;
mod program;
mod run;
mod verdict;
mod watchlist;

pub use compile::CompileError;
pub use predicate::{Comparison, Found, Glob, How, Piece, Predicate, Terms, Test};
pub use program::{Expr, Mode, RuleSpec, Screen, Thresholds, Validity};
pub use run::Scratch;
pub use verdict::{Evidence, Hit, Verdict};
pub use watchlist::{Basis, EntryKind, Listing, Watchlist, WatchlistError};
