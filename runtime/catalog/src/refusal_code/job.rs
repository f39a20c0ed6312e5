//! Codes of jobs, budgets and runs.

use super::{RefusalCode, entry};

pub(super) const CODES: &[RefusalCode] = &[
    entry(
        "job.ended",
        "a job that has ended stays ended",
        "its end is in the log and in its receipt",
        "read its state; submit a new job",
    ),
    entry(
        "job.no-noise-asked",
        "what is explained is the noise that a job asks for",
        "exact figures cost no privacy loss; which rules they meet is the matter of `job lint`",
        "add `privacy` to the request (`--epsilon` or `--rho`), or ask `job lint`",
    ),
    entry(
        "job.parameter-range",
        "a parameter is a number within the range of the module's manifest",
        "parameters are declared with their range, so that reviewers know what a job can be made to do",
        "choose a number within the range",
    ),
    entry(
        "job.parameter-unknown",
        "a parameter is one of the module's manifest",
        "a misspelt parameter would otherwise be ignored",
        "leave it out, or correct its name",
    ),
    entry(
        "job.queue-full",
        "a bounded number of jobs waits",
        "a queue without bound helps nobody",
        "submit it again when a job has ended",
    ),
    entry(
        "job.queue-full-for-organisation",
        "a bounded number of an organisation's jobs waits",
        "one organisation must not fill the queue of all",
        "submit it again when one of yours has ended",
    ),
    entry(
        "job.refused-too-often",
        "an organisation's jobs are refused 30 times at once, and then once every half a minute",
        "a refusal tells whether something fits; who may ask as often as they like finds out how much there is",
        "`glovebox job lint` and `glovebox job explain` say without a job what would be refused",
    ),
    entry(
        "job.tables-too-large",
        "the sets of persons behind all cells fit into the memory of a job",
        "who stands behind a figure is kept for every cell until it is judged; a manifest with many cells a person would take all memory",
        "declare fewer cells, or fewer contributions a person",
    ),
    entry(
        "meter.jobs-exhausted",
        "the grant's budget covers the job",
        "suppliers agree to a number of jobs",
        "propose a grant with a larger budget",
    ),
    entry(
        "meter.releases-exhausted",
        "the grant's budget covers the release",
        "suppliers agree to a number of releases",
        "propose a grant with a larger budget",
    ),
    entry(
        "meter.cells-exhausted",
        "the grant's budget covers every cell that the manifest declares, margins and rounds included",
        "what may leave is reserved before a row is read, so that no refusal depends on the rows",
        "use fewer keys, wider bands or fewer outputs, or propose a grant with a larger budget",
    ),
    entry(
        "meter.bytes-out-exhausted",
        "the grant's budget covers the largest document that the manifest allows",
        "what may leave is reserved before a row is read, so that no refusal depends on the rows",
        "declare fewer cells, or propose a grant with a larger budget",
    ),
    entry(
        "meter.leakage-bits-exhausted",
        "the grant's budget covers the most that the release can carry, in bits",
        "any code may run; what bounds it is the capacity of what leaves",
        "declare fewer cells or coarser ones (`job lint` shows the bits), or propose a grant with a larger budget",
    ),
    entry(
        "meter.epsilon-exhausted",
        "what noisy releases lose of privacy together stays within the limits of dataset, grant and developer",
        "losses add up, whoever asks: many noisy answers together are an exact one",
        "ask for more noise or fewer rounds, or ask the supplier for a larger limit; the place says which one is met",
    ),
    entry(
        "meter.fuel-exhausted",
        "the grant's budget covers the fuel of every row, person or block that the job reads",
        "what a job may burn is reserved before a row is read, so that its end tells nothing of the rows",
        "wait until running jobs give back what they hold, or propose a grant with a larger budget",
    ),
    entry(
        "meter.claims-exhausted",
        "the grant's budget covers a claim for every cell that the job declares",
        "a figure that was released keeps others from being released that lie close to it; suppliers agree to how many",
        "declare fewer cells, or propose a grant with a larger budget",
    ),
    entry(
        "meter.rows-exhausted",
        "the grant's budget covers the rows of the snapshot",
        "suppliers agree to an amount of data that is read",
        "propose a grant with a larger budget",
    ),
    entry(
        "run.bad-output",
        "contributions name a declared output and cell, and lie in the guest's memory",
        "the host takes nothing that the manifest does not declare",
        "compare the job's cell numbers with its manifest",
    ),
    entry(
        "run.bad-update",
        "`update` answers with a stop flag, 0 or 1, and a finite number for each state variable",
        "the next round starts from this state, within the bounds of the manifest",
        "guard divisions and logarithms by released figures: a suppressed one comes as 0, marked as missing",
    ),
    entry(
        "run.cancelled",
        "a job ends when its submitter, an operator, or the end of a right stops it",
        "a right that ends must end what rests on it",
        "read the job's state and the grant's, then submit it again",
    ),
    entry(
        "run.internal",
        "the enclave does its part",
        "this is a fault of the enclave, not of the job; nothing left",
        "tell the operator the id of the job",
    ),
    entry(
        "run.interrupted",
        "a job that a stop of the enclave interrupted runs again a bounded number of times",
        "a job that brings the enclave down must not do so for ever",
        "tell the operator the id of the job",
    ),
    entry(
        "run.memory",
        "a guest's memory is limited",
        "one job must not take the memory of others",
        "hold less at a time",
    ),
    entry(
        "run.out-of-fuel",
        "a row, a person, a block and a run have a measure of fuel",
        "a job that never ends would hold its place for ever",
        "do less per row or person, or ask the operator for a larger measure",
    ),
    entry(
        "run.stack",
        "a guest's stack is limited",
        "calls that nest without end would exhaust the host",
        "replace recursion by a loop",
    ),
    entry(
        "run.trap",
        "a job does not trap",
        "a trap ends a guest at a place that it chose; on real data only the class is told",
        "run the job on dummy data, where every fault is told",
    ),
    entry(
        "run.wall-time",
        "a run has a time limit",
        "a job must not hold its place for ever",
        "do less per row, or ask the operator for a longer limit",
    ),
];
