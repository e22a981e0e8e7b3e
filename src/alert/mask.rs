//! Masks: personal data → what may be shown to someone who handles the parcel but need not know the person.
//!
//! Each function takes any text whatever, never fails, gives `""` for blank text, and shows less rather than more when
//! it does not know the form. Who may see data in full is decided elsewhere; nothing here can be undone.

/// Stars shown for a name at most, so that a text of any length gives a short mask.
const NAME_STARS_MAX: usize = 8;

/// Digits of a phone number looked at; more than this is no phone number, and is masked whole.
const PHONE_DIGITS_MAX: usize = 20;

/// Characters of an ID number looked at, for the same reason.
const ID_CHARS_MAX: usize = 32;

/// An address names its city within so many characters (`新疆维吾尔自治区克孜勒苏柯尔克孜自治州` is 19).
const CITY_WITHIN_CHARS: usize = 20;

/// What is kept of an address that names no city, at most.
const ADDRESS_KEPT_CHARS: usize = 6;

/// What stands for a part whose form is not known.
const HIDDEN: &str = "***";

/// Surnames of two characters; every other Chinese surname is taken to have one.
const DOUBLE_SURNAMES: &[&str] = &[
    "欧阳", "歐陽", "上官", "司马", "司馬", "诸葛", "諸葛", "夏侯", "皇甫", "尉迟", "尉遲", "公孙", "公孫", "慕容",
    "令狐", "宇文", "长孙", "長孫", "司徒", "司空", "东方", "東方", "独孤", "獨孤", "南宫", "南宮", "端木", "轩辕",
    "軒轅", "呼延", "申屠", "太史", "濮阳", "澹台", "闻人", "赫连", "钟离", "鲜于", "闾丘", "万俟",
];

/// A name: the surname stays, one star for each further character, eight at most.
///
/// | before | after |
/// | --- | --- |
/// | `王伟` | `王*` |
/// | `欧阳娜娜` | `欧阳**` |
/// | `John Smith` | `J********` |
/// | `王` | `*` |
/// | `13800138000` | `********` |
pub fn name(text: &str) -> String {
    let text = text.trim();
    let chars = text.chars().count();
    let kept = match text.chars().next() {
        None => return String::new(),
        Some(first) if chars == 1 || first.is_numeric() => 0,
        Some(_) if chars > 2 && DOUBLE_SURNAMES.iter().any(|surname| text.starts_with(surname)) => 2,
        Some(_) => 1,
    };
    let mut masked: String = text.chars().take(kept).collect();
    masked.push_str(&"*".repeat((chars - kept).min(NAME_STARS_MAX)));
    masked
}

/// A phone number: of a mobile the first three digits and the last four stay, of a landline the area code and the last
/// two, of any other number the last two; one of fewer than seven digits is masked whole. The country code of China,
/// spaces and hyphens go, so that one number has one mask. Stars count as digits: masking twice changes nothing.
///
/// | before | after |
/// | --- | --- |
/// | `13800138000`, `+86 138-0013-8000` | `138****8000` |
/// | `0573-85012345`, `(0573) 8501 2345` | `0573-******45` |
/// | `010-65012345` | `010-******45` |
/// | `+1 415 555 2671` | `*********71` |
/// | `110` | `***` |
pub fn phone(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let digits: Vec<char> = text.chars().filter_map(digit).take(PHONE_DIGITS_MAX).collect();
    let (national, foreign) = without_country_code(text, &digits);
    match national {
        ['1', second, ..] if national.len() == 11 && !foreign && !('0'..='2').contains(second) => {
            joined(&national[..3], 4, &national[7..])
        }
        ['0', ..] if (10..=12).contains(&national.len()) && !foreign => {
            let area = if matches!(national[1], '1' | '2') { 3 } else { 4 };
            let mut code: Vec<char> = national[..area].to_vec();
            code.push('-');
            joined(&code, national.len() - area - 2, &national[national.len() - 2..])
        }
        _ if (7..=15).contains(&national.len()) => joined(&[], national.len() - 2, &national[national.len() - 2..]),
        _ => HIDDEN.to_owned(),
    }
}

