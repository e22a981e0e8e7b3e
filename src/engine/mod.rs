//! Wires the stages.

pub mod lane;
