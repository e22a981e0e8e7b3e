//! Words for people: the categories of alerts in Chinese and English. Short forms of the groups of
//! 《禁止寄递物品管理规定》's guide, and of the categories beside it. Names of regions are GB/T 2260's, and live elsewhere.

use crate::ruleset::CATEGORIES;

/// Code, Chinese, English.
const NAMES: [(&str, &str, &str); 26] = [
    ("01", "枪支弹药", "firearms and ammunition"),
    ("02", "管制器具", "controlled weapons and tools"),
    ("03", "爆炸物品", "explosives"),
    ("04", "压缩和液化气体", "compressed and liquefied gas"),
    ("05", "易燃液体", "flammable liquids"),
    ("06", "易燃固体", "flammable solids"),
    ("07", "氧化剂和过氧化物", "oxidisers and peroxides"),
    ("08", "毒性物质", "toxic substances"),
    ("09", "生化和感染性物质", "biological and infectious substances"),
    ("10", "放射性物质", "radioactive substances"),
    ("11", "腐蚀性物质", "corrosives"),
    ("12", "毒品和易制毒化学品", "drugs and their precursors"),
    ("13", "非法出版物", "illegal publications"),
    ("14", "间谍专用器材", "espionage equipment"),
    ("15", "非法伪造物品", "forgeries"),
    ("16", "侵权和假冒伪劣物品", "counterfeits"),
    ("17", "濒危野生动物及其制品", "endangered wildlife"),
    ("18", "禁止进出境物品", "import and export prohibited"),
    ("19", "其他禁寄物品", "other prohibited articles"),
    ("C1", "实名信息异常", "real-name anomaly"),
    ("C2", "未按规定验视", "not inspected"),
    ("C3", "安检结果矛盾", "X-ray contradiction"),
    ("B1", "疑似刷单", "brushing"),
    ("B2", "寄递量异常", "suspicious volume"),
    ("W1", "名单命中", "watchlist hit"),
    ("E1", "重大活动管控", "event-period control"),
];

/// The Chinese and the English name of a category; empty for none.
pub fn category(code: &str) -> (&'static str, &'static str) {
    NAMES
        .iter()
        .find(|(known, ..)| *known == code)
        .map_or(("", ""), |(_, zh, en)| (zh, en))
}

/// True for the codes that there are.
pub fn is_category(code: &str) -> bool {
    CATEGORIES.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_that_a_rule_may_have_has_a_name() {
        assert_eq!(NAMES.map(|(code, ..)| code).as_slice(), CATEGORIES.as_slice());
    }
}
