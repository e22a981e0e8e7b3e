//! Pieces of a JSON line appended to a byte buffer. Leaves out escaping: the embedded texts are stored as they stand in
//! JSON, which a test holds them to.

/// Appends texts one after another.
pub(super) fn put(line: &mut Vec<u8>, texts: &[&str]) {
    for text in texts {
        line.extend_from_slice(text.as_bytes());
    }
}

/// Appends a number without leading zeros.
pub(super) fn put_number(line: &mut Vec<u8>, number: u32) {
    let width = number.checked_ilog10().map_or(1, |log| log as usize + 1);
    put_digits(line, u64::from(number), width);
}

/// Appends the last `width` (at most 20) decimal digits of `number`, with leading zeros.
pub(super) fn put_digits(line: &mut Vec<u8>, number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    fill_digits(&mut digits[..width], number);
    line.extend_from_slice(&digits[..width]);
}

/// Fills all of `digits` with the last decimal digits of `number`, with leading zeros.
pub(super) fn fill_digits(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Appends `true` or `false`.
pub(super) fn put_bool(line: &mut Vec<u8>, value: bool) {
    put(line, &[if value { "true" } else { "false" }]);
}
