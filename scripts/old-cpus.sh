#!/usr/bin/env bash
# Runs the tests of SM3 and SM4 on emulated CPUs that lack what the fast kernels need: no illegal instruction, the right
# kernel is detected, and every result is the one of the standard. Needs qemu-x86_64 (Debian: qemu-user).
#
# scripts/old-cpus.sh [CARGO-OPTION…]: what to build the tests of; `-p glovebox-gm` unless told (`--workspace` finds
# what a run of the whole suite built).
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v qemu-x86_64 >/dev/null; then
    echo "old-cpus.sh: NOT TRIED ON OLD CPUS: qemu-x86_64 is missing (Debian: apt install qemu-user)" >&2
    [ -z "${CI:-}" ]
    exit
fi
[ $# -gt 0 ] || set -- -p glovebox-gm

# Every test binary of the crate, the unit tests and cpu.rs among them.
mapfile -t binaries < <(
    cargo test --locked --no-run --message-format=json-render-diagnostics "$@" |
        grep '"profile":{[^}]*"test":true' | grep '/runtime/gm#' | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p'
)
[ ${#binaries[@]} -ge 2 ] || { echo "old-cpus.sh: the test binaries of runtime/gm were not found" >&2 && exit 1; }

# try CPU KERNEL LANES: what is expected to be detected there. A hang counts as a fault. The one test of a message of
# 16 MiB is left out: it takes minutes here, and looks at a length alone.
try() {
    echo "== $1: expecting $2 for SM4, $3 for SM3"
    local binary
    for binary in "${binaries[@]}"; do
        GLOVEBOX_EXPECT_KERNEL="$2" GLOVEBOX_EXPECT_LANES="$3" \
            timeout 600 qemu-x86_64 -cpu "$1" "$binary" --quiet --skip ccm_is_bounded sm3 sm4 cpu 2> >(grep -v "TCG doesn't support" >&2)
    done
}

# AVX2 without GFNI; AES-NI and PCLMULQDQ without AVX; neither.
try Haswell aes-ni avx2
try Westmere aes-ni one
try core2duo portable one
