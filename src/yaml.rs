//! YAML documents with positions: what rules and mappings are written in, so that every error can say where.
//!
//! Scalars keep the text that the author wrote: `0012` under a text comparison is those four characters.

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScalarStyle};
use std::fmt;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it starts.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it starts.
    pub mark: Mark,
    /// What it is.
    pub value: Yaml,
}

/// A YAML value.
#[derive(Clone, Debug)]
pub enum Yaml {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, with the text as written.
    Int(i64, String),
    /// Any other number, with the text as written.
    Float(f64, String),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub struct Key {
    /// Where it starts.
    pub mark: Mark,
    /// Its text.
    pub name: String,
}

/// A fault in the YAML itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{mark}: {detail}")]
pub struct YamlError {
    /// Where.
    pub mark: Mark,
    /// What, and what would be right.
    pub detail: String,
}

/// Levels of nesting that a document may have: far beyond any real rule, and far from the end of the stack.
const DEPTH_MAX: usize = 64;

/// Nodes that aliases may expand to, against documents that grow without bound.
const ALIAS_NODES_MAX: usize = 100_000;

impl Node {
    /// The documents of a YAML text, empty ones left out.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, YamlError> {
        let scan = |error: saphyr::ScanError| YamlError {
            mark: Mark {
                line: error.marker().line(),
                column: error.marker().col() + 1,
            },
            detail: format!("not valid YAML: {}", error.info()),
        };
        too_deep(text)?;
        let mut loader = YamlLoader::<MarkedYaml>::default();
        loader.early_parse(false);
        loader.alias_limit(ALIAS_NODES_MAX);
        Parser::new_from_str(text).load(&mut loader, true).map_err(scan)?;
        if let Some(error) = loader.error() {
            return Err(scan(error.clone()));
        }
        let documents = loader.into_documents();
        let nodes = documents.into_iter().filter(|node| !node.is_badvalue()).map(convert);
        nodes
            .filter(|node| !matches!(node, Ok(Self { value: Yaml::Null, .. })))
            .collect()
    }

    /// What kind of value it is, for error texts.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Yaml::Null => "null",
            Yaml::Bool(_) => "a boolean",
            Yaml::Int(..) | Yaml::Float(..) => "a number",
            Yaml::Text(_) => "a string",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a map",
        }
    }

    /// The text of a scalar, as written; `None` for null, lists and maps.
    pub fn scalar_text(&self) -> Option<&str> {
        match &self.value {
            Yaml::Text(text) | Yaml::Int(_, text) | Yaml::Float(_, text) => Some(text),
            Yaml::Bool(true) => Some("true"),
            Yaml::Bool(false) => Some("false"),
            Yaml::Null | Yaml::List(_) | Yaml::Map(_) => None,
        }
    }

    /// The entries of a map.
    pub fn as_map(&self) -> Option<&[(Key, Self)]> {
        if let Yaml::Map(entries) = &self.value {
            Some(entries)
        } else {
            None
        }
    }

    /// The value under a key of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?
            .iter()
            .find(|(name, _)| name.name == key)
            .map(|(_, node)| node)
    }

    /// The same value as JSON: what a test's waybill is screened as.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            Yaml::Null => Value::Null,
            Yaml::Bool(value) => Value::Bool(*value),
            Yaml::Int(value, _) => Value::from(*value),
            Yaml::Float(value, _) => Value::from(*value),
            Yaml::Text(text) => Value::String(text.clone()),
            Yaml::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Yaml::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, node)| (key.name.clone(), node.to_json()))
                    .collect(),
            ),
        }
    }
}

/// Refuses a text whose nesting would exhaust the stack, before any tree is built of it.
fn too_deep(text: &str) -> Result<(), YamlError> {
    let mut depth = 0;
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { return Ok(()) };
        match event {
            saphyr_parser::Event::SequenceStart(..) | saphyr_parser::Event::MappingStart(..) => depth += 1,
            saphyr_parser::Event::SequenceEnd | saphyr_parser::Event::MappingEnd => depth -= 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            let mark = Mark {
                line: span.start.line(),
                column: span.start.col() + 1,
            };
            return Err(YamlError {
                mark,
                detail: format!("nested deeper than {DEPTH_MAX} levels"),
            });
        }
    }
    Ok(())
}

