//! Physician visits per year of each person over several rows, by what the person pays of a bill and by health.

use glovebox_guest::mean;

glovebox_guest::job! {
    name: "visits-per-person",
    version: "1.0.0",
    description: "Physician visits per person and year of participation, by coinsurance and self-rated health",
    isolation: person,
    contributions_per_person_max: 1,
    inputs {
        coinsurance: code["0", "25", "50", "95", "100"],
        self_rated_health: code["excellent", "good", "fair", "poor"],
        participation: float64,
        physician_visits: int64,
        outpatient_usd: float64,
    }
    parameters { participation_min = 0.5 in 0.0..=5.0 }
    keys {
        coinsurance: codes["nothing", "25 %", "50 %", "95 %", "everything"],
        health: codes["excellent", "good", "fair", "poor"],
    }
    outputs {
        persons:            distinct_persons by [coinsurance, health];
        visits_per_year:    histogram(0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 366.0) by [coinsurance];
        mean_visits:        mean(0.0, 50.0) by [coinsurance, health];
        mean_outpatient_usd: mean(0.0, 2000.0) by [coinsurance];
        ever_without_visit: count by [coinsurance];
    }
    person |person, parameters, contribute| {
        let plan = person.coinsurance.first()?;
        let health = person.self_rated_health.first()?;
        let years: f64 = person.participation.iter().sum();
        if years < parameters.participation_min {
            return None;
        }
        let visits = person.physician_visits.iter().sum::<i64>() as f64 / years;
        contribute.persons(plan, health);
        contribute.visits_per_year(plan, visits);
        contribute.mean_visits(plan, health, visits);
        contribute.mean_outpatient_usd(plan, mean(person.outpatient_usd.iter())?);
        if person.physician_visits.iter().any(|visits| visits == 0) {
            contribute.ever_without_visit(plan);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::{Column, Record};

    fn person<'a>(participation: &'a [f64], visits: &'a [i64]) -> Person<'a> {
        Person {
            coinsurance: Column::new(&[1, 4]),
            self_rated_health: Column::new(&[2, 2]),
            participation: Column::new(participation),
            physician_visits: Column::new(visits),
            outpatient_usd: Column::new(&[100.0, 50.0]),
        }
    }

    #[test]
    fn visits_are_per_year_of_participation() {
        let records = Job::person(&person(&[1.0, 0.5], &[3, 0]), &Parameters::default());
        let record = |output, cell, value| Record { output, cell, value };
        let expected =
            [record(0, 4 + 2, 0.0), record(1, 1, 2.0), record(2, 4 + 2, 2.0), record(3, 1, 75.0), record(4, 1, 0.0)];
        assert_eq!(records, expected);
    }

    #[test]
    fn short_participation_counts_nowhere() {
        assert_eq!(Job::person(&person(&[0.3, 0.1], &[3, 0]), &Parameters::default()), []);
    }

    #[test]
    fn a_person_with_visits_every_year_is_not_without() {
        let records = Job::person(&person(&[1.0, 1.0], &[3, 1]), &Parameters::default());
        assert_eq!(records.iter().map(|record| record.output).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
