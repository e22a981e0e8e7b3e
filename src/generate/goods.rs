//! What is sent: harmless goods with their weights and prices, innocent goods that sound like contraband, and the
//! contraband that is planted, from `data/*.tsv`. Leaves out how often each is drawn.

use super::draw::Draw;
use super::label::Colour;
use super::phrases::phrases;
use std::sync::LazyLock;

static GOODS: LazyLock<Goods> = LazyLock::new(Goods::load);

/// All goods there are.
pub(super) struct Goods {
    pub(super) clean: Vec<CleanGoods>,
    pub(super) near_misses: Vec<NearMiss>,
    /// Contraband by catalogue group, so that a small group is planted as often as a large one.
    pub(super) contraband: Vec<ContrabandGroup>,
}

/// Harmless goods.
pub(super) struct CleanGoods {
    pub(super) category: &'static str,
    pub(super) name: &'static str,
    pub(super) weight_g: Spread,
    pub(super) price_fen: Spread,
    /// What the X-ray may rightly see in them, or empty.
    pub(super) xray_label: &'static str,
    /// Sizes, colours or kinds that goods of this category come in.
    pub(super) variants: &'static [&'static str],
}

/// Innocent goods that sound like contraband.
pub(super) struct NearMiss {
    pub(super) name: &'static str,
    pub(super) category: &'static str,
}

/// The contraband of one group of the catalogue.
pub(super) struct ContrabandGroup {
    pub(super) group: &'static str,
    pub(super) items: Vec<(&'static str, Colour)>,
}

/// A range whose values scatter in a bell shape on a logarithmic scale, as weights and prices do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread([u32; 9]);

/// The goods of the embedded files.
pub(super) fn goods() -> &'static Goods {
    &GOODS
}

/// How much of the contraband of a group is sent, as senders write it after the name.
pub(super) fn amounts(group: &str) -> &'static [&'static str] {
    match group {
        "01" | "02" | "03" => &["", " 1件", " 2件", " 1套", " 5个"],
        "04" => &["", " 1瓶", " 2罐", " 1个"],
        "05" | "11" => &["", " 500毫升", " 1瓶", " 2升"],
        "09" | "10" => &["", " 1份", " 2份", " 1盒"],
        "12" => &["", " 50克", " 10克", " 1份", " 2包"],
        _ => &["", " 500克", " 1公斤", " 100克", " 2瓶"],
    }
}

impl Spread {
    /// From `min` to `max`, cut into eighths of equal ratio. Square roots are exact to the last bit on every machine,
    /// logarithms are not.
    pub(super) fn new(min: u32, max: u32) -> Self {
        let mut points = [0.0_f64; 9];
        points[0] = f64::from(min);
        points[8] = f64::from(max);
        for step in [4, 2, 1] {
            for at in (step..8).step_by(2 * step) {
                points[at] = (points[at - step] * points[at + step]).sqrt();
            }
        }
        Self(points.map(|point| point as u32))
    }

    /// One value of the range.
    pub(super) fn draw(&self, draw: &mut Draw) -> u32 {
        let at = draw.bell();
        let (low, high) = (self.0[(at >> 13) as usize], self.0[(at >> 13) as usize + 1]);
        low + ((u64::from(high - low) * u64::from(at & 0x1fff)) >> 13) as u32
    }
}

impl Goods {
    fn load() -> Self {
        Self {
            clean: load_clean(),
            near_misses: rows(include_str!("data/near_miss_goods.tsv"))
                .map(|[_, name, category]| NearMiss { name, category })
                .collect(),
            contraband: load_contraband(),
        }
    }
}

fn load_clean() -> Vec<CleanGoods> {
    let number = |text: &str| text.parse::<u32>().expect("weights and prices are numbers");
    rows(include_str!("data/clean_goods.tsv"))
        .map(
            |[category, name, weight_min, weight_max, price_min, price_max, xray_label]| CleanGoods {
                category,
                name,
                weight_g: Spread::new(number(weight_min), number(weight_max)),
                price_fen: Spread::new(number(price_min), number(price_max)),
                xray_label,
                variants: phrases().variants_of(category),
            },
        )
        .collect()
}

fn load_contraband() -> Vec<ContrabandGroup> {
    let mut groups: Vec<ContrabandGroup> = Vec::new();
    for [group, name, colour] in rows(include_str!("data/planted.tsv")) {
        let colour = match colour {
            "yellow" => Colour::Yellow,
            "red" => Colour::Red,
            other => panic!("contraband is yellow or red, not {other}"),
        };
        match groups.iter_mut().find(|known| known.group == group) {
            Some(known) => known.items.push((name, colour)),
            None => groups.push(ContrabandGroup {
                group,
                items: vec![(name, colour)],
            }),
        }
    }
    groups
}

fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().skip(1).map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        columns
            .try_into()
            .unwrap_or_else(|_| panic!("a row of goods has {N} columns: {row}"))
    })
}
