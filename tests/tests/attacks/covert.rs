//! Carriers beside the figures: their last digits, the order of what leaves, and the failure of a job.
//!
//! Lampson, "A note on the confinement problem", Communications of the ACM 16 (1973); Haeberlen, Pierce and Narayan,
//! "Differential privacy under fire", USENIX Security 2011, on failure and state as channels of private queries.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use glovebox_client::Paging;
use glovebox_sandbox::{Config, Faults, RunError, Sandbox, inspect};
use serde_json::{Value, json};

use crate::attacks::arena::{Arena, People, Side, profile, told};
use crate::attacks::guest::{COLUMNS, keyed, manifest, module, personal};
use crate::attacks::{exactly, measured};
use crate::contributions::{Contributed, run};

const PERSONS: usize = 200;

/// The persons as the sandbox gets them, all in one batch; `ordinal` says whose row it is.
fn batches(people: &People, ordinal: impl Fn(usize) -> u32) -> Vec<(Vec<u32>, RecordBatch)> {
    let kinds = [DataType::Int64, DataType::Int64, DataType::Float64];
    let fields = COLUMNS.iter().zip(kinds).map(|((name, _), kind)| Field::new(*name, kind, false));
    let columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new((0..people.len() as i64).map(Some).collect::<Int64Array>()),
        Arc::new(people.secrets.iter().map(|secret| Some(i64::from(*secret))).collect::<Int64Array>()),
        Arc::new(Float64Array::from(people.amounts.clone())),
    ];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns).unwrap();
    vec![((0..people.len()).map(ordinal).collect(), batch)]
}

/// Runs a module in a sandbox without a server.
fn in_sandbox(wasm: &[u8], people: &People, faults: Faults) -> Result<Vec<Contributed>, RunError> {
    let sandbox = Sandbox::new(&Config::default()).unwrap();
    let compiled = sandbox.compile(&inspect(wasm).unwrap(), wasm).unwrap();
    run(&sandbox, &compiled, &batches(people, |number| number as u32), faults).map(|(contributed, _)| contributed)
}

/// Twenty-four targets give a half, a quarter, an eighth … if their secret is 1; all others give a half.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_hide_in_the_last_digits() {
    const TARGETS: usize = 24;
    let people = People::draw(PERSONS, 31);
    // Two to the minus (number + 1), by its bits: the exponent is 1023 less that.
    let module = || {
        keyed(
            json!({"name": "sum", "reducer": "sum", "lower": 0.0, "upper": 1.0}),
            json!([]),
            "(i32.const 0)",
            Some(
                "(select
                   (f64.mul (f64.convert_i64_s (local.get $secret))
                     (f64.reinterpret_i64 (i64.shl (i64.sub (i64.const 1022) (local.get $number)) (i64.const 52))))
                   (f64.const 0.5)
                   (i64.lt_u (local.get $number) (i64.const 24)))",
            ),
        )
    };
    let arena = Arena::start(vec![profile("all-digits", json!({"round_base": 0, "value_digits": 15}))]).await;
    let mut shares = Vec::new();
    for rules in ["all-digits", "default"] {
        let ran = arena.side(rules, &people, rules).await.run(module()).await;
        let cell = &ran.tables()[0].cells[0];
        let payload = cell.value.unwrap() - (PERSONS - TARGETS) as f64 / 2.0;
        let bit = |target: usize| {
            // A digit that was rounded away says nothing.
            let weight = 0.5_f64.powi(target as i32 + 1);
            (cell.rounded_to.unwrap() <= weight).then(|| (payload / weight).floor() % 2.0 == 1.0)
        };
        shares.push(told(&(0..TARGETS).map(bit).collect::<Vec<_>>(), &people.secrets[..TARGETS]));
    }
    measured("secrets_hide_in_the_last_digits", "50 %", &exactly(shares[0]), &exactly(shares[1]));
}

