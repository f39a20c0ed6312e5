//! Correlations from the released mean products of a cross-product.

use std::collections::BTreeMap;

use glovebox_gate::Table;

use super::{by_keys, named, outer_keys};
use crate::text;

/// Column of a variable's own mean: its product with 1.
const MEAN: &str = "1";

/// A matrix for each combination of keys; where the figures do not give a correlation, nothing stands.
pub(super) fn matrices(table: &Table) -> String {
    let Some(variables) = table.dimensions.iter().rev().nth(1) else { return String::new() };
    let values = by_keys(table);
    let mut shown = String::new();
    for keys in outer_keys(table, 2) {
        let heading = std::iter::once(String::new()).chain(variables.labels.iter().cloned()).collect();
        let rows = variables.labels.iter().map(|a| {
            let row = variables
                .labels
                .iter()
                .map(|b| correlation(&values, &keys, a, b).map(|r| format!("{r:.2}")).unwrap_or_default());
            std::iter::once(a.clone()).chain(row).collect()
        });
        let matrix = text::grid(heading, rows.collect(), 1);
        shown.push_str(&format!("correlations{} (from the figures above)\n{matrix}\n\n", named(table, &keys)));
    }
    shown
}

/// cov(a, b) / √(var a · var b). None where a figure is withheld, or rounding or noise left no variance.
fn correlation(values: &BTreeMap<&[String], f64>, keys: &[String], a: &str, b: &str) -> Option<f64> {
    let product = |a: &str, b: &str| {
        let place: Vec<String> = keys.iter().cloned().chain([a.to_owned(), b.to_owned()]).collect();
        values.get(place.as_slice()).copied()
    };
    let covariance = |a: &str, b: &str| Some(product(a, b)? - product(a, MEAN)? * product(b, MEAN)?);
    let scale = (covariance(a, a)? * covariance(b, b)?).sqrt();
    let is_variance = covariance(a, a)? > 0.0 && covariance(b, b)? > 0.0;
    is_variance.then_some((covariance(a, b)? / scale).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use glovebox_gate::{Cell, Dimension};

    use super::*;

    fn table(products: &[(&str, &str, f64)]) -> Table {
        let cell = |(a, b, value): &(&str, &str, f64)| Cell {
            keys: vec![(*a).into(), (*b).into()],
            value: value.is_finite().then_some(*value),
            rounded_to: None,
            half_width_95: None,
            suppression: None,
        };
        let dimension = |name: &str, labels: &[&str]| Dimension {
            name: name.into(),
            labels: labels.iter().map(|label| (*label).into()).collect(),
        };
        Table {
            output: "moments".into(),
            reducer: "cross-product".into(),
            dimensions: vec![dimension("variable", &["x", "y"]), dimension("times", &["1", "x", "y"])],
            cells: products.iter().map(cell).collect(),
            margins: Vec::new(),
        }
    }

    /// x = 0, 1, 2 and y = 0, 1, 4: cov = 3 − 5/3, var x = 2/3, var y = 26/9; r = 0.9608.
    #[test]
    fn correlations_are_those_of_the_moments() {
        let (mean_y, mean_xy, mean_yy) = (5.0 / 3.0, 3.0, 17.0 / 3.0);
        let products = [
            ("x", "1", 1.0),
            ("x", "x", 5.0 / 3.0),
            ("x", "y", mean_xy),
            ("y", "1", mean_y),
            ("y", "x", mean_xy),
            ("y", "y", mean_yy),
        ];
        let moments = table(&products);
        let r = correlation(&by_keys(&moments), &[], "x", "y").unwrap();
        assert!((r - 0.960_768_922_830_523).abs() < 1e-12, "{r}");
        let text = matrices(&moments);
        assert!(text.contains("0.96") && text.contains("1.00"), "{text}");
    }

    #[test]
    fn what_is_withheld_or_has_no_variance_gives_no_correlation() {
        let without = [("x", "1", 1.0), ("x", "x", 1.0), ("x", "y", f64::NAN), ("y", "1", 0.0), ("y", "y", 1.0)];
        let moments = table(&without);
        for (a, b) in [("x", "y"), ("x", "x")] {
            assert_eq!(correlation(&by_keys(&moments), &[], a, b), None);
        }
    }
}
