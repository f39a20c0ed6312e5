//! Raised blood pressure at examination among adults, by sex and age, over one row a person.

glovebox_guest::job! {
    name: "hypertension",
    version: "1.0.0",
    description: "Adults with measured blood pressure, how many reach the thresholds, and systolic pressure",
    purpose: "public-health",
    isolation: row,
    contributions_per_person_max: 1,
    inputs {
        sex: code[MALE = "male", FEMALE = "female"],
        age_years: int64,
        systolic_mmhg: float64,
        diastolic_mmhg: float64,
    }
    parameters {
        systolic_from = 140.0 in 100.0..=200.0,
        diastolic_from = 90.0 in 60.0..=130.0,
    }
    keys {
        sex: codes["male", "female"],
        age_band: bands[18, 35, 45, 55, 65, 75, 81],
    }
    outputs |row, from| {
        measured: distinct_persons by [sex: row.sex, age_band: row.age_years];
        raised:   count            by [sex: row.sex, age_band: row.age_years]
            when row.systolic_mmhg >= from.systolic_from || row.diastolic_mmhg >= from.diastolic_from;
        mean_systolic: mean(60.0, 260.0) by [sex: row.sex, age_band: row.age_years] => row.systolic_mmhg;
        systolic_classes: histogram(50.0, 120.0, 130.0, 140.0, 160.0, 180.0, 260.0) by [age_band: row.age_years]
            => row.systolic_mmhg;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::Contribution;

    const ROW: Row = Row { sex: sex::MALE, age_years: 60, systolic_mmhg: 139.9, diastolic_mmhg: 89.9 };

    fn raised(row: Row) -> bool {
        Job::raised(&row, &Parameters::default()).is_some()
    }

    #[test]
    fn either_pressure_suffices() {
        assert!(!raised(ROW));
        assert!(raised(Row { systolic_mmhg: 140.0, ..ROW }));
        assert!(raised(Row { diastolic_mmhg: 90.0, ..ROW }));
        assert!(!raised(Row { systolic_mmhg: 180.0, age_years: 17, ..ROW }), "children have thresholds of their own");
    }

    #[test]
    fn classes_are_keyed_by_age_alone() {
        let row = Row { sex: sex::FEMALE, ..ROW };
        assert_eq!(Job::systolic_classes(&row, &Parameters::default()), Some(Contribution { cell: 3, value: 139.9 }));
        assert_eq!(Job::mean_systolic(&row, &Parameters::default()), Some(Contribution { cell: 9, value: 139.9 }));
    }
}
