//! Which totals a table shows, and which cells each of them adds up.
//!
//! A table of one dimension has its grand total. A table of more has one margin for each value of every dimension, over
//! all others, and the grand total; a contingency table has the margins of every order: of three keys also those over one
//! key alone. A table without dimensions has none.

use glovebox_catalog::Reducer;

use crate::shape::{Shape, TOTAL};
use crate::{Interrupted, Patience};

/// One total.
pub(crate) struct Margin {
    /// Keys as released, `*` for a dimension that is added up.
    pub(crate) keys: Vec<String>,
    /// What it adds up, ascending.
    pub(crate) cells: Vec<usize>,
    /// Whether it is a line of the outermost dimension: such lines share no cell.
    pub(crate) is_outermost: bool,
    /// Whether it adds up everything.
    pub(crate) is_grand_total: bool,
}

/// How many margins a table has.
pub(crate) fn margin_count(shape: &Shape, reducer: &Reducer) -> usize {
    let sizes = || (0..shape.dimensions.len()).map(|dimension| shape.size(dimension));
    match (shape.dimensions.len(), reducer) {
        _ if has_none(reducer) => 0,
        (0, _) => 0,
        (1, _) => 1,
        (_, Reducer::ContingencyTable) => {
            let all = sizes().fold(1_usize, |all, size| all.saturating_mul(size + 1));
            all - sizes().fold(1_usize, usize::saturating_mul)
        }
        _ => 1 + sizes().sum::<usize>(),
    }
}

/// The margins of a table, those over fewest dimensions first, the grand total last.
pub(crate) fn margins(shape: &Shape, reducer: &Reducer, patience: &dyn Patience) -> Result<Vec<Margin>, Interrupted> {
    let dimensions = shape.dimensions.len();
    let kept: Vec<Vec<usize>> = match (dimensions, reducer) {
        _ if has_none(reducer) => Vec::new(),
        (0, _) => Vec::new(),
        (1, _) => vec![Vec::new()],
        (_, Reducer::ContingencyTable) => subsets(dimensions),
        _ => (0..dimensions).map(|dimension| vec![dimension]).chain([Vec::new()]).collect(),
    };
    let mut margins = Vec::new();
    for kept in &kept {
        patience.spend(shape.len() as u64)?;
        margins.extend(over_the_others(shape, kept));
    }
    Ok(margins)
}

/// The margin over all dimensions.
pub(crate) fn grand_total(shape: &Shape) -> Margin {
    let keys = vec![TOTAL.to_owned(); shape.dimensions.len()];
    Margin { keys, cells: (0..shape.len()).collect(), is_outermost: false, is_grand_total: true }
}

/// Whether the cells show several figures each, or are a guest's own: a module that wants totals of such declares another
/// output without the key.
fn has_none(reducer: &Reducer) -> bool {
    !matches!(reducer, Reducer::Histogram { .. }) && !reducer.inner_dimensions().is_empty()
        || matches!(reducer, Reducer::Table { .. } | Reducer::BlockMean { .. } | Reducer::BlockMedian { .. })
}

/// All subsets of the dimensions but the whole, larger ones first, each ascending.
fn subsets(dimensions: usize) -> Vec<Vec<usize>> {
    let whole = (1_usize << dimensions) - 1;
    let mut subsets: Vec<Vec<usize>> =
        (0..whole).map(|set| (0..dimensions).filter(|dimension| set & (1 << dimension) != 0).collect()).collect();
    subsets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    subsets
}

/// One margin for every combination of values of the `kept` dimensions.
fn over_the_others(shape: &Shape, kept: &[usize]) -> Vec<Margin> {
    let count = kept.iter().map(|dimension| shape.size(*dimension)).product();
    let mut lines = vec![Vec::new(); count];
    for cell in 0..shape.len() {
        let line = kept.iter().fold(0, |line, dimension| line * shape.size(*dimension) + shape.index(cell, *dimension));
        if let Some(line) = lines.get_mut(line) {
            line.push(cell);
        }
    }
    let keys = |cells: &[usize]| {
        let own = cells.first().map(|cell| shape.keys(*cell)).unwrap_or_default();
        let key = |(dimension, key)| if kept.contains(&dimension) { key } else { TOTAL.to_owned() };
        own.into_iter().enumerate().map(key).collect()
    };
    let margin = |cells: Vec<usize>| Margin {
        keys: keys(&cells),
        cells,
        is_outermost: kept == [0],
        is_grand_total: kept.is_empty(),
    };
    lines.into_iter().map(margin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endless;
    use crate::shape::Dimension;

    fn shape(sizes: &[usize]) -> Shape {
        let dimension = |(at, size): (usize, &usize)| Dimension {
            name: format!("d{at}"),
            labels: (0..*size).map(|value| format!("v{value}")).collect(),
        };
        Shape { dimensions: sizes.iter().enumerate().map(dimension).collect() }
    }

    fn told(sizes: &[usize], reducer: &Reducer) -> Vec<String> {
        let margins = margins(&shape(sizes), reducer, &Endless).unwrap();
        assert_eq!(margins.len(), margin_count(&shape(sizes), reducer));
        margins.iter().map(|margin| format!("{} {:?}", margin.keys.join(" "), margin.cells)).collect()
    }

    #[test]
    fn tables_of_two_dimensions_have_lines_of_both_and_a_total() {
        let expected =
            ["v0 * [0, 1, 2]", "v1 * [3, 4, 5]", "* v0 [0, 3]", "* v1 [1, 4]", "* v2 [2, 5]", "* * [0, 1, 2, 3, 4, 5]"];
        assert_eq!(told(&[2, 3], &Reducer::Count), expected);
        assert_eq!(told(&[2, 3], &Reducer::ContingencyTable), expected);
        assert_eq!(told(&[2], &Reducer::Count), ["* [0, 1]"]);
        assert!(told(&[], &Reducer::Count).is_empty());
    }

    #[test]
    fn a_contingency_table_has_margins_of_every_order() {
        let told = told(&[2, 2, 2], &Reducer::ContingencyTable);
        assert_eq!(told.len(), 27 - 8);
        assert_eq!(&told[..2], ["v0 v0 * [0, 1]", "v0 v1 * [2, 3]"]);
        assert!(told.contains(&"v0 * v1 [1, 3]".to_string()) && told.contains(&"* v1 * [2, 3, 6, 7]".to_string()));
        assert_eq!(margin_count(&shape(&[2, 2, 2]), &Reducer::Count), 7);
    }

    #[test]
    fn outermost_lines_share_no_cell() {
        let margins = margins(&shape(&[3, 2, 2]), &Reducer::ContingencyTable, &Endless).unwrap();
        let mut cells: Vec<usize> =
            margins.iter().filter(|margin| margin.is_outermost).flat_map(|margin| margin.cells.clone()).collect();
        cells.sort_unstable();
        assert_eq!(cells, (0..12).collect::<Vec<_>>());
        assert_eq!(margins.iter().filter(|margin| margin.is_grand_total).count(), 1);
    }
}
