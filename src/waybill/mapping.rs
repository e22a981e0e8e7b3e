//! Carriers don't send our field names. A mapping file says which of theirs is which of ours, and what to do on the
//! way: `canonical path ← JSON pointer, steps`. The result is a tree of the carrier's keys, so a mapped source is
//! decoded in the same single pass as a canonical one.

use super::schema::{FIELDS, Leaf, Schema, Slot, Tree};
use crate::yaml::{Mark, Node, Yaml};
use std::collections::BTreeMap;
use std::sync::Arc;
use time::format_description::OwnedFormatItem;
use time::parsing::Parsed;
use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

/// One carrier's (or one source's) way of writing waybills.
#[derive(Clone, Debug)]
pub struct Mapping {
    fields: Vec<(String, Origin)>,
}

/// Texts that are the same in every record, and where they go.
pub(super) type Constants = Vec<(Slot, Arc<str>)>;

#[derive(Clone, Debug)]
enum Origin {
    Const(Arc<str>),
    From { keys: Vec<String>, steps: Arc<[Step]> },
}

/// One step on a value's way.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Trim,
    Date {
        format: Arc<OwnedFormatItem>,
        written: String,
        offset: UtcOffset,
    },
    Scale {
        by: f64,
        unit: &'static str,
    },
    Map {
        table: BTreeMap<String, String>,
        otherwise: Option<String>,
    },
}

/// What a step makes of a value.
pub(super) enum Stepped {
    Text(String),
    Number(f64),
    Nothing,
}

/// A fault in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{mark}: {detail}")]
pub struct MappingError {
    /// Where in the file.
    pub mark: Mark,
    /// What is wrong, and what would be right.
    pub detail: String,
}

fn fault<T>(mark: Mark, detail: impl Into<String>) -> Result<T, MappingError> {
    Err(MappingError {
        mark,
        detail: detail.into(),
    })
}

const STEPS: &str = "trim, date, yuan_to_fen, kg_to_g, map";

impl Mapping {
    /// Reads a mapping from the text of its file: a map `fields:` of canonical paths.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let documents = Node::parse_all(text).map_err(|error| MappingError {
            mark: error.mark,
            detail: error.detail,
        })?;
        let [document] = documents.as_slice() else {
            return fault(Mark { line: 1, column: 1 }, "a mapping file holds one document");
        };
        let Some(entries) = document.as_map() else {
            return fault(
                document.mark,
                format!("must be a map with `fields`, not {}", document.kind()),
            );
        };
        if let Some((key, _)) = entries
            .iter()
            .find(|(key, _)| !["fields", "description"].contains(&&*key.name))
        {
            return fault(
                key.mark,
                format!("unknown key `{}`: known are `fields`, `description`", key.name),
            );
        }
        let Some(fields) = document.get("fields").and_then(Node::as_map) else {
            return fault(
                document.mark,
                "`fields` is missing: a map of canonical path to JSON pointer",
            );
        };
        let fields: Vec<_> = fields
            .iter()
            .map(|(key, node)| {
                if key.name.split('.').any(str::is_empty) {
                    return fault(
                        key.mark,
                        format!("`{}` is not a dotted path such as item.name", key.name),
                    );
                }
                Ok((key.name.clone(), origin(node)?))
            })
            .collect::<Result<_, _>>()?;
        for required in FIELDS.iter().filter(|field| field.required) {
            if !fields.iter().any(|(path, _)| path == required.path) {
                return fault(
                    document.mark,
                    format!("`{}` is required of every waybill: map it", required.path),
                );
            }
        }
        Ok(Self { fields })
    }

    /// The tree of the carrier's keys, and the constants, for a schema.
    pub(super) fn compile(&self, schema: &Schema) -> (Tree, Constants) {
        let mut tree = Tree::default();
        for (keys, leaf) in self.leaves(schema) {
            tree.insert(keys.iter().cloned(), leaf);
        }
        let constants = self.fields.iter().filter_map(|(path, origin)| match origin {
            Origin::Const(text) => Some((schema.slot(path)?, text.clone())),
            Origin::From { .. } => None,
        });
        (tree, constants.collect())
    }

    /// The carrier's columns with where each goes: how a CSV header is matched.
    pub(super) fn columns(&self, schema: &Schema) -> BTreeMap<String, Vec<Leaf>> {
        let mut columns: BTreeMap<String, Vec<Leaf>> = BTreeMap::new();
        for (keys, leaf) in self.leaves(schema) {
            columns.entry(keys.join("/")).or_default().push(leaf);
        }
        columns
    }

    /// The carrier's keys of each field that is read from the record, and where its value goes. Fields that the schema
    /// lacks are left out: nobody asks for them.
    fn leaves<'m>(&'m self, schema: &'m Schema) -> impl Iterator<Item = (&'m [String], Leaf)> {
        self.fields.iter().filter_map(|(path, origin)| match origin {
            Origin::Const(_) => None,
            Origin::From { keys, steps } => {
                let steps = (!steps.is_empty()).then(|| steps.clone());
                Some((
                    keys.as_slice(),
                    Leaf {
                        slot: schema.slot(path)?,
                        steps,
                    },
                ))
            }
        })
    }
}