/// Everybody in a group contributes to the group's two cells, in an order that the target's secret turns round. The
/// attacker reads which of the two comes first: in a list made as contributions arrive, and in the release.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_hide_in_the_order() {
    const GROUPS: usize = 10;
    let mut people = People::draw(PERSONS, 32);
    // As many ones as zeros, so that a constant answer is right half the time.
    (0..GROUPS).for_each(|group| people.secrets[group * 20] = [3, 4, 6, 7, 9].contains(&group));
    let codes: Vec<String> = (0..2 * GROUPS).map(|code| code.to_string()).collect();
    let mut wasm_manifest = manifest(
        "person",
        &COLUMNS,
        json!({"outputs": [{"name": "persons", "reducer": "count", "keys": ["half"]}],
               "keys": [{"name": "half", "domain": {"codes": codes}}]}),
    );
    wasm_manifest["contributions_per_person_max"] = 2.into();
    // Two records at 16 and 32; the second cell is the first one's neighbour.
    let wasm = module(
        &wasm_manifest,
        "(memory (export \"memory\") 1)
         (func (export \"gb_alloc\") (param i32 i32) (result i32) (i32.const 1024))
         (func (export \"gb_person\") (param $input i32) (result i64) (local $group i32) (local $turn i32)
           (local.set $group (i32.mul (i32.const 2)
             (i32.div_u (i32.load (i32.load offset=16 (local.get $input))) (i32.const 20))))
           (local.set $turn (i32.load (i32.load offset=28 (local.get $input))))
           (i32.store (i32.const 20) (i32.add (local.get $group) (local.get $turn)))
           (i32.store (i32.const 36) (i32.add (local.get $group) (i32.sub (i32.const 1) (local.get $turn))))
           (i64.const 0x1000000002))",
    );
    let secrets: Vec<_> = people.secrets.iter().copied().step_by(20).collect();
    let read = |cells: &[u32]| -> f64 {
        let place = |cell: usize| cells.iter().position(|found| *found as usize == cell);
        let guess = |group: usize| Some(place(2 * group)? > place(2 * group + 1)?);
        told(&(0..GROUPS).map(guess).collect::<Vec<_>>(), &secrets)
    };
    let arriving = in_sandbox(&wasm, &people, Faults::Drop).unwrap();
    let without = read(&arriving.iter().map(|contributed| contributed.cell).collect::<Vec<_>>());

    let arena = Arena::start(Vec::new()).await;
    let ran = arena.side("with", &people, "default").await.run(wasm).await;
    let released: Vec<u32> = ran.tables()[0].cells.iter().map(|cell| cell.keys[0].parse().unwrap()).collect();
    assert_eq!(released.len(), 2 * GROUPS);
    measured("secrets_hide_in_the_order", "50 %", &exactly(without), &exactly(read(&released)));
}

/// A module that traps on the target if their secret is 1, and counts everybody else.
fn tripwire(target: usize) -> Vec<u8> {
    personal(
        json!({"name": "persons", "reducer": "count"}),
        json!([]),
        &format!(
            "(if (i32.and (i64.eq (local.get $number) (i64.const {target})) (i32.wrap_i64 (local.get $secret)))
               (then (unreachable)))"
        ),
    )
}

/// All that a developer is shown of a job, but for names and times.
async fn seen(side: &Side<'_>, wasm: Vec<u8>) -> Value {
    let meters = async || {
        let meters = side.developer.meters(&Paging::default()).await.unwrap().items;
        serde_json::to_value(meters[0].committed).unwrap()
    };
    let before = meters().await;
    let ran = side.run(wasm).await;
    let after = meters().await;
    let mut charged = after.clone();
    for (name, amount) in charged.as_object_mut().unwrap() {
        *amount = (amount.as_f64().unwrap() - before[name].as_f64().unwrap()).into();
    }
    // Shown to a developer as a power of ten of all jobs so far.
    charged.as_object_mut().unwrap().retain(|name, _| !["fuel_units", "rows_read"].contains(&&**name));
    let job = ran.job.as_ref().unwrap();
    let receipt = side.developer.job_receipt(&job.id).await.unwrap();
    let mut shown = json!({"job": job, "statement": receipt.statement, "document": ran.document, "charged": charged});
    for part in ["job", "statement"] {
        let names = ["id", "job", "release", "submitted_at", "started_at", "ended_at", "output_sm3"];
        let part = shown[part].as_object_mut().unwrap();
        part.retain(|name, _| !names.contains(&&**name) && !name.starts_with("module"));
    }
    shown
}

/// A trap and a plain answer of nothing look alike: the same figures, states, charges and statements. The differencing
/// guard is off: whom a job leaves out, by a trap or otherwise, is what it looks at.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_speaks() {
    let people = People::draw(PERSONS, 33);
    let targets: Vec<usize> = (0..16).collect();
    let secrets: Vec<_> = people.secrets[..16].to_vec();
    // On dummy data a fault stops the job, and its author is told.
    let stopped = |target: &usize| Some(in_sandbox(&tripwire(*target), &people, Faults::Stop).is_err());
    let without = told(&targets.iter().map(stopped).collect::<Vec<_>>(), &secrets);

    let arena = Arena::start(vec![profile("unguarded", json!({"differencing": null}))]).await;
    let side = arena.side("with", &people, "unguarded").await;
    let calm = seen(&side, tripwire(PERSONS)).await;
    let mut found = Vec::new();
    for target in targets {
        let now = seen(&side, tripwire(target)).await;
        found.push((now != calm).then_some(true));
    }
    measured("a_failure_speaks", "50 %", &exactly(without), &exactly(told(&found, &secrets)));
}

