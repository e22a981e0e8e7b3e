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
    /// Sizes, colours and kinds by category of goods.
    variants: Vec<(&'static str, Vec<&'static str>)>,
}

/// The texts of `data/phrases.tsv`.
pub(super) fn phrases() -> &'static Phrases {
    &PHRASES
}

/// The kind and text of each row.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("data/phrases.tsv")
        .lines()
        .skip(1)
        .filter_map(|row| row.split_once('\t'))
}

/// The texts of one kind.
fn of_kind(kind: &str) -> Vec<&'static str> {
    rows().filter(|(of, _)| *of == kind).map(|(_, text)| text).collect()
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
                .map(|text| {
                    text.split_once("{}")
                        .expect("a planted remark has a place for the goods")
                })
                .collect(),
            variants: load_variants(),
        }
    }

    /// What goods of this category come in.
    pub(super) fn variants_of(&self, category: &str) -> &[&'static str] {
        let (_, texts) = self
            .variants
            .iter()
            .find(|(of, _)| *of == category)
            .expect("a category has variants");
        texts
    }
}

fn load_variants() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut variants: Vec<(&str, Vec<&str>)> = Vec::new();
    for (kind, text) in rows() {
        let Some(category) = kind.strip_prefix("variant.") else {
            continue;
        };
        match variants.iter_mut().find(|(of, _)| *of == category) {
            Some((_, texts)) => texts.push(text),
            None => variants.push((category, vec![text])),
        }
    }
    variants
}
