//! What can go wrong in a run, and who is at fault. No message holds a value of a row.

use glovebox_catalog::Refusal;
use thiserror::Error;

/// Why a module can't be compiled or the sandbox not be set up.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The bytes are not those that were inspected.
    #[error("the module's bytes are not those that passed inspection; inspect them again")]
    NotInspected,
    /// The module passed inspection but does not speak the job interface.
    #[error("the module was refused: {0}")]
    Interface(Refusal),
    /// The host could not do its part.
    #[error("the sandbox could not {what}: {detail}; see the operator's log")]
    Host {
        /// What it tried.
        what: &'static str,
        /// What the runtime said; it has seen no row.
        detail: String,
    },
}

/// Class of a failure: all that a developer learns of a failed run on real data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// The guest trapped: unreachable, division by zero, out of bounds, wrong indirect call.
    Trap,
    /// The fuel of a row, a person or the run was used up.
    OutOfFuel,
    /// The guest asked for more memory than it may have.
    Memory,
    /// The guest nested calls too deeply.
    Stack,
    /// The guest answered outside the interface: unknown output or cell, records outside its memory, too many of them.
    BadOutput,
    /// `update` answered with another number of numbers, one that is not finite, or no stop flag.
    BadUpdate,
    /// The run took too long.
    WallTime,
    /// The run was cancelled.
    Cancelled,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Trap,
        Self::OutOfFuel,
        Self::Memory,
        Self::Stack,
        Self::BadOutput,
        Self::BadUpdate,
        Self::WallTime,
        Self::Cancelled,
    ];

    /// Its stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Trap => "run.trap",
            Self::OutOfFuel => "run.out-of-fuel",
            Self::Memory => "run.memory",
            Self::Stack => "run.stack",
            Self::BadOutput => "run.bad-output",
            Self::BadUpdate => "run.bad-update",
            Self::WallTime => "run.wall-time",
            Self::Cancelled => "run.cancelled",
        }
    }

    fn rule_and_remedy(self) -> (&'static str, &'static str) {
        match self {
            Self::Trap => ("a job does not trap", "run the job on dummy data, where every fault is told"),
            Self::OutOfFuel => {
                ("a row, a person, a block and a run have a fuel limit", "do less per row, or ask for more fuel")
            }
            Self::Memory => ("a guest's memory is limited", "hold less at a time"),
            Self::Stack => ("a guest's stack is limited", "replace recursion by a loop"),
            Self::BadOutput => (
                "contributions name a declared output and cell, and lie in the guest's memory",
                "compare the job's cell numbers with its manifest",
            ),
            Self::BadUpdate => (
                "`update` answers with a stop flag, 0 or 1, and a finite number for each state variable",
                "guard divisions and logarithms by released figures: a suppressed one comes as 0, marked as missing",
            ),
            Self::WallTime => ("a run has a time limit", "do less per row, or ask for a longer run"),
            Self::Cancelled => ("a run ends when it is cancelled", "submit the job again"),
        }
    }
}

/// What a sink could not take.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct SinkError {
    /// Why, without a value of a row.
    pub message: String,
}

/// Why a run ended early.
#[derive(Debug, Error)]
pub enum RunError {
    /// The guest, its limits or a person ended it.
    #[error("the run ended: {}", .0.code())]
    Failed(FailureClass),
    /// The batch does not have the columns of the manifest.
    #[error("the view's batch does not fit the manifest: {detail}")]
    Input {
        /// What does not fit: names and types.
        detail: String,
    },
    /// The reducer refused a contribution.
    #[error("the reducer refused a contribution: {0}")]
    Sink(#[from] SinkError),
    /// The host could not do its part.
    #[error("the sandbox could not {what}: {detail}; see the operator's log")]
    Host {
        /// What it tried.
        what: &'static str,
        /// What the runtime said.
        detail: String,
    },
}

impl RunError {
    /// The stable code: that of the failure class, or `run.internal` when the guest is not at fault.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Failed(class) => class.code(),
            Self::Input { .. } | Self::Sink(_) | Self::Host { .. } => "run.internal",
        }
    }

    /// The refusal that a developer may see: class and remedy, nothing of the data.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let (rule, remedy) = match self {
            Self::Failed(class) => class.rule_and_remedy(),
            _ => ("the enclave failed, not the job", "tell the operator the id of the job"),
        };
        Refusal::new(self.code(), rule, "the run", remedy)
    }

    pub(crate) fn host(what: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Host { what, detail: format!("{error:#}") }
    }
}
