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
        "gate.bounds-out-of-reach",
        "the bounds of values are between 1e-100 and 1e100 wide",
        "the host adds up values as whole steps of the declared range",
        "declare the bounds that values really have",
    ),
    entry(
        "gate.cell-below-threshold",
        "a cell rests on at least as many persons as the profile's threshold",
        "a figure about a few persons is known to each of them, and to whoever knows all but one",
        "merge categories, widen bands or use fewer keys",
    ),
    entry(
        "gate.claims-unchecked",
        "what a `cohort` job says of persons and values is its own claim",
        "the module saw everything at once, so no count of the host's can confirm it",
        "read the module's source and description, and compare with an earlier release",
    ),
    entry(
        "gate.coarse-steps",
        "a figure is as coarse as what the profile's rounding base, or one person, can add to it",
        "finer figures would tell whether a person is in them",
        "narrow the bounds, lower the contributions per person, or use keys with more persons each",
    ),
    entry(
        "gate.complementary",
        "a suppressed cell can't be computed from what is shown beside it",
        "a total less the shown cells is the suppressed one; so another cell, or the total, is suppressed too",
        "merge the categories that are suppressed, so that none has to be",
    ),
    entry(
        "gate.differencing",
        "a figure's persons differ from those of figures released before by nobody, or by at least the profile's number",
        "two figures that differ by a person give that person's record away when one is taken from the other",
        "ask for the same groups as before, or for groups that differ by more",
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
        "gate.leakage-bound",
        "every release states how many bits it can carry at most",
        "whatever a module is, it can write no more than that into what leaves",
        "use fewer cells, contributions per person or rounds",
    ),
    entry(
        "gate.needs-review",
        "a table that a module makes of everything leaves after two reviewers have approved it",
        "no rule can bound what such a table says; people judge it",
        "name a grant that has reviewers, or use isolation `row`, `person` or `block`",
    ),
    entry(
        "gate.no-privacy-loss",
        "a release with noise loses some privacy, or it tells nothing",
        "at a loss of 0 the noise is without bound",
        "ask for an epsilon or rho above 0; `job explain` shows the error to expect",
    ),
    entry(
        "gate.no-value",
        "every column of a row that is claimed has a finite number",
        "a missing value is shown as missing, whatever the reason",
        "give the column a value in every row, or declare another type",
    ),
    entry(
        "gate.noise-needs-bounds",
        "the host adds noise to what it has reduced itself, and a `cohort` job reduces everything itself",
        "noise on a number that a guest made up would prove nothing",
        "leave `privacy` out and have the output reviewed, or use isolation `row`, `person` or `block`",
    ),
    entry(
        "gate.open-keys",
        "of an open key only the values that pass every rule are listed",
        "that a rare value is suppressed would tell that somebody has it",
        "declare the codes that matter as a list, where all of them and totals are wanted",
    ),
    entry(
        "gate.noise-too-large",
        "the noise on the denominator of a ratio is smaller than the denominator",
        "a quotient by little more than noise is any number; that it is not shown follows from noisy sums alone",
        "ask for a larger loss, merge categories, or lower `contributions_per_person_max`",
    ),
    entry(
        "gate.no-noise",
        "noise can be calibrated to the bounds, contributions and loss that were declared",
        "noise that is too large for exact integers could not be added, and none may be left out",
        "ask for another loss, or declare narrower bounds and fewer contributions per person",
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
    entry(
        "gate.subset-difference",
        "a cell leaves out nobody of its output, or at least the profile's number of persons",
        "a subset of all but one tells that one's record beside the whole",
        "merge the small categories beside it, or drop the key",
    ),
    entry(
        "gate.too-many-rows",
        "a table has at most as many cells as the profile allows",
        "what is too long to read can't be checked",
        "use fewer keys or wider bands, or split the table over several outputs",
    ),
    entry(
        "gate.value-adjusted",
        "the values of a claimed table are clamped and rounded as its columns declare",
        "digits beyond the declared steps could carry a record",
        "let the module give values within the declared bounds and steps",
    ),
];
