//! Sigma's condition language: `and`, `or`, `not`, `( )`, `1 of x*`, `all of them`, over the names of selections.

use super::problem::nearest;
use crate::screen::Expr;

/// Selections by name, in the order written.
pub(super) type Selections = [(String, Expr)];

/// A fault in a condition: where (characters from its start), and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConditionFault {
    pub at: usize,
    pub what: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Of { all: bool },
    Name(String),
}

/// Parses a condition into an expression over the selections.
pub(super) fn parse(text: &str, selections: &Selections) -> Result<Expr, ConditionFault> {
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
        end: text.chars().count(),
        selections,
    };
    let expr = parser.or()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some((at, Token::Close)) => Err(fault(*at, "`)` without `(`")),
        Some((at, _)) => Err(fault(*at, "`and` or `or` is missing before this")),
    }
}

fn fault(at: usize, what: impl Into<String>) -> ConditionFault {
    ConditionFault { at, what: what.into() }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ConditionFault> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let start = at;
        match chars[at] {
            c if c.is_whitespace() => at += 1,
            '(' | ')' => {
                tokens.push((at, if chars[at] == '(' { Token::Open } else { Token::Close }));
                at += 1;
            }
            '|' => {
                let what =
                    "aggregations in conditions (`| count() …`) are not part of Sigma 2: write a correlation document";
                return Err(fault(at, what));
            }
            c if is_name(c) => {
                while at < chars.len() && is_name(chars[at]) {
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                let token = word_token(&chars, &mut at, word);
                tokens.push((start, token));
            }
            c => {
                let what = format!(
                    "`{c}` is not part of a condition: it is made of and, or, not, ( ), 1 of, all of, them and names of selections"
                );
                return Err(fault(at, what));
            }
        }
    }
    Ok(tokens)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '*' | '?' | '-' | '.')
}

fn word_token(chars: &[char], at: &mut usize, word: String) -> Token {
    match word.to_ascii_lowercase().as_str() {
        "and" => Token::And,
        "or" => Token::Or,
        "not" => Token::Not,
        quantity @ ("1" | "any" | "all") => {
            let rest: String = chars[*at..].iter().collect();
            let trimmed = rest.trim_start();
            let of = trimmed.get(..2).is_some_and(|of| of.eq_ignore_ascii_case("of"))
                && !trimmed.chars().nth(2).is_some_and(is_name);
            if !of {
                return Token::Name(word);
            }
            *at += rest.chars().count() - trimmed.chars().count() + 2;
            Token::Of { all: quantity == "all" }
        }
        _ => Token::Name(word),
    }
}

/// Brackets and `not`s inside one another.
const DEPTH_MAX: usize = 64;

struct Parser<'p> {
    tokens: &'p [(usize, Token)],
    at: usize,
    depth: usize,
    end: usize,
    selections: &'p Selections,
}

