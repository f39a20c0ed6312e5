//! Random `person` guests: what one gives for a person never depends on who came before.
#![no_main]

use arbitrary::Unstructured;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Too little data makes no module.
    let _ = glovebox_sandbox_fuzz::check_reset(&mut Unstructured::new(data));
});
