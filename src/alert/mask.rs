#![allow(missing_docs)]
pub fn name(_: &str) -> String { String::new() }
pub fn phone(_: &str) -> String { String::new() }
pub fn id_no(_: &str) -> String { String::new() }
pub fn address(_: &str) -> String { String::new() }
