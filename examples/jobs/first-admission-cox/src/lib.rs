//! Cox regression of the time until the first admission on sex and age, with Breslow's handling of ties.
//!
//! The partial likelihood needs, for each year, sums over the persons at risk. These are what the enclave releases; its
//! gradient and information follow from them in `update`.

use glovebox_guest::{Next, exp, solve};

glovebox_guest::job! {
    name: "first-admission-cox",
    version: "1.0.0",
    description: "Cox regression of the first admission to hospital on sex and age at the start, time in years",
    isolation: person,
    contributions_per_person_max: 5,
    inputs {
        sex: code["male", "female"],
        age_years: int64,
        admissions: int64,
    }
    parameters { tolerance = 1e-6 in 0.0..=1.0 }
    keys { year: codes["1", "2", "3", "4", "5"] }
    outputs {
        // Of a person at risk in a year: its risk, and the risk times covariates and their products.
        at_risk: gradient(200.0; risk, female, age, female_female, female_age, age_age) by [year];
        // Of a person admitted in a year: 1, and the covariates.
        admitted: gradient(10.0; events, female, age) by [year];
    }
    person |person, given, contribute| {
        let first = person.admissions.iter().position(|admissions| admissions > 0);
        let years = first.map_or(person.admissions.len(), |before| before + 1);
        let female = if person.sex.first()? == glovebox_guest::Code(1) { 1.0 } else { 0.0 };
        let age = (person.age_years.first()? as f64 - 25.0) / 20.0;
        let risk = exp(given.female * female + given.age_per_20_years * age);
        for year in 0..years as i64 {
            let sums = [1.0, female, age, female * female, female * age, age * age];
            contribute.at_risk(year, sums.map(|sum| risk * sum));
        }
        if first.is_some() {
            contribute.admitted(years as i64 - 1, [1.0, female, age]);
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
            for year in 0..5 {
                let sum = |component| released.at_risk.at(6 * year + component);
                let event = |component| released.admitted.at(3 * year + component);
                // A year of which nothing is shown has no part in the likelihood.
                let (Some(events), Some(risk)) = (event(0), sum(0)) else { continue };
                if risk <= 0.0 {
                    continue;
                }
                let mean = [sum(1)? / risk, sum(2)? / risk];
                let second = [[sum(3)? / risk, sum(4)? / risk], [sum(4)? / risk, sum(5)? / risk]];
                for i in 0..2 {
                    gradient[i] += event(1 + i)? - events * mean[i];
                    for j in 0..2 {
                        information[i][j] += events * (second[i][j] - mean[i] * mean[j]);
                    }
                }
            }
            let step = solve(information, gradient)?;
            let given = &released.given;
            let next = State { female: given.female + step[0], age_per_20_years: given.age_per_20_years + step[1] };
            let moved = step.iter().any(|step| step.abs() > given.tolerance);
            Some(if moved { Next::Go(next) } else { Next::Stop(next) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::{Column, Figures};

    fn of(admissions: &[i64], given: &Parameters) -> Vec<(u32, u32, f64)> {
        let (sex, age) = (vec![1; admissions.len()], vec![45; admissions.len()]);
        let person =
            Person { sex: Column::new(&sex), age_years: Column::new(&age), admissions: Column::new(admissions) };
        Job::person(&person, given).iter().map(|record| (record.output, record.cell, record.value)).collect()
    }

    #[test]
    fn a_person_is_at_risk_until_the_first_admission() {
        let given = Parameters { female: 2.0_f64.ln(), ..Parameters::default() };
        let found = of(&[0, 1, 0], &given);
        assert_eq!(found.len(), 6 + 6 + 3);
        assert!(
            found[..12].iter().enumerate().all(|(at, record)| record.1 == at as u32 && (record.2 - 2.0).abs() < 1e-12)
        );
        assert_eq!(found[12..], [(1, 3, 1.0), (1, 4, 1.0), (1, 5, 1.0)]);
        assert_eq!(of(&[0, 0], &given).len(), 12);
    }

    #[test]
    fn years_that_are_not_shown_are_left_out() {
        let mut at_risk = [0.0; 30];
        at_risk[..6].copy_from_slice(&[10.0, 5.0, 0.0, 5.0, 0.0, 10.0]);
        let mut admitted = [0.0; 15];
        admitted[..3].copy_from_slice(&[4.0, 3.0, 0.0]);
        let (mut risk_valid, mut event_valid) = ([0; 30], [0; 15]);
        risk_valid[..6].fill(1);
        event_valid[..3].fill(1);
        let released = Released {
            round: 0,
            given: Parameters::default(),
            at_risk: Figures::new(&at_risk, &risk_valid),
            admitted: Figures::new(&admitted, &event_valid),
        };
        // Gradient 3 - 4 / 2, information 4 * (1 / 2 - 1 / 4).
        assert_eq!(Job::update(&released), Next::Go(State { female: 1.0, age_per_20_years: 0.0 }));
        let nothing = Released { admitted: Figures::new(&admitted, &[0; 15]), ..released };
        assert_eq!(Job::update(&nothing), Next::Stop(State { female: 0.0, age_per_20_years: 0.0 }));
    }
}