fn origin(node: &Node) -> Result<Origin, MappingError> {
    if let Yaml::Text(text) = &node.value {
        return Ok(Origin::From {
            keys: pointer(text, node.mark)?,
            steps: Arc::new([]),
        });
    }
    let Some(entries) = node.as_map() else {
        return fault(
            node.mark,
            format!(
                "must be a JSON pointer or a map with `from` or `const`, not {}",
                node.kind()
            ),
        );
    };
    if let Some(constant) = node.get("const") {
        if entries.len() > 1 {
            return fault(node.mark, "`const` stands alone: it has no `from` and no steps");
        }
        let Some(text) = constant.scalar_text() else {
            return fault(
                constant.mark,
                format!("`const` must be a string, not {}", constant.kind()),
            );
        };
        return Ok(Origin::Const(text.into()));
    }
    let Some(Node {
        value: Yaml::Text(from),
        mark,
    }) = node.get("from")
    else {
        return fault(
            node.mark,
            "`from` is missing: a JSON pointer such as /mailNo (or `const`)",
        );
    };
    let keys = pointer(from, *mark)?;
    let offset = match entries.iter().find(|(key, _)| key.name == "offset") {
        Some((_, node)) => utc_offset(node)?,
        None => UtcOffset::from_hms(8, 0, 0).expect("+08:00 is an offset"),
    };
    let mut steps = Vec::new();
    for (key, value) in entries
        .iter()
        .filter(|(key, _)| !["from", "offset", "default"].contains(&&*key.name))
    {
        steps.push(step(&key.name, value, key.mark, offset, node.get("default"))?);
    }
    Ok(Origin::From {
        keys,
        steps: steps.into(),
    })
}

fn step(name: &str, value: &Node, mark: Mark, offset: UtcOffset, default: Option<&Node>) -> Result<Step, MappingError> {
    let flag = || match value.value {
        Yaml::Bool(true) => Ok(()),
        _ => fault(
            value.mark,
            format!("`{name}` takes `true`; leave it out where it does not apply"),
        ),
    };
    Ok(match name {
        "trim" => flag().map(|()| Step::Trim)?,
        "yuan_to_fen" => flag().map(|()| Step::Scale {
            by: 100.0,
            unit: "yuan",
        })?,
        "kg_to_g" => flag().map(|()| Step::Scale {
            by: 1000.0,
            unit: "kilograms",
        })?,
        "date" => {
            let Yaml::Text(written) = &value.value else {
                return fault(value.mark, "`date` takes a format such as '%Y-%m-%d %H:%M:%S'");
            };
            let format = time::format_description::parse_strftime_owned(written).map_err(|error| MappingError {
                mark: value.mark,
                detail: format!("`date` is not a strftime format: {error}"),
            })?;
            Step::Date {
                format: Arc::new(format),
                written: written.clone(),
                offset,
            }
        }
        "map" => {
            let Some(entries) = value.as_map() else {
                return fault(
                    value.mark,
                    format!("`map` takes a map of their value to ours, not {}", value.kind()),
                );
            };
            let mut table = BTreeMap::new();
            for (key, node) in entries {
                let Some(text) = node.scalar_text() else {
                    return fault(node.mark, format!("must be a string, not {}", node.kind()));
                };
                table.insert(key.name.clone(), text.to_owned());
            }
            Step::Map {
                table,
                otherwise: default.and_then(Node::scalar_text).map(str::to_owned),
            }
        }
        _ => {
            return fault(
                mark,
                format!("unknown step `{name}`: known are {STEPS}, with `offset` for date, `default` for map"),
            );
        }
    })
}

/// The keys of a JSON pointer (RFC 6901).
fn pointer(text: &str, mark: Mark) -> Result<Vec<String>, MappingError> {
    let Some(rest) = text.strip_prefix('/') else {
        return fault(mark, format!("`{text}` is not a JSON pointer: write /{text}"));
    };
    Ok(rest
        .split('/')
        .map(|key| key.replace("~1", "/").replace("~0", "~"))
        .collect())
}

fn utc_offset(node: &Node) -> Result<UtcOffset, MappingError> {
    let format = time::macros::format_description!("[offset_hour sign:mandatory]:[offset_minute]");
    node.scalar_text()
        .and_then(|text| UtcOffset::parse(text, &format).ok())
        .map_or_else(|| fault(node.mark, "`offset` must be such as '+08:00'"), Ok)
}

