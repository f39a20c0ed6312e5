//! No one or two contributors make up so much of a figure that it is theirs: the (n, k) and the p% rule.
//!
//! Source: Hundepool et al., Statistical Disclosure Control, section 4.2; values as in ACRO (`safe_nk_n`, `safe_nk_k`,
//! `safe_pratio_p`). Magnitudes are sums of absolute values, so that contributions do not cancel.

use glovebox_catalog::Refusal;

use super::Suppression;
use crate::Profile;
use crate::cell::{CellStatistics, Component};

/// The rule by which `cell` is dominated, if any.
///
/// A figure of zeros alone counts as dominated, as its largest contributors make up all of it: otherwise a guest that
/// gives every person but one a zero would tell, by whether the cell is shown, whether that one is zero too.
pub(crate) fn dominated(cell: &CellStatistics, profile: &Profile) -> Option<Suppression> {
    cell.components().iter().find_map(|component| dominated_component(component, profile))
}

fn dominated_component(cell: &Component, profile: &Profile) -> Option<Suppression> {
    let [first, second] = cell.largest.map(|largest| u128::from(largest).min(cell.magnitude));
    if let Some(nk) = profile.nk {
        let top = if nk.n == 1 { first } else { (first + second).min(cell.magnitude) };
        if top as f64 >= nk.k * cell.magnitude as f64 {
            return Some(Suppression::DominanceNk);
        }
    }
    if let Some(p) = profile.p_percent {
        let others = cell.magnitude.saturating_sub(first + second);
        if first == 0 || (others as f64) < p / 100.0 * first as f64 {
            return Some(Suppression::DominancePPercent);
        }
    }
    None
}

const REMEDY: &str = "merge categories so that no person weighs so much, or lower the declared upper bound, to which every \
                      value is clamped";

pub(super) fn nk_refusal(profile: &Profile, place: String) -> Refusal {
    let (n, percent) = profile.nk.map_or((0, 0.0), |nk| (nk.n, nk.k * 100.0));
    let rule = format!("the {n} largest contributors make up less than {percent} % of a figure");
    Refusal::new("gate.dominance-nk", rule, place, REMEDY)
}

pub(super) fn p_percent_refusal(profile: &Profile, place: String) -> Refusal {
    let percent = profile.p_percent.unwrap_or_default();
    let rule = format!("all but the two largest contributors make up at least {percent} % of the largest");
    Refusal::new("gate.dominance-p-percent", rule, place, REMEDY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(magnitudes: &[u64]) -> CellStatistics {
        let contributions: Vec<_> = (0..).zip(magnitudes.iter().copied()).collect();
        CellStatistics::of(&contributions)
    }

    fn without_nk() -> Profile {
        Profile { nk: None, ..Profile::shipped_default() }
    }

    #[test]
    fn nk_is_met_at_exactly_its_share() {
        let profile = Profile::shipped_default();
        assert_eq!(dominated(&cell(&[50, 40, 5, 5]), &profile), Some(Suppression::DominanceNk));
        assert_eq!(dominated(&cell(&[50, 39, 6, 5]), &profile), None);
        assert_eq!(dominated(&cell(&[10, 10, 10]), &profile), None);
    }

    #[test]
    fn p_percent_looks_at_what_the_second_largest_could_work_out() {
        assert_eq!(dominated(&cell(&[100, 80, 9]), &without_nk()), Some(Suppression::DominancePPercent));
        assert_eq!(dominated(&cell(&[100, 80, 10]), &without_nk()), None);
    }

    #[test]
    fn zeros_alone_are_dominated_so_that_one_value_among_them_tells_nothing() {
        for profile in [Profile::shipped_default(), without_nk()] {
            assert!(dominated(&cell(&[0; 20]), &profile).is_some());
            let mut one_among_zeros = [0; 20];
            one_among_zeros[7] = 1;
            assert_eq!(dominated(&cell(&one_among_zeros), &profile), dominated(&cell(&[0; 20]), &profile));
        }
    }
}
