//! Codes of the gate and of review.

use super::{RefusalCode, entry};

pub(super) const CODES: &[RefusalCode] = &[
    entry(
        "gate.all-cells-withheld",
        "at least one cell passes every rule of the profile",
        "a release without a figure is none; the reasons that follow name the rules met",
        "merge categories, widen bands or use fewer keys; `job lint` tells what each output meets",
    ),
    entry(
        "gate.block-needs-noise",
        "what a guest estimates from a block leaves only as an average or median with noise",
        "a guest can write a row into its estimate; only noise over many blocks hides one",
        "submit the job with `--epsilon` or `--rho`; `job explain` shows the error to expect",
    ),
    entry(
        "gate.cell-below-threshold",
        "a cell rests on at least as many persons as the profile's threshold",
        "a figure about a few persons is known to each of them, and to whoever knows all but one",
        "merge categories, widen bands or use fewer keys",
    ),
    entry(
        "gate.noise-needs-bounds",
        "the host adds noise to what it has reduced itself, and a `cohort` job reduces everything itself",
        "noise on a number that a guest made up would prove nothing",
        "leave `privacy` out and have the output reviewed, or use isolation `row`, `person` or `block`",
    ),
    entry(
        "gate.complementary",
        "a suppressed cell can't be computed from what is shown beside it",
        "a total less the shown cells is the suppressed one; so another cell, or the total, is suppressed too",
        "merge the categories that are suppressed, so that none has to be",
    ),
    entry(
        "gate.dominance-nk",
        "the largest one or two contributors make up less than the profile's share of a cell",
        "a sum that one person dominates is that person's value, nearly",
        "merge categories, or narrow the bounds to which values are clamped",
    ),
    entry(
        "gate.dominance-p-percent",
        "all but the two largest contributors make up at least the profile's percentage of the largest",
        "otherwise the second largest can estimate the largest too closely",
        "merge categories, or narrow the bounds to which values are clamped",
    ),
    entry(
        "gate.no-privacy-loss",
        "a release with noise loses some privacy, or it tells nothing",
        "at a loss of 0 the noise is without bound",
        "ask for an epsilon or rho above 0; `job explain` shows the error to expect",
    ),
    entry(
        "gate.profile-needs-noise",
        "under some profiles figures leave with noise alone",
        "a supplier chose differential privacy for all that leaves under the grant",
        "submit the job with `--epsilon` or `--rho`; `job explain` shows the error to expect",
    ),
    entry(
        "gate.profile-unknown",
        "a disclosure profile is one that the enclave has loaded",
        "the rules of a grant are fixed by the name of its profile",
        "name one of the profiles that the answer lists",
    ),
];
