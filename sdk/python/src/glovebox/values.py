"""Reading the forms on the wire."""

from datetime import datetime
from math import floor, isfinite, log10
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value, read or to be written."""


def read_time(text: str) -> datetime:
    """A time of RFC 3339, in UTC."""
    return datetime.fromisoformat(text)


def show_time(time: datetime) -> str:
    """For people: to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def show_count(number: float) -> str:
    """Digits in groups, without a fraction where there is none; short from a million up."""
    if abs(number) >= 1e6:
        for unit, name in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
            if abs(number) >= unit:
                return f"{number / unit:.3g} {name}"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.10g}"


def show_noisy(value: float, half_width: float) -> str:
    """A figure with noise, to the second digit of what it may be off by."""
    magnitude = floor(log10(half_width)) if half_width > 0 and isfinite(half_width) else 0
    digits = min(max(1 - magnitude, 0), 9)
    return f"{value:,.{digits}f} ± {half_width:,.{digits}f}"
