//! Logistic regression of diabetes on age, body-mass index and sex: Newton's method over released sums.

use glovebox_guest::{Next, logistic, solve};

glovebox_guest::job! {
    name: "diabetes-logistic",
    version: "1.0.0",
    description: "Logistic regression of diagnosed diabetes on age, body-mass index and sex among adults",
    isolation: row,
    contributions_per_person_max: 1,
    inputs {
        age_years: int64,
        sex: code[MALE = "male", FEMALE = "female"],
        bmi: float64,
        diabetes: code[YES = "yes", NO = "no"] or missing,
    }
    parameters { tolerance = 1e-6 in 0.0..=1.0 }
    outputs |row, given| {
        persons: distinct_persons when counts(row);
        // The gradient of the log-likelihood, then the upper triangle of the information matrix. No row of a grown-up is
        // longer than 60, so that nothing is clipped; for noise of use, choose a smaller norm.
        newton: gradient(60.0; g0, g1, g2, g3, h00, h01, h02, h03, h11, h12, h13, h22, h23, h33)
            when counts(row) => contribution(row, given);
    }
    rounds 12 {
        state {
            intercept = 0.0 in -20.0..=20.0,
            age_per_20_years = 0.0 in -20.0..=20.0,
            bmi_per_7 = 0.0 in -20.0..=20.0,
            female = 0.0 in -20.0..=20.0,
        }
        update |released| {
            let [g0, g1, g2, g3, h00, h01, h02, h03, h11, h12, h13, h22, h23, h33] = released.newton.all()?;
            let information =
                [[h00, h01, h02, h03], [h01, h11, h12, h13], [h02, h12, h22, h23], [h03, h13, h23, h33]];
            let step = solve(information, [g0, g1, g2, g3])?;
            let given = &released.given;
            let next = State {
                intercept: given.intercept + step[0],
                age_per_20_years: given.age_per_20_years + step[1],
                bmi_per_7: given.bmi_per_7 + step[2],
                female: given.female + step[3],
            };
            let moved = step.iter().any(|step| step.abs() > given.tolerance);
            Some(if moved { Next::Go(next) } else { Next::Stop(next) })
        }
    }
}

/// Adults who know whether they have diabetes.
#[inline(always)]
fn counts(row: &Row) -> bool {
    row.age_years >= 18 && row.diabetes.is_some()
}

/// Covariates about 0, so that the numbers are of one size.
#[inline(always)]
fn covariates(row: &Row) -> [f64; 4] {
    let female = if row.sex == sex::FEMALE { 1.0 } else { 0.0 };
    [1.0, (row.age_years as f64 - 50.0) / 20.0, (row.bmi - 28.0) / 7.0, female]
}

#[inline(always)]
fn contribution(row: &Row, given: &Parameters) -> [f64; 14] {
    let [x0, x1, x2, x3] = covariates(row);
    let linear = given.intercept * x0 + given.age_per_20_years * x1 + given.bmi_per_7 * x2 + given.female * x3;
    let p = logistic(linear);
    let y = if row.diabetes == Some(diabetes::YES) { 1.0 } else { 0.0 };
    let (r, w) = (y - p, p * (1.0 - p));
    [
        r * x0,
        r * x1,
        r * x2,
        r * x3,
        w * x0 * x0,
        w * x0 * x1,
        w * x0 * x2,
        w * x0 * x3,
        w * x1 * x1,
        w * x1 * x2,
        w * x1 * x3,
        w * x2 * x2,
        w * x2 * x3,
        w * x3 * x3,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::Figures;

    const ROW: Row = Row { age_years: 70, sex: sex::FEMALE, bmi: 35.0, diabetes: Some(diabetes::YES) };

    #[test]
    fn a_row_gives_gradient_and_information() {
        let newton = Job::newton(&ROW, &Parameters::default()).unwrap();
        assert_eq!(newton.cell, 0);
        assert_eq!(newton.value[..4], [0.5; 4], "every covariate is 1, the probability a half");
        assert_eq!(newton.value[4..], [0.25; 10]);
    }

    #[test]
    fn children_and_the_undiagnosed_count_nowhere() {
        for row in [Row { age_years: 17, ..ROW }, Row { diabetes: None, ..ROW }] {
            assert_eq!(Job::newton(&row, &Parameters::default()), None);
            assert_eq!(Job::persons(&row, &Parameters::default()), None);
        }
    }

    fn update(newton: &[f64; 14], valid: &[u8; 14]) -> Next<State> {
        let given = Parameters { intercept: 1.0, ..Parameters::default() };
        let persons = Figures::new(&[100.0], &[1]);
        Job::update(&Released { round: 0, given, persons, newton: Figures::new(newton, valid) })
    }

    #[test]
    fn newton_moves_until_the_gradient_is_nothing() {
        let mut newton = [0.0; 14];
        for diagonal in [4, 8, 11, 13] {
            newton[diagonal] = 2.0;
        }
        let state = |intercept| State { intercept, age_per_20_years: 0.0, bmi_per_7: 0.0, female: 0.0 };
        assert_eq!(update(&newton, &[1; 14]), Next::Stop(state(1.0)));
        newton[0] = 3.0;
        assert_eq!(update(&newton, &[1; 14]), Next::Go(state(2.5)));
        let mut valid = [1; 14];
        valid[7] = 0;
        assert_eq!(update(&newton, &valid), Next::Stop(state(1.0)), "a figure is missing: the state stays");
    }
}
