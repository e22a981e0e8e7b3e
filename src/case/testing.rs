//! For tests of this module: findings to order, and a disk that fills up. Only compiled for tests.

use super::desk::Clock;
use super::journal::Medium;
use crate::alert::{Color, Finding, Goods, Party, Subject};
use crate::screen::Hit;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use time::OffsetDateTime;
use time::macros::datetime;

/// Wall time of tests.
pub(super) const NOW: OffsetDateTime = datetime!(2026-11-11 00:30:00.5 UTC);

/// Event time of tests.
pub(super) const EVENT: OffsetDateTime = datetime!(2026-11-11 08:23:11 +8);

pub(super) fn clock() -> Clock {
    Arc::new(|| NOW)
}

/// A finding of one rule: about a waybill, by its subjects, in a category.
pub(super) fn finding(waybill_no: &str, color: Color, rule: &str, subjects: &[&str]) -> Finding {
    Finding {
        waybill_no: waybill_no.into(),
        carrier: "YTO".into(),
        event: "arrive".into(),
        occurred_at: EVENT,
        direction: "inbound".into(),
        site_code: "330482-0012".into(),
        site_name: "平湖当湖网点".into(),
        region: "330482".into(),
        goods: Goods {
            name: "服装".into(),
            weight_g: Some(850.1),
            ..Goods::default()
        },
        sender: Party {
            name: "王*".into(),
            ..Party::default()
        },
        receiver: Party::default(),
        subjects: subjects.iter().map(|subject| Subject((*subject).into())).collect(),
        color,
        score: 60,
        category: "12".into(),
        hits: vec![Hit {
            rule_id: rule.into(),
            title: rule.into(),
            category: "12".into(),
            color: Some(color),
            score: if color == Color::Red { 100 } else { 60 },
            field: "item.name".into(),
            term: "氯麻黄碱".into(),
            span: Some([0, 4]),
            text: "氯麻黄碱".into(),
            also: Vec::new(),
        }],
        respond: Vec::new(),
        rule_set: "digest".into(),
    }
}

pub(super) fn yellow(waybill_no: &str, rule: &str, subjects: &[&str]) -> Finding {
    finding(waybill_no, Color::Yellow, rule, subjects)
}

pub(super) fn red(waybill_no: &str, rule: &str, subjects: &[&str]) -> Finding {
    finding(waybill_no, Color::Red, rule, subjects)
}

/// What a faulty disk does next.
#[derive(Default)]
pub(super) struct Faults {
    /// Bytes that still fit; a write that does not fit is cut short.
    pub room: AtomicU64,
    pub fsync_fails: AtomicBool,
    pub truncate_fails: AtomicBool,
}

impl Faults {
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Self {
            room: AtomicU64::new(u64::MAX),
            ..Self::default()
        })
    }
}

/// A disk that fails as it is told.
pub(super) struct FaultyDisk {
    pub disk: Box<dyn Medium>,
    pub faults: Arc<Faults>,
}

impl Medium for FaultyDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.faults.room.load(Ordering::SeqCst);
        let fits = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        self.disk.append(&bytes[..fits])?;
        if fits < bytes.len() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.faults.fsync_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("fsync failed"));
        }
        self.disk.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        if self.faults.truncate_fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("truncate failed"));
        }
        self.disk.truncate(bytes)
    }
}
