#!/usr/bin/env bash
# Runs a notebook against a demo zone of its own and writes the page: scripts/notebook.sh PAGE [NOTEBOOK]
# The server is $GLOVEBOX_BIN, or the debug build.
set -euo pipefail
cd "$(dirname "$0")/.."

page="$(realpath "${1:?name the page to write}")"
notebook="${2:-examples/notebooks/first-aggregate.ipynb}"
binary="${GLOVEBOX_BIN:-${CARGO_TARGET_DIR:-target}/debug/glovebox}"
venv="$(scripts/python-env.sh)"

work="$(mktemp -d)"
"$binary" demo --keep --folder "$work/zone" >"$work/log" &
server=$!
trap 'kill -INT $server; wait $server || true; rm -rf "$work"' EXIT
until GLOVEBOX_SERVER="$(sed -n 's/.*GLOVEBOX_SERVER=\([^ ]*\).*/\1/p' "$work/log")" && [ -n "$GLOVEBOX_SERVER" ]; do
    kill -0 $server
    sleep 0.5
done
export GLOVEBOX_SERVER GLOVEBOX_IDENTITY="$work/zone/pki/identities/lin.wei"
"$venv/bin/python" examples/notebooks/render.py "$notebook" "$page"
echo "$page"
