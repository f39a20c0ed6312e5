//! What the CPU at hand is taken for. `scripts/old-cpus.sh` runs this, and the tests of every kernel, on emulated CPUs
//! that lack what the fast kernels need, and says what it expects in `GLOVEBOX_EXPECT_KERNEL` and `_LANES`.
// Tells clippy that helpers beside the test functions are test code too.
#![cfg(test)]

use glovebox_gm::{Kernel, Key128, Sm3Lanes, Sm4Ccm, Sm4Ctr, Sm4Gcm};

/// The best kernel is the first one that is available, and what is expected of this CPU.
#[test]
#[expect(clippy::print_stdout, reason = "whoever runs this on an emulated CPU wants to see what it is taken for")]
fn the_best_of_this_cpu_is_taken() {
    let first = Kernel::ALL.into_iter().find(|kernel| kernel.is_available());
    assert_eq!(first, Some(Kernel::best()));
    assert_eq!(Sm3Lanes::available().next(), Some(Sm3Lanes::best()));
    println!("{}, {}", Kernel::best(), Sm3Lanes::best().name());
    if let Ok(expected) = std::env::var("GLOVEBOX_EXPECT_KERNEL") {
        assert_eq!(Kernel::best().name(), expected);
    }
    if let Ok(expected) = std::env::var("GLOVEBOX_EXPECT_LANES") {
        assert_eq!(Sm3Lanes::best().name(), expected);
    }
}

/// A kernel that this CPU lacks can't be had by any door: an illegal instruction would end the process.
#[test]
fn what_the_cpu_lacks_is_refused() {
    let key = Key128::from_slice(&[7; 16]).unwrap();
    for kernel in Kernel::ALL {
        let missing = kernel.missing_features();
        assert_eq!(kernel.is_available(), missing.is_empty());
        let made = [
            Sm4Gcm::with_kernel(&key, kernel).err(),
            Sm4Ccm::with_kernel(&key, kernel).err(),
            Sm4Ctr::with_kernel(&key, &[0; 16], kernel).err(),
        ];
        for error in made {
            assert_eq!(error.is_none(), kernel.is_available(), "{kernel}");
            let told = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(missing.iter().all(|feature| told.contains(feature)), "{kernel}: {told}");
        }
    }
    assert!(Kernel::Portable.is_available(), "the one kernel that runs everywhere");
}
