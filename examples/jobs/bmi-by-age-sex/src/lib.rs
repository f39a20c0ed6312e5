//! Mean body-mass index and obesity of adults by sex and age, over one row a person.

glovebox_guest::job! {
    name: "bmi-by-age-sex",
    version: "1.0.0",
    description: "Adults with a measured body-mass index, their mean index and how many are obese, by sex and age",
    isolation: row,
    contributions_per_person_max: 1,
    inputs {
        sex: code[MALE = "male", FEMALE = "female"],
        age_years: int64,
        bmi: float64 or missing,
    }
    parameters { obese_from = 30.0 in 20.0..=50.0 }
    keys {
        sex: codes["male", "female"],
        age_band: bands[18, 30, 40, 50, 60, 70, 81],
    }
    outputs |row, parameters| {
        persons:  distinct_persons by [sex: row.sex, age_band: row.age_years] when row.bmi.is_some();
        mean_bmi: mean(10.0, 80.0) by [sex: row.sex, age_band: row.age_years] => row.bmi?;
        obese:    count            by [sex: row.sex, age_band: row.age_years] when row.bmi? >= parameters.obese_from;
        bmi_classes: histogram(10.0, 18.5, 25.0, 30.0, 35.0, 40.0, 100.0) by [sex: row.sex]
            when row.age_years >= 18 => row.bmi?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::Contribution;

    const GIVEN: Parameters = Parameters { obese_from: 30.0 };

    #[test]
    fn an_adult_counts_in_the_cell_of_sex_and_age() {
        let row = Row { sex: sex::FEMALE, age_years: 49, bmi: Some(31.5) };
        let expected = Some(Contribution { cell: 6 + 2, value: 31.5 });
        assert_eq!(Job::mean_bmi(&row, &GIVEN), expected);
        assert_eq!(Job::persons(&row, &GIVEN), Some(Contribution { cell: 8, value: 0.0 }));
        assert_eq!(Job::obese(&row, &GIVEN), Some(Contribution { cell: 8, value: 0.0 }));
        assert_eq!(Job::obese(&row, &Parameters { obese_from: 31.6 }), None);
    }

    #[test]
    fn children_and_the_unmeasured_count_nowhere() {
        for row in
            [Row { sex: sex::MALE, age_years: 17, bmi: Some(31.0) }, Row { sex: sex::MALE, age_years: 40, bmi: None }]
        {
            assert_eq!(Job::persons(&row, &GIVEN), None);
            assert_eq!(Job::mean_bmi(&row, &GIVEN), None);
            assert_eq!(Job::obese(&row, &GIVEN), None);
            assert_eq!(Job::bmi_classes(&row, &GIVEN), None);
        }
    }

    #[test]
    fn the_top_age_code_falls_in_the_last_band() {
        let row = Row { sex: sex::MALE, age_years: 80, bmi: Some(22.0) };
        assert_eq!(Job::persons(&row, &GIVEN).map(|contribution| contribution.cell), Some(5));
    }
}
