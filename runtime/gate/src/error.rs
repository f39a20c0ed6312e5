//! What can go wrong before anything is disclosed.

use glovebox_catalog::ManifestError;
use thiserror::Error;

use crate::Interrupted;

/// Why contributions or a profile can't be taken. No message holds a value of a row.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GateError {
    /// The guest named an output that its manifest does not declare.
    #[error("the guest contributed to output {output}, expected a number below {outputs}; correct the module")]
    UnknownOutput {
        /// What it named.
        output: u32,
        /// How many outputs the manifest declares.
        outputs: usize,
    },
    /// The guest named a cell outside the output's keys. The number is not told: a guest may compute it from a row.
    #[error("the guest contributed to a cell of `{output}` outside 0 to {cells} (exclusive); correct the module")]
    UnknownCell {
        /// The output.
        output: String,
        /// How many cells the guest can address in it.
        cells: usize,
    },
    /// The caller did not cluster rows by person.
    #[error("persons of output `{output}` do not come in ascending order; read the view sorted by person")]
    PersonsOutOfOrder {
        /// The output.
        output: String,
    },
    /// Columns of a batch differ in length.
    #[error("batch for output `{output}`: columns differ in length; pass one person, cell and value a row")]
    Ragged {
        /// The output.
        output: String,
    },
    /// An output of a `block` or `cohort` job, which makes no contributions.
    #[error("output `{output}` takes no contributions; its isolation makes estimates or tables")]
    NoContributions {
        /// The output.
        output: String,
    },
    /// Bounds of a sum or mean that the host can't compute with.
    #[error("bounds of output `{output}` are out of reach; declare a range between 1e-100 and 1e100 wide")]
    Bounds {
        /// The output.
        output: String,
    },
    /// The manifest is faulty.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A disclosure profile that can't be read.
    #[error("the disclosure profile is not valid: {detail}")]
    Profile {
        /// What is wrong with it; a profile holds no data of persons.
        detail: String,
    },
    /// A noisy release without a loss.
    #[error("a noisy release needs a privacy loss above 0; ask for some `epsilon` or `rho`")]
    NoPrivacyLoss,
    /// Noise that can't be calibrated or drawn.
    #[error("no noise: {detail}")]
    Noise {
        /// Why, and what to do.
        detail: &'static str,
    },
    /// The caller's patience ended. Noise may have been drawn: a privacy loss counts as spent.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// An estimate for a block or output that the job does not have.
    #[error("estimate of output {output} from block {block}: the job has {outputs} outputs and {blocks} blocks")]
    UnknownEstimate {
        /// The output named.
        output: u32,
        /// The block named.
        block: u32,
        /// Outputs of the job.
        outputs: usize,
        /// Blocks of the job.
        blocks: u32,
    },
}
