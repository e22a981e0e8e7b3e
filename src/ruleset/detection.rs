//! Selections: Sigma's maps, lists, lists of maps and keywords, with their modifiers, as predicates.

use super::lists::Lists;
use super::problem::{Fault, nearest};
use crate::screen::{Comparison, Expr, Glob, How, Piece, Predicate, Terms, Test};
use crate::yaml::{Mark, Node, Yaml};
use std::sync::Arc;

/// Modifiers that can be used.
const MODIFIERS: [&str; 15] = [
    "contains",
    "startswith",
    "endswith",
    "all",
    "re",
    "exists",
    "cased",
    "lt",
    "lte",
    "gt",
    "gte",
    "neq",
    "expand",
    "fieldref",
    "watch",
];

/// Modifiers of Sigma and of the rule language that this engine does not have.
const NOT_YET: [&str; 23] = [
    "fuzzy",
    "sound",
    "split",
    "id_valid",
    "base64",
    "base64offset",
    "utf16",
    "utf16le",
    "utf16be",
    "wide",
    "windash",
    "cidr",
    "i",
    "m",
    "s",
    "minute",
    "hour",
    "day",
    "week",
    "month",
    "year",
    "ignorecase",
    "multiline",
];

/// The size that one compiled regular expression may have.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Turns one selection into an expression.
pub(super) fn selection(node: &Node, lists: &Lists, faults: &mut Vec<Fault>) -> Expr {
    match &node.value {
        Yaml::Map(entries) => {
            let parts = entries
                .iter()
                .map(|(key, value)| field(&key.name, key.mark, value, lists, faults));
            Expr::And(parts.collect())
        }
        Yaml::List(items) if items.is_empty() => {
            faults.push(Fault::new(
                node.mark,
                "",
                "an empty list selects nothing: give it entries, or remove it",
            ));
            Expr::Or(Vec::new())
        }
        Yaml::List(items) => any_of(items.iter().map(|item| selection(item, lists, faults)).collect()),
        Yaml::Null => {
            faults.push(Fault::new(
                node.mark,
                "",
                "the selection is empty: give it fields or keywords",
            ));
            Expr::Or(Vec::new())
        }
        _ => {
            let text = node.scalar_text().unwrap_or_default();
            text_value(None, How::Contains, false, text)
        }
    }
}

/// What the modifiers of one key ask for.
#[derive(Debug, Default)]
struct Modifiers {
    how: Option<How>,
    all: bool,
    cased: bool,
    neq: bool,
    expand: bool,
    kind: Option<Special>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    Regex,
    Exists,
    Number(Comparison),
    FieldRef,
    Watch,
}

/// One entry of a selection: `field|modifier|…: value(s)`.
fn field(key: &str, mark: Mark, value: &Node, lists: &Lists, faults: &mut Vec<Fault>) -> Expr {
    let mut words = key.split('|');
    let name = words.next().unwrap_or_default();
    let known = faults.len();
    let modifiers = modifiers(words, key, mark, faults);
    if name.split('.').any(str::is_empty) && !name.is_empty() {
        faults.push(Fault::new(
            mark,
            key,
            format!("`{name}` is not a dotted path such as item.name"),
        ));
    }
    if faults.len() > known {
        return Expr::Or(Vec::new());
    }
    let entry = Entry {
        name: (!name.is_empty()).then(|| name.into()),
        key,
        modifiers,
        lists,
    };
    let values: Vec<&Node> = match &value.value {
        Yaml::List(items) => items.iter().collect(),
        _ => vec![value],
    };
    if values.is_empty() {
        faults.push(Fault::new(
            value.mark,
            key,
            "an empty list matches nothing: give it values, or remove the key",
        ));
        return Expr::Or(Vec::new());
    }
    if entry.modifiers.all && values.len() == 1 && !entry.modifiers.expand {
        faults.push(Fault::new(value.mark, key, "`all` needs a list of two values or more"));
    }
    let parts: Vec<Expr> = values
        .iter()
        .filter_map(|value| match entry.value(value) {
            Ok(expr) => Some(expr),
            Err(what) => {
                faults.push(Fault::new(value.mark, key, what));
                None
            }
        })
        .collect();
    let expr = if entry.modifiers.all {
        Expr::And(parts.into_iter().flat_map(each).collect())
    } else {
        any_of(parts)
    };
    if entry.modifiers.neq {
        Expr::Not(Box::new(expr))
    } else {
        expr
    }
}

