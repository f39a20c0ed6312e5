//! What the end of a job costs: one rule for every end, however it comes about.
//!
//! An end is paid by what anybody can have learnt of rows until then, not by whether a table left. A developer who stops
//! a job learns that it had not ended yet; one whose job fails learns how; noise that was drawn is a loss of privacy
//! whether its figures are shown or not. So nothing that depends on a run is in here but what the gate let out.

use glovebox_catalog::Privacy;
use glovebox_meter::{Amounts, PrivacyLoss};

use crate::job::pace::STEPS_MAX;

/// Bits that the way tells in which a job ended: one of fewer than sixteen (released, withheld, stopped, one for each
/// class of failure).
const WAY_BITS: u64 = 4;
/// Bits that the moment tells at which an end shows, or at which a job that is stopped had not shown one.
const MOMENT_BITS: u64 = STEPS_MAX.next_power_of_two().ilog2() as u64;
/// Bits of an end of which nothing else is told.
pub(crate) const END_BITS: u64 = WAY_BITS + MOMENT_BITS;
/// Bits that the reasons tell for one output of which nothing could leave: which of the gate's codes were met.
const REASONS_BITS: u64 = 10;

/// How far a job had come when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// No row was read.
    Nothing,
    /// Rows were read, and noise was drawn for so many rounds.
    Rows { rounds_drawn: u32 },
    /// It was running when the enclave stopped; how far it had come is not known.
    Unknown,
    /// Its output waited for reviewers. The noise was paid when it was handed to them.
    Review,
}

/// In which way it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A table left.
    Released { cells: u64, bytes_out: u64, leakage_bits: u64 },
    /// A table was made and did not leave; the reasons were told.
    Withheld,
    /// The module failed.
    Failed,
    /// The enclave failed; the fuel is its loss.
    EnclaveFailed,
    /// Someone stopped it, or a right ended.
    Stopped,
}

/// What a job holds while it runs, and what it may be charged for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Holding {
    /// Of the grant's budget.
    pub(crate) amounts: Amounts,
    /// Of the dataset's privacy.
    pub(crate) loss: PrivacyLoss,
    /// Privacy of each round, for a job with noise.
    pub(crate) privacy: Option<Privacy>,
    /// How many outputs its module declares.
    pub(crate) outputs: u64,
}

/// What is charged. The rest of what was held is given back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    pub(crate) amounts: Amounts,
    pub(crate) loss: PrivacyLoss,
}

/// Bits that a job can carry of which nothing left: how and when it ended, and why.
pub(crate) fn withheld_bits(outputs: u64) -> u64 {
    END_BITS.saturating_add(REASONS_BITS.saturating_mul(outputs))
}

/// What an end costs.
pub(crate) fn cost(way: Way, reached: Reached, holding: &Holding) -> Cost {
    let loss = match reached {
        Reached::Nothing | Reached::Review => PrivacyLoss::ZERO,
        Reached::Rows { rounds_drawn } => {
            holding.privacy.map_or(PrivacyLoss::ZERO, |privacy| PrivacyLoss::of(privacy, rounds_drawn))
        }
        // Whatever was drawn, it was no more than is held.
        Reached::Unknown => holding.loss,
    };
    if reached == Reached::Nothing {
        return Cost { amounts: Amounts::default(), loss };
    }
    let leakage_bits = match way {
        Way::Released { leakage_bits, .. } => leakage_bits.saturating_add(END_BITS),
        Way::Withheld => withheld_bits(holding.outputs),
        Way::Failed | Way::EnclaveFailed | Way::Stopped => END_BITS,
    };
    let (releases, cells, bytes_out) = match way {
        Way::Released { cells, bytes_out, .. } => (1, cells, bytes_out),
        _ => (0, 0, 0),
    };
    let (fuel_units, rows_read) = match way {
        Way::EnclaveFailed => (0, 0),
        _ => (holding.amounts.fuel_units, holding.amounts.rows_read),
    };
    // Not what it claimed: how many sets differ depends on who is in them.
    let claims = holding.amounts.claims;
    Cost { amounts: Amounts { jobs: 1, releases, cells, claims, bytes_out, leakage_bits, fuel_units, rows_read }, loss }
}

#[cfg(test)]
mod tests {
    use glovebox_catalog::Epsilon;

