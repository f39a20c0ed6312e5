//! No published line pins a suppressed cell: for small tables, every table that publishes the same is enumerated.
//!
//! This is stronger than solving for the feasible interval: tables are told apart by everything the gate publishes,
//! codes and withheld margins included, so what its own decisions betray counts too.

use std::collections::BTreeMap;

use glovebox_gate::{Profile, Verdict, leakage_max};
use serde_json::json;

use crate::harness::{Given, default_profile, manifest, populations, verdict};

/// What all tables that publish the same have in common.
struct Group {
    /// Per cell, its values over the group.
    values: Vec<Vec<u64>>,
    suppressed: Vec<Option<String>>,
    /// Cells hidden in a line whose margin is shown.
    hidden_in_shown: Vec<Vec<usize>>,
    /// A hidden cell has as many persons as were enumerated: tables beyond would publish the same.
    is_cut: bool,
}

/// Groups tables by what they publish. `lines` are those of the margins, in their order.
/// Every table comes with its persons per cell, of which at most `most` were enumerated.
fn group(
    tables: impl Iterator<Item = (Vec<u64>, Vec<u64>, Verdict)>,
    lines: &[Vec<usize>],
    most: u64,
) -> BTreeMap<String, Group> {
    let mut groups = BTreeMap::new();
    for (values, persons, verdict) in tables {
        let group = groups.entry(format!("{verdict:?}")).or_insert_with(|| new_group(values.len(), &verdict, lines));
        group.is_cut |= persons.iter().zip(&group.suppressed).any(|(persons, code)| code.is_some() && *persons == most);
        for (seen, value) in group.values.iter_mut().zip(values) {
            seen.push(value);
        }
    }
    groups
}

fn new_group(cells: usize, verdict: &Verdict, lines: &[Vec<usize>]) -> Group {
    let (suppressed, shown): (Vec<_>, Vec<_>) = match verdict {
        Verdict::Release(release) => {
            let table = &release.tables()[0];
            assert_eq!((table.cells.len(), table.margins.len()), (cells, lines.len()));
            let code = |cell: &glovebox_gate::Cell| cell.suppression.as_ref().map(|refusal| refusal.code.clone());
            (
                table.cells.iter().map(code).collect(),
                table.margins.iter().map(|margin| margin.value.is_some()).collect(),
            )
        }
        Verdict::Withheld { .. } => (vec![Some("all".to_string()); cells], vec![false; lines.len()]),
    };
    let hidden =
        |line: &Vec<usize>| line.iter().copied().filter(|cell| suppressed[*cell].is_some()).collect::<Vec<_>>();
    let hidden_in_shown = lines.iter().zip(shown).filter(|(_, shown)| *shown).map(|(line, _)| hidden(line)).collect();
    Group { values: vec![Vec::new(); cells], suppressed, hidden_in_shown, is_cut: false }
}

fn distinct(values: &[u64]) -> usize {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.dedup();
    values.len()
}

/// Every table with each cell from 0 to `most`.
fn tables(cells: usize, most: u64) -> impl Iterator<Item = Vec<u64>> {
    let base = most + 1;
    (0..base.pow(cells as u32))
        .map(move |number| (0..cells).map(|cell| number / base.pow(cell as u32) % base).collect())
}

fn small_profile(threshold: u32, round_base: u32, zeros_disclosive: bool) -> Profile {
    let text = json!({
        "name": "small", "threshold": threshold, "zeros_disclosive": zeros_disclosive, "dof_min": 0,
        "round_base": round_base, "value_digits": 3, "complementary": true,
    });
    Profile::parse(&text.to_string()).unwrap()
}

/// Asserts that no group of at least one table pins a cell, and returns how many shown lines had hidden cells.
fn assert_nothing_pinned(groups: &BTreeMap<String, Group>, threshold: u64, smallest: u64) -> usize {
    let mut lines = 0;
    for (published, group) in groups {
        for (cell, code) in group.suppressed.iter().enumerate() {
            let values = &group.values[cell];
            if code.is_some() {
                assert!(
                    group.is_cut || distinct(values) >= 2,
                    "cell {cell} can only be {:?} in {published}",
                    values.first()
                );
            }
        }
        for hidden in group.hidden_in_shown.iter().filter(|hidden| !hidden.is_empty()) {
            lines += 1;
            assert!(hidden.len() >= 2, "one hidden cell in {published}");
            let joint = (0..group.values[0].len())
                .map(|table| hidden.iter().map(|cell| group.values[*cell][table]).sum::<u64>());
            assert!(joint.min().unwrap() >= threshold, "a shown line with few persons hidden in {published}");
            let small =
                hidden.iter().filter(|cell| group.suppressed[**cell].as_deref() == Some("gate.cell-below-threshold"));
            for cell in small {
                let values = &group.values[*cell];
                // The total tells nothing about it: from the smallest to the largest, it can still be anything.
                for value in smallest..threshold {
                    assert!(group.is_cut || values.contains(&value), "cell {cell} can't be {value} in {published}");
                }
            }
        }
    }
    lines
}

