//! Invariants about the code itself: which module may know of what, and that every file says what it owns.

use std::path::{Path, PathBuf};

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

fn src(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(part)
}

/// The code of a file without its comments and its tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_pure_stages_know_nothing_of_the_world() {
    let world = [
        "tokio",
        "rdkafka",
        "sled",
        "axum",
        "std::fs",
        "std::net",
        "std::io",
        "std::thread",
        "std::env",
        "SystemTime",
        "Instant",
        "now_utc",
        "now_local",
        "crate::case",
        "crate::intake",
        "crate::notify",
        "crate::api",
        "crate::engine",
        "tracing::",
    ];
    for module in ["waybill", "text", "screen", "alert", "ruleset"] {
        for path in sources(&src(module)) {
            // The one place that reads files: a rule folder, while loading.
            if path.ends_with("ruleset/folder.rs") {
                continue;
            }
            let code = code(&path);
            for word in world {
                assert!(!code.contains(word), "{} knows of {word}", path.display());
            }
        }
    }
}

#[test]
fn the_hot_path_takes_no_lock() {
    for module in ["waybill", "text", "screen"] {
        for path in sources(&src(module)) {
            for word in ["Mutex", "RwLock", "thread_local"] {
                assert!(!code(&path).contains(word), "{} has a {word}", path.display());
            }
        }
    }
}

#[test]
fn every_file_says_what_it_owns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for dir in ["src", "tests", "benches"] {
        for path in sources(&root.join(dir)) {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(
                text.starts_with("//!"),
                "{} does not open with what it owns",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = ["todo", "unimplemented"].map(|mark| format!("{mark}!("));
    for path in sources(&src("")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for mark in &marks {
            assert!(!text.contains(mark), "{} has a {mark}…)", path.display());
        }
    }
}
