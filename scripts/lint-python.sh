#!/usr/bin/env bash
# Formatting, lints and types of everything written in Python. Tools come with the `dev` extra of sdk/python.
set -euo pipefail
cd "$(dirname "$0")/.."

venv="$(scripts/python-env.sh)"
"$venv/bin/ruff" format --check .
"$venv/bin/ruff" check .
(cd sdk/python && "$venv/bin/mypy")