fn counts(reducer: &str, sizes: &[usize], most: u64, profile: &Profile) -> BTreeMap<String, Group> {
    let manifest = manifest(json!({"reducer": reducer}), sizes, 1);
    let lines = lines(sizes);
    let verdicts = tables(sizes.iter().product(), most).map(|values| {
        let each: Vec<u32> = values.iter().map(|value| *value as u32).collect();
        let verdict = verdict(&manifest, &populations(&each, 0.0), profile);
        (values.clone(), values, verdict)
    });
    group(verdicts, &lines, most)
}

/// Lines in the order of margins.
fn lines(sizes: &[usize]) -> Vec<Vec<usize>> {
    let everything: Vec<usize> = (0..sizes.iter().product()).collect();
    match sizes {
        [_] => vec![everything],
        [rows, columns] => {
            let row = |row: usize| (0..*columns).map(move |column| row * columns + column).collect();
            let column = |column: usize| (0..*rows).map(move |row| row * columns + column).collect();
            (0..*rows).map(row).chain((0..*columns).map(column)).chain([everything]).collect()
        }
        _ => unreachable!("tables here have one or two dimensions"),
    }
}

/// Counts up to `most` in tables of `sizes`; at least `lines` lines must show a total over hidden cells.
#[track_caller]
fn assert_counts_pin_nothing(sizes: &[usize], most: u64, profile: &Profile, lines: usize) {
    let smallest = u64::from(!profile.zeros_disclosive);
    let found = assert_nothing_pinned(&counts("count", sizes, most, profile), u64::from(profile.threshold), smallest);
    assert!(found >= lines, "only {found} lines show a total over hidden cells");
}

#[test]
fn one_dimension_of_counts_pins_nothing() {
    assert_counts_pin_nothing(&[3], 15, &small_profile(4, 2, true), 50);
    assert_counts_pin_nothing(&[3], 15, &small_profile(5, 3, true), 50);
    assert_counts_pin_nothing(&[4], 9, &small_profile(4, 2, true), 50);
}

#[test]
fn without_rounding_nothing_is_pinned_either() {
    assert_counts_pin_nothing(&[3], 15, &small_profile(4, 1, true), 50);
    assert_counts_pin_nothing(&[4], 9, &small_profile(3, 1, true), 50);
}

#[test]
fn nothing_is_pinned_where_zeros_are_shown() {
    assert_counts_pin_nothing(&[3], 15, &small_profile(4, 1, false), 50);
    assert_counts_pin_nothing(&[3], 15, &small_profile(5, 2, false), 50);
}

#[test]
fn two_dimensions_of_counts_pin_nothing() {
    assert_counts_pin_nothing(&[2, 2], 11, &small_profile(3, 1, true), 50);
    assert_counts_pin_nothing(&[2, 2], 11, &small_profile(5, 3, true), 50);
    assert_counts_pin_nothing(&[2, 3], 5, &small_profile(3, 1, true), 50);
}

#[test]
fn contingency_tables_of_two_dimensions_pin_nothing() {
    for (sizes, most, profile) in [
        ([2, 2], 11, small_profile(3, 1, true)),
        ([2, 2], 11, small_profile(5, 3, true)),
        ([2, 2], 11, small_profile(4, 1, false)),
        ([2, 3], 5, small_profile(3, 1, true)),
    ] {
        let smallest = u64::from(!profile.zeros_disclosive);
        let groups = counts("contingency-table", &sizes, most, &profile);
        let found = assert_nothing_pinned(&groups, u64::from(profile.threshold), smallest);
        assert!(found >= 50, "only {found} lines show a total over hidden cells");
    }
}

