//! The administrative divisions of GB/T 2260: provinces (2 digits), cities (4) and counties (6), from
//! `data/regions.csv`. Leaves out what a region means to a user or a rule.

use std::sync::LazyLock;

static REGIONS: LazyLock<Regions> = LazyLock::new(|| Regions::parse(include_str!("data/regions.csv")));

/// Names of groups that stand in the table between a province and its counties, and in no address.
const PLACEHOLDERS: [&str; 4] = ["市辖区", "县", "省直辖县级行政区划", "自治区直辖县级行政区划"];

/// The table of GB/T 2260.
pub fn regions() -> &'static Regions {
    &REGIONS
}

/// All regions, in order of code, so that a province or city is followed by what is in it.
#[derive(Debug)]
pub struct Regions {
    rows: Vec<Region>,
}

/// A province, city or county.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    /// 2, 4 or 6 digits, such as `330482`.
    pub code: &'static str,
    /// Its own name, such as `平湖市`.
    pub name: &'static str,
    /// The name with those of the regions it is in, such as `浙江省嘉兴市平湖市`.
    pub full_name: String,
}

impl Region {
    /// Whether it is on the lowest level.
    pub fn is_county(&self) -> bool {
        self.code.len() == 6
    }

    /// What people call it, as far as two to four characters can tell: the name without 市, 县, 区 or 旗 (`平湖`), and
    /// no more than the first two characters of an autonomous county.
    pub(super) fn short_name(&self) -> &'static str {
        let characters_max = if self.name.contains("自治") { 2 } else { 4 };
        let short = self.name.strip_suffix(['市', '县', '区', '旗']).unwrap_or(self.name);
        let end = short
            .char_indices()
            .nth(characters_max)
            .map_or(short.len(), |(end, _)| end);
        if short.chars().nth(1).is_some() {
            &short[..end]
        } else {
            self.name
        }
    }
}

impl Regions {
    /// The region with this code of 2, 4 or 6 digits.
    pub fn get(&self, code: &str) -> Option<&Region> {
        self.rows
            .binary_search_by(|row| row.code.cmp(code))
            .ok()
            .map(|at| &self.rows[at])
    }

    /// The region with this code and all in it, in order of code. An empty prefix gives all.
    pub fn within(&self, prefix: &str) -> &[Region] {
        let from = self.rows.partition_point(|row| row.code < prefix);
        let length = self.rows[from..].partition_point(|row| row.code.starts_with(prefix));
        &self.rows[from..from + length]
    }

    fn parse(csv: &'static str) -> Self {
        let mut rows: Vec<Region> = Vec::with_capacity(3_500);
        for row in csv.lines().skip(1) {
            let (code, rest) = row.split_once(',').expect("a region has a code");
            let (name, parent) = rest.split_once(',').expect("a region has a parent column");
            let mut full_name = match rows.iter().rev().find(|row| row.code == parent) {
                Some(parent) => parent.full_name.clone(),
                None => String::new(),
            };
            if let Some(placeholder) = PLACEHOLDERS
                .iter()
                .find(|placeholder| full_name.ends_with(*placeholder))
            {
                full_name.truncate(full_name.len() - placeholder.len());
            }
            full_name.push_str(name);
            rows.push(Region { code, name, full_name });
        }
        Self { rows }
    }
}
