//! Canonical forms of identifiers: what two writings of the same phone, ID number or name have in common. Watchlists
//! join on them, and cases about the same person find each other by them.

/// A phone's digits: full-width digits folded, country code 86 dropped, everything else removed.
/// `+86 138-0013-8000` → `13800138000`. Empty when fewer than 5 digits are left.
pub fn phone(text: &str) -> String {
    let mut digits: String = text.chars().filter_map(digit).collect();
    let international = text.trim_start().starts_with(['+', '＋']) || digits.starts_with("0086");
    if international {
        let bare = digits.strip_prefix("00").unwrap_or(&digits);
        let national = bare.strip_prefix("86").unwrap_or(bare).to_owned();
        digits = national;
    } else if digits.len() == 13 && digits.starts_with("861") {
        digits.drain(..2);
    }
    if digits.len() < 5 { String::new() } else { digits }
}

/// An ID number: letters and digits only, upper case, full-width folded. `11010519491231002x` → `11010519491231002X`.
/// Empty when fewer than 5 characters are left.
pub fn id_no(text: &str) -> String {
    let id: String = text.chars().map(narrow).filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    if id.len() < 5 { String::new() } else { id }
}

/// A name or any other text: width folded, white space and middle dots removed, lower case.
/// `Ｗａｎｇ　Ｗｅｉ` → `wangwei`.
pub fn name(text: &str) -> String {
    text.chars()
        .map(narrow)
        .filter(|c| !c.is_whitespace() && !matches!(c, '·' | '•' | '.' | '・'))
        .flat_map(char::to_lowercase)
        .collect()
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
    let sum: u32 = bytes.iter().zip(WEIGHTS).map(|(&byte, weight)| u32::from(byte - b'0') * weight).sum();
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
        assert_eq!(name("Ｗａｎｇ　Ｗｅｉ"), "wangwei");
        assert_eq!(name("买买提·艾力"), "买买提艾力");
    }

    #[test]
    fn resident_ids() {
        assert!(resident_id_is_valid("11010519491231002X"));
        assert!(!resident_id_is_valid("110105194912310021"));
        assert!(!resident_id_is_valid("1101051949123100"));
        assert!(!resident_id_is_valid("王伟"));
    }
}
