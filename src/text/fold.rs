//! Simple case folding, one character to one character: `ＡBC ẞ Ж 冰` → `ａbc ß ж 冰`.

/// The folded form of one character: its lower case where that is a single character, else itself.
#[inline]
pub fn fold(c: char) -> char {
    match c {
        '\0'..='\u{7f}' => c.to_ascii_lowercase(),
        // CJK, kana, hangul: no case, and most of what passes here.
        '\u{3000}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7ff}' => c,
        _ => fold_rare(c),
    }
}

fn fold_rare(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// Writes the folded characters of a text into a buffer that is cleared first: one for each character of the text.
#[inline]
pub fn fold_into(text: &str, folded: &mut Vec<char>) {
    folded.clear();
    folded.reserve(text.len());
    folded.extend(text.chars().map(fold));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_one() {
        let mut folded = Vec::new();
        for (text, expected) in [
            ("ＡBC ẞ Ж 冰", "ａbc ß ж 冰"),
            ("İ", "İ"),
            ("", ""),
            ("Σς", "σς"),
            ("Ａ１", "ａ１"),
        ] {
            fold_into(text, &mut folded);
            assert_eq!(folded.iter().collect::<String>(), expected);
            assert_eq!(folded.len(), text.chars().count());
        }
    }
}
