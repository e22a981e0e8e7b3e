//! Normal forms of text: one step a file, each with its map back to the original. Pure.
//!
//! What stands here now is the folding that every comparison without `cased` uses. It maps one character to one
//! character, so a place in the folded text is the same place in the original.

mod fold;

pub use fold::{fold, fold_into};
