//! Years until a person's first admission to hospital, by sex: the table from which Kaplan and Meier's estimate follows.

glovebox_guest::job! {
    name: "first-admission",
    version: "1.0.0",
    description: "Persons at risk, first admissions to hospital and ends of observation by year of participation, by sex",
    isolation: person,
    contributions_per_person_max: 1,
    inputs {
        sex: code["male", "female"],
        admissions: int64,
    }
    keys { sex: codes["male", "female"] }
    outputs {
        // Half-open intervals, each holding one year's number.
        until_admission: survival_table(0.5, 1.5, 2.5, 3.5, 4.5, 5.5) by [sex];
    }
    person |person, _, contribute| {
        let first = person.admissions.iter().position(|admissions| admissions > 0);
        let (years, event) = match first {
            Some(before) => (before + 1, 1.0),
            None => (person.admissions.len(), 0.0),
        };
        contribute.until_admission(person.sex.first()?, [years as f64, event]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::{Column, Record};

    fn of(admissions: &[i64]) -> Vec<Record> {
        let sex = vec![1; admissions.len()];
        let person = Person { sex: Column::new(&sex), admissions: Column::new(admissions) };
        Job::person(&person, &Parameters::default())
    }

    fn records(years: f64, event: f64) -> [Record; 2] {
        [Record { output: 0, cell: 2, value: years }, Record { output: 0, cell: 3, value: event }]
    }

    #[test]
    fn the_first_admission_ends_it() {
        assert_eq!(of(&[0, 2, 1]), records(2.0, 1.0));
        assert_eq!(of(&[1]), records(1.0, 1.0));
    }

    #[test]
    fn without_one_a_person_is_censored_at_the_last_year() {
        assert_eq!(of(&[0, 0, 0]), records(3.0, 0.0));
        assert_eq!(of(&[]), []);
    }
}
