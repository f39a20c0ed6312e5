//! The edge of a rounding step: the module brings a sum to the brink of a step with values that it knows, and one
//! person tips it over. Nothing of it shows in the set of persons behind the figure, which is always everybody.
//!
//! Rounding, thresholds, dominance and the differencing guard do not stop this, nor can any rule that shows figures
//! which depend on the data: one bit leaves with a figure. What stops it is noise, or a budget of bits.

use serde_json::json;

use crate::attacks::arena::{Arena, People, Ran, Side, allow, laplace, told};
use crate::attacks::guest::{COLUMNS, PARAMETERS, Part, QUERIES_MAX, Query, keyed, manifest, module, survey};
use crate::attacks::{at_most, exactly, measured};

/// Everybody is in every sum. These twelve give 1; the target gives the secret; all others give 0. The sum is 12 or 13,
/// which is shown as 10 or 15.
fn brink(persons: usize, target: usize) -> Query {
    let known = (0..persons).filter(|number| *number != target).take(12);
    let mut parts = vec![Part::Zero; persons];
    known.for_each(|number| parts[number] = Part::One);
    parts[target] = Part::Secret;
    parts
}

fn modules(people: &People) -> impl Iterator<Item = (Vec<u8>, usize)> {
    let targets: Vec<usize> = (0..people.len()).collect();
    let chunks: Vec<_> = targets.chunks(QUERIES_MAX).map(<[usize]>::to_vec).collect();
    let persons = people.len();
    chunks.into_iter().map(move |targets| {
        let queries: Vec<_> = targets.iter().map(|target| brink(persons, *target)).collect();
        (survey(&queries), queries.len())
    })
}

/// A figure above 12.5 says that the secret is 1.
fn guesses(ran: &Ran, queries: usize) -> Vec<Option<bool>> {
    ran.figures(queries).into_iter().map(|figure| Some(figure? > 12.5)).collect()
}

