//! The short texts that fill a record (streets, shops, remarks, sizes), by kind, from `data/phrases.tsv`. Texts of the
//! kind `remark_escaped` are stored with their JSON escapes; the others need none.

use std::sync::LazyLock;

static PHRASES: LazyLock<Phrases> = LazyLock::new(Phrases::load);

/// The texts, each list in the order of the file.
pub(super) struct Phrases {
    pub(super) towns: Vec<&'static str>,
    pub(super) home_towns: Vec<&'static str>,
    pub(super) roads: Vec<&'static str>,
    pub(super) communities: Vec<&'static str>,
    pub(super) platforms: Vec<&'static str>,
    pub(super) shop_heads: Vec<&'static str>,
    pub(super) shop_tails: Vec<&'static str>,
    pub(super) org_tails: Vec<&'static str>,
    pub(super) brands: Vec<&'static str>,
    pub(super) remarks: Vec<&'static str>,
    pub(super) remarks_escaped: Vec<&'static str>,
    /// What stands before and after the goods in a remark that names them.
    pub(super) planted_remarks: Vec<(&'static str, &'static str)>,
}

/// The texts of `data/phrases.tsv`.
pub(super) fn phrases() -> &'static Phrases {
    &PHRASES
}

/// The texts of one kind.
pub(super) fn of_kind(kind: &str) -> Vec<&'static str> {
    let rows = include_str!("data/phrases.tsv").lines().skip(1).filter_map(|row| row.split_once('\t'));
    rows.filter(|(of, _)| *of == kind).map(|(_, text)| text).collect()
}

impl Phrases {
    fn load() -> Self {
        Self {
            towns: of_kind("town"),
            home_towns: of_kind("home_town"),
            roads: of_kind("road"),
            communities: of_kind("community"),
            platforms: of_kind("platform"),
            shop_heads: of_kind("shop_head"),
            shop_tails: of_kind("shop_tail"),
            org_tails: of_kind("org_tail"),
            brands: of_kind("brand"),
            remarks: of_kind("remark"),
            remarks_escaped: of_kind("remark_escaped"),
            planted_remarks: of_kind("planted_remark")
                .into_iter()
                .map(|text| text.split_once("{}").expect("a planted remark has a place for the goods"))
                .collect(),
        }
    }
}
