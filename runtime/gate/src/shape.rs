//! Dimensions of a table, and row-major arithmetic over them.

use glovebox_catalog::{JobManifest, Output, Reducer};
use serde::{Deserialize, Serialize};

/// Key that stands for the total over a dimension.
pub(crate) const TOTAL: &str = "*";
/// Name of the innermost dimension of a histogram.
const BIN: &str = "bin";

/// One dimension of a released table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Dimension {
    /// Name of the key; `bin` for the bins of a histogram, which are innermost.
    pub name: String,
    /// Its values, in order.
    pub labels: Vec<String>,
}

/// Dimensions of the figures of one cell, outermost first: probabilities of a quantile, intervals and measures of a
/// survival table, variables of a cross-product, components of a gradient. None for one figure. The bins of a histogram
/// are no such dimension: each is a cell of its own, which margins add up.
pub(crate) fn inner_dimensions(reducer: &Reducer) -> Vec<Dimension> {
    match reducer {
        Reducer::Histogram { .. } => Vec::new(),
        _ => {
            let dimensions = reducer.inner_dimensions().into_iter();
            dimensions.map(|(name, labels)| Dimension { name: name.into(), labels }).collect()
        }
    }
}

/// Row-major arithmetic over the dimensions of one output, the first dimension outermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) dimensions: Vec<Dimension>,
}

impl Shape {
    pub(crate) fn of(manifest: &JobManifest, output: &Output) -> Self {
        let mut dimensions: Vec<_> = manifest
            .dimensions(output)
            .into_iter()
            .map(|key| Dimension {
                name: key.name.clone(),
                labels: (0..key.domain.len()).filter_map(|index| key.domain.label(index)).collect(),
            })
            .collect();
        if let Reducer::Histogram { edges } = &output.reducer {
            let bins = edges.iter().zip(edges.iter().skip(1));
            let labels = bins.map(|(lower, upper)| format!("[{lower}, {upper})")).collect();
            dimensions.push(Dimension { name: BIN.into(), labels });
        }
        Self { dimensions }
    }

    /// Cells in all; 1 without dimensions.
    pub(crate) fn len(&self) -> usize {
        self.dimensions.iter().map(|dimension| dimension.labels.len()).product()
    }

    /// How many values dimension `dimension` has.
    pub(crate) fn size(&self, dimension: usize) -> usize {
        self.dimensions.get(dimension).map_or(1, |dimension| dimension.labels.len())
    }

    /// The index of cell `cell` along dimension `dimension`.
    pub(crate) fn index(&self, cell: usize, dimension: usize) -> usize {
        let inner: usize = self.dimensions.iter().skip(dimension + 1).map(|inner| inner.labels.len()).product();
        (cell / inner.max(1)) % self.size(dimension).max(1)
    }

    /// Labels of cell `cell`, one per dimension.
    pub(crate) fn keys(&self, cell: usize) -> Vec<String> {
        let label = |(at, dimension): (usize, &Dimension)| dimension.labels.get(self.index(cell, at)).cloned();
        self.dimensions.iter().enumerate().filter_map(label).collect()
    }

    /// Where a cell is, in words: `sex=female, age_band=*`.
    pub(crate) fn place(&self, keys: &[String]) -> String {
        let pairs = self.dimensions.iter().zip(keys).map(|(dimension, key)| format!("{}={key}", dimension.name));
        let place = pairs.collect::<Vec<_>>().join(", ");
        if place.is_empty() { "overall".into() } else { place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sizes: &[usize]) -> Shape {
        let dimension = |(at, size): (usize, &usize)| Dimension {
            name: format!("d{at}"),
            labels: (0..*size).map(|value| format!("v{value}")).collect(),
        };
        Shape { dimensions: sizes.iter().enumerate().map(dimension).collect() }
    }

    #[test]
    fn cells_are_row_major() {
        let shape = shape(&[2, 3]);
        assert_eq!(shape.keys(5), ["v1", "v2"]);
        assert_eq!(shape.place(&shape.keys(3)), "d0=v1, d1=v0");
    }

    #[test]
    fn a_table_without_dimensions_is_one_cell() {
        let shape = shape(&[]);
        assert_eq!((shape.len(), shape.keys(0)), (1, Vec::new()));
        assert_eq!(shape.place(&[]), "overall");
    }
}
