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
    parameters { tolerance = 0.03 in 0.0..=1.0 }
    outputs |row, given| {
        persons: distinct_persons when counts(row);
        // Of the log-likelihood. No row of a grown-up is longer than these norms, so nothing is clipped, and since rounding
        // and noise are proportional to them, neither moves the model much.
        gradient: gradient(2.4; g0, g1, g2, g3) when counts(row) => slope(row, given);
        information: gradient(1.1; h00, h01, h02, h03, h11, h12, h13, h22, h23, h33)
            when counts(row) => curvature(row, given);
    }
    rounds 12 {
        state {
            intercept = 0.0 in -20.0..=20.0,
            age_per_20_years = 0.0 in -20.0..=20.0,
            bmi_per_7 = 0.0 in -20.0..=20.0,
            female = 0.0 in -20.0..=20.0,
        }
        update |released| {
            let [h00, h01, h02, h03, h11, h12, h13, h22, h23, h33] = released.information.all()?;
            let information =
                [[h00, h01, h02, h03], [h01, h11, h12, h13], [h02, h12, h22, h23], [h03, h13, h23, h33]];
            let step = solve(information, released.gradient.all()?)?;
            // In units that people read: see `covariates`. Short steps keep noise in one round from leading astray.
            let step = [step[0] - step[3], step[1] * 20.0 / 30.0, step[2] * 7.0 / 14.0, step[3] * 2.0]
                .map(|step: f64| step.clamp(-1.0, 1.0));
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

/// Covariates about 0 and none far from 1, so that a row is short: sex is -1 or 1, an index above 49 counts as 49.
#[inline(always)]
fn covariates(row: &Row) -> [f64; 4] {
    let female = if row.sex == sex::FEMALE { 1.0 } else { -1.0 };
    [1.0, (row.age_years as f64 - 50.0) / 30.0, (row.bmi.clamp(7.0, 49.0) - 28.0) / 14.0, female]
}

/// The probability of diabetes at the round's coefficients.
#[inline(always)]
fn probability(row: &Row, given: &Parameters) -> f64 {
    let [_, age, bmi, female] = covariates(row);
    let age = given.age_per_20_years * age * 30.0 / 20.0;
    let bmi = given.bmi_per_7 * bmi * 14.0 / 7.0;
    logistic(given.intercept + age + bmi + given.female * (female + 1.0) / 2.0)
}

#[inline(always)]
fn slope(row: &Row, given: &Parameters) -> [f64; 4] {
    let answer = if row.diabetes == Some(diabetes::YES) { 1.0 } else { 0.0 };
    let residual = answer - probability(row, given);
    covariates(row).map(|x| residual * x)
}

/// The upper triangle of a row's information matrix.
#[inline(always)]
fn curvature(row: &Row, given: &Parameters) -> [f64; 10] {
    let [x0, x1, x2, x3] = covariates(row);
    let p = probability(row, given);
    [x0 * x0, x0 * x1, x0 * x2, x0 * x3, x1 * x1, x1 * x2, x1 * x3, x2 * x2, x2 * x3, x3 * x3]
        .map(|product| p * (1.0 - p) * product)
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::Figures;

    const ROW: Row = Row { age_years: 80, sex: sex::FEMALE, bmi: 42.0, diabetes: Some(diabetes::YES) };

    #[test]
    fn a_row_gives_gradient_and_information() {
        let given = Parameters::default();
        let gradient = Job::gradient(&ROW, &given).unwrap();
        assert_eq!((gradient.cell, gradient.value), (0, [0.5; 4]), "every covariate is 1, the probability a half");
        assert_eq!(Job::information(&ROW, &given).unwrap().value, [0.25; 10]);
        let outlier = Job::gradient(&Row { bmi: 86.0, ..ROW }, &given).unwrap();
        assert_eq!(outlier.value, [0.5, 0.5, 0.75, 0.5], "as an index of 49");
    }

    #[test]
    fn coefficients_are_in_the_units_of_their_names() {
        let given =
            Parameters { intercept: 0.1, age_per_20_years: 0.2, bmi_per_7: 0.3, female: 0.4, ..Parameters::default() };
        let expected = logistic(0.1 + 0.2 * 30.0 / 20.0 + 0.3 * 14.0 / 7.0 + 0.4);
        assert!((probability(&ROW, &given) - expected).abs() < 1e-15);
        let man = Row { age_years: 50, sex: sex::MALE, bmi: 28.0, ..ROW };
        assert_eq!(probability(&man, &given), logistic(0.1));
    }

    #[test]
    fn children_and_the_undiagnosed_count_nowhere() {
        for row in [Row { age_years: 17, ..ROW }, Row { diabetes: None, ..ROW }] {
            assert_eq!(Job::gradient(&row, &Parameters::default()), None);
            assert_eq!(Job::information(&row, &Parameters::default()), None);
            assert_eq!(Job::persons(&row, &Parameters::default()), None);
        }
    }

    fn update(gradient: [f64; 4], valid: [u8; 10]) -> Next<State> {
        let given = Parameters { intercept: 1.0, ..Parameters::default() };
        let mut information = [0.0; 10];
        for diagonal in [0, 4, 7, 9] {
            information[diagonal] = 2.0;
        }
        let persons = Figures::new(&[100.0], &[1]);
        let (gradient, information) = (Figures::new(&gradient, &[1; 4]), Figures::new(&information, &valid));
        Job::update(&Released { round: 0, given, persons, gradient, information })
    }

    #[test]
    fn newton_moves_until_the_gradient_is_nothing() {
        let state = State { intercept: 1.0, age_per_20_years: 0.0, bmi_per_7: 0.0, female: 0.0 };
        assert_eq!(update([0.0; 4], [1; 10]), Next::Stop(state));
        let natural = State { intercept: 0.75, age_per_20_years: 0.5, bmi_per_7: 0.5, female: 0.5 };
        assert_eq!(update([0.0, 1.5, 2.0, 0.5], [1; 10]), Next::Go(natural));
        assert_eq!(update([9.0, 0.0, 0.0, 0.0], [1; 10]), Next::Go(State { intercept: 2.0, ..state }), "a short step");
        let mut valid = [1; 10];
        valid[7] = 0;
        assert_eq!(update([9.0; 4], valid), Next::Stop(state), "a figure is missing: the state stays");
    }
}
