//! Keys as carriers: the names of cells, and which of them are there, tell what no figure does.
//!
//! Hundepool et al., Statistical Disclosure Control (2012), section 4.1, on small cells; Korolova et al., "Releasing
//! search queries and clicks privately", WWW 2009, on keys that are data themselves.

use serde_json::json;

use crate::attacks::arena::{Arena, People, Ran, Side, allow, laplace, profile, told};
use crate::attacks::guest::keyed;
use crate::attacks::{at_most, exactly, measured};

/// No cell is too small, and nothing else differs from the profile beside it.
fn profiles() -> Vec<String> {
    let rules = json!({"differencing": null, "complementary": false, "round_base": 1});
    let mut without = rules.clone();
    (without["threshold"], without["zeros_disclosive"]) = (1.into(), false.into());
    vec![profile("large-cells", rules), profile("any-cells", without)]
}

/// Persons have numbers of which one in a hundred is in use, as with telephones; a count by number lists them.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_in_use_are_listed() {
    let mut people = People::draw(400, 21);
    // Amounts to the thousandth, from 0 to 1,000: forty of them make a number.
    people.amounts.iter_mut().for_each(|amount| *amount = (*amount * 40.0).floor() / 40.0);
    let numbers = 40_000;
    let count = || {
        keyed(
            json!({"name": "persons", "reducer": "count", "keys": ["telephone"]}),
            json!([{"name": "telephone", "domain": {"integers": {"first": 0, "last": numbers - 1}}}]),
            "(i32.trunc_sat_f64_u (f64.add (f64.const 0.5) (f64.mul (local.get $amount) (f64.const 40))))",
            None,
        )
    };
    let arena = Arena::start(profiles()).await;
    let mut shares = Vec::new();
    for rules in ["any-cells", "large-cells"] {
        let ran = arena.side(rules, &people, rules).await.run(count()).await;
        let cells = || ran.tables().iter().flat_map(|table| &table.cells).filter(|cell| cell.value.is_some());
        let is_listed = |amount: &&f64| {
            let number = format!("{}", (**amount * 40.0).round());
            cells().any(|cell| cell.keys == [number.as_str()])
        };
        // A list of all numbers there can be says nothing.
        let hits = people.amounts.iter().filter(is_listed).count();
        shares.push(hits as f64 / cells().count().max(people.len()) as f64);
    }
    let guessing = exactly(people.len() as f64 / f64::from(numbers));
    measured("numbers_in_use_are_listed", &guessing, &exactly(shares[0]), &exactly(shares[1]));
}

/// Each target alone contributes to a line of cells, to the cell that their amount names: 1 of 50 bands.
#[tokio::test(flavor = "multi_thread")]
async fn a_cell_is_named_after_a_value() {
    const BANDS: usize = 50;
    let people = People::draw(200, 22);
    let targets: Vec<usize> = (0..20).map(|place| place * 10).collect();
    let codes = |count: usize| (0..count).map(|code| code.to_string()).collect::<Vec<_>>();
    let module = || {
        keyed(
            json!({"name": "persons", "reducer": "count", "keys": ["target", "band"]}),
            json!([{"name": "target", "domain": {"codes": codes(20)}}, {"name": "band", "domain": {"codes": codes(BANDS)}}]),
            &format!(
                "(select
                   (i32.add
                     (i32.mul (i32.wrap_i64 (i64.div_u (local.get $number) (i64.const 10))) (i32.const {BANDS}))
                     (i32.trunc_sat_f64_u (f64.div (local.get $amount) (f64.const {}))))
                   (i32.const -1)
                   (i64.eqz (i64.rem_u (local.get $number) (i64.const 10))))",
                1_000 / BANDS
            ),
            None,
        )
    };
    let arena = Arena::start(profiles()).await;
    let mut shares = Vec::new();
    for rules in ["any-cells", "large-cells"] {
        let ran = arena.side(rules, &people, rules).await.run(module()).await;
        let hits = targets.iter().enumerate().filter(|(place, target)| {
            let cells = ran.tables().first().map_or(&[][..], |table| &table.cells);
            let line = cells.chunks(BANDS).nth(*place).unwrap_or_default();
            let shown = line.iter().position(|cell| cell.value.is_some_and(|count| count > 0.0));
            shown == Some((people.amounts[**target] / (1_000 / BANDS) as f64) as usize)
        });
        shares.push(hits.count() as f64 / targets.len() as f64);
    }
    measured("a_cell_is_named_after_a_value", &exactly(1.0 / BANDS as f64), &exactly(shares[0]), &exactly(shares[1]));
}

/// Nine persons whom the attacker knows, and the target if the secret is 1: the cell shows itself or does not. It is
/// the threshold itself that speaks, so no rule stops it; noise does.
mod brink {
    use super::{People, Ran, Side, told};

    /// Everyone whose number ends in 0 is a target; the nine after each help.
    pub(super) const GROUPS: usize = 400;

    pub(super) fn module() -> Vec<u8> {
        let codes: Vec<String> = (0..GROUPS).map(|group| group.to_string()).collect();
        super::keyed(
            super::json!({"name": "persons", "reducer": "count", "keys": ["group"]}),
            super::json!([{"name": "group", "domain": {"codes": codes}}]),
            "(select
               (i32.wrap_i64 (i64.div_u (local.get $number) (i64.const 10)))
               (i32.const -1)
               (i64.ne (i64.const 0) (i64.or (local.get $secret) (i64.rem_u (local.get $number) (i64.const 10)))))",
            None,
        )
    }

    pub(super) fn people() -> People {
        People::draw(GROUPS * 10, 23)
    }

    pub(super) fn told_by(guess: impl Fn(usize) -> Option<bool>, people: &People) -> f64 {
        let secrets: Vec<_> = people.secrets.iter().copied().step_by(10).collect();
        told(&(0..GROUPS).map(guess).collect::<Vec<_>>(), &secrets)
    }

    /// Whether a figure is there says it all.
    pub(super) async fn by_rules(side: &Side<'_>, people: &People) -> (f64, Ran) {
        let ran = side.run(module()).await;
        let cells = &ran.tables()[0].cells;
        let share = told_by(|group| Some(cells[group].value.is_some()), people);
        (share, ran)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_hides_whether_a_cell_is_there() {
    let people = brink::people();
    let arena = Arena::start(profiles()).await;
    let (without, ran) = brink::by_rules(&arena.side("without", &people, "large-cells").await, &people).await;
    assert!(ran.leakage_bits() >= brink::GROUPS as u64, "the bound holds: one bit a cell");
    let side = arena.side_with("with", &people, "large-cells", |dataset, terms| allow(dataset, terms, 1.0)).await;
    let ran = side.run_with(brink::module(), Some(laplace(1.0))).await;
    let figures: Vec<_> = ran.tables()[0].cells.iter().map(|cell| cell.value.unwrap()).collect();
    let with = brink::told_by(|group| Some(figures[group] > 9.5), &people);
    // With ε = 1 a guess is right with a probability of at most e / (1 + e) = 73 %. That 400 of them reach 84 % is less
    // likely than one in a million.
    measured("noise_hides_whether_a_cell_is_there", "50 %", &exactly(without), &at_most(with, 0.84));
}