/// What the module would know if nothing reset it between persons: it is given everybody's rows as if they were one
/// person's, and packs the secrets into one number. With the reset it speaks for each person alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_remembers_whom_it_has_seen() {
    const TARGETS: usize = 24;
    let mut people = People::draw(PERSONS, 34);
    // As many ones as zeros, so that a constant answer is right half the time.
    (0..TARGETS).for_each(|target| people.secrets[target] = 0b1011_0010_0110_1001_0101_1100 >> target & 1 == 1);
    let wasm = personal(
        json!({"name": "sum", "reducer": "sum", "lower": 0.0, "upper": 1.0}),
        json!([]),
        // The sum over the rows in sight, each secret at half the weight of the one before.
        "(local.set $turns (i64.extend_i32_u (i32.load (local.get $input))))
         (if (i64.gt_u (local.get $turns) (i64.const 24)) (then (local.set $turns (i64.const 24))))
         (loop $rows
           (local.set $turns (i64.sub (local.get $turns) (i64.const 1)))
           (f64.store (i32.const 24) (f64.mul (f64.const 0.5) (f64.add (f64.load (i32.const 24))
             (f64.convert_i64_s (i64.load (i32.add (i32.load offset=28 (local.get $input))
               (i32.shl (i32.wrap_i64 (local.get $turns)) (i32.const 3))))))))
           (br_if $rows (i64.gt_s (local.get $turns) (i64.const 0))))",
    );
    let decode = |sum: f64| {
        let bit = |target: usize| Some((sum * 2.0_f64.powi(target as i32 + 1)).floor() % 2.0 == 1.0);
        told(&(0..TARGETS).map(bit).collect::<Vec<_>>(), &people.secrets[..TARGETS])
    };
    let sandbox = Sandbox::new(&Config::default()).unwrap();
    let compiled = sandbox.compile(&inspect(&wasm).unwrap(), &wasm).unwrap();
    let (spoken, _) = run(&sandbox, &compiled, &batches(&people, |_| 0), Faults::Stop).unwrap();
    let without = decode(spoken[0].values()[0]);

    // With the reset even exact figures to fifteen digits hold no more than how many ones there are.
    let arena = Arena::start(vec![profile("all-digits", json!({"round_base": 0, "value_digits": 15}))]).await;
    let side = arena.side("with", &people, "all-digits").await;
    let sum = side.run(wasm).await.figures(1)[0].unwrap();
    let ones = people.secrets.iter().filter(|secret| **secret).count();
    assert_eq!(sum, ones as f64 / 2.0);
    // Of a person the count says that a one is as likely as it is frequent.
    let likely = ones * 2 >= PERSONS;
    let with = told(&[Some(likely); TARGETS], &people.secrets[..TARGETS]);
    measured("a_module_remembers_whom_it_has_seen", "50 %", &exactly(without), &exactly(with));
}