fn modifiers<'k>(words: impl Iterator<Item = &'k str>, key: &str, mark: Mark, faults: &mut Vec<Fault>) -> Modifiers {
    let mut modifiers = Modifiers::default();
    for word in words {
        let special = match word {
            "contains" | "startswith" | "endswith" => {
                let how = match word {
                    "contains" => How::Contains,
                    "startswith" => How::StartsWith,
                    _ => How::EndsWith,
                };
                if modifiers.how.replace(how).is_some() {
                    faults.push(Fault::new(mark, key, "only one of contains, startswith, endswith"));
                }
                continue;
            }
            "all" => {
                modifiers.all = true;
                continue;
            }
            "cased" => {
                modifiers.cased = true;
                continue;
            }
            "neq" => {
                modifiers.neq = true;
                continue;
            }
            "expand" => {
                modifiers.expand = true;
                continue;
            }
            "re" => Special::Regex,
            "exists" => Special::Exists,
            "lt" => Special::Number(Comparison::Less),
            "lte" => Special::Number(Comparison::LessOrEqual),
            "gt" => Special::Number(Comparison::Greater),
            "gte" => Special::Number(Comparison::GreaterOrEqual),
            "fieldref" => Special::FieldRef,
            "watch" => Special::Watch,
            _ => {
                faults.push(Fault::new(mark, key, unknown(word)));
                continue;
            }
        };
        if modifiers.kind.replace(special).is_some() {
            faults.push(Fault::new(
                mark,
                key,
                "only one of re, exists, lt, lte, gt, gte, fieldref, watch",
            ));
        }
    }
    if let Some(what) = clash(&modifiers) {
        faults.push(Fault::new(mark, key, what));
    }
    modifiers
}

fn unknown(word: &str) -> String {
    let accepted = MODIFIERS.join(", ");
    if NOT_YET.contains(&word) {
        return format!("the modifier `{word}` is not supported by this version: accepted are {accepted}");
    }
    match nearest(word, MODIFIERS) {
        Some(near) => format!("unknown modifier `{word}`: did you mean `{near}`?"),
        None => format!("unknown modifier `{word}`: accepted are {accepted}"),
    }
}

/// Modifiers that contradict one another.
fn clash(modifiers: &Modifiers) -> Option<&'static str> {
    let Modifiers {
        how,
        cased,
        expand,
        all,
        ..
    } = modifiers;
    match modifiers.kind {
        Some(Special::Regex) if how.is_some() => Some("`re` stands alone: put ^ or $ into the expression"),
        Some(Special::Regex) if *cased => Some("`re` minds case already: write (?i) for the opposite"),
        Some(Special::FieldRef) if *how == Some(How::Contains) => {
            Some("`fieldref` compares whole values, or with startswith or endswith")
        }
        Some(Special::Exists | Special::Number(_) | Special::Watch) if how.is_some() || *cased => {
            Some("contains, startswith, endswith and cased are for text comparisons")
        }
        Some(_) if *expand => Some("`expand` goes with text comparisons only"),
        Some(Special::Exists | Special::Number(_)) if *all => Some("`all` goes with text comparisons"),
        _ => None,
    }
}

/// The alternatives of a single value under `all`: a list's terms are all wanted.
fn each(expr: Expr) -> Vec<Expr> {
    match &expr {
        Expr::Is(predicate) => match &predicate.test {
            Test::Terms { how, terms, cased } if terms.any.len() > 1 => terms
                .any
                .iter()
                .map(|term| {
                    let terms = Terms {
                        list: String::new(),
                        any: vec![term.clone()],
                        allow: terms.allow.clone(),
                    };
                    is(
                        predicate.field.clone(),
                        Test::Terms {
                            how: *how,
                            terms: Arc::new(terms),
                            cased: *cased,
                        },
                    )
                })
                .collect(),
            _ => vec![expr],
        },
        _ => vec![expr],
    }
}

