//! How body-mass index, blood pressure, cholesterol and blood sugar go together among adults, by sex.

glovebox_guest::job! {
    name: "metabolic-correlation",
    version: "1.0.0",
    description: "Means and mean products of body-mass index, systolic pressure, cholesterol and HbA1c of adults, by sex",
    isolation: row,
    contributions_per_person_max: 1,
    inputs {
        sex: code["male", "female"],
        age_years: int64,
        bmi: float64,
        systolic_mmhg: float64,
        total_cholesterol_mgdl: int64,
        hba1c_percent: float64,
    }
    keys { sex: codes["male", "female"] }
    outputs |row, _| {
        // Centred, in units of about a standard deviation and within 3 of them: rounding and noise are proportional to the
        // range of products, and correlations do not depend on centres and units.
        products: cross_product(
            bmi_per_7 in -3.0..=3.0, systolic_per_20 in -3.0..=3.0, cholesterol_per_40 in -3.0..=3.0,
            hba1c_per_1 in -3.0..=3.0
        ) by [sex: row.sex] when row.age_years >= 18 => standard(row);
    }
}

#[inline(always)]
fn standard(row: &Row) -> [f64; 4] {
    [
        (row.bmi - 29.0) / 7.0,
        (row.systolic_mmhg - 125.0) / 20.0,
        (row.total_cholesterol_mgdl as f64 - 190.0) / 40.0,
        row.hba1c_percent - 5.8,
    ]
    .map(|value| value.clamp(-3.0, 3.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::{Code, Contribution};

    #[test]
    fn an_adult_gives_four_values_about_zero() {
        let row = Row {
            sex: Code(1),
            age_years: 18,
            bmi: 36.0,
            systolic_mmhg: 105.0,
            total_cholesterol_mgdl: 210,
            hba1c_percent: 5.8,
        };
        let expected = Contribution { cell: 1, value: [1.0, -1.0, 0.5, 0.0] };
        assert_eq!(Job::products(&row, &Parameters::default()), Some(expected));
        let outlier = Job::products(&Row { hba1c_percent: 16.0, ..row }, &Parameters::default()).unwrap();
        assert_eq!(outlier.value, [1.0, -1.0, 0.5, 3.0]);
        assert_eq!(Job::products(&Row { age_years: 17, ..row }, &Parameters::default()), None);
    }
}