/// Eight cells of which the first is small are one hypercube: every table along it is published the same, so the reader of
/// any of them can't tell them apart.
#[test]
fn all_tables_along_a_hypercube_are_published_the_same() {
    let manifest = manifest(json!({"reducer": "contingency-table"}), &[2, 2, 2], 1);
    let mut shown = 0;
    for (profile, step) in [(default_profile(), 5_i64), (small_profile(3, 1, true), 1), (small_profile(5, 2, false), 2)]
    {
        let small = i64::from(!profile.zeros_disclosive)..i64::from(profile.threshold);
        for turn in 0..200_i64 {
            let start: Vec<i64> = (0..8)
                .map(|cell| if cell == 0 { small.start } else { small.end + (turn * (2 * cell + 1)) % 23 })
                .collect();
            let along = |persons: i64| {
                let t = (persons - small.start) / step * step;
                // An even number of other values moves with the first cell, an odd number against it.
                let sign = |cell: usize| if cell.count_ones().is_multiple_of(2) { 1 } else { -1 };
                let moved = start.iter().enumerate().map(|(cell, value)| value + sign(cell) * t);
                let moved: Vec<u32> = moved.map(|value| u32::try_from(value).unwrap_or(0)).collect();
                format!("{:?}", verdict(&manifest, &populations(&moved, 0.0), &profile))
            };
            let first = along(small.start);
            if !first.contains("Release(") {
                continue;
            }
            let margins =
                verdict(&manifest, &populations(&start.iter().map(|v| *v as u32).collect::<Vec<_>>(), 0.0), &profile);
            let Verdict::Release(release) = margins else { continue };
            if release.tables()[0].margins.iter().all(|margin| margin.value.is_some()) {
                shown += 1;
                assert!(small.clone().all(|persons| along(persons) == first), "{start:?} under {}", profile.name);
            }
        }
    }
    assert!(shown > 100, "only {shown} tables show all margins");
}

/// The smallest numbers of the shipped profile itself, on the tables with which they matter.
#[test]
fn the_default_profile_pins_nothing_in_a_line_of_two_or_three() {
    assert_counts_pin_nothing(&[2], 45, &default_profile(), 10);
    assert_counts_pin_nothing(&[3], 24, &default_profile(), 10);
}

/// Sums over two cells of persons with a value of 0, 1 or 2: no published sum pins a suppressed one.
#[test]
fn sums_pin_nothing() {
    let profile = small_profile(3, 1, true);
    for reducer in ["sum", "mean"] {
        let manifest = manifest(json!({"reducer": reducer, "lower": 0.0, "upper": 2.0}), &[2], 1);
        let multisets: Vec<Vec<u64>> = (0..=6_u64)
            .flat_map(|ones| {
                (0..=6 - ones).flat_map(move |twos| (0..=6 - ones - twos).map(move |zeros| vec![zeros, ones, twos]))
            })
            .collect();
        let tables = multisets.iter().flat_map(|a| multisets.iter().map(move |b| [a.clone(), b.clone()]));
        let verdicts = tables.map(|table| {
            let verdict = verdict(&manifest, &valued(&table), &profile);
            let sums = table.each_ref().map(|cell| cell[1] + 2 * cell[2]).to_vec();
            (sums, table.map(|cell| cell.iter().sum()).to_vec(), verdict)
        });
        let groups = group(verdicts, &[vec![0, 1]], 6);
        let mut shown = 0;
        for (published, group) in &groups {
            shown += group.hidden_in_shown.iter().filter(|hidden| !hidden.is_empty()).count();
            for (cell, _) in group.suppressed.iter().enumerate().filter(|(_, code)| code.is_some()) {
                assert!(
                    group.is_cut || distinct(&group.values[cell]) >= 2,
                    "{reducer}: cell {cell} is pinned in {published}"
                );
            }
        }
        assert!(shown > 3, "{reducer}: only {shown} totals are shown over hidden cells");
    }
}

/// One person per value: `cells[cell][value]` of them.
fn valued(cells: &[Vec<u64>]) -> Vec<Given> {
    let mut given = Vec::new();
    for (cell, values) in cells.iter().enumerate() {
        for (value, persons) in values.iter().enumerate() {
            for _ in 0..*persons {
                given.push((given.len() as u32, cell as u32, value as f64));
            }
        }
    }
    given
}

