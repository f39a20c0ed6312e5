//! Kaplan–Meier's estimate from the released numbers of a survival table, drawn as bars.

use glovebox_gate::Table;

use super::{by_keys, named, outer_keys};
use crate::text::bar;

const BAR_WIDTH: usize = 30;

/// A curve for each combination of keys.
pub(super) fn curves(table: &Table) -> String {
    let mut text = String::new();
    for keys in outer_keys(table, 2) {
        text.push_str(&format!("survival{} (Kaplan–Meier, from the figures above)\n", named(table, &keys)));
        let points = estimate(table, &keys);
        let width = points.iter().map(|(interval, _)| interval.chars().count()).max().unwrap_or(0);
        for (interval, survival) in points {
            let permille = (survival * 1000.0).round() as u64;
            text.push_str(&format!("{interval:width$}  {} {survival:.3}\n", bar(permille, 1000, BAR_WIDTH)));
        }
        text.push('\n');
    }
    text
}

/// Survival at the end of each interval: the product of 1 − events / at risk so far. An interval whose events wait for
/// those of a later one makes no step; noise can not lift the curve, nor bring it below nothing.
fn estimate(table: &Table, keys: &[String]) -> Vec<(String, f64)> {
    let values = by_keys(table);
    let [.., intervals, _] = table.dimensions.as_slice() else { return Vec::new() };
    let figure = |interval: &String, measure: &str| {
        let place: Vec<String> = keys.iter().chain([interval, &measure.to_owned()]).cloned().collect();
        values.get(place.as_slice()).copied()
    };
    let mut survival = 1.0_f64;
    let steps = intervals.labels.iter().map(|interval| {
        if let (Some(at_risk), Some(events)) = (figure(interval, "at-risk"), figure(interval, "events"))
            && at_risk > 0.0
        {
            survival *= 1.0 - (events / at_risk).clamp(0.0, 1.0);
        }
        (interval.clone(), survival)
    });
    steps.collect()
}

#[cfg(test)]
mod tests {
    use glovebox_gate::{Cell, Dimension};

    use super::*;

    fn table(figures: &[(&str, [Option<f64>; 3])]) -> Table {
        let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
        let intervals: Vec<&str> = figures.iter().map(|(interval, _)| *interval).collect();
        let measures = ["at-risk", "events", "censored"];
        let cells = figures.iter().flat_map(|(interval, values)| {
            measures.iter().zip(values).map(|(measure, value)| Cell {
                keys: vec!["female".into(), (*interval).into(), (*measure).into()],
                value: *value,
                rounded_to: Some(1.0),
                half_width_95: None,
                suppression: None,
            })
        });
        Table {
            output: "exits".into(),
            reducer: "survival-table".into(),
            dimensions: vec![
                Dimension { name: "sex".into(), labels: labels(&["female"]) },
                Dimension { name: "interval".into(), labels: labels(&intervals) },
                Dimension { name: "measure".into(), labels: labels(&measures) },
            ],
            cells: cells.collect(),
            margins: Vec::new(),
        }
    }

    /// Kaplan and Meier's product by hand: (1 − 10/100)(1 − 20/80) = 0.675.
    #[test]
    fn the_curve_is_the_textbook_s() {
        let exits = table(&[
            ("[0, 1)", [Some(100.0), Some(10.0), Some(10.0)]),
            ("[1, 2)", [Some(80.0), None, None]),
            ("[2, 3)", [Some(80.0), Some(20.0), Some(60.0)]),
        ]);
        let points: Vec<f64> = estimate(&exits, &["female".to_owned()]).into_iter().map(|(_, point)| point).collect();
        assert_eq!(points.len(), 3);
        for (point, expected) in points.iter().zip([0.9, 0.9, 0.675]) {
            assert!((point - expected).abs() < 1e-12, "{points:?}");
        }
        let text = curves(&exits);
        assert!(text.contains("survival of sex=female") && text.contains("0.675"), "{text}");
    }

    #[test]
    fn noise_makes_no_curve_that_rises_or_sinks_below_nothing() {
        let exits = table(&[
            ("[0, 1)", [Some(10.0), Some(-3.0), Some(0.0)]),
            ("[1, 2)", [Some(5.0), Some(9.0), Some(0.0)]),
            ("[2, 3)", [Some(-4.0), Some(2.0), Some(0.0)]),
        ]);
        let points: Vec<f64> = estimate(&exits, &["female".to_owned()]).into_iter().map(|(_, point)| point).collect();
        assert_eq!(points, [1.0, 0.0, 0.0]);
    }
}