impl Step {
    /// The value of a text after this step; an error says what was expected, never the value.
    pub(super) fn run(&self, text: &str) -> Result<Stepped, String> {
        match self {
            Self::Trim => Ok(Stepped::Text(text.trim().to_owned())),
            Self::Scale { .. } if text.trim().is_empty() => Ok(Stepped::Nothing),
            Self::Scale { by, unit } => match text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Stepped::Number((value * by).round())),
                _ => Err(format!("must be a number of {unit}")),
            },
            Self::Map { table, otherwise } => match table.get(text).or(otherwise.as_ref()) {
                Some(ours) => Ok(Stepped::Text(ours.clone())),
                None => Err(format!(
                    "is none of the {} values that the mapping knows: add it under `map`, or give a `default`",
                    table.len()
                )),
            },
            Self::Date {
                format,
                written,
                offset,
            } => instant(text.trim(), format, *offset)
                .map(Stepped::Text)
                .ok_or_else(|| format!("must be a date as {written}")),
        }
    }
}

/// A date-time in the given format as RFC 3339; in the given offset where the text has none of its own.
fn instant(text: &str, format: &OwnedFormatItem, offset: UtcOffset) -> Option<String> {
    let mut parsed = Parsed::new();
    let rest = parsed.parse_item(text.as_bytes(), format).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let at = if parsed.offset_hour().is_some() || parsed.unix_timestamp_nanos().is_some() {
        OffsetDateTime::try_from(parsed).ok()?
    } else {
        PrimitiveDateTime::try_from(parsed).ok()?.assume_offset(offset)
    };
    at.format(&time::format_description::well_known::Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waybill::{Decoder, slot};

    const FILE: &str = "
description: a carrier
fields:
  waybill_no: {from: /mailNo, trim: true}
  carrier: {const: YTO}
  event: {from: /op/code, map: {'10': accept, '20': arrive}}
  occurred_at: {from: /op/time, date: '%Y-%m-%d %H:%M:%S'}
  item.name: /goods/0/name
  item.weight_g: {from: /weight, kg_to_g: true}
  item.declared_value_fen: {from: /value, yuan_to_fen: true}
  item.quantity: /count
  real_name.verified: /rn
";

    fn decode(json: &str) -> Result<(String, i64, Option<f64>, Option<f64>), String> {
        let decoder = Decoder::mapped(Schema::waybill([]).into(), &Mapping::parse(FILE).unwrap());
        let mut record = decoder.record();
        let waybill = decoder
            .decode(json.as_bytes(), &mut record)
            .map_err(|refusal| refusal.to_string())?;
        assert_eq!(waybill.text(slot::CARRIER), "YTO");
        Ok((
            format!(
                "{} {} {}",
                waybill.waybill_no(),
                waybill.text(slot::EVENT),
                waybill.text(slot::ITEM_NAME)
            ),
            waybill.occurred_ms(),
            waybill.number(slot::ITEM_WEIGHT_G),
            waybill.number(slot::ITEM_DECLARED_VALUE),
        ))
    }

    #[test]
    fn a_carriers_record_becomes_ours() {
        let json = r#"{"mailNo":" YT88123456 ","op":{"code":20,"time":"2022-11-11 08:23:11"},"goods":[{"name":"衣服"}],
            "weight":"0.85","value":19.9,"count":"2","rn":"Y","other":[1,{}]}"#;
        assert_eq!(
            decode(json),
            Ok((
                "YT88123456 arrive 衣服".into(),
                1_668_126_191_000,
                Some(850.0),
                Some(1990.0)
            ))
        );
    }

    #[test]
    fn what_can_not_be_mapped_is_refused_without_its_value() {
        let json = r#"{"mailNo":"YT88123456","op":{"code":"99","time":"2022-11-11 08:23:11"}}"#;
        let refused = decode(json).unwrap_err();
        assert!(
            refused.starts_with("bad_value: event: is none of the 2 values"),
            "{refused}"
        );
        let json = r#"{"mailNo":"YT88123456","op":{"code":"10","time":"yesterday"}}"#;
        assert_eq!(
            decode(json).unwrap_err(),
            "bad_value: occurred_at: must be a date as %Y-%m-%d %H:%M:%S"
        );
    }

    #[test]
    fn faults_in_the_file_say_where_and_what_would_be_right() {
        let with = |line: &str| Mapping::parse(&format!("{FILE}{line}\n")).unwrap_err().to_string();
        for (line, expected) in [
            (
                "  item.remark: remark",
                "13:16: `remark` is not a JSON pointer: write /remark",
            ),
            (
                "  item.remark: {from: /r, upper: true}",
                "13:27: unknown step `upper`: known are trim",
            ),
            ("  item.remark: {const: a, from: /b}", "13:16: `const` stands alone"),
            ("  item.remark: {from: /r, date: 5}", "13:33: `date` takes a format"),
            ("other: 1", "13:1: unknown key `other`"),
        ] {
            let error = with(line);
            assert!(error.starts_with(expected), "{line}: {error}");
        }
        let error = Mapping::parse("fields: {carrier: /c}").unwrap_err().to_string();
        assert!(error.contains("`waybill_no` is required"), "{error}");
    }
}
