//! Statistics over the small figures: `cargo bench -p glovebox-benches`. Criterion compares with the run before.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use glovebox_benches::guest;
use glovebox_benches::kept::{Kept, KeptComponent};
use glovebox_benches::reduction::{CELLS, REDUCERS, manifest};
use glovebox_benches::rows::{Contributions, Gate, ROWS_PER_BATCH, Rows, Sums};
use glovebox_gm::{Key128, SigningKey, Sm4Gcm, TAG_LENGTH_BYTES, sm3, sm3_many};
use glovebox_sandbox::{Config, Sandbox};

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20)
        .configure_from_args();
    persons(&mut criterion)?;
    rows(&mut criterion)?;
    gate(&mut criterion)?;
    gm(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// A fresh instance a person through both doors, and the call that it is compared with.
fn persons(criterion: &mut Criterion) -> anyhow::Result<()> {
    let sandbox = Sandbox::new(&Config::default())?;
    let rows = Rows::new(1, 1)?;
    let mut group = criterion.benchmark_group("person");
    for (name, text) in [("columnar", guest::person("")), ("component", guest::COMPONENT.to_owned())] {
        let compiled = guest::compile(&sandbox, &text, "person", r#""count""#)?;
        group.throughput(Throughput::Elements(ROWS_PER_BATCH as u64));
        group.bench_function(BenchmarkId::new("fresh", name), |bencher| {
            bencher.iter(|| guest::drive(&sandbox, &compiled, &rows, &mut Sums([0.0; 16])));
        });
    }
    group.throughput(Throughput::Elements(1));
    let mut kept = Kept::new()?;
    group.bench_function(BenchmarkId::new("kept", "columnar"), |bencher| bencher.iter(|| kept.call()));
    let mut kept = KeptComponent::new()?;
    group.bench_function(BenchmarkId::new("kept", "component"), |bencher| bencher.iter(|| kept.call()));
    group.finish();
    Ok(())
}

/// Filter, group and sum: sandboxed, sandboxed with the gate behind, native.
fn rows(criterion: &mut Criterion) -> anyhow::Result<()> {
    let sandbox = Sandbox::new(&Config::default())?;
    let compiled = guest::compile(&sandbox, &guest::row(), "row", r#""sum", "lower": 0, "upper": 1"#)?;
    let rows = Rows::new(16, 1)?;
    let mut group = criterion.benchmark_group("row");
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function("sandboxed", |bencher| {
        bencher.iter(|| guest::drive(&sandbox, &compiled, &rows, &mut Sums([0.0; 16])));
    });
    group.bench_function("sandboxed and gated", |bencher| {
        bencher.iter(|| {
            let mut gate = Gate::new(compiled.manifest())?;
            guest::drive(&sandbox, &compiled, &rows, &mut gate)
        });
    });
    group.bench_function("native", |bencher| bencher.iter(|| rows.native_sums()));
    group.finish();
    Ok(())
}

/// Rows into every reducer.
fn gate(criterion: &mut Criterion) -> anyhow::Result<()> {
    let mut group = criterion.benchmark_group("gate");
    for cells in CELLS {
        let rows = Contributions::new(8 * ROWS_PER_BATCH, 1, cells)?;
        group.throughput(Throughput::Elements(rows.persons.len() as u64));
        for reducer in REDUCERS {
            let manifest = manifest(reducer, cells)?;
            group.bench_function(BenchmarkId::new(reducer, cells), |bencher| {
                bencher.iter(|| rows.reduce(&manifest, ROWS_PER_BATCH));
            });
        }
    }
    group.finish();
    Ok(())
}

/// Ciphers and digests by size, signatures.
fn gm(criterion: &mut Criterion) -> anyhow::Result<()> {
    let mut group = criterion.benchmark_group("gm");
    let cipher = Sm4Gcm::new(&Key128::random()?);
    for bytes in [1 << 10, 64 << 10] {
        let mut buffer = vec![0; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("SM4-GCM seal", bytes), |bencher| {
            bencher.iter(|| cipher.seal_detached(&[1; 12], b"", &mut buffer));
        });
        let (mut plain, mut sealed) = (vec![0; bytes], vec![0; bytes + TAG_LENGTH_BYTES]);
        cipher.seal_into(&[1; 12], b"", &plain, &mut sealed)?;
        group.bench_function(BenchmarkId::new("SM4-GCM open into", bytes), |bencher| {
            bencher.iter(|| cipher.open_into(&[1; 12], b"", &sealed, &mut plain));
        });
        group.bench_function(BenchmarkId::new("SM3", bytes), |bencher| bencher.iter(|| sm3(black_box(&buffer))));
    }
    let leaves = vec![[0x5a_u8; 64]; 1024];
    group.throughput(Throughput::Elements(leaves.len() as u64));
    group.bench_function("SM3 of many", |bencher| bencher.iter(|| sm3_many(black_box(&leaves))));
    let key = SigningKey::generate()?;
    let signature = key.sign(b"message")?;
    group.throughput(Throughput::Elements(1));
    group.bench_function("SM2 sign", |bencher| bencher.iter(|| key.sign(black_box(b"message"))));
    group.bench_function("SM2 verify", |bencher| {
        bencher.iter(|| key.verifying_key().verify(black_box(b"message"), &signature));
    });
    group.finish();
    Ok(())
}
