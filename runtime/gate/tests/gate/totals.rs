//! The order of things: what the guard is asked, what open keys list, what many rounds state.

use glovebox_catalog::{ABI_VERSION, JobManifest};
use glovebox_gate::{
    Guard, GuardFault, GuardIndex, Interrupted, Leakage, Mechanism, Model, Patience, PersonIds, Release, Table,
    Unguarded, Verdict, leakage_max,
};
use roaring::RoaringBitmap;
use serde_json::json;

use crate::harness::{Earlier, all_shown, default_profile, guarded, manifest, populations, release, verdict};

/// Admits everything and notes what it is asked.
#[derive(Default)]
struct Asked(Vec<RoaringBitmap>);

impl Guard for Asked {
    fn admit(&mut self, persons: &RoaringBitmap, _: &dyn Patience) -> Result<bool, Interrupted> {
        self.0.push(persons.clone());
        Ok(true)
    }
}

fn given(persons: &[u32]) -> Vec<(u32, u32, Vec<f64>)> {
    populations(persons, 0.0).into_iter().map(|(person, cell, value)| (person, cell, vec![value])).collect()
}

fn table_under(reducer: &str, sizes: &[usize], persons: &[u32], guard: &mut dyn Guard) -> Table {
    let manifest = manifest(json!({"reducer": reducer}), sizes, 1);
    release(guarded(&manifest, &given(persons), &default_profile(), guard)).tables()[0].clone()
}

#[test]
fn the_guard_is_asked_about_every_figure_that_is_shown_and_no_other() {
    for (reducer, sizes, persons) in [
        ("count", vec![4], vec![50, 3, 60, 70]),
        ("count", vec![2, 3], vec![50, 3, 60, 70, 20, 30]),
        ("contingency-table", vec![3, 3], vec![40, 4, 50, 60, 70, 80, 30, 90, 20]),
        ("distinct-persons", vec![3], vec![50, 60, 70]),
    ] {
        let mut guard = Asked::default();
        let table = table_under(reducer, &sizes, &persons, &mut guard);
        let shown = table.cells.iter().chain(&table.margins).filter(|cell| cell.value.is_some()).count();
        assert_eq!(guard.0.len(), shown, "{reducer} {sizes:?}");
        let everybody: u64 = persons.iter().map(|persons| u64::from(*persons)).sum();
        assert!(guard.0.iter().all(|asked| asked.len() >= 10) && guard.0.iter().any(|asked| asked.len() == everybody));
    }
}

#[test]
fn a_guard_that_compares_pairs_lets_totals_over_hidden_cells_pass() {
    let mut guard = Earlier { released: Vec::new(), persons: 10 };
    let table = table_under("contingency-table", &[3, 3], &[40, 4, 50, 60, 70, 80, 30, 90, 20], &mut guard);
    assert!(table.margins.iter().all(|margin| margin.value.is_some()), "{:?}", all_shown(&table.margins));
}

/// The guard that enclaves use, with nothing released before: it finds no difference within one release, since what is
/// hidden together has at least the threshold of persons.
#[test]
fn a_fresh_guard_refuses_nothing_that_the_other_rules_show() {
    let mut state = 7_u64;
    let mut draw = |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let mut hidden = 0;
    for (reducer, sizes) in [
        ("count", vec![5]),
        ("count", vec![3, 4]),
        ("contingency-table", vec![4, 4]),
        ("contingency-table", vec![2, 3, 2]),
    ] {
        let cells: usize = sizes.iter().product();
        for _ in 0..15 {
            let persons: Vec<u32> =
                (0..cells).map(|_| if draw(8) == 0 { draw(10) as u32 } else { 15 + draw(40) as u32 }).collect();
            let index = GuardIndex::new([7; 16]);
            let load = |_: u64| Err(GuardFault::Damaged);
            let mut session = index.session(10, PersonIds::Identity, &load);
            let manifest = manifest(json!({"reducer": reducer}), &sizes, 1);
            let guarded = guarded(&manifest, &given(&persons), &default_profile(), &mut session);
            assert_eq!(guarded, verdict(&manifest, &populations(&persons, 0.0), &default_profile()), "{persons:?}");
            assert!(session.finish().is_ok());
            if let Verdict::Release(release) = guarded {
                hidden += u64::from(
                    release.cells_withheld() > 0
                        && release.tables()[0].margins.iter().any(|margin| margin.value.is_some()),
                );
            }
        }
    }
    assert!(hidden > 20, "only {hidden} tables had something to hide");
}

#[test]
fn a_refused_cell_takes_no_margin_with_it_that_does_not_meet_it() {
    // Cell 4 differs by two persons from something released before.
    let released = vec![(40 + 44 + 50 + 60..40 + 44 + 50 + 60 + 68).collect()];
    let mut guard = Earlier { released, persons: 10 };
    let table = table_under("contingency-table", &[3, 3], &[40, 44, 50, 60, 70, 80, 30, 90, 20], &mut guard);
    assert_eq!(table.cells[4].suppression.as_ref().unwrap().code, "gate.differencing");
    assert_eq!(table.cells.iter().filter(|cell| cell.value.is_none()).count(), 1);
    let hidden = "gate.complementary";
    assert_eq!(all_shown(&table.margins), ["135", hidden, "140", "130", hidden, "150", hidden]);
}