/// Six persons, each in any of three cells or none: unions pin nothing.
#[test]
fn unions_of_persons_pin_nothing() {
    let profile = small_profile(3, 1, true);
    let manifest = manifest(json!({"reducer": "distinct-persons"}), &[2], 2);
    let verdicts = (0..4_u64.pow(6)).map(|number| {
        let memberships: Vec<u64> = (0..6).map(|person| number / 4_u64.pow(person) % 4).collect();
        let mut given = Vec::new();
        let mut values = vec![0, 0];
        for (person, membership) in memberships.iter().enumerate() {
            for cell in 0..2 {
                if membership & (1 << cell) != 0 {
                    given.push((person as u32, cell, 0.0));
                    values[cell as usize] += 1;
                }
            }
        }
        let verdict = verdict(&manifest, &given, &profile);
        (values.clone(), values, verdict)
    });
    for (published, group) in group(verdicts, &[vec![0, 1]], u64::MAX) {
        assert!(group.hidden_in_shown.iter().all(Vec::is_empty), "a union over a hidden cell in {published}");
        for (cell, code) in group.suppressed.iter().enumerate() {
            assert!(code.is_none() || distinct(&group.values[cell]) >= 2, "cell {cell} is pinned in {published}");
        }
    }
}

/// Bits that hold so many outcomes.
fn bits(outcomes: usize) -> f64 {
    (outcomes as f64).log2()
}

/// Every table of three counts under the default profile: no more releases than the bound says, and not far fewer.
#[test]
fn there_are_no_more_releases_than_the_bound_says() {
    let profile = default_profile();
    let manifest = manifest(json!({"reducer": "count"}), &[3], 1);
    let bound = leakage_max(&manifest, &profile, 93, 93, None).bits as f64;
    let seen: std::collections::BTreeSet<String> = tables(3, 31)
        .map(|values| values.iter().map(|value| *value as u32).collect::<Vec<_>>())
        .map(|each| format!("{:?}", verdict(&manifest, &populations(&each, 0.0), &profile)))
        .collect();
    assert!(bits(seen.len()) <= bound, "{} outcomes, {bound} bits", seen.len());
    assert!(bits(seen.len()) >= bound / 4.0, "{} outcomes, {bound} bits: the bound is idle", seen.len());
}

/// One person does what it can, everybody else stays: cells, values and both.
#[test]
fn one_person_tells_apart_no_more_releases_than_the_bound_says() {
    let profile = small_profile(3, 1, true);
    let values: Vec<f64> = (0..=40).map(|value| f64::from(value) / 20.0).collect();
    for (reducer, contributions) in [
        (json!({"reducer": "count"}), 1),
        (json!({"reducer": "count"}), 2),
        (json!({"reducer": "distinct-persons"}), 2),
        (json!({"reducer": "sum", "lower": 0.0, "upper": 2.0}), 1),
        (json!({"reducer": "mean", "lower": 0.0, "upper": 2.0}), 1),
        (json!({"reducer": "mean", "lower": 0.0, "upper": 2.0}), 2),
        (json!({"reducer": "variance", "lower": 0.0, "upper": 2.0}), 1),
        (json!({"reducer": "histogram", "edges": [0.0, 0.5, 1.0, 2.0]}), 1),
    ] {
        let manifest = manifest(reducer.clone(), &[3], contributions);
        let bound = leakage_max(&manifest, &profile, 1_000, 1_000, None).bits_per_person as f64;
        let mut most = 0;
        for others in [[2, 4, 5], [3, 2, 2], [2, 2, 2], [5, 2, 9], [2, 3, 0]] {
            let given =
                |cell: usize, value: f64| (0..others[cell]).map(move |p| (10 * cell as u32 + p, cell as u32, value));
            let background: Vec<Given> = (0..3).flat_map(|cell| given(cell, 0.7)).collect();
            let mut own: Vec<Vec<Given>> = vec![Vec::new()];
            for round in 0..contributions {
                let stride = if round == 0 { 1 } else { 10 };
                let more = own.iter().flat_map(|taken| {
                    let with = |cell: u32, value: f64| [taken.as_slice(), &[(99, cell, value)]].concat();
                    let values = values.iter().step_by(stride);
                    values.flat_map(move |value| (0..3).map(move |cell| with(cell, *value))).collect::<Vec<_>>()
                });
                let more: Vec<_> = more.collect();
                own.extend(more);
            }
            let seen: std::collections::BTreeSet<String> = own
                .iter()
                .map(|own| format!("{:?}", verdict(&manifest, &[background.as_slice(), own].concat(), &profile)))
                .collect();
            assert!(bits(seen.len()) <= bound, "{reducer}: {} outcomes, {bound} bits", seen.len());
            most = most.max(seen.len());
        }
        assert!(most >= 3, "{reducer}: a person tells {most} releases apart, so the test tells nothing");
    }
}
