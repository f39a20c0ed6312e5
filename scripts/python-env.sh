#!/usr/bin/env bash
# Prints the folder of a virtual environment that holds sdk/python with its `dev` extra; makes it when it is missing
# or older than the package's manifest.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${CARGO_TARGET_DIR:-target}"
venv="$(realpath "${CARGO_TARGET_DIR:-target}")/python-env"
stamp="$(sha256sum sdk/python/pyproject.toml)"
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --editable 'sdk/python[dev]' >&2
    echo "$stamp" >"$venv/stamp"
fi
echo "$venv"