/// Alternatives, with all plain terms of one comparison in a single predicate.
fn any_of(parts: Vec<Expr>) -> Expr {
    let mut others = Vec::new();
    let mut plain: Vec<(Arc<Predicate>, Terms)> = Vec::new();
    for part in parts {
        match &part {
            Expr::Is(predicate) => match &predicate.test {
                Test::Terms { how, terms, cased } if terms.list.is_empty() => {
                    let same = |other: &&mut (Arc<Predicate>, Terms)| matches!(&other.0.test, Test::Terms { how: h, cased: c, .. } if h == how && c == cased);
                    match plain.iter_mut().find(same) {
                        Some((_, together)) => together.any.extend(terms.any.iter().cloned()),
                        None => {
                            let together = Terms {
                                any: terms.any.clone(),
                                ..Terms::default()
                            };
                            plain.push((predicate.clone(), together));
                        }
                    }
                }
                _ => others.push(part),
            },
            _ => others.push(part),
        }
    }
    let merged = plain.into_iter().map(|(predicate, terms)| match &predicate.test {
        Test::Terms { how, cased, .. } => is(
            predicate.field.clone(),
            Test::Terms {
                how: *how,
                terms: Arc::new(terms),
                cased: *cased,
            },
        ),
        _ => Expr::Is(predicate.clone()),
    });
    let mut all: Vec<Expr> = merged.chain(others).collect();
    if all.len() == 1 { all.remove(0) } else { Expr::Or(all) }
}

fn is(field: Option<Arc<str>>, test: Test) -> Expr {
    Expr::Is(Arc::new(Predicate { field, test }))
}

/// One key with its modifiers, ready for its values.
struct Entry<'e> {
    name: Option<Arc<str>>,
    key: &'e str,
    modifiers: Modifiers,
    lists: &'e Lists,
}

impl Entry<'_> {
    fn is(&self, test: Test) -> Expr {
        is(self.name.clone(), test)
    }

    fn value(&self, node: &Node) -> Result<Expr, String> {
        match self.modifiers.kind {
            Some(Special::Regex) => self.regex(node),
            Some(Special::Exists) => match node.value {
                Yaml::Bool(wanted) => Ok(self.is(Test::Exists(wanted))),
                _ => Err(format!("`exists` takes true or false, not {}", node.kind())),
            },
            Some(Special::Number(is)) => self.number(is, node),
            Some(Special::FieldRef) => match &node.value {
                Yaml::Text(other) if !other.split('.').any(str::is_empty) => {
                    let how = self.modifiers.how.unwrap_or(How::Equals);
                    Ok(self.is(Test::FieldRef {
                        how,
                        other: other.as_str().into(),
                        cased: self.modifiers.cased,
                    }))
                }
                _ => Err("`fieldref` takes the dotted path of another field, such as receiver.region".to_owned()),
            },
            Some(Special::Watch) => self.watch(node),
            None if self.modifiers.expand => self.expand(node),
            None => self.plain(node),
        }
    }

    fn regex(&self, node: &Node) -> Result<Expr, String> {
        let Yaml::Text(text) = &node.value else {
            return Err(format!(
                "`re` takes a regular expression as a string, not {}",
                node.kind()
            ));
        };
        let regex = regex::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
        regex.map(|regex| self.is(Test::Regex(regex))).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("the regular expression is larger than {} KiB when compiled: make its repetitions shorter", REGEX_BYTES_MAX / 1024)
            }
            error => {
                let last = error.to_string();
                let reason = last.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                format!("not a regular expression of this engine (linear time: no look-around, no back-references): {reason}")
            }
        })
    }

    fn number(&self, is: Comparison, node: &Node) -> Result<Expr, String> {
        let number = node
            .scalar_text()
            .and_then(|text| text.trim().parse::<f64>().ok())
            .filter(|number| number.is_finite());
        match number {
            Some(than) => {
                let written = node.scalar_text().unwrap_or_default().trim().to_owned();
                Ok(self.is(Test::Number { is, than, written }))
            }
            None => Err(format!("takes a number, not {}", node.kind())),
        }
    }

    fn watch(&self, node: &Node) -> Result<Expr, String> {
        let Some(name) = node.scalar_text() else {
            return Err(format!("`watch` takes the name of a watchlist, not {}", node.kind()));
        };
        match self.lists.watch.get(name) {
            Some(list) => Ok(self.is(Test::Watch(list.clone()))),
            None => Err(missing_list(name, "csv", self.lists.watch.keys())),
        }
    }

    fn expand(&self, node: &Node) -> Result<Expr, String> {
        let name = node
            .scalar_text()
            .and_then(|text| text.strip_prefix('%')?.strip_suffix('%'));
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err("`expand` takes the name of a list between percent signs, such as '%drugs%'".to_owned());
        };
        match self.lists.terms.get(name) {
            Some(terms) => {
                let how = self.modifiers.how.unwrap_or(How::Equals);
                Ok(self.is(Test::Terms {
                    how,
                    terms: terms.clone(),
                    cased: self.modifiers.cased,
                }))
            }
            None => Err(missing_list(name, "txt", self.lists.terms.keys())),
        }
    }

    fn plain(&self, node: &Node) -> Result<Expr, String> {
        let Modifiers { how, cased, .. } = self.modifiers;
        match (&node.value, how) {
            (Yaml::Map(_) | Yaml::List(_), _) => Err(format!(
                "must be a value or a list of values, not {}: write `{}.key` for a field inside",
                node.kind(),
                self.key
            )),
            (Yaml::Null, None) => Ok(self.is(Test::Null)),
            (Yaml::Null, Some(_)) => Err("null has no part: remove the modifier, or give a text".to_owned()),
            (Yaml::Bool(wanted), None) => Ok(self.is(Test::Bool(*wanted))),
            (Yaml::Int(_, written) | Yaml::Float(_, written), None) if !cased => {
                let than = written
                    .parse()
                    .map_err(|_| format!("`{written}` is not a decimal number: quote it if it is a text"))?;
                Ok(self.is(Test::Number {
                    is: Comparison::Equal,
                    than,
                    written: written.clone(),
                }))
            }
            _ => {
                let how = if self.name.is_none() {
                    How::Contains
                } else {
                    how.unwrap_or(How::Equals)
                };
                Ok(text_value(
                    self.name.clone(),
                    how,
                    cased,
                    node.scalar_text().unwrap_or_default(),
                ))
            }
        }
    }
}