/// A module that takes a megabyte of memory if the target's secret is 1, and counts everybody.
fn glutton(target: usize) -> Vec<u8> {
    personal(
        json!({"name": "persons", "reducer": "count"}),
        json!([]),
        &format!(
            "(if (i32.and (i64.eq (local.get $number) (i64.const {target})) (i32.wrap_i64 (local.get $secret)))
               (then (drop (memory.grow (i32.const 16)))))"
        ),
    )
}

/// The largest memory of the run, as the sandbox measures it.
fn memory_peak_bytes(wasm: &[u8], people: &People) -> u64 {
    let sandbox = Sandbox::new(&Config::default()).unwrap();
    let compiled = sandbox.compile(&inspect(wasm).unwrap(), wasm).unwrap();
    run(&sandbox, &compiled, &batches(people, |number| number as u32), Faults::Drop).unwrap().1.memory_peak_bytes
}

/// All that an operator, a supplier and whoever reaches the admin address are shown of what the machine did, as numbers
/// that a job moved.
async fn metered(arena: &Arena, side: &Side<'_>, wasm: Vec<u8>) -> Vec<(String, f64)> {
    let read = async || {
        let mut numbers = Vec::new();
        for who in ["operator", "supplier"] {
            let meters = arena.zone.client(who).meters(&Paging::default()).await.unwrap().items;
            collect(who, &serde_json::to_value(meters).unwrap(), &mut numbers);
        }
        let live = arena.zone.client("operator").live_meters().await.unwrap();
        let live = json!({"fuel_units": live.fuel_units, "rows_read": live.rows_read, "running": live.running.len(),
            "cells_withheld": live.cells_withheld, "releases": live.releases});
        collect("live", &live, &mut numbers);
        for line in arena.zone.metrics().await.lines() {
            // The server's own figures are of requests and connections, which the test itself makes.
            let is_servers = ["glovebox_http", "glovebox_tls", "glovebox_connections", "glovebox_upload"];
            if let Some((name, value)) = line.rsplit_once(' ')
                && !line.starts_with('#')
                && is_servers.iter().all(|prefix| !name.starts_with(prefix))
                && !name.starts_with("glovebox_audit_events")
            {
                numbers.push((name.to_owned(), value.parse().unwrap()));
            }
        }
        numbers
    };
    let before = read().await;
    side.run(wasm).await;
    let after = read().await;
    // A counter that was not there before began at nothing.
    let was = |name: &str| before.iter().find(|(known, _)| known == name).map_or(0.0, |(_, value)| *value);
    let moved = |(name, value): (String, f64)| (name.clone(), value - was(&name));
    after.into_iter().map(moved).collect()
}

fn collect(place: &str, value: &Value, numbers: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => numbers.push((place.to_owned(), number.as_f64().unwrap())),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(&format!("{place}.{index}"), item, numbers));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| collect(&format!("{place}.{name}"), member, numbers));
        }
        _ => {}
    }
}

/// What a run takes of the machine is told to nobody: not to operators, not to suppliers, not at the admin address.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_fills_memory_by_a_secret() {
    let people = People::draw(PERSONS, 35);
    let targets: Vec<usize> = (0..8).collect();
    let secrets: Vec<_> = people.secrets[..8].to_vec();
    let calm = memory_peak_bytes(&glutton(PERSONS), &people);
    let peak = |target: &usize| Some(memory_peak_bytes(&glutton(*target), &people) > calm);
    let without = told(&targets.iter().map(peak).collect::<Vec<_>>(), &secrets);

    let arena = Arena::start(vec![profile("unguarded", json!({"differencing": null}))]).await;
    let side = arena.side("with", &people, "unguarded").await;
    // Once to begin every counter.
    metered(&arena, &side, glutton(PERSONS + 1)).await;
    let calm = metered(&arena, &side, glutton(PERSONS)).await;
    assert!(calm.len() > 30, "{calm:?}");
    let mut found = Vec::new();
    for target in targets {
        let now = metered(&arena, &side, glutton(target)).await;
        found.push((now != calm).then_some(true));
    }
    measured("a_guest_fills_memory_by_a_secret", "50 %", &exactly(without), &exactly(told(&found, &secrets)));
}
