#!/usr/bin/env bash
# Licences, doubled versions, sources and advisories of everything that we build on; rules in deny.toml.
# Uses the cargo-deny on the path, or builds one into $GLOVEBOX_TOOLS (some four minutes, once).
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
if cargo deny --version >/dev/null 2>&1; then
    deny=(cargo deny)
else
    mkdir -p "${GLOVEBOX_TOOLS:-target/tools}"
    tools="$(realpath "${GLOVEBOX_TOOLS:-target/tools}")"
    if [ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
        CARGO_TARGET_DIR="$tools/build" cargo install --quiet --locked --root "$tools" "cargo-deny@$version"
        rm -rf "$tools/build"
    fi
    deny=("$tools/bin/cargo-deny")
fi

"${deny[@]}" --locked check licenses bans sources

# The advisory database lives on GitHub. Where that can't be reached, the check is left out aloud rather than failed:
# the tree has not changed for the worse.
if "${deny[@]}" --locked fetch db; then
    "${deny[@]}" --frozen check advisories
else
    echo "deny.sh: ADVISORIES NOT CHECKED: the database can't be fetched from here" >&2
fi
