#!/usr/bin/env bash
# Fuzzes kernels and parsers: scripts/fuzz.sh [SECONDS [TARGET [INPUT…]]]. So many seconds a target (60), every target
# unless one is named. A fault prints the file that repeats it: scripts/fuzz.sh 0 TARGET FILE runs that input alone.
#
# Inputs that reached new code stay in target/fuzz/corpus, where the next run begins; GLOVEBOX_FUZZ moves the folder.
# AddressSanitizer watches the kernels' loads and stores; it needs -Z, hence RUSTC_BOOTSTRAP on a stable tool chain.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.13.2
seconds="${1:-60}"
shift || true

if cargo fuzz --version >/dev/null 2>&1; then
    fuzz=(cargo fuzz)
else
    mkdir -p "${GLOVEBOX_TOOLS:-target/tools}"
    tools="$(realpath "${GLOVEBOX_TOOLS:-target/tools}")"
    if [ "$("$tools/bin/cargo-fuzz" --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
        CARGO_TARGET_DIR="$tools/build" cargo install --quiet --locked --root "$tools" "cargo-fuzz@$version"
        rm -rf "$tools/build"
    fi
    fuzz=("$tools/bin/cargo-fuzz" fuzz)
fi

mkdir -p "${GLOVEBOX_FUZZ:-target/fuzz}"
work="$(realpath "${GLOVEBOX_FUZZ:-target/fuzz}")"
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$work/build"
# Sessions and configurations live as long as the process: what is never freed is no fault.
export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"

# The longest input, in bytes: enough for the widest kernel's turns, or for a TLS record and what follows it.
longest() {
    case "$1" in
    client | server | wire) echo 20000 ;;
    *) echo 6000 ;;
    esac
}

# run FOLDER TARGET [INPUT…]: fuzzes, or repeats the inputs that are named.
run() {
    local folder="$1" target="$2"
    shift 2
    local corpus="$work/corpus/$target" artifacts="$work/artifacts/$target/"
    mkdir -p "$corpus" "$artifacts"
    local options=(-timeout=20 -rss_limit_mb=2048 "-max_len=$(longest "$target")" "-artifact_prefix=$artifacts")
    echo "== $folder $target"
    if [ $# -gt 0 ]; then
        "${fuzz[@]}" run --fuzz-dir "$folder" "$target" "$@" -- "${options[@]}"
        return
    fi
    local folders=("$corpus")
    [ -d "$folder/seeds/$target" ] && folders+=("$folder/seeds/$target")
    "${fuzz[@]}" run --fuzz-dir "$folder" "$target" "${folders[@]}" -- \
        "${options[@]}" "-max_total_time=$seconds" -print_final_stats=1 -print_funcs=0 -verbosity=0 2>&1 |
        grep --line-buffered -vE '^(###|"|INFO)'
}

found=0
for manifest in runtime/*/fuzz/Cargo.toml; do
    folder="$(dirname "$manifest")"
    for target in $("${fuzz[@]}" list --fuzz-dir "$folder"); do
        if [ $# -eq 0 ]; then
            run "$folder" "$target"
        elif [ "$1" = "$target" ]; then
            run "$folder" "$@"
        else
            continue
        fi
        found=$((found + 1))
    done
done
if [ $found = 0 ]; then
    echo "fuzz.sh: no target \`${1:-}\`" >&2
    exit 2
fi
echo "$found targets, nothing found"