/// The digits without `+86`, `0086` or `86` before a mobile; and whether they belong to another country.
fn without_country_code<'a>(text: &str, digits: &'a [char]) -> (&'a [char], bool) {
    match digits {
        ['0', '0', '8', '6', rest @ ..] => (rest, false),
        ['8', '6', rest @ ..] if text.starts_with(['+', '＋']) => (rest, false),
        ['8', '6', rest @ ..] if rest.len() == 11 && rest[0] == '1' => (rest, false),
        _ => (digits, text.starts_with(['+', '＋'])),
    }
}

/// A digit (full-width ones as ASCII) or a star of an earlier masking; anything else is a separator.
fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' | '*' => Some(c),
        '０'..='９' => char::from_u32(c as u32 - '０' as u32 + '0' as u32),
        _ => None,
    }
}

/// A number of an identity document: of a resident ID (18 or 15 places) the region and the last places stay, of others
/// the first place and the last two; one of fewer than eight places is masked whole.
///
/// | before | after |
/// | --- | --- |
/// | `11010519491231002X` | `110105********002X` |
/// | `110105491231002` | `110105******002` |
/// | `E12345678` | `E******78` |
/// | `1234567` | `***` |
pub fn id_no(text: &str) -> String {
    if text.trim().is_empty() {
        return String::new();
    }
    let places: Vec<char> = text
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '*')
        .map(|c| c.to_ascii_uppercase())
        .take(ID_CHARS_MAX)
        .collect();
    match places.len() {
        18 => joined(&places[..6], 8, &places[14..]),
        15 => joined(&places[..6], 6, &places[12..]),
        n if (8..ID_CHARS_MAX).contains(&n) => joined(&places[..1], n - 3, &places[n - 2..]),
        _ => HIDDEN.to_owned(),
    }
}

/// An address: province and city stay, the rest goes; where no city is named, the first six characters at most, half
/// of the text at most, and nothing from the first digit on.
///
/// | before | after |
/// | --- | --- |
/// | `浙江省嘉兴市平湖市当湖街道1号` | `浙江省嘉兴市***` |
/// | `云南省德宏傣族景颇族自治州瑞丽市` | `云南省德宏傣族景颇族自治州***` |
/// | `广东广州天河区` | `广东广州***` |
/// | `当湖街道环城西路88号` | `当湖街道环***` |
/// | `12 Nanjing Road` | `***` |
pub fn address(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    let head: Vec<char> = text.chars().take(2 * CITY_WITHIN_CHARS).collect();
    let kept = city_end(&head).unwrap_or_else(|| ADDRESS_KEPT_CHARS.min(head.len() / 2));
    let shown: String = head[..kept]
        .iter()
        .take_while(|c| !c.is_numeric() && **c != '*')
        .collect();
    shown + HIDDEN
}

/// Where the name of the city ends, or of the prefecture, league or region that stands in its place; `None` if
/// something smaller than a city is named first.
fn city_end(head: &[char]) -> Option<usize> {
    for (i, c) in head.iter().enumerate().take(CITY_WITHIN_CHARS).skip(1) {
        match (c, head.get(i + 1)) {
            // 杭州市, 贵州省: the character is part of a longer name.
            ('州', Some('市' | '省')) => {}
            ('市' | '州' | '盟', _) => return Some(i + 1),
            ('区', _) if head[i - 1] == '治' => {}
            ('区', _) if head[i - 1] == '地' => return Some(i + 1),
            ('区' | '县' | '旗' | '镇' | '乡' | '街' | '路' | '道' | '村' | '弄' | '号', _) => return None,
            _ => {}
        }
    }
    None
}

