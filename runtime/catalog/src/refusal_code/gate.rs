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
        "gate.cell-below-threshold",
        "a cell rests on at least as many persons as the profile's threshold",
        "a figure about a few persons is known to each of them, and to whoever knows all but one",
        "merge categories, widen bands or use fewer keys",
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
        "gate.profile-unknown",
        "a disclosure profile is one that the enclave has loaded",
        "the rules of a grant are fixed by the name of its profile",
        "name one of the profiles that the answer lists",
    ),
];
