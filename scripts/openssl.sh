#!/usr/bin/env bash
# Prints the path of an OpenSSL 4 program, the peer in the tests of RFC 8998 and in the benches: $GLOVEBOX_OPENSSL where
# that is set, else one built once into $GLOVEBOX_TOOLS (some five minutes) from the sources that the crate openssl-src
# carries. `scripts/openssl.sh --cached` builds nothing and fails when there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

version=400.0.2
checksum=d2093956673b8dbda85c87fa4fb78e70698ce6c5978a2837d1613f661d3bef76

# Prints $1 when that is an OpenSSL 4 with SM4-GCM; else says what it is.
accept() {
    local answer
    answer="$("$1" version 2>&1)" || { echo "openssl.sh: \`$1\` does not run: $answer" >&2 && return 1; }
    case "$answer" in
    "OpenSSL 4."*) ;;
    *) echo "openssl.sh: \`$1\` is $answer; RFC 8998 needs OpenSSL 4" >&2 && return 1 ;;
    esac
    "$1" ciphers -s -tls1_3 -ciphersuites TLS_SM4_GCM_SM3 >/dev/null 2>&1 ||
        { echo "openssl.sh: \`$1\` was built without SM4" >&2 && return 1; }
    echo "$1"
}

if [ -n "${GLOVEBOX_OPENSSL:-}" ]; then
    accept "$GLOVEBOX_OPENSSL"
    exit
fi

tools="$(realpath -m "${GLOVEBOX_TOOLS:-target/tools}")"
home="$tools/openssl-$version"
if [ -x "$home/bin/openssl" ]; then
    accept "$home/bin/openssl"
    exit
fi
if [ "${1:-}" = --cached ]; then
    echo "openssl.sh: no OpenSSL 4 in $tools; \`scripts/openssl.sh\` builds it" >&2
    exit 1
fi

# Cargo fetches the sources from the registry that everything else comes from; the checksum says that they are those
# which were read and tried.
work="$(mkdir -p "$tools" && mktemp -d "$tools/openssl-build.XXXXXX")"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/fetch/src"
touch "$work/fetch/src/lib.rs"
cat >"$work/fetch/Cargo.toml" <<MANIFEST
[package]
name = "openssl-source"
version = "0.0.0"
edition = "2024"

[dependencies]
openssl-src = "=$version"

[workspace]
MANIFEST
{
    cargo generate-lockfile --manifest-path "$work/fetch/Cargo.toml" &&
        grep -q "^checksum = \"$checksum\"" "$work/fetch/Cargo.lock" ||
        { echo "openssl.sh: openssl-src $version is not what was tried: its checksum is not $checksum" && exit 1; }
    cargo fetch --locked --manifest-path "$work/fetch/Cargo.toml"
} >&2
sources="$(cargo metadata --format-version 1 --offline --manifest-path "$work/fetch/Cargo.toml" |
    grep -o '"manifest_path":"[^"]*/openssl-src-[^"]*/Cargo.toml"' | cut -d '"' -f 4)"
cp -r "$(dirname "$sources")/openssl" "$work/sources"

(
    cd "$work/sources"
    ./config --prefix="$home" --openssldir="$home/ssl" --libdir=lib \
        no-shared no-module no-tests no-legacy no-comp no-docs no-quic no-dtls no-cmp no-ts no-ct no-srp no-srtp
    make -j"$(nproc)" build_sw
) >"$work/log" 2>&1 || { tail -30 "$work/log" >&2 && exit 1; }

mkdir -p "$work/home/bin"
cp "$work/sources/apps/openssl" "$work/home/bin/"
# Renamed in one step: whoever finds the folder finds the whole of it. Someone else may have been quicker.
mv -T "$work/home" "$home" 2>/dev/null || [ -x "$home/bin/openssl" ]
accept "$home/bin/openssl"
