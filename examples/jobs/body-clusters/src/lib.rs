//! Three clusters of adults by body-mass index and systolic pressure: Lloyd's k-means over released means.

use glovebox_guest::Next;

glovebox_guest::job! {
    name: "body-clusters",
    version: "1.0.0",
    description: "Three clusters of adults by body-mass index and systolic pressure, with their size",
    isolation: row,
    contributions_per_person_max: 1,
    inputs {
        age_years: int64,
        bmi: float64,
        systolic_mmhg: float64,
    }
    parameters { tolerance = 0.02 in 0.0..=1.0 }
    keys { cluster: codes["first", "second", "third"] }
    outputs |row, given| {
        // The same persons in every round: shown even where no cluster may be, so the rounds end with the centres reached.
        adults:        distinct_persons   when row.age_years >= 18;
        persons:       distinct_persons   by [cluster: nearest(row, given)] when row.age_years >= 18;
        mean_bmi:      mean(15.0, 55.0)   by [cluster: nearest(row, given)] when row.age_years >= 18 => bmi(row);
        mean_systolic: mean(80.0, 200.0)  by [cluster: nearest(row, given)] when row.age_years >= 18
            => systolic(row);
    }
    rounds 20 {
        state {
            first_bmi = 24.0 in 15.0..=55.0,
            first_systolic = 115.0 in 80.0..=200.0,
            second_bmi = 28.0 in 15.0..=55.0,
            second_systolic = 145.0 in 80.0..=200.0,
            third_bmi = 36.0 in 15.0..=55.0,
            third_systolic = 125.0 in 80.0..=200.0,
        }
        update |released| {
            let held = &released.given;
            // A cluster whose mean is not shown stays where it is.
            let bmi = |cluster, held| released.mean_bmi.at(cluster).unwrap_or(held);
            let systolic = |cluster, held| released.mean_systolic.at(cluster).unwrap_or(held);
            let next = State {
                first_bmi: bmi(0, held.first_bmi),
                first_systolic: systolic(0, held.first_systolic),
                second_bmi: bmi(1, held.second_bmi),
                second_systolic: systolic(1, held.second_systolic),
                third_bmi: bmi(2, held.third_bmi),
                third_systolic: systolic(2, held.third_systolic),
            };
            let moves = [
                (next.first_bmi - held.first_bmi) / BMI_UNIT,
                (next.first_systolic - held.first_systolic) / SYSTOLIC_UNIT,
                (next.second_bmi - held.second_bmi) / BMI_UNIT,
                (next.second_systolic - held.second_systolic) / SYSTOLIC_UNIT,
                (next.third_bmi - held.third_bmi) / BMI_UNIT,
                (next.third_systolic - held.third_systolic) / SYSTOLIC_UNIT,
            ];
            let moved = moves.iter().any(|by| by.abs() > held.tolerance);
            Some(if moved { Next::Go(next) } else { Next::Stop(next) })
        }
    }
}

/// So far apart in one measurement counts as much as so far apart in the other.
const BMI_UNIT: f64 = 7.0;
const SYSTOLIC_UNIT: f64 = 20.0;

/// Few are beyond these bounds; narrow ones keep noise small.
#[inline(always)]
fn bmi(row: &Row) -> f64 {
    row.bmi.clamp(15.0, 55.0)
}

#[inline(always)]
fn systolic(row: &Row) -> f64 {
    row.systolic_mmhg.clamp(80.0, 200.0)
}

/// The cluster whose centre is nearest.
#[inline(always)]
fn nearest(row: &Row, given: &Parameters) -> i64 {
    let distance = |centre_bmi: f64, centre_systolic: f64| {
        let (a, b) = ((bmi(row) - centre_bmi) / BMI_UNIT, (systolic(row) - centre_systolic) / SYSTOLIC_UNIT);
        a * a + b * b
    };
    let first = distance(given.first_bmi, given.first_systolic);
    let second = distance(given.second_bmi, given.second_systolic);
    let third = distance(given.third_bmi, given.third_systolic);
    if first <= second && first <= third {
        0
    } else if second <= third {
        1
    } else {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glovebox_guest::{Contribution, Figures};

    #[test]
    fn a_person_belongs_to_the_nearest_centre() {
        let given = Parameters::default();
        let cell = |bmi, systolic_mmhg| {
            Job::persons(&Row { age_years: 50, bmi, systolic_mmhg }, &given).map(|contribution| contribution.cell)
        };
        assert_eq!([cell(22.0, 112.0), cell(27.0, 146.0), cell(40.0, 130.0)], [Some(0), Some(1), Some(2)]);
        let row = Row { age_years: 50, bmi: 84.0, systolic_mmhg: 130.0 };
        assert_eq!(Job::mean_bmi(&row, &given), Some(Contribution { cell: 2, value: 55.0 }), "within the bounds");
        assert_eq!(Job::persons(&Row { age_years: 17, ..row }, &given), None);
    }

    #[test]
    fn centres_move_to_the_means_and_stay_where_none_is_shown() {
        let given = Parameters::default();
        let bmi = Figures::new(&[21.0, 29.0, 0.0], &[1, 1, 0]);
        let systolic = Figures::new(&[111.0, 125.0, 0.0], &[1, 1, 0]);
        let persons = Figures::new(&[50.0; 3], &[1; 3]);
        let adults = Figures::new(&[150.0], &[1]);
        let released = Released { round: 0, given, adults, persons, mean_bmi: bmi, mean_systolic: systolic };
        let Next::Go(next) = Job::update(&released) else { panic!("it moved") };
        assert_eq!((next.first_bmi, next.first_systolic, next.second_bmi), (21.0, 111.0, 29.0));
        assert_eq!((next.third_bmi, next.third_systolic), (36.0, 125.0));
        let none = Figures::new(&[0.0; 3], &[0; 3]);
        let still = Released { mean_bmi: none, mean_systolic: none, ..released };
        assert!(matches!(Job::update(&still), Next::Stop(_)));
    }
}
