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
        total_cholesterol_mgdl: float64,
        hba1c_percent: float64,
    }
    keys { sex: codes["male", "female"] }
    outputs |row, _| {
        products: cross_product(
            bmi in 10.0..=90.0, systolic in 60.0..=260.0, cholesterol in 50.0..=500.0, hba1c in 2.0..=20.0
        ) by [sex: row.sex] when row.age_years >= 18
            => [row.bmi, row.systolic_mmhg, row.total_cholesterol_mgdl, row.hba1c_percent];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::{Code, Contribution};

    #[test]
    fn an_adult_gives_four_values() {
        let row = Row {
            sex: Code(1),
            age_years: 18,
            bmi: 20.0,
            systolic_mmhg: 110.0,
            total_cholesterol_mgdl: 150.0,
            hba1c_percent: 5.0,
        };
        let expected = Contribution { cell: 1, value: [20.0, 110.0, 150.0, 5.0] };
        assert_eq!(Job::products(&row, &Parameters::default()), Some(expected));
        assert_eq!(Job::products(&Row { age_years: 17, ..row }, &Parameters::default()), None);
    }
}
