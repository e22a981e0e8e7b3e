//! Canonical forms of identifiers: what two writings of the same phone, ID number or name have in common. Watchlists
//! join on them, and cases about the same person find each other by them.

/// Writes a phone's digits into a buffer that is cleared first: full-width digits folded, country code 86 dropped,
/// everything else removed. `+86 138-0013-8000` → `13800138000`. Empty when fewer than 5 digits are left.
pub fn phone_into(text: &str, out: &mut String) {
    out.clear();
    out.extend(text.chars().filter_map(digit));
    let international = text.trim_start().starts_with(['+', '＋']) || out.starts_with("0086");
    let prefix = if international {
        let zeros = if out.starts_with("00") { 2 } else { 0 };
        zeros + if out[zeros..].starts_with("86") { 2 } else { 0 }
    } else if out.len() == 13 && out.starts_with("861") {
        2
    } else {
        0
    };
    out.drain(..prefix);
    if out.len() < 5 {
        out.clear();
    }
}

/// Writes an ID number into a buffer that is cleared first: letters and digits only, upper case, full-width folded.
/// `11010519491231002x` → `11010519491231002X`. Empty when fewer than 5 characters are left.
pub fn id_no_into(text: &str, out: &mut String) {
    out.clear();
    out.extend(
        text.chars()
            .map(narrow)
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase()),
    );
    if out.len() < 5 {
        out.clear();
    }
}

/// Writes a name or any other text into a buffer that is cleared first: width folded, white space and middle dots
/// removed, lower case. `Ｗａｎｇ　Ｗｅｉ` → `wangwei`.
pub fn name_into(text: &str, out: &mut String) {
    out.clear();
    let kept = text
        .chars()
        .map(narrow)
        .filter(|c| !c.is_whitespace() && !matches!(c, '·' | '•' | '.' | '・'));
    out.extend(kept.flat_map(char::to_lowercase));
}

/// [`phone_into`], as a string of its own.
pub fn phone(text: &str) -> String {
    let mut out = String::new();
    phone_into(text, &mut out);
    out
}

/// [`id_no_into`], as a string of its own.
pub fn id_no(text: &str) -> String {
    let mut out = String::new();
    id_no_into(text, &mut out);
    out
}

/// The ASCII form of a full-width character, and of the ideographic space.
fn narrow(c: char) -> char {
    match c {
        '！'..='～' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

fn digit(c: char) -> Option<char> {
    let c = narrow(c);
    c.is_ascii_digit().then_some(c)
}

/// Whether a resident ID's check digit is right (GB 11643-1999, ISO 7064 MOD 11-2).
pub fn resident_id_is_valid(id: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let bytes = id.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = bytes
        .iter()
        .zip(WEIGHTS)
        .map(|(&byte, weight)| u32::from(byte - b'0') * weight)
        .sum();
    bytes[17].to_ascii_uppercase() == CHECKS[(sum % 11) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, expected) in [
            ("+86 138-0013-8000", "13800138000"),
            ("8613800138000", "13800138000"),
            ("１３８００１３８０００", "13800138000"),
            ("0086-0573-85012345", "057385012345"),
            ("110", ""),
            ("", ""),
        ] {
            assert_eq!(phone(text), expected, "{text}");
        }
        assert_eq!(id_no(" 11010519491231002x"), "11010519491231002X");
        assert_eq!(id_no("无"), "");
        for (text, expected) in [("Ｗａｎｇ　Ｗｅｉ", "wangwei"), ("买买提·艾力", "买买提艾力")] {
            let mut out = String::new();
            name_into(text, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn resident_ids() {
        assert!(resident_id_is_valid("11010519491231002X"));
        assert!(!resident_id_is_valid("110105194912310021"));
        assert!(!resident_id_is_valid("1101051949123100"));
        assert!(!resident_id_is_valid("王伟"));
    }
}
