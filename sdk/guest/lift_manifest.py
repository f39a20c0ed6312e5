"""Copies the section `glovebox.job` of a core module to the top level of the component that was made from it.

The tools that make components leave custom sections behind; the interface wants the manifest outside,
where a reader finds it without knowing what is nested in the component (sdk/wit/README.md).

    python3 lift_manifest.py core.wasm component.wasm out.wasm
"""

import sys
from collections.abc import Iterator
from pathlib import Path

SECTION = b"glovebox.job"


def leb128(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number and the offset behind it."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def custom_sections(module: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and whole bytes of each custom section of a core module."""
    at = 8
    while at < len(module):
        start, kind = at, module[at]
        size, at = leb128(module, at + 1)
        end = at + size
        if kind == 0:
            length, at = leb128(module, at)
            yield module[at : at + length], module[start:end]
        at = end


def main(core: Path, component: Path, out: Path) -> None:
    """Appends the one manifest of `core` to `component`."""
    manifests = [section for name, section in custom_sections(core.read_bytes()) if name == SECTION]
    if len(manifests) != 1:
        raise SystemExit(f"{core}: {len(manifests)} sections `glovebox.job`; expected one, which `job!` writes")
    out.write_bytes(component.read_bytes() + manifests[0])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