    use super::*;

    const WAYS: [Way; 5] = [
        Way::Released { cells: 3, bytes_out: 100, leakage_bits: 40 },
        Way::Withheld,
        Way::Failed,
        Way::EnclaveFailed,
        Way::Stopped,
    ];

    fn each_round() -> Privacy {
        Privacy::Laplace { epsilon: Epsilon::new(0.5).unwrap() }
    }

    fn holding(rounds: u32, privacy: Option<Privacy>, outputs: u64) -> Holding {
        let amounts = Amounts {
            jobs: 1,
            releases: 1,
            cells: 30,
            claims: 30,
            bytes_out: 9_000,
            leakage_bits: 1_000,
            fuel_units: 700 * u64::from(rounds),
            rows_read: 80 * u64::from(rounds),
        };
        let loss = privacy.map_or(PrivacyLoss::ZERO, |privacy| PrivacyLoss::of(privacy, rounds));
        Holding { amounts, loss, privacy, outputs }
    }

    /// Every moment at which a job of so many rounds may end.
    fn moments(rounds: u32) -> Vec<Reached> {
        let ran = (0..=rounds).map(|rounds_drawn| Reached::Rows { rounds_drawn });
        [Reached::Nothing, Reached::Unknown, Reached::Review].into_iter().chain(ran).collect()
    }

    /// Every way × moment × rounds × outputs × noise: nothing is free once a row was read, nothing costs more than is
    /// held, and noise that was drawn is lost.
    #[test]
    fn every_end_is_paid_by_what_it_can_have_told() {
        for (rounds, outputs) in [(1, 1), (1, 20), (2, 3), (7, 1)] {
            for privacy in [None, Some(each_round())] {
                let holding = holding(rounds, privacy, outputs);
                for (way, reached) in
                    WAYS.into_iter().flat_map(|way| moments(rounds).into_iter().map(move |at| (way, at)))
                {
                    let Cost { amounts, loss } = cost(way, reached, &holding);
                    let place = format!("{way:?} after {reached:?} of {rounds} rounds, {outputs} outputs, {privacy:?}");
                    assert!(amounts.fits_within(&holding.amounts), "{place}: {amounts:?}");
                    let drawn = match reached {
                        Reached::Nothing | Reached::Review => 0,
                        Reached::Rows { rounds_drawn } => rounds_drawn,
                        Reached::Unknown => rounds,
                    };
                    let expected = privacy.map_or(PrivacyLoss::ZERO, |privacy| PrivacyLoss::of(privacy, drawn));
                    assert_eq!(loss, expected, "{place}");
                    if reached == Reached::Nothing {
                        assert_eq!(amounts, Amounts::default(), "{place}");
                        continue;
                    }
                    assert!(amounts.leakage_bits >= END_BITS && amounts.jobs == 1, "{place}: {amounts:?}");
                    let is_released = matches!(way, Way::Released { .. });
                    assert_eq!((amounts.releases == 1, amounts.cells > 0), (is_released, is_released), "{place}");
                    let full = (holding.amounts.fuel_units, holding.amounts.rows_read);
                    let worked = if way == Way::EnclaveFailed { (0, 0) } else { full };
                    assert_eq!((amounts.fuel_units, amounts.rows_read), worked, "{place}");
                }
            }
        }
    }

    #[test]
    fn bits_are_those_of_the_way_the_moment_and_the_reasons() {
        let bits = |way, outputs| {
            cost(way, Reached::Rows { rounds_drawn: 1 }, &holding(1, None, outputs)).amounts.leakage_bits
        };
        assert_eq!(END_BITS, 9, "one of sixteen ways, one of 32 moments");
        assert_eq!(bits(WAYS[0], 1), 40 + 9);
        assert_eq!([bits(Way::Withheld, 1), bits(Way::Withheld, 20)], [19, 209]);
        assert_eq!([Way::Failed, Way::EnclaveFailed, Way::Stopped].map(|way| bits(way, 20)), [9; 3]);
    }

    /// Every class of failure is a way of its own, and the others are four.
    #[test]
    fn ways_are_fewer_than_are_paid_for() {
        assert!(glovebox_sandbox::FailureClass::ALL.len() as u64 + 4 <= 1 << WAY_BITS);
    }
}