/// The share that is told, and the bits that the first release states.
async fn attack(side: &Side<'_>, people: &People) -> (f64, u64) {
    let mut found = Vec::new();
    let mut bits = Vec::new();
    for (module, queries) in modules(people) {
        let ran = side.run(module).await;
        bits.push(ran.leakage_bits());
        found.extend(guesses(&ran, queries));
    }
    // The bound that the releases state holds: so many secrets, so many bits at least.
    let known = found.iter().filter(|guess| guess.is_some()).count() as u64;
    assert!(bits.iter().sum::<u64>() >= known, "{known} secrets left in {bits:?} bits");
    (told(&found, &people.secrets), bits[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_bits_ends_the_edges_of_steps() {
    let people = People::draw(192, 1);
    let arena = Arena::start(Vec::new()).await;
    let (without, bits) = attack(&arena.side("without", &people, "default").await, &people).await;
    // Room for one job of sixty-four figures, not for a second.
    let bits = bits + bits / 2;
    let with = arena.side_with("with", &people, "default", |_, terms| terms.budget.leakage_bits_max = bits).await;
    let (with, _) = attack(&with, &people).await;
    measured("a_budget_of_bits_ends_the_edges_of_steps", "50 %", &exactly(without), &exactly(with));
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_blurs_the_edges_of_steps() {
    let people = People::draw(192, 1);
    let arena = Arena::start(Vec::new()).await;
    let (without, _) = attack(&arena.side("without", &people, "default").await, &people).await;
    let side = arena.side_with("with", &people, "default", |dataset, terms| allow(dataset, terms, 1.0)).await;
    let mut found = Vec::new();
    for (module, queries) in modules(&people) {
        let ran = side.run_with(module, Some(laplace(0.333))).await;
        assert!(ran.is_released(), "{ran:?}");
        found.extend(guesses(&ran, queries));
    }
    // A figure has its sixty-fourth of a third of ε, so a guess is right with a probability of at most 50.2 %. That 192
    // of them reach 68 % is less likely than one in a million.
    let with = at_most(told(&found, &people.secrets), 0.68);
    measured("noise_blurs_the_edges_of_steps", "50 %", &exactly(without), &with);
}

/// Nine persons whom the attacker knows, and the target if the secret is 1, in a job of their own: it is released or
/// withheld. A withheld job shows no figure, and says as much; so it must be paid for like the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_job_is_paid_for() {
    const TARGETS: usize = 30;
    let people = People::draw(TARGETS * 10, 3);
    let secrets: Vec<_> = people.secrets.iter().copied().step_by(10).collect();
    let question = |target: usize| {
        keyed(
            json!({"name": "persons", "reducer": "count"}),
            json!([]),
            &format!(
                "(select (i32.const 0) (i32.const -1)
                   (i32.and
                     (i64.eq (i64.const {target}) (i64.div_u (local.get $number) (i64.const 10)))
                     (i64.ne (i64.const 0)
                       (i64.or (local.get $secret) (i64.rem_u (local.get $number) (i64.const 10))))))"
            ),
            None,
        )
    };
    let arena = Arena::start(Vec::new()).await;
    let mut shares = Vec::new();
    let mut bits = 1 << 40;
    for id in ["without", "with"] {
        let side = arena.side_with(id, &people, "default", |_, terms| terms.budget.leakage_bits_max = bits).await;
        let mut found = Vec::new();
        for target in 0..TARGETS {
            let ran = side.run(question(target)).await;
            let is_refused = ran.codes.iter().any(|code| code == "meter.leakage-bits-exhausted");
            found.push((!is_refused).then(|| ran.is_released()));
            if ran.is_released() {
                // Room for six that leave; one that may be withheld needs twice as much.
                bits = bits.min(ran.leakage_bits() * 13 / 2);
            }
        }
        shares.push(exactly(told(&found, &secrets)));
    }
    measured("a_withheld_job_is_paid_for", "50 %", &shares[0], &shares[1]);
}

/// Everybody, and then everybody but the target if the secret is 1. The guard refuses the second if it is another set
/// than the first, so the refusal is the secret: Kenthapadi, Mishra and Nissim, "Simulatable auditing", PODS 2005.
#[tokio::test(flavor = "multi_thread")]
async fn the_guard_is_asked_about_a_secret() {
    const TARGETS: usize = 24;
    let people = People::draw(200, 4);
    let outputs = |targets: std::ops::Range<usize>| {
        let output = |target| json!({"name": format!("q{target}"), "reducer": "count"});
        json!({"outputs": targets.map(output).collect::<Vec<_>>()})
    };
    let doors = (0..TARGETS).map(|target| {
        format!(
            "(func (export \"gb_cell_{}\") {PARAMETERS} (result i32)
               (select (i32.const -1) (i32.const 0)
                 (i32.and (i64.eq (local.get $number) (i64.const {target})) (i32.wrap_i64 (local.get $secret)))))",
            target + 1
        )
    });
    let everybody = format!("(func (export \"gb_cell_0\") {PARAMETERS} (result i32) (i32.const 0))");
    let fields = everybody + &doors.collect::<String>();
    let wasm = || module(&manifest("row", &COLUMNS, outputs(0..TARGETS + 1)), &fields);
    let arena = Arena::start(Vec::new()).await;
    let ran = arena.side("without", &people, "default").await.run(wasm()).await;
    assert!(ran.leakage_bits() >= TARGETS as u64, "the bound holds: one bit a figure");
    let refused = ran.figures(TARGETS + 1).into_iter().skip(1).map(|figure| Some(figure.is_none()));
    let without = told(&refused.collect::<Vec<_>>(), &people.secrets[..TARGETS]);
    let side = arena.side_with("with", &people, "default", |dataset, terms| allow(dataset, terms, 1.0)).await;
    let figures = side.run_with(wasm(), Some(laplace(1.0))).await.figures(TARGETS + 1);
    let guesses = figures.into_iter().skip(1).map(|figure| Some(figure? < 199.5));
    let with = told(&guesses.collect::<Vec<_>>(), &people.secrets[..TARGETS]);
    // A figure has a twenty-fifth of ε = 1, so a guess is right with a probability of at most 51 %. That 23 of 24 are is
    // less likely than one in a million.
    measured("the_guard_is_asked_about_a_secret", "50 %", &exactly(without), &at_most(with, 0.93));
}

/// A refusal says whether something fits; asked often enough with other sizes it would say how much there is.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_not_for_counting() {
    let people = People::draw(40, 51);
    let arena = Arena::start(Vec::new()).await;
    let side = arena.side_with("clinic", &people, "default", |_, terms| terms.budget.rows_max = 10).await;
    let mut codes = Vec::new();
    for _ in 0..31 {
        codes.extend(side.run(survey(&[vec![Part::Secret; 40]])).await.codes);
    }
    assert_eq!(codes[..30], vec!["meter.rows-exhausted"; 30]);
    assert_eq!(codes[30..], ["job.refused-too-often"]);
    // Another organisation is not held up by it.
    let rival = side.another_developer().await;
    assert_eq!(rival.run(survey(&[vec![Part::Secret; 40]])).await.codes, ["meter.rows-exhausted"]);
}

/// Everybody in every cell: a table that would take gigabytes to judge is refused by what it declares, before a row is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_takes_all_memory_is_refused() {
    let people = People::draw(40, 52);
    let arena = Arena::start_with(Vec::new(), |config| config.limits.tables_memory_bytes = 1 << 16).await;
    let side = arena.side("clinic", &people, "default").await;
    assert!(side.run(survey(&[vec![Part::Secret; 40]])).await.is_released());
    let many: Vec<Query> = vec![vec![Part::Secret; 40]; QUERIES_MAX];
    assert!(side.run(survey(&many)).await.is_released(), "64 cells are not many");
    let codes: Vec<String> = (0..400).map(|code| code.to_string()).collect();
    let keys = json!([{"name": "k", "domain": {"codes": codes}}]);
    let wide = keyed(json!({"name": "out", "reducer": "count", "keys": ["k"]}), keys, "(i32.const 0)", None);
    assert_eq!(side.run(wide).await.codes, ["job.tables-too-large"]);
}
