//! CSV rows → records: the header's names are dotted paths, or a carrier's column names through a mapping. Cells are
//! text; a field that wants a number or a boolean takes text that means one, an empty cell means absent, and a list
//! (`xray.labels`) is written with `;` between its elements.

use super::json::{Decoder, RECORD_BYTES_MAX};
use super::mapping::Mapping;
use super::record::{Cell, Place, Record, Waybill};
use super::refusal::{Reason, Refusal};
use super::schema::{Kind, Leaf, Schema};
use std::sync::Arc;

/// What each column of one CSV source is.
#[derive(Debug)]
pub struct CsvLayout {
    decoder: Decoder,
    /// Where the cell of each column goes; nowhere when nobody asks for it.
    columns: Vec<Vec<Leaf>>,
    names: usize,
    cells: Cells,
}

impl CsvLayout {
    /// Reads the header row of a source whose columns are dotted paths, or a carrier's names when there is a mapping.
    pub fn new(header: &[u8], schema: Arc<Schema>, mapping: Option<&Mapping>) -> Result<Self, Refusal> {
        let header = header.strip_prefix("\u{feff}".as_bytes()).unwrap_or(header);
        let mut cells = Cells::default();
        let names: Vec<String> = cells.split(header)?.map(|(name, _)| name.trim().to_owned()).collect();
        if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            let detail = format!("column {} of the header has the name of an earlier one", twice.0 + 1);
            return Err(Refusal::record(Reason::CsvShape, detail));
        }
        let (columns, decoder) = match mapping {
            Some(mapping) => {
                let mut columns = mapping.columns(&schema);
                let leaves = names
                    .iter()
                    .map(|name| columns.remove(name).unwrap_or_default())
                    .collect();
                (leaves, Decoder::mapped(schema, mapping))
            }
            None => {
                let leaf = |name: &String| schema.slot(name).map(|slot| Leaf { slot, steps: None });
                (
                    names.iter().map(|name| leaf(name).into_iter().collect()).collect(),
                    Decoder::lenient(schema.clone()),
                )
            }
        };
        Ok(Self {
            decoder,
            columns,
            names: names.len(),
            cells,
        })
    }

    /// A record to decode into, again and again.
    pub fn record(&self) -> Record {
        self.decoder.record()
    }

    /// Decodes one row (without or with its line end).
    pub fn decode<'a>(&mut self, row: &'a [u8], record: &'a mut Record) -> Result<Waybill<'a>, Refusal> {
        if row.len() > RECORD_BYTES_MAX {
            return Err(Refusal::too_large());
        }
        let original = simdutf8::basic::from_utf8(row).map_err(|_| {
            Refusal::record(
                Reason::BadUtf8,
                "not UTF-8: convert the file, from GB 18030 for example",
            )
        })?;
        let Self {
            decoder,
            columns,
            names,
            cells,
        } = self;
        decoder.start(record);
        let mut count = 0;
        for (text, place) in cells.split(row)? {
            if let Some(leaves) = columns.get(count).filter(|_| !text.is_empty()) {
                decoder.put_cell(original, record, leaves, text, place)?;
            }
            count += 1;
        }
        if count != *names {
            let detail = format!("{count} cells, where the header has {names}");
            return Err(Refusal::record(Reason::CsvShape, detail));
        }
        decoder.finish(original, record)
    }
}

impl Decoder {
    /// Puts one cell of a row where its column says.
    fn put_cell(
        &self,
        original: &str,
        record: &mut Record,
        leaves: &[Leaf],
        text: &str,
        place: Option<Place>,
    ) -> Result<(), Refusal> {
        for leaf in leaves {
            if self.schema().kind(leaf.slot) == Kind::TextList {
                for element in text.split(';').map(str::trim).filter(|element| !element.is_empty()) {
                    let made = record.make(element);
                    self.put(original, record, leaf, Cell::Text(made), true)?;
                }
                continue;
            }
            let place = place.unwrap_or_else(|| record.make(text));
            self.put(original, record, leaf, Cell::Text(place), false)?;
        }
        Ok(())
    }
}

/// The cells of one row, unquoted. Reused: setting up its reader costs more than reading a row.
#[derive(Debug)]
struct Cells {
    reader: csv_core::Reader,
    out: Vec<u8>,
    ends: Vec<usize>,
}

