//! Cox regression of the time until the first admission on sex and age, with Breslow's handling of ties.
//!
//! The partial likelihood needs, for each year, sums over the persons at risk. The enclave releases sums over the persons
//! who leave in a year, so that everybody is in one sum only; those at risk are all who leave in that year or later.

use glovebox_guest::{Next, exp, solve};

glovebox_guest::job! {
    name: "first-admission-cox",
    version: "1.0.0",
    description: "Cox regression of the first admission to hospital on sex and age at the start, time in years",
    isolation: person,
    contributions_per_person_max: 1,
    inputs {
        sex: code["male", "female"],
        age_years: int64,
        admissions: int64,
    }
    parameters { tolerance = 0.03 in 0.0..=1.0 }
    keys { year: codes["1", "2", "3", "4", "5"] }
    outputs {
        // Of a person who leaves in a year, admitted or not: its risk, and the risk times covariates and their products.
        leaving: gradient(2.24; risk, female, age, female_age, age_age) by [year];
        // Of a person admitted in a year: 1, and the covariates.
        admitted: gradient(1.74; events, female, age) by [year];
    }
    person |person, given, contribute| {
        let first = person.admissions.iter().position(|admissions| admissions > 0);
        let years = first.map_or(person.admissions.len(), |before| before + 1);
        // Both between -1 and 1, and a risk of at most 1, which changes no likelihood: nobody's sums are long.
        let female = if person.sex.first()? == glovebox_guest::Code(1) { 1.0 } else { -1.0 };
        let age = ((person.age_years.first()? as f64 - AGE_MIDDLE) / AGE_UNIT).clamp(-1.0, 1.0);
        let (by_female, by_age) = (given.female / FEMALE_UNITS, given.age_per_20_years * AGE_UNIT / 20.0);
        let risk = exp(by_female * female - by_female.abs() + by_age * age - by_age.abs());
        let last = years as i64 - 1;
        contribute.leaving(last, [1.0, female, age, female * age, age * age].map(|sum| risk * sum));
        if first.is_some() {
            contribute.admitted(last, [1.0, female, age]);
        }
    }
    rounds 12 {
        state {
            female = 0.0 in -5.0..=5.0,
            age_per_20_years = 0.0 in -5.0..=5.0,
        }
        update |released| {
            let mut gradient = [0.0; 2];
            let mut information = [[0.0; 2]; 2];
            let mut at_risk = [0.0; 5];
            for year in (0..5).rev() {
                // Persons of whom nothing is shown are left out of those at risk, and out of the events.
                for (component, sum) in at_risk.iter_mut().enumerate() {
                    *sum += released.leaving.at(5 * year + component).unwrap_or(0.0);
                }
                let [risk, female, age, female_age, age_age] = at_risk;
                let event = |component| released.admitted.at(3 * year + component);
                let Some(events) = event(0) else { continue };
                if risk <= 0.0 {
                    continue;
                }
                let mean = [female / risk, age / risk];
                // The square of a covariate that is -1 or 1 is 1.
                let second = [[1.0, female_age / risk], [female_age / risk, age_age / risk]];
                for i in 0..2 {
                    gradient[i] += event(1 + i)? - events * mean[i];
                    for j in 0..2 {
                        information[i][j] += events * (second[i][j] - mean[i] * mean[j]);
                    }
                }
            }
            let step = solve(information, gradient)?;
            // In units that people read. Short steps keep noise in one round from leading astray.
            let step = [step[0] * FEMALE_UNITS, step[1] * 20.0 / AGE_UNIT].map(|step: f64| step.clamp(-1.0, 1.0));
            let given = &released.given;
            let next = State { female: given.female + step[0], age_per_20_years: given.age_per_20_years + step[1] };
            let moved = step.iter().any(|step| step.abs() > given.tolerance);
            Some(if moved { Next::Go(next) } else { Next::Stop(next) })
        }
    }
}

/// Ages from 0 to 62 are between -1 and 1; the few above count as 62.
const AGE_MIDDLE: f64 = 31.0;
const AGE_UNIT: f64 = 31.0;
/// A woman and a man, 1 and -1, are this far apart.
const FEMALE_UNITS: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::{Column, Figures};

    fn of(age: i64, admissions: &[i64], given: &Parameters) -> Vec<(u32, u32, f64)> {
        let (sex, age) = (vec![1; admissions.len()], vec![age; admissions.len()]);
        let person =
            Person { sex: Column::new(&sex), age_years: Column::new(&age), admissions: Column::new(admissions) };
        Job::person(&person, given).iter().map(|record| (record.output, record.cell, record.value)).collect()
    }

    #[test]
    fn a_person_is_at_risk_until_the_first_admission() {
        let given = Parameters { female: 2.0_f64.ln(), ..Parameters::default() };
        let found = of(62, &[0, 1, 0], &given);
        let expected: Vec<_> = (5..10).map(|cell| (0, cell, 1.0)).chain((3..6).map(|cell| (1, cell, 1.0))).collect();
        assert_eq!(found, expected, "a woman's risk is the highest, 1");
        assert_eq!(of(64, &[0, 1, 0], &given), found, "ages above 62 count as 62");
        assert_eq!(of(62, &[0, 0], &given), expected[..5]);
        assert_eq!(of(62, &[], &given), []);
    }

    #[test]
    fn risks_are_relative_to_the_highest() {
        let given = Parameters { female: 2.0_f64.ln(), age_per_20_years: 20.0 / 31.0, ..Parameters::default() };
        let risk = of(31, &[0], &given)[0].2;
        assert!((risk - (-1.0_f64).exp()).abs() < 1e-12, "one unit of age below the highest: {risk}");
    }

    #[test]
    fn those_at_risk_are_all_who_leave_later_and_hidden_years_are_left_out() {
        let (mut leaving, mut admitted) = ([0.0; 25], [0.0; 15]);
        let (mut left_valid, mut event_valid) = ([0; 25], [0; 15]);
        // Men leave in the first year, as many women in the third; what the second holds is not shown.
        leaving[..5].copy_from_slice(&[5.0, -5.0, 0.0, 0.0, 2.5]);
        leaving[5..10].fill(1000.0);
        leaving[10..15].copy_from_slice(&[5.0, 5.0, 0.0, 0.0, 2.5]);
        left_valid[..5].fill(1);
        left_valid[10..15].fill(1);
        admitted[..3].copy_from_slice(&[4.0, 1.0, 0.0]);
        event_valid[..3].fill(1);
        let released = Released {
            round: 0,
            given: Parameters::default(),
            leaving: Figures::new(&leaving, &left_valid),
            admitted: Figures::new(&admitted, &event_valid),
        };
        // Gradient 1 - 4 * 0, information 4 * (1 - 0); a woman is two units from a man.
        assert_eq!(Job::update(&released), Next::Go(State { female: 0.5, age_per_20_years: 0.0 }));
        let nothing = Released { admitted: Figures::new(&admitted, &[0; 15]), ..released };
        assert_eq!(Job::update(&nothing), Next::Stop(State { female: 0.0, age_per_20_years: 0.0 }));
    }
}
