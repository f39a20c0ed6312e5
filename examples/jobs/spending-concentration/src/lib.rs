//! How spending is concentrated: persons ordered by what they cost, in tenths, with each tenth's share of the total.
//!
//! It needs all persons at once, so it is a `cohort` job: reviewers see the table before anyone else does.

use glovebox_guest::{decode, encode};

glovebox_guest::job! {
    name: "spending-concentration",
    version: "1.0.0",
    description: "Share of all medical spending that falls on each tenth of persons, ordered by spending",
    isolation: cohort,
    inputs { medical_usd: float64 }
    outputs {
        tenths: table(10; tenth: code["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"], share_percent: number(0.0, 100.0, 0.5));
    }
    cohort Spending;
}

/// What each person cost.
#[derive(Debug, Default)]
pub struct Spending {
    totals: Vec<f64>,
}

impl Cohort for Spending {
    fn batch(&mut self, rows: &Batch<'_>, _: &Parameters) {
        let first = self.totals.len();
        for (person, usd) in rows.person_of_row.iter().zip(rows.medical_usd.iter()) {
            let place = first + *person as usize;
            self.totals.resize(self.totals.len().max(place + 1), 0.0);
            if let Some(total) = self.totals.get_mut(place) {
                *total += usd;
            }
        }
    }

    fn partial(self) -> Vec<u8> {
        encode(&self.totals)
    }

    fn merge(&mut self, partial: &[u8]) {
        self.totals.extend(decode(partial));
    }

    fn finish(mut self, _: &Parameters, tables: &mut Tables) {
        self.totals.sort_unstable_by(f64::total_cmp);
        let all: f64 = self.totals.iter().sum();
        let persons = self.totals.len();
        for tenth in 0..10 {
            let of_tenth = self.totals.get(persons * tenth / 10..persons * (tenth + 1) / 10).unwrap_or_default();
            let share = 100.0 * of_tenth.iter().sum::<f64>() / all;
            tables.tenths(tenth as u32, of_tenth.len() as u64, [Some(tenth as f64), (all > 0.0).then_some(share)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::Column;

    fn batch(cohort: &mut Spending, usd: &[f64], persons: &[u32]) {
        let rows = Batch { medical_usd: Column::new(usd), person_of_row: persons };
        cohort.batch(&rows, &Parameters::default());
    }

    #[test]
    fn batches_and_partials_add_up() {
        let mut stretches = [Spending::default(), Spending::default()];
        batch(&mut stretches[0], &[1.0, 2.0, 4.0], &[0, 0, 1]);
        batch(&mut stretches[0], &[8.0], &[0]);
        batch(&mut stretches[1], &[16.0], &[0]);
        let mut merged = Spending::default();
        for stretch in stretches {
            merged.merge(&stretch.partial());
        }
        assert_eq!(merged.totals, [3.0, 4.0, 8.0, 16.0]);
    }

    #[test]
    fn tenths_are_by_spending() {
        let mut cohort = Spending::default();
        let usd: Vec<f64> = (0..20).rev().map(f64::from).collect();
        batch(&mut cohort, &usd, &(0..20).collect::<Vec<_>>());
        let mut tables = Tables::default();
        cohort.finish(&Parameters::default(), &mut tables);
        let rows: Vec<_> =
            tables.records.chunks(3).map(|row| (row[0].cell, row[0].value, row[1].value, row[2].value)).collect();
        assert_eq!(rows.len(), 10);
        assert_eq!(rows[0], (0, 2.0, 0.0, 100.0 / 190.0));
        assert_eq!(rows[9], (27, 2.0, 9.0, 3700.0 / 190.0));
    }
}
