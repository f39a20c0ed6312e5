//! How fast systolic pressure rises with age: a least-squares slope from each block of persons, and their median.

glovebox_guest::job! {
    name: "pressure-by-age",
    version: "1.0.0",
    description: "Rise of systolic pressure with age among adults, and median body-mass index, from blocks of persons",
    isolation: block,
    blocks: 60,
    inputs {
        age_years: int64,
        systolic_mmhg: float64,
        bmi: float64 or missing,
    }
    outputs {
        mmhg_per_decade: block_median(-10.0, 20.0, 300);
        median_bmi:      block_mean(15.0, 45.0);
    }
    block |block, _, estimate| {
        let adults = || block.rows().filter(|row| row.age_years >= 18);
        let count = adults().count() as f64;
        let mean_age = adults().map(|row| row.age_years as f64).sum::<f64>() / count;
        let mean_pressure = adults().map(|row| row.systolic_mmhg).sum::<f64>() / count;
        let (mut products, mut squares) = (0.0, 0.0);
        for row in adults() {
            let age = row.age_years as f64 - mean_age;
            products += age * (row.systolic_mmhg - mean_pressure);
            squares += age * age;
        }
        if squares > 0.0 {
            estimate.mmhg_per_decade(10.0 * products / squares);
        }
        let mut bmi: Vec<f64> = adults().filter_map(|row| row.bmi).collect();
        bmi.sort_unstable_by(f64::total_cmp);
        let (below, above) = (bmi.len().checked_sub(1)? / 2, bmi.len() / 2);
        estimate.median_bmi((bmi.get(below)? + bmi.get(above)?) / 2.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::Column;

    fn of(age: &[i64], pressure: &[f64], bmi: &[f64]) -> Vec<(u32, f64)> {
        let person_of_row: Vec<u32> = (0..age.len() as u32).collect();
        let present = vec![1; bmi.len()];
        let block = Block {
            age_years: Column::new(age),
            systolic_mmhg: Column::new(pressure),
            bmi: Column::with_validity(bmi, &present),
            person_of_row: &person_of_row,
        };
        Job::block(&block, &Parameters::default()).iter().map(|record| (record.output, record.value)).collect()
    }

    #[test]
    fn slope_and_median_are_those_of_the_adults() {
        let found = of(&[20, 40, 60, 5], &[110.0, 120.0, 130.0, 300.0], &[20.0, 30.0, 26.0, 90.0]);
        assert_eq!(found, [(0, 5.0), (1, 26.0)]);
        assert_eq!(of(&[20, 40], &[1.0, 1.0], &[20.0, 30.0]), [(0, 0.0), (1, 25.0)]);
    }

    #[test]
    fn a_block_that_can_not_tell_says_nothing() {
        assert_eq!(of(&[5], &[100.0], &[15.0]), []);
        assert_eq!(of(&[50], &[100.0], &[15.0]), [(1, 15.0)], "one age gives no slope");
    }
}