impl Parser<'_> {
    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|(_, token)| token == wanted);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Expr, ConditionFault> {
        let mut parts = vec![self.and()?];
        while self.take(&Token::Or) {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Expr::Or(parts)
        })
    }

    fn and(&mut self) -> Result<Expr, ConditionFault> {
        let mut parts = vec![self.not()?];
        while self.take(&Token::And) {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Expr::And(parts)
        })
    }

    fn not(&mut self) -> Result<Expr, ConditionFault> {
        let Some((at, token)) = self.tokens.get(self.at).cloned() else {
            return Err(fault(
                self.end,
                "the condition ends where the name of a selection is needed",
            ));
        };
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(fault(at, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let expr = match token {
            Token::Not => Expr::Not(Box::new(self.not()?)),
            Token::Open => {
                let inner = self.or()?;
                if !self.take(&Token::Close) {
                    return Err(fault(at, "`(` is never closed"));
                }
                inner
            }
            Token::Of { all } => self.quantity(all, at)?,
            Token::Name(name) => self.selection(&name, at)?,
            Token::And | Token::Or | Token::Close => {
                return Err(fault(at, "the name of a selection, `not` or `(` is needed here"));
            }
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn quantity(&mut self, all: bool, at: usize) -> Result<Expr, ConditionFault> {
        let Some((name_at, Token::Name(pattern))) = self.tokens.get(self.at).cloned() else {
            return Err(fault(
                at,
                "`of` must be followed by `them` or a name such as selection*",
            ));
        };
        self.at += 1;
        // Names that start with an underscore are helpers that `them` leaves out (Sigma 2, condition).
        let chosen: Vec<Expr> = self
            .selections
            .iter()
            .filter(|(name, _)| {
                if pattern == "them" {
                    !name.starts_with('_')
                } else {
                    is_like(name, &pattern)
                }
            })
            .map(|(_, expr)| expr.clone())
            .collect();
        if chosen.is_empty() {
            let names = self.names();
            return Err(fault(
                name_at,
                format!("`{pattern}` is the name of no selection: there are {names}"),
            ));
        }
        Ok(if all { Expr::And(chosen) } else { Expr::Or(chosen) })
    }

    fn selection(&self, name: &str, at: usize) -> Result<Expr, ConditionFault> {
        if let Some((_, expr)) = self.selections.iter().find(|(known, _)| known == name) {
            return Ok(expr.clone());
        }
        let hint = nearest(name, self.selections.iter().map(|(known, _)| known.as_str())).map_or_else(
            || format!("there are {}", self.names()),
            |near| format!("did you mean `{near}`?"),
        );
        Err(fault(at, format!("there is no selection `{name}`: {hint}")))
    }

    fn names(&self) -> String {
        self.selections
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Whether a name is of a pattern with `*` and `?`.
fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            (0..=name.len())
                .filter(|&at| name.is_char_boundary(at))
                .any(|at| is_like(&name[at..], rest))
        }
        Some(wanted) => {
            let mut chars = name.chars();
            chars.next().is_some_and(|c| wanted == '?' || c == wanted)
                && is_like(chars.as_str(), &pattern[wanted.len_utf8()..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Selections that are empty `and`s (true) or `or`s (false), to read the structure by its value.
    fn value(text: &str) -> Result<bool, String> {
        let truth = |holds| if holds { Expr::And(vec![]) } else { Expr::Or(vec![]) };
        let selections = [
            ("yes", true),
            ("no", false),
            ("sel_a", true),
            ("sel_b", false),
            ("_hidden", false),
            ("品名", true),
        ]
        .map(|(name, holds)| (name.to_owned(), truth(holds)));
        fn eval(expr: &Expr) -> bool {
            match expr {
                Expr::And(parts) => parts.iter().all(eval),
                Expr::Or(parts) => parts.iter().any(eval),
                Expr::Not(part) => !eval(part),
                Expr::Is(_) => unreachable!(),
            }
        }
        parse(text, &selections)
            .map(|expr| eval(&expr))
            .map_err(|fault| format!("{}: {}", fault.at, fault.what))
    }

    #[test]
    fn language() {
        for (text, expected) in [
            ("yes", true),
            ("not yes", false),
            ("no or yes and no", false),
            ("(no or yes) and yes", true),
            ("not no and yes", true),
            ("not (no and yes)", true),
            ("not not yes", true),
            ("1 of sel*", true),
            ("all of sel_*", false),
            ("1 of them", true),
            ("all of them", false),
            ("any of sel_b", false),
            ("1 OF sel_? AND 品名", true),
            ("all of _hid*", false),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn faults_say_where() {
        for (text, expected) in [
            ("", "0: the condition ends"),
            ("yes and", "7: the condition ends"),
            ("(yes", "0: `(` is never closed"),
            ("yes)", "3: `)` without `(`"),
            ("yes no", "4: `and` or `or` is missing"),
            ("yess", "0: there is no selection `yess`: did you mean `yes`?"),
            ("1 of x*", "5: `x*` is the name of no selection: there are `yes`"),
            ("1 of", "0: `of` must be followed"),
            ("yes | count() > 5", "4: aggregations in conditions"),
            ("yes & no", "4: `&` is not part"),
        ] {
            let error = value(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        assert!(value(&"(".repeat(100_000)).is_err());
        assert!(value(&"not ".repeat(100_000)).is_err());
    }
}
