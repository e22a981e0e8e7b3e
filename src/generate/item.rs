//! The declared goods of a parcel: name, amount, weight, value and remark that go together. Leaves out which parcels
//! carry contraband.

use super::carriers::LeftOut;
use super::draw::Draw;
use super::goods::{CleanGoods, NearMiss, Spread, amounts, goods};
use super::line::{put, put_number};
use super::phrases::phrases;

/// Contraband in a hundred that is named in the remark beside harmless goods.
const IN_REMARK_PERCENT: u32 = 25;
/// One parcel in this many has a remark with JSON escapes, which is one string in some 2,000.
const ESCAPED_ONE_IN: u32 = 60;

/// The declared goods. Texts are written one after another.
pub(super) struct Item {
    name: [&'static str; 4],
    category: &'static str,
    quantity: u32,
    weight_g: u32,
    volume_cm3: u32,
    pub(super) value_fen: u32,
    remark: [&'static str; 3],
    pub(super) xray_label: &'static str,
}

impl Item {
    /// Harmless goods as a shop describes them: 春秋款连帽卫衣 男 XL 2件.
    pub(super) fn clean(draw: &mut Draw) -> (&'static CleanGoods, Self) {
        let declared = draw.pick_ref(&goods().clean);
        let brand = if draw.percent(55) {
            draw.pick(&phrases().brands)
        } else {
            ""
        };
        let (space, variant) = if draw.percent(75) {
            (" ", draw.pick(declared.variants))
        } else {
            ("", "")
        };
        let quantity = draw.pick(&[1, 1, 1, 1, 1, 1, 2, 2, 3]);
        let weight_g = declared.weight_g.draw(draw) * quantity;
        let mut item = Self {
            name: [brand, declared.name, space, variant],
            category: declared.category,
            quantity,
            weight_g,
            volume_cm3: weight_g * draw.between(2, 9),
            value_fen: declared.price_fen.draw(draw) * quantity,
            remark: draw_remark(draw),
            xray_label: declared.xray_label,
        };
        if variant.is_empty() && quantity > 1 {
            item.name[2] = if quantity == 2 { " 2件" } else { " 3件" };
        }
        (declared, item)
    }

    pub(super) fn near_miss(draw: &mut Draw, near_miss: &NearMiss) -> Self {
        let brand = if draw.percent(30) {
            draw.pick(&phrases().brands)
        } else {
            ""
        };
        let mut item = Self::small(draw, near_miss.category);
        item.name = [
            brand,
            near_miss.name,
            draw.pick(&["", "", "", " 包邮", " 1件", " 现货"]),
            "",
        ];
        item.remark = draw_remark(draw);
        item
    }

    /// Contraband under its name, or in the remark beside harmless goods.
    pub(super) fn contraband(draw: &mut Draw, group: &str, name: &'static str) -> Self {
        if draw.percent(IN_REMARK_PERCENT) {
            let (_, mut item) = Self::clean(draw);
            let (before, after) = draw.pick(&phrases().planted_remarks);
            item.remark = [before, name, after];
            return item;
        }
        let mut item = Self::small(draw, "other");
        item.name = [name, draw.pick(amounts(group)), "", ""];
        item.remark = draw_remark(draw);
        item
    }

    /// A small parcel whose texts are still to be filled in.
    fn small(draw: &mut Draw, category: &'static str) -> Self {
        let weight_g = Spread::new(60, 900).draw(draw);
        Self {
            name: [""; 4],
            category,
            quantity: 1,
            weight_g,
            volume_cm3: weight_g * draw.between(2, 9),
            value_fen: Spread::new(1_500, 30_000).draw(draw),
            remark: [""; 3],
            xray_label: "",
        }
    }

    pub(super) fn put(&self, line: &mut Vec<u8>, leaves_out: &LeftOut) {
        put(line, &[",\"item\":{\"name\":\""]);
        put(line, &self.name);
        put(line, &["\",\"category\":\"", self.category, "\",\"quantity\":"]);
        put_number(line, self.quantity);
        put(line, &[",\"weight_g\":"]);
        put_number(line, self.weight_g);
        if !leaves_out.volume {
            put(line, &[",\"volume_cm3\":"]);
            put_number(line, self.volume_cm3);
        }
        if !leaves_out.value {
            put(line, &[",\"declared_value_fen\":"]);
            put_number(line, self.value_fen);
        }
        if !(leaves_out.empty && self.remark[0].is_empty() && self.remark[1].is_empty()) {
            put(line, &[",\"remark\":\""]);
            put(line, &self.remark);
            put(line, &["\""]);
        }
        put(line, &["}"]);
    }
}

fn draw_remark(draw: &mut Draw) -> [&'static str; 3] {
    if draw.below(ESCAPED_ONE_IN) == 0 {
        [draw.pick(&phrases().remarks_escaped), "", ""]
    } else if draw.percent(60) {
        [draw.pick(&phrases().remarks), "", ""]
    } else {
        [""; 3]
    }
}