impl Default for Cells {
    fn default() -> Self {
        // Not the reader's own `default`, which has no table yet.
        Self {
            reader: csv_core::Reader::new(),
            out: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl Cells {
    /// Splits a row (RFC 4180). Each cell comes with its place in the row when it stands there as it is.
    fn split<'c>(&'c mut self, row: &[u8]) -> Result<impl Iterator<Item = (&'c str, Option<Place>)>, Refusal> {
        let row = row.strip_suffix(b"\n").unwrap_or(row);
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        let broken = |detail: &'static str| Refusal::record(Reason::CsvShape, detail);
        if !memchr::memchr_iter(b'"', row).count().is_multiple_of(2) {
            return Err(broken("a quoted cell is not closed"));
        }
        self.reader.reset();
        self.out.resize(row.len() + 1, 0);
        self.ends.resize(memchr::memchr_iter(b',', row).count() + 2, 0);
        let (mut read, mut written, mut ends) = (0, 0, 0);
        loop {
            let (result, input, output, cells) =
                self.reader
                    .read_record(&row[read..], &mut self.out[written..], &mut self.ends[ends..]);
            (read, written, ends) = (read + input, written + output, ends + cells);
            match result {
                csv_core::ReadRecordResult::InputEmpty => {}
                csv_core::ReadRecordResult::Record | csv_core::ReadRecordResult::End => break,
                _ => return Err(broken("more cells than commas")),
            }
        }
        let plain = !row.contains(&b'"');
        let text = simdutf8::basic::from_utf8(&self.out[..written]).map_err(|_| {
            Refusal::record(
                Reason::BadUtf8,
                "not UTF-8: convert the file, from GB 18030 for example",
            )
        })?;
        let ends = &self.ends[..ends];
        Ok(ends.iter().enumerate().map(move |(at, &end)| {
            let start = if at == 0 { 0 } else { ends[at - 1] };
            // In a row without quotes each cell stands where it stood, one comma further on for each before it.
            (
                &text[start..end],
                plain.then(|| Place::original(start + at, end - start)),
            )
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waybill::slot;

    const HEADER: &[u8] =
        "waybill_no,carrier,event,occurred_at,item.name,item.weight_g,xray.labels,real_name.verified,旧列\r\n"
            .as_bytes();

    fn decode(row: &str) -> Result<(String, Option<f64>, usize), String> {
        let mut layout = CsvLayout::new(HEADER, Schema::waybill([]).into(), None).unwrap();
        let mut record = layout.record();
        let waybill = layout
            .decode(row.as_bytes(), &mut record)
            .map_err(|refusal| refusal.to_string())?;
        let labels = match waybill.get(slot::XRAY_LABELS) {
            crate::waybill::Value::List(list) => list.count(),
            _ => 0,
        };
        Ok((
            waybill.text(slot::ITEM_NAME).to_owned(),
            waybill.number(slot::ITEM_WEIGHT_G),
            labels,
        ))
    }

    #[test]
    fn rows() {
        let start = "YT88123456,YTO,arrive,2022-11-11T08:23:11+08:00";
        for (rest, expected) in [
            ("衣服,850,,true,x", Ok(("衣服".to_owned(), Some(850.0), 0))),
            (
                "\"衣,\"\"服\"\"\n两件\",0.5,knife;liquid,是,\n",
                Ok(("衣,\"服\"\n两件".to_owned(), Some(0.5), 2)),
            ),
            (",,,,", Ok((String::new(), None, 0))),
            ("衣服,850", Err("csv_shape: 6 cells, where the header has 9".to_owned())),
            (
                "衣服,重,,,",
                Err("wrong_type: item.weight_g: must be a number, not a string".to_owned()),
            ),
            (
                "\"衣服,850,,,",
                Err("csv_shape: a quoted cell is not closed".to_owned()),
            ),
        ] {
            assert_eq!(decode(&format!("{start},{rest}")), expected, "{rest}");
        }
    }

    #[test]
    fn a_header_with_a_name_twice_is_refused() {
        let error = CsvLayout::new(b"carrier,carrier", Schema::waybill([]).into(), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "csv_shape: column 2 of the header has the name of an earlier one"
        );
    }
}
