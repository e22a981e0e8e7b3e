//! Cases: alerts about the same subject and category, and what departments do about them, kept to the end.
//!
//! [`Desk`] is the way in. Behind it, in the order in which a finding meets them: `queue`, `writer`, `joining` (which
//! case), `model` and `lifecycle` (what it does to the case), `entry`, `chain` and `journal` (written down, chained, durable),
//! `store` and `sled` (current state, from the entries), `notices` (what others are told). What is written is masked
//! before it gets here; telling others and showing cases is left to `notify` and `api`.

mod chain;
mod desk;
mod entry;
mod joining;
mod journal;
mod lifecycle;
mod model;
mod notices;
mod queue;
mod recovery;
mod sled;
mod store;
#[cfg(test)]
mod testing;
mod writer;

pub use chain::{Break, FILE_NAME, Fault, Head, JournalError, LINE_BYTES_MAX, Place, Placed, VerifyReport, verify};
pub use desk::{
    ApplyError, CaseView, Clock, Desk, DeskConfig, DeskObserver, DeskStats, Health, Hook, OpenReport, StopError,
    Stopped, TimelineItem, TrySubmitError, WaitError,
};
pub use entry::{AlertChange, Change, Delivered, Digest, Entry};
pub use joining::{CASE_ALERTS_MAX, Fate, JOIN_WITHIN, Outcome};
pub use journal::{JournalReport, Torn};
pub use lifecycle::{Forbidden, State, Step, TRANSITIONS};
pub use model::{Assignee, Case, CaseChange, Deadlines, Department, HoldOrder, Task, TaskKind, TaskState};
pub use notices::{Notice, NoticeKind, notices};
pub use queue::Ticket;
pub use recovery::{OpenError, RebuildReport, STORE_NAME, StoreStart, rebuild};
pub use store::{
    AlertQuery, Applied, CaseQuery, Counts, ENTRIES_MAX, OpenCase, PAGE_ITEMS, PAGE_ITEMS_MAX, PAGE_ROWS_MAX, Page,
    Store, StoreError,
};
