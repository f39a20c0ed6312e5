//! SM4-GCM by every kernel of this CPU, beside `AesGcm<Sm4, U12>` of RustCrypto: `cargo bench -p glovebox-gm`.

use std::hint::black_box;

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use glovebox_gm::{Kernel, Key128, Sm4Ccm, Sm4Gcm};
use sm4::Sm4;

const NONCE: [u8; 12] = [7; 12];

fn key() -> Key128 {
    Key128::from_slice(&[1; 16]).unwrap_or_else(|_| unreachable!("16 bytes are a key"))
}

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

/// A record of TLS is 16 KiB at most, a chunk of the vault 64 KiB.
fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    for size in [256, 1024, 4096, 16_384, 65_536, 1 << 20] {
        group.throughput(Throughput::Bytes(size as u64));
        let mut data = vec![0; size];
        let reference = <AesGcm<Sm4, U12> as KeyInit>::new((&[1; 16]).into());
        group.bench_function(BenchmarkId::new("aes-gcm crate", size), |bencher| {
            let seal = |data: &mut [u8]| {
                reference.encrypt_inout_detached((&NONCE).into(), b"", InOutBuf::from(data)).map(|tag| tag.0)
            };
            bencher.iter(|| seal(black_box(&mut data)));
        });
        for cipher in kernels().filter_map(|kernel| Sm4Gcm::with_kernel(&key(), kernel).ok()) {
            group.bench_function(BenchmarkId::new(cipher.kernel().name(), size), |bencher| {
                bencher.iter(|| cipher.seal_detached(&NONCE, b"", black_box(&mut data)));
            });
        }
    }
}

fn open(c: &mut Criterion) {
    let mut group = c.benchmark_group("open");
    group.throughput(Throughput::Bytes(65_536));
    for cipher in kernels().filter_map(|kernel| Sm4Gcm::with_kernel(&key(), kernel).ok()) {
        let (mut sealed, mut plain) = (vec![0; 65_552], vec![0; 65_536]);
        if cipher.seal_into(&NONCE, b"", &plain, &mut sealed).is_ok() {
            group.bench_function(BenchmarkId::new(cipher.kernel().name(), 65_536), |bencher| {
                bencher.iter(|| cipher.open_into(&NONCE, b"", black_box(&sealed), &mut plain));
            });
        }
    }
}

fn keys_and_ccm(c: &mut Criterion) {
    let mut group = c.benchmark_group("others");
    for kernel in kernels() {
        let key = key();
        group.bench_function(BenchmarkId::new("gcm key set-up", kernel.name()), |bencher| {
            bencher.iter(|| Sm4Gcm::with_kernel(black_box(&key), kernel));
        });
        if let Ok(cipher) = Sm4Ccm::with_kernel(&key, kernel) {
            let mut data = vec![0; 16_384];
            group.bench_function(BenchmarkId::new("ccm 16 KiB", kernel.name()), |bencher| {
                bencher.iter(|| cipher.seal_detached(&NONCE, b"", black_box(&mut data)));
            });
        }
    }
}

criterion_group!(benches, seal, open, keys_and_ccm);
criterion_main!(benches);
