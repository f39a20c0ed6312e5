//! Tables of random contributions under random profiles: each cell is shown or hidden as a plain reading of the rules says.
#![no_main]

use arbitrary::Unstructured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Too little data makes no table.
    let _ = glovebox_gate_fuzz::check_rules(&mut Unstructured::new(data));
});