fn missing_list<'k>(name: &str, ending: &str, known: impl Iterator<Item = &'k String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there is none yet".to_owned(),
        None => format!("there are {}", known.join(", ")),
    };
    format!("there is no list lists/{name}.{ending}: {hint}")
}

/// A text with Sigma's wildcards, compared as a whole or as a part.
fn text_value(field: Option<Arc<str>>, how: How, cased: bool, written: &str) -> Expr {
    let mut pieces = pieces(written);
    let open_start = matches!(how, How::Contains | How::EndsWith);
    let open_end = matches!(how, How::Contains | How::StartsWith);
    if open_start && pieces.first() != Some(&Piece::Many) {
        pieces.insert(0, Piece::Many);
    }
    if open_end && pieces.last() != Some(&Piece::Many) {
        pieces.push(Piece::Many);
    }
    let plain = match pieces.as_slice() {
        [] => Some((How::Equals, "")),
        [Piece::Literal(text)] => Some((How::Equals, text.as_str())),
        [Piece::Literal(text), Piece::Many] => Some((How::StartsWith, text.as_str())),
        [Piece::Many, Piece::Literal(text)] => Some((How::EndsWith, text.as_str())),
        [Piece::Many, Piece::Literal(text), Piece::Many] => Some((How::Contains, text.as_str())),
        _ => None,
    };
    let test = match plain {
        Some((how, text)) => {
            let terms = Terms {
                any: vec![text.to_owned()],
                ..Terms::default()
            };
            Test::Terms {
                how,
                terms: Arc::new(terms),
                cased,
            }
        }
        None => Test::Glob {
            glob: Glob {
                written: written.to_owned(),
                pieces,
            },
            cased,
        },
    };
    is(field, test)
}

/// The pieces of a text: `*` and `?` are wildcards unless a backslash stands before them, `\\` is a backslash, and a
/// backslash before anything else is itself (Sigma 2, escaping).
fn pieces(written: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut literal = String::new();
    let mut chars = written.chars().peekable();
    while let Some(c) = chars.next() {
        let wildcard = match c {
            '\\' => {
                let escaped = chars.next_if(|next| matches!(next, '*' | '?' | '\\'));
                literal.push(escaped.unwrap_or('\\'));
                continue;
            }
            '*' => Piece::Many,
            '?' => Piece::One,
            c => {
                literal.push(c);
                continue;
            }
        };
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        if wildcard != Piece::Many || pieces.last() != Some(&Piece::Many) {
            pieces.push(wildcard);
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_their_escapes() {
        let literal = |text: &str| Piece::Literal(text.to_owned());
        for (written, expected) in [
            ("", vec![]),
            (r"a\b", vec![literal(r"a\b")]),
            (r"a\\b", vec![literal(r"a\b")]),
            (r"a\*b", vec![literal("a*b")]),
            (r"a\\*b", vec![literal(r"a\"), Piece::Many, literal("b")]),
            (r"a\\\*b", vec![literal(r"a\*b")]),
            ("**枪?", vec![Piece::Many, literal("枪"), Piece::One]),
            (r"a\", vec![literal(r"a\")]),
        ] {
            assert_eq!(pieces(written), expected, "{written}");
        }
    }
}