#[test]
fn a_refused_interval_of_a_survival_table_hides_the_numbers_that_follow_from_it() {
    let manifest = manifest(json!({"reducer": "survival-table", "edges": [0.0, 1.0, 2.0]}), &[2], 1);
    let mut given = Vec::new();
    for person in 0..200_u32 {
        // Of each hundred, forty leave by an event in the first interval, the others are censored in the second.
        let values = if person % 100 < 40 { vec![0.5, 1.0] } else { vec![1.5, 0.0] };
        given.push((person, person / 100, values));
    }
    let free = release(guarded(&manifest, &given, &default_profile(), &mut Unguarded)).tables()[0].clone();
    assert_eq!(
        all_shown(&free.cells)[..6],
        ["100", "40", "gate.cell-below-threshold", "60", "gate.cell-below-threshold", "60"]
    );
    let mut guard = Earlier { released: vec![(0..38).collect()], persons: 10 };
    let table = release(guarded(&manifest, &given, &default_profile(), &mut guard)).tables()[0].clone();
    assert!(table.cells[..6].iter().all(|cell| cell.value.is_none()), "{:?}", all_shown(&table.cells));
    assert_eq!(all_shown(&table.cells)[6..], all_shown(&free.cells)[6..]);
}

fn open(sizes: i64) -> JobManifest {
    let manifest = json!({
        "abi": ABI_VERSION, "name": "job", "version": "1", "description": "", "isolation": "row",
        "inputs": [{"name": "x", "type": "float64"}], "contributions_per_person_max": 1,
        "keys": [
            {"name": "code", "domain": {"integers": {"first": 1_000, "last": 999 + sizes}}},
            {"name": "sex", "domain": {"codes": ["f", "m"]}},
        ],
        "outputs": [{"name": "n", "reducer": "count", "keys": ["code", "sex"]}],
    });
    JobManifest::parse(manifest.to_string().as_bytes()).unwrap()
}

#[test]
fn of_open_keys_only_what_passes_is_listed() {
    let manifest = open(5_000);
    // Codes 1000 and 1002, women; 1002, men.
    let mut persons = vec![0; 10_000];
    (persons[0], persons[4], persons[5]) = (30, 41, 55);
    let honest = release(verdict(&manifest, &populations(&persons, 0.0), &default_profile()));
    let table = &honest.tables()[0];
    let listed: Vec<_> = table.cells.iter().map(|cell| (cell.keys.join(" "), cell.value)).collect();
    let expected = [("1000 f", 30.0), ("1002 f", 40.0), ("1002 m", 55.0)];
    assert_eq!(listed, expected.map(|(keys, value)| (keys.to_string(), Some(value))));
    assert_eq!(table.dimensions[0].labels, ["1000", "1002"]);
    assert_eq!(table.dimensions[1].labels, ["f", "m"]);
    // Only what adds up listed cells alone.
    let totals: Vec<_> = table.margins.iter().map(|margin| (margin.keys.join(" "), margin.value)).collect();
    assert_eq!(totals, [("1002 *".to_string(), Some(95.0))]);
    assert_eq!((honest.cells_released(), honest.cells_withheld()), (4, 0));
    // A rare code is told as little as one that nobody has.
    (persons[700], persons[9_999]) = (9, 1);
    assert_eq!(release(verdict(&manifest, &populations(&persons, 0.0), &default_profile())), honest);
}

#[test]
fn open_keys_of_which_none_passes_say_why() {
    let persons = vec![5; 40];
    let Verdict::Withheld { reasons, cells_withheld } =
        verdict(&open(20), &populations(&persons, 0.0), &default_profile())
    else {
        panic!("it left")
    };
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!((codes, cells_withheld), (vec!["gate.all-cells-withheld", "gate.cell-below-threshold"], 0));
}

#[test]
fn many_rounds_state_what_all_of_them_carry() {
    let manifest = manifest(json!({"reducer": "count"}), &[4], 1);
    let bound = leakage_max(&manifest, &default_profile(), 1_000, 1_000, None);
    let last = release(verdict(&manifest, &populations(&[50, 60, 60, 70], 0.0), &default_profile())).within(bound);
    assert_eq!(last.leakage(), bound);
    let model = Model { rounds: 3, stopped: true, names: vec!["b".into()], states: vec![vec![0.5]; 3] };
    let all = Release::combine_rounds(last, &[bound, bound]).with_model(model.clone());
    assert_eq!(all.leakage(), Leakage { bits: 3 * bound.bits, bits_per_person: 3 * bound.bits_per_person });
    assert_eq!((all.mechanism(), all.model()), (Mechanism::DisclosureRules, Some(&model)));
}