/// `start`, so many stars, `end`.
fn joined(start: &[char], stars: usize, end: &[char]) -> String {
    start
        .iter()
        .copied()
        .chain(std::iter::repeat_n('*', stars))
        .chain(end.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(mask: fn(&str) -> String, rows: &[(&str, &str)]) {
        for (before, after) in rows {
            assert_eq!(mask(before), *after, "{before:?}");
        }
    }

    #[test]
    fn names() {
        check(
            name,
            &[
                ("王伟", "王*"),
                ("王小明", "王**"),
                ("欧阳娜娜", "欧阳**"),
                ("欧阳锋", "欧阳*"),
                ("欧阳", "欧*"),
                ("阿卜杜拉·买买提", "阿*******"),
                ("John Smith", "J********"),
                (" 王伟 ", "王*"),
                ("王", "*"),
                ("J", "*"),
                ("王*", "王*"),
                ("13800138000", "********"),
                ("🙂", "*"),
                ("🙂🙂", "🙂*"),
                ("", ""),
                ("  ", ""),
            ],
        );
        assert_eq!(name(&"王".repeat(100_000)), "王********");
    }

    #[test]
    fn phones() {
        check(
            phone,
            &[
                ("13800138000", "138****8000"),
                ("138 0013 8000", "138****8000"),
                ("+8613800138000", "138****8000"),
                ("+86 138-0013-8000", "138****8000"),
                ("008613800138000", "138****8000"),
                ("8613800138000", "138****8000"),
                ("１３８００１３８０００", "138****8000"),
                ("138****8000", "138****8000"),
                ("057385012345", "0573-******45"),
                ("0573-8501234", "0573-*****34"),
                ("(0573) 8501 2345", "0573-******45"),
                ("010-65012345", "010-******45"),
                ("021 65012345", "021-******45"),
                ("+86 573 8501 2345", "*********45"),
                ("85012345", "******45"),
                ("4008001234", "********34"),
                ("+1 415 555 2671", "*********71"),
                ("110", "***"),
                ("123456", "***"),
                ("13800138000/13900139000", "***"),
                ("王伟", "***"),
                ("📞", "***"),
                ("+", "***"),
                ("", ""),
                ("\u{3000}", ""),
            ],
        );
        assert_eq!(phone(&"1".repeat(100_000)), "***");
    }

    #[test]
    fn id_numbers() {
        check(
            id_no,
            &[
                ("11010519491231002X", "110105********002X"),
                ("11010519491231002x", "110105********002X"),
                ("110105 19491231 002X", "110105********002X"),
                ("110105********002X", "110105********002X"),
                ("110105491231002", "110105******002"),
                ("E12345678", "E******78"),
                ("12345678", "1*****78"),
                ("1234567", "***"),
                ("王", "***"),
                ("🙂", "***"),
                ("", ""),
            ],
        );
        assert_eq!(id_no(&"1".repeat(100_000)), "***");
    }

    #[test]
    fn addresses() {
        check(
            address,
            &[
                ("浙江省嘉兴市平湖市当湖街道1号", "浙江省嘉兴市***"),
                ("浙江省嘉兴市", "浙江省嘉兴市***"),
                ("上海市静安区南京西路1266号", "上海市***"),
                ("云南省德宏州瑞丽市姐告路", "云南省德宏州***"),
                ("云南省德宏傣族景颇族自治州瑞丽市", "云南省德宏傣族景颇族自治州***"),
                (
                    "新疆维吾尔自治区克孜勒苏柯尔克孜自治州阿图什市",
                    "新疆维吾尔自治区克孜勒苏柯尔克孜自治州***",
                ),
                ("新疆喀什地区喀什市", "新疆喀什地区***"),
                ("内蒙古自治区锡林郭勒盟", "内蒙古自治区锡林郭勒盟***"),
                ("贵州省贵阳市南明区", "贵州省贵阳市***"),
                ("杭州市西湖区文三路", "杭州市***"),
                ("广东广州天河区", "广东广州***"),
                ("当湖街道环城西路88号", "当湖街道环***"),
                ("人民路12号", "人民路***"),
                ("12 Nanjing Road", "***"),
                ("浙江省嘉兴市***", "浙江省嘉兴市***"),
                ("市", "***"),
                ("🙂", "***"),
                ("", ""),
            ],
        );
        assert!(address(&"长".repeat(100_000)).chars().count() <= 9);
    }

    proptest! {
        #[test]
        fn any_text_gives_a_short_mask(text in any::<String>()) {
            prop_assert!(name(&text).chars().count() <= 2 + NAME_STARS_MAX);
            prop_assert!(phone(&text).chars().count() <= 15);
            prop_assert!(id_no(&text).chars().count() <= ID_CHARS_MAX);
            prop_assert!(address(&text).chars().count() <= CITY_WITHIN_CHARS + HIDDEN.len());
        }

        #[test]
        fn masking_twice_changes_nothing(phone_no in "1[3-9][0-9]{9}", id in "[0-9]{17}[0-9X]") {
            prop_assert_eq!(phone(&phone(&phone_no)), phone(&phone_no));
            prop_assert_eq!(id_no(&id_no(&id)), id_no(&id));
        }

        #[test]
        fn no_phone_shows_more_than_seven_digits(text in "[+0-9 ()*-]{0,30}") {
            prop_assert!(phone(&text).chars().filter(char::is_ascii_digit).count() <= 7);
        }
    }
}
