//! The states of a case and the steps between them, as one table. Who may take a step, and what it needs, is left out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A lead that nobody has taken up.
    Lead,
    /// Someone is checking it.
    Verifying,
    /// Checked, and nothing in it.
    Dismissed,
    /// Departments are at work on it.
    Handling,
    /// Handed over to the police (移送).
    Transferred,
    /// The police have filed it (立案).
    Filed,
    /// The police have declined it (不立案).
    Declined,
    /// Finished, with a verdict.
    Closed,
    /// Part of another case now.
    Merged,
}

impl State {
    /// Every state, in the order of the lifecycle.
    pub const ALL: [Self; 9] = [
        Self::Lead,
        Self::Verifying,
        Self::Dismissed,
        Self::Handling,
        Self::Transferred,
        Self::Filed,
        Self::Declined,
        Self::Closed,
        Self::Merged,
    ];

    /// The word used in JSON and queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Verifying => "verifying",
            Self::Dismissed => "dismissed",
            Self::Handling => "handling",
            Self::Transferred => "transferred",
            Self::Filed => "filed",
            Self::Declined => "declined",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }

    /// The state of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// True while there is something to do: alerts may join, tasks may be issued.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Dismissed | Self::Closed | Self::Merged)
    }

    /// The state after a step, by [`TRANSITIONS`].
    pub fn after(self, step: Step) -> Result<Self, Forbidden> {
        TRANSITIONS
            .iter()
            .find(|(from, by, _)| *from == self && *by == step)
            .map(|(_, _, to)| *to)
            .ok_or(Forbidden { from: self, step })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What moves a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A person takes up a lead.
    Verify,
    /// The check found nothing.
    Dismiss,
    /// The check found something: departments are put to work.
    Handle,
    /// A red alert joins.
    Raise,
    /// Hand over to the police.
    Transfer,
    /// The police file it.
    File,
    /// The police decline it.
    Decline,
    /// Work goes on after the police declined.
    TakeBack,
    /// A verdict is given.
    Close,
    /// A closed or dismissed case is looked at again.
    Reopen,
    /// It becomes part of another case.
    Merge,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 11] = [
        Self::Verify,
        Self::Dismiss,
        Self::Handle,
        Self::Raise,
        Self::Transfer,
        Self::File,
        Self::Decline,
        Self::TakeBack,
        Self::Close,
        Self::Reopen,
        Self::Merge,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verify => "verify",
            Self::Dismiss => "dismiss",
            Self::Handle => "handle",
            Self::Raise => "raise",
            Self::Transfer => "transfer",
            Self::File => "file",
            Self::Decline => "decline",
            Self::TakeBack => "take back",
            Self::Close => "close",
            Self::Reopen => "reopen",
            Self::Merge => "merge",
        })
    }
}

/// Every step that there is: from a state, by a step, to a state. What is not here is forbidden.
///
/// Raising a case that the police already have leaves it with them; raising any other open case puts it in handling.
pub const TRANSITIONS: &[(State, Step, State)] = &[
    (State::Lead, Step::Verify, State::Verifying),
    (State::Lead, Step::Raise, State::Handling),
    (State::Lead, Step::Merge, State::Merged),
    (State::Verifying, Step::Dismiss, State::Dismissed),
    (State::Verifying, Step::Handle, State::Handling),
    (State::Verifying, Step::Raise, State::Handling),
    (State::Verifying, Step::Merge, State::Merged),
    (State::Dismissed, Step::Reopen, State::Verifying),
    (State::Handling, Step::Raise, State::Handling),
    (State::Handling, Step::Transfer, State::Transferred),
    (State::Handling, Step::Close, State::Closed),
    (State::Handling, Step::Merge, State::Merged),
    (State::Transferred, Step::Raise, State::Transferred),
    (State::Transferred, Step::File, State::Filed),
    (State::Transferred, Step::Decline, State::Declined),
    (State::Transferred, Step::Merge, State::Merged),
    (State::Filed, Step::Raise, State::Filed),
    (State::Filed, Step::Close, State::Closed),
    (State::Filed, Step::Merge, State::Merged),
    (State::Declined, Step::Raise, State::Handling),
    (State::Declined, Step::TakeBack, State::Handling),
    (State::Declined, Step::Close, State::Closed),
    (State::Declined, Step::Merge, State::Merged),
    (State::Closed, Step::Reopen, State::Verifying),
];

/// A step that the lifecycle does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a case in state {from} has no step {step}")]
pub struct Forbidden {
    /// The state that the case is in.
    pub from: State,
    /// The step asked for.
    pub step: Step,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_pair_has_one_outcome_and_the_rest_is_refused() {
        let pairs: HashSet<_> = TRANSITIONS.iter().map(|(from, step, _)| (*from, *step)).collect();
        assert_eq!(pairs.len(), TRANSITIONS.len(), "a pair stands twice in the table");
        for from in State::ALL {
            for step in Step::ALL {
                let row = TRANSITIONS.iter().find(|row| (row.0, row.1) == (from, step));
                assert_eq!(from.after(step).ok(), row.map(|row| row.2), "{from} by {step}");
            }
        }
    }

    /// The arrows of the diagram in the domain description, without the steps of alerts and mergers.
    #[test]
    fn the_diagram_and_nothing_else() {
        use State::*;
        let drawn: HashSet<(State, State)> = HashSet::from([
            (Lead, Verifying),
            (Verifying, Dismissed),
            (Verifying, Handling),
            (Handling, Transferred),
            (Handling, Closed),
            (Transferred, Filed),
            (Transferred, Declined),
            (Filed, Closed),
            (Declined, Handling),
            (Declined, Closed),
            (Closed, Verifying),
            (Dismissed, Verifying),
        ]);
        let table: HashSet<(State, State)> = TRANSITIONS
            .iter()
            .filter(|row| !matches!(row.1, Step::Raise | Step::Merge))
            .map(|row| (row.0, row.2))
            .collect();
        assert_eq!(table, drawn);
    }

    #[test]
    fn every_open_case_can_be_raised_and_merged_and_no_other() {
        for state in State::ALL {
            assert_eq!(state.after(Step::Raise).is_ok(), state.is_open(), "{state}");
            assert_eq!(state.after(Step::Merge).is_ok(), state.is_open(), "{state}");
        }
    }

    #[test]
    fn every_state_but_merged_leads_somewhere_and_names_are_their_json() {
        for state in State::ALL {
            let leads = TRANSITIONS.iter().any(|row| row.0 == state);
            assert_eq!(leads, state != State::Merged, "{state}");
            assert_eq!(serde_json::to_string(&state).expect("a word"), format!("\"{state}\""));
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn a_refusal_says_from_where_and_what() {
        let refused = State::Closed.after(Step::File).expect_err("closed cases are not filed");
        assert_eq!(refused.to_string(), "a case in state closed has no step file");
    }
}