fn convert(node: MarkedYaml<'_>) -> Result<Node, YamlError> {
    let mark = Mark {
        line: node.span.start.line(),
        column: node.span.start.col() + 1,
    };
    let value = match node.data {
        YamlData::Representation(text, style, tag) => scalar(text.into_owned(), style, tag.as_ref(), mark)?,
        YamlData::Value(Scalar::String(text)) => Yaml::Text(text.into_owned()),
        YamlData::Value(Scalar::Null) => Yaml::Null,
        YamlData::Value(Scalar::Boolean(value)) => Yaml::Bool(value),
        YamlData::Value(Scalar::Integer(value)) => Yaml::Int(value, value.to_string()),
        YamlData::Value(Scalar::FloatingPoint(value)) => Yaml::Float(value.into_inner(), value.to_string()),
        YamlData::Sequence(items) => Yaml::List(items.into_iter().map(convert).collect::<Result<_, _>>()?),
        YamlData::Mapping(entries) => map(entries)?,
        YamlData::Tagged(..) => {
            return Err(YamlError {
                mark,
                detail: "custom tags are not accepted: write a plain value".to_owned(),
            });
        }
        YamlData::Alias(_) | YamlData::BadValue => {
            return Err(YamlError {
                mark,
                detail: "an alias without an anchor, or a value of a wrong tag".to_owned(),
            });
        }
    };
    Ok(Node { mark, value })
}

fn map<'a>(entries: impl IntoIterator<Item = (MarkedYaml<'a>, MarkedYaml<'a>)>) -> Result<Yaml, YamlError> {
    let mut map: Vec<(Key, Node)> = Vec::new();
    for (key, value) in entries {
        let key = convert(key)?;
        let Some(name) = key.scalar_text() else {
            return Err(YamlError {
                mark: key.mark,
                detail: format!("a key must be a string, not {}", key.kind()),
            });
        };
        if let Some((first, _)) = map.iter().find(|(other, _)| other.name == name) {
            let detail = format!("the key `{name}` stands twice (first at {})", first.mark);
            return Err(YamlError { mark: key.mark, detail });
        }
        map.push((
            Key {
                mark: key.mark,
                name: name.to_owned(),
            },
            convert(value)?,
        ));
    }
    Ok(Yaml::Map(map))
}

fn scalar(
    text: String,
    style: ScalarStyle,
    tag: Option<&std::borrow::Cow<'_, saphyr_parser::Tag>>,
    mark: Mark,
) -> Result<Yaml, YamlError> {
    let parsed = Scalar::parse_from_cow_and_metadata(text.as_str().into(), style, tag);
    Ok(match parsed {
        Some(Scalar::Null) => Yaml::Null,
        Some(Scalar::Boolean(value)) => Yaml::Bool(value),
        Some(Scalar::Integer(value)) => Yaml::Int(value, text),
        Some(Scalar::FloatingPoint(value)) => Yaml::Float(value.into_inner(), text),
        Some(Scalar::String(_)) => Yaml::Text(text),
        None => {
            return Err(YamlError {
                mark,
                detail: "the value does not fit its tag".to_owned(),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_written_text() {
        let documents = Node::parse_all("a: 0012\nb:\n  - x\n  - 'y'\n---\n---\nc: ~\n").unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[0].get("a").unwrap().scalar_text(), Some("0012"));
        let Yaml::List(items) = &documents[0].get("b").unwrap().value else {
            panic!("a list")
        };
        assert_eq!(items[1].mark, Mark { line: 4, column: 5 });
    }

    #[test]
    fn faults_say_where() {
        for (text, expected) in [
            ("a: 1\na: 2\n", "2:1: "),
            ("a: 1\n'a': 2\n", "2:1: the key `a` stands twice (first at 1:1)"),
            ("a: [1\n", "2:1: not valid YAML"),
        ] {
            let error = Node::parse_all(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
        assert!(Node::parse_all(&"[".repeat(100_000)).is_err());
        assert!(Node::parse_all(&"- ".repeat(10_000)).is_err());
    }
}
