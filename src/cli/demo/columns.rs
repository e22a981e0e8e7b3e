//! Text in terminal columns: Chinese characters take two, so widths are measured, not counted.

use std::fmt::Display;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether to colour. `NO_COLOR` and outputs that are no terminal say no.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    color: bool,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set to anything.
    pub fn new(terminal: bool) -> Self {
        Self {
            color: terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    fn code(self, code: &str, text: impl Display) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    /// Bold.
    pub fn bold(self, text: impl Display) -> String {
        self.code("1", text)
    }

    /// Less prominent.
    pub fn dim(self, text: impl Display) -> String {
        self.code("2", text)
    }

    /// White on red.
    pub fn red(self, text: impl Display) -> String {
        self.code("1;97;41", text)
    }

    /// Black on yellow.
    pub fn yellow(self, text: impl Display) -> String {
        self.code("30;43", text)
    }
}

/// Exactly `columns` wide: cut with `…`, or filled with blanks.
pub fn fit(text: &str, columns: usize) -> String {
    let (mut kept, width) = cut(text, columns);
    kept.push_str(&" ".repeat(columns - width));
    kept
}

/// `text` in exactly `columns`, with the characters of `spans` (half-open, in characters) in colour, or in 【】 where there
/// is none.
pub fn marked(text: &str, spans: &[[u32; 2]], columns: usize, paint: Paint) -> String {
    let is_marked = |at: usize| {
        spans
            .iter()
            .any(|[from, to]| (*from as usize..*to as usize).contains(&at))
    };
    let mut pieces: Vec<(bool, String)> = Vec::new();
    for (at, char) in text
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .enumerate()
    {
        match pieces.last_mut() {
            Some((marked, piece)) if *marked == is_marked(at) => piece.push(char),
            _ => pieces.push((is_marked(at), char.to_string())),
        }
    }
    let mut left = columns;
    let mut line = String::new();
    for (marked, piece) in pieces {
        let brackets = if marked && !paint.color { 4 } else { 0 };
        if left <= brackets {
            break;
        }
        let (kept, width) = cut(&piece, left - brackets);
        left -= width + brackets;
        let shown = match (marked, brackets) {
            (false, _) => kept,
            (true, 0) => paint.code("1;4;33", kept),
            (true, _) => format!("【{kept}】"),
        };
        line.push_str(&shown);
    }
    line + &" ".repeat(left)
}

/// As much of `text` as `columns` hold, ending in `…` where something is left out; and how wide that is.
fn cut(text: &str, columns: usize) -> (String, usize) {
    if text.width() <= columns {
        return (text.to_owned(), text.width());
    }
    let mut kept = String::new();
    let mut width = 0;
    for char in text.chars() {
        let wide = char.width().unwrap_or(0);
        if width + wide + 1 > columns {
            break;
        }
        kept.push(char);
        width += wide;
    }
    if columns > 0 {
        kept.push('…');
        width += 1;
    }
    (kept, width)
}

/// With separators: `1,234,567`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { color: false };
    const COLOR: Paint = Paint { color: true };

    #[test]
    fn columns_are_measured() {
        for (text, columns, expected) in [
            ("YTO", 6, "YTO   "),
            ("烟花爆竹", 8, "烟花爆竹"),
            ("烟花爆竹", 7, "烟花爆…"),
            ("烟花爆竹", 6, "烟花… "),
            ("ab", 1, "…"),
            ("ab", 0, ""),
            ("", 2, "  "),
        ] {
            assert_eq!(fit(text, columns), expected);
        }
    }

    #[test]
    fn spans_are_marked_within_the_columns() {
        assert_eq!(marked("大号烟花爆竹礼盒", &[[2, 6]], 20, PLAIN), "大号【烟花爆竹】礼盒");
        assert_eq!(
            marked("大号烟花爆竹礼盒", &[[2, 6]], 22, PLAIN),
            "大号【烟花爆竹】礼盒  "
        );
        assert_eq!(marked("大号烟花", &[[2, 4]], 8, COLOR), "大号\x1b[1;4;33m烟花\x1b[0m");
        for columns in 0..24 {
            assert_eq!(
                marked("大号烟花爆竹礼盒", &[[2, 4], [3, 6]], columns, PLAIN).width(),
                columns
            );
        }
        assert_eq!(marked("a\x1b[2Jb", &[], 6, PLAIN), "a [2Jb");
    }

    #[test]
    fn numbers_have_separators() {
        for (value, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), text);
        }
    }
}
