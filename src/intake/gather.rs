//! One batch's way through a lane, the same for every source: counts, findings, and refusals for the source to put away.

use crate::alert::Finding;
use crate::engine::lane::{Lane, Passed};
use crate::metrics::event::RecordsRefused;
use crate::metrics::{Metrics, Source, Tally};
use crate::screen::Mode;
use crate::waybill::{Reason, Refusal};

/// What a batch gathers.
#[derive(Default)]
pub(crate) struct Gather {
    tally: Tally,
    /// Findings for the desk, in the order of their records.
    pub findings: Vec<Finding>,
    refused: Vec<(Reason, String, u64)>,
}

/// What became of one record.
pub(crate) enum Took {
    /// Screened; nothing for the desk.
    Screened,
    /// Screened, and the last of [`Gather::findings`] is from it.
    Found,
    /// Refused; to be put away by the source.
    Refused(Refusal),
}

impl Gather {
    /// Passes one record through the lane.
    #[inline]
    pub fn take(&mut self, lane: &mut Lane, record: &[u8]) -> Took {
        match lane.pass(record) {
            Passed::Clean => {
                self.tally.screened(record.len());
                Took::Screened
            }
            Passed::Hit(screened) => {
                self.tally.screened(record.len());
                screened.live.iter().for_each(|rule| self.tally.hit(rule, Mode::Live));
                screened
                    .shadow
                    .iter()
                    .for_each(|rule| self.tally.hit(rule, Mode::Shadow));
                let Some(finding) = screened.finding else {
                    return Took::Screened;
                };
                self.findings.push(finding);
                Took::Found
            }
            Passed::Refused(refusal) => {
                self.refuse(&refusal, record.len());
                Took::Refused(refusal)
            }
        }
    }

    /// Counts a record that was refused before it got to a lane.
    pub fn refuse(&mut self, refusal: &Refusal, bytes: usize) {
        self.tally.refused(refusal.reason, bytes);
        match self.refused.iter_mut().find(|(reason, ..)| *reason == refusal.reason) {
            Some((_, _, count)) => *count += 1,
            None => self.refused.push((refusal.reason, refusal.field.clone(), 1)),
        }
    }

    /// Records taken since the last counting.
    pub fn records(&self) -> u64 {
        self.tally.records()
    }

    /// Adds the batch's counts to the source's, and says what was refused.
    pub fn count(&mut self, metrics: &Metrics, source: &Source) {
        self.tally.add_to(metrics, source);
        for (reason, field, count) in self.refused.drain(..) {
            metrics.emit(RecordsRefused {
                source: source.name(),
                reason,
                field: &field,
                count,
            });
        }
    }
}
