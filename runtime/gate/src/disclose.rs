//! The sequence of the rules, from statistics to a verdict.

use glovebox_catalog::Refusal;

use crate::judgement::{Judge, Judgement};
use crate::leakage::leakage_of_rules;
use crate::reducers::{inner_statistic, statistic};
use crate::reduction::{Reduced, ReducedOutput};
use crate::release::{Cell, Mechanism, Release, Table, Verdict};
use crate::rules::Suppression;
use crate::shape::{Dimension, Shape};
use crate::totals::Totals;
use crate::{Guard, Interrupted, Patience, Profile};

/// Work of writing one cell down, in units of [`Patience::spend`]: some texts each.
pub(crate) const CELL_UNITS: u64 = 100;

/// Value and step of a figure, or why it is hidden.
pub(crate) type Shown = Result<(f64, f64), Suppression>;

/// Applies `profile` to every cell and margin; `guard` compares those that pass with everything released before.
///
/// # Errors
/// [`Interrupted`] when `patience` ends. Nothing may then leave.
pub fn disclose(
    reduced: &Reduced,
    profile: &Profile,
    guard: &mut dyn Guard,
    patience: &dyn Patience,
) -> Result<Verdict, Interrupted> {
    let drafts = reduced.outputs.iter().map(|output| Draft::new(output, profile, guard, patience));
    let drafts = drafts.collect::<Result<Vec<_>, _>>()?;
    let tables = drafts.iter().map(|draft| draft.table(profile, patience)).collect::<Result<Vec<_>, _>>()?;
    let reasons = || {
        let rule = format!("at least one cell passes every rule of the profile `{}`", profile.name);
        let remedy = "merge categories, widen bands or use fewer keys; the reasons that follow name the rules met";
        let first = Refusal::new("gate.all-cells-withheld", rule, "release", remedy);
        std::iter::once(first).chain(drafts.iter().flat_map(|draft| draft.reasons(profile))).collect()
    };
    let leakage = leakage_of_rules(reduced, profile);
    let release = Release::new(tables, profile.name.clone(), Mechanism::DisclosureRules, leakage);
    if release.cells_released() > 0 {
        return Ok(Verdict::Release(release));
    }
    Ok(Verdict::Withheld { cells_withheld: release.cells_withheld(), reasons: reasons() })
}

/// One output, judged: what it will show.
struct Draft<'a> {
    output: &'a ReducedOutput,
    /// Keys and inner dimensions.
    shape: Shape,
    reducer: &'static str,
    persons_min: u32,
    /// Row-major by `shape`.
    cells: Vec<Shown>,
    margins: Vec<(Vec<String>, Shown)>,
}

impl<'a> Draft<'a> {
    fn new(
        output: &'a ReducedOutput,
        profile: &Profile,
        guard: &mut dyn Guard,
        patience: &dyn Patience,
    ) -> Result<Self, Interrupted> {
        let dimensions = output.shape.dimensions.iter().chain(&output.inner).cloned().collect();
        let (shape, reducer) = (Shape { dimensions }, output.output.reducer.name());
        if let Some(inner) = inner_statistic(output) {
            let judge = Judge::new(output, profile, inner.parameters(), inner.dominance(), patience)?;
            let judgement = judge.judge(shape.len(), patience)?;
            let each = output.inner.iter().map(|dimension| dimension.labels.len()).product();
            let mut cells = Vec::with_capacity(shape.len());
            for (cell, suppressed) in output.cells.iter().zip(&judgement.suppressed) {
                let shown = match suppressed {
                    Some(why) => vec![Err(*why); each],
                    None => {
                        patience.spend(each as u64)?;
                        Judge::figures(cell, inner.figures(cell, profile), guard, patience)?
                    }
                };
                cells.extend(shown.into_iter().take(each));
            }
            let persons_min = judgement.persons_min;
            return Ok(Self { output, shape, reducer, persons_min, cells, margins: Vec::new() });
        }
        let statistic = statistic(output);
        let judge = Judge::new(output, profile, statistic.parameters(), statistic.dominance(), patience)?;
        let Judgement { persons_min, suppressed } = judge.judge(shape.len(), patience)?;
        let totals = Totals::new(output, profile, statistic.as_ref(), persons_min, suppressed, patience)?;
        let (cells, margins) = totals.shown(guard)?;
        Ok(Self { output, shape, reducer, persons_min, cells, margins })
    }

    fn table(&self, profile: &Profile, patience: &dyn Patience) -> Result<Table, Interrupted> {
        let is_open = self.output.open.contains(&true);
        let listed = |shown: &Shown| !is_open || shown.is_ok();
        let cells: Vec<Cell> = (0..self.shape.len())
            .filter_map(|index| self.cells.get(index).map(|shown| (index, shown)))
            .filter(|(_, shown)| listed(shown))
            .map(|(index, shown)| self.cell(self.shape.keys(index), shown, profile, patience))
            .collect::<Result<_, _>>()?;
        let margins = self.margins.iter().filter(|(_, shown)| listed(shown));
        let margins = margins.map(|(keys, shown)| self.cell(keys.clone(), shown, profile, patience));
        Ok(Table {
            output: self.output.output.name.clone(),
            reducer: self.reducer.into(),
            dimensions: self.dimensions(&cells),
            margins: margins.collect::<Result<_, _>>()?,
            cells,
        })
    }

    /// The dimensions of the table; of an open key only the values that some cell has.
    fn dimensions(&self, cells: &[Cell]) -> Vec<Dimension> {
        let listed = |(at, dimension): (usize, &Dimension)| {
            if self.output.open.get(at) != Some(&true) {
                return dimension.clone();
            }
            let seen: std::collections::BTreeSet<_> = cells.iter().filter_map(|cell| cell.keys.get(at)).collect();
            let labels = dimension.labels.iter().filter(|label| seen.contains(label)).cloned().collect();
            Dimension { name: dimension.name.clone(), labels }
        };
        self.shape.dimensions.iter().enumerate().map(listed).collect()
    }

    fn cell(
        &self,
        keys: Vec<String>,
        shown: &Shown,
        profile: &Profile,
        patience: &dyn Patience,
    ) -> Result<Cell, Interrupted> {
        patience.spend(CELL_UNITS)?;
        let (value, rounded_to, suppression) = match shown {
            Ok((value, step)) => (Some(*value), Some(*step), None),
            Err(why) => {
                let place = format!("output `{}`, cell {}", self.output.output.name, self.shape.place(&keys));
                (None, None, Some(why.refusal(profile, self.persons_min, place)))
            }
        };
        Ok(Cell { keys, value, rounded_to, half_width_95: None, suppression })
    }

    /// Each rule met, once, without the cells.
    fn reasons(&self, profile: &Profile) -> Vec<Refusal> {
        let mut met = Vec::new();
        for why in self.cells.iter().filter_map(|shown| shown.err()) {
            if !met.contains(&why) {
                met.push(why);
            }
        }
        let place = || format!("output `{}`", self.output.output.name);
        met.into_iter().map(|why| why.refusal(profile, self.persons_min, place())).collect()
    }
}
