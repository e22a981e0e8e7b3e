//! (being written on another branch)
