//! What the rungs run on: generated waybills, and a rule set of the size that the goals are set for — the shipped pack,
//! made up to 300 rules and 10,000 terms, with watchlists of a million entries.

use jingyou::generate::{Generator, Options};
use jingyou::ruleset::RuleSet;
use jingyou::screen::Thresholds;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Entries of the watchlist.
pub const WATCHLIST_ENTRIES: usize = 1_000_000;
const RULES: usize = 300;
const TERMS: usize = 10_000;

/// The rules, and all their terms for the rung that matches only.
pub struct Rules {
    /// The folder that they were written to, for as long as the ladder runs.
    pub dir: tempfile::TempDir,
    pub set: Arc<RuleSet>,
    pub terms: Vec<String>,
}

/// Generated waybills, with findings at the rate of a real county (1.2 in 100,000).
pub fn waybills(count: usize) -> Vec<Vec<u8>> {
    let options = Options {
        count: count as u64,
        seed: 7,
        findings_per_million: 12,
        ..Options::default()
    };
    let mut generator = Generator::new(options);
    let mut line = Vec::new();
    let mut all = Vec::with_capacity(count);
    while generator.next_into(&mut line).is_some() {
        all.push(line.clone());
    }
    all
}

/// A small stable source of numbers.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }
}

/// The rule set, written as files and loaded as any other.
pub fn rules() -> Rules {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    copy(&shipped, dir.path());
    let shipped = RuleSet::load(&shipped, Thresholds::default()).expect("the shipped rules load");
    let mut terms = shipped_terms();
    let missing = RULES - shipped.rules().len() - 4;
    let extra = invented_terms(TERMS.saturating_sub(terms.len()), &terms);
    let lists = dir.path().join("lists");
    let mut yaml = String::new();
    for (number, chunk) in extra.chunks(extra.len().div_ceil(missing)).enumerate() {
        std::fs::write(lists.join(format!("bench_{number}.txt")), chunk.join("\n")).expect("write");
        let _ = writeln!(
            yaml,
            "---\ntitle: bench {number}\nlevel: low\nlogsource: {{product: postal, category: waybill}}\ndetection:\n  name:\n    item.name|contains|expand: '%bench_{number}%'\n  remark:\n    item.remark|contains|expand: '%bench_{number}%'\n  heavy:\n    item.weight_g|gt: {}\n  from:\n    sender.region|startswith: ['{:02}']\n  condition: (name or remark) and (heavy or from)",
            1000 + number * 10,
            11 + number % 50,
        );
    }
    for field in ["sender.phone", "receiver.phone", "sender.id_no", "sender.name"] {
        let _ = writeln!(
            yaml,
            "---\ntitle: watch {field}\nlevel: high\nlogsource: {{product: postal, category: waybill}}\ndetection:\n  on_list:\n    {field}|watch: bench_watch\n  condition: on_list"
        );
    }
    std::fs::write(dir.path().join("bench.yml"), yaml).expect("write");
    std::fs::write(lists.join("bench_watch.csv"), watchlist()).expect("write");
    let set = RuleSet::load(dir.path(), Thresholds::default()).unwrap_or_else(|problems| panic!("{problems}"));
    terms.extend(extra);
    Rules {
        dir,
        set: Arc::new(set),
        terms,
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("read");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&target).expect("create");
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copy");
        }
    }
}

/// The terms of the shipped lists.
fn shipped_terms() -> Vec<String> {
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/lists");
    let mut terms = BTreeSet::new();
    for entry in std::fs::read_dir(lists).expect("read") {
        let text = std::fs::read_to_string(entry.expect("read").path()).expect("read");
        terms.extend(
            text.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with(['#', '!']))
                .map(str::to_owned),
        );
    }
    terms.into_iter().collect()
}

/// Terms of two to six characters made of the characters of the shipped terms: they look like chemicals and weapons,
/// as a real list's growth would.
fn invented_terms(count: usize, like: &[String]) -> Vec<String> {
    let characters: Vec<char> = like
        .iter()
        .flat_map(|term| term.chars())
        .filter(|c| !c.is_ascii())
        .collect();
    let known: BTreeSet<&String> = like.iter().collect();
    let mut dice = Dice(42);
    let mut terms = BTreeSet::new();
    while terms.len() < count {
        let length = 3 + dice.roll(4);
        let term: String = (0..length).map(|_| characters[dice.roll(characters.len())]).collect();
        if !known.contains(&term) {
            terms.insert(term);
        }
    }
    terms.into_iter().collect()
}

fn watchlist() -> String {
    let mut dice = Dice(9);
    let mut csv = String::from("value,type,authority,legal_basis,expires\n");
    for number in 0..WATCHLIST_ENTRIES {
        let kind = ["phone", "id_no", "name"][number % 3];
        // Numbers that no generated person has: ranges that are not handed out.
        let value = match kind {
            "phone" => format!("100{:08}", dice.roll(100_000_000)),
            "id_no" => format!("000000{:012}", dice.roll(1_000_000_000)),
            _ => format!("名单{number}"),
        };
        let _ = writeln!(csv, "{value},{kind},测试机关,测试依据,2099-12-31");
    }
    csv
}
