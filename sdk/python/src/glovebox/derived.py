"""What follows from released figures alone: survival curves and correlations."""

from itertools import product
from math import sqrt
from typing import TYPE_CHECKING

import pandas as pd

from glovebox.html import Html, table, text

if TYPE_CHECKING:
    from glovebox.result import Table

# Reducers that are drawn beside their table.
DRAWN = ("survival-table", "cross-product")
_WIDTH, _HEIGHT, _MARGIN = 360, 120, 8
_COLOURS = ("#15803d", "#c2410c", "#1d4ed8", "#7e22ce", "#a16207", "#0f766e")


def survival(found: "Table") -> pd.DataFrame:
    """Kaplan-Meier's estimate: a row an interval, a column a combination of keys.

    The product of 1 - events / at risk so far. An interval whose events wait for those of a later one makes no step;
    noise can not lift the curve, nor bring it below nothing.
    """
    _expect(found, "survival-table")
    *keys, (_, intervals), _ = found.dimensions.items()
    curves = {}
    for outer in product(*(labels for _, labels in keys)):
        level, curve = 1.0, []
        for interval in intervals:
            at_risk, events = (found.cell(*outer, interval, measure).value for measure in ("at-risk", "events"))
            if at_risk is not None and at_risk > 0 and events is not None:
                level *= 1.0 - min(max(events / at_risk, 0.0), 1.0)
            curve.append(level)
        curves[", ".join(outer) or "survival"] = curve
    return pd.DataFrame(curves, index=pd.Index(intervals, name="interval"))


def correlation(found: "Table", *keys: str) -> pd.DataFrame:
    """Correlations from mean products; missing where a figure is withheld, or rounding or noise left no variance."""
    _expect(found, "cross-product")
    variables = found.dimensions["variable"]

    def covariance(a: str, b: str) -> float | None:
        both, mean_a, mean_b = (found.cell(*keys, *pair).value for pair in ((a, b), (a, "1"), (b, "1")))
        return None if both is None or mean_a is None or mean_b is None else both - mean_a * mean_b

    def one(a: str, b: str) -> float | None:
        own, other, both = covariance(a, a), covariance(b, b), covariance(a, b)
        if own is None or other is None or both is None or own <= 0 or other <= 0:
            return None
        return min(max(both / sqrt(own * other), -1.0), 1.0)

    rows = [[one(a, b) for b in variables] for a in variables]
    return pd.DataFrame(rows, columns=list(variables), index=list(variables)).astype("Float64")


def draw(found: "Table") -> Html:
    """The curves, or the correlations, for a notebook."""
    return _draw_survival(found) if found.reducer == "survival-table" else _draw_correlations(found)


def _expect(found: "Table", reducer: str) -> None:
    if found.reducer != reducer:
        raise ValueError(f"`{found.output}` is a table of reducer `{found.reducer}`, not `{reducer}`")


def _draw_survival(found: "Table") -> Html:
    curves = survival(found)
    step = (_WIDTH - 2 * _MARGIN) / max(len(curves), 1)
    height = _HEIGHT - 2 * _MARGIN
    lines, names = [], []
    for at, name in enumerate(curves.columns):
        colour = _COLOURS[at % len(_COLOURS)]
        x, y = float(_MARGIN), float(_MARGIN)
        points = [f"{x:.1f},{y:.1f}"]
        for level in curves[name]:
            x += step
            points.append(f"{x:.1f},{y:.1f}")
            y = _MARGIN + (1.0 - level) * height
            points.append(f"{x:.1f},{y:.1f}")
        lines.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        names.append(f'<span style="color:{colour}">{text(name)}: {curves[name].iloc[-1]:.3f}</span>')
    frame = (
        f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{_WIDTH - 2 * _MARGIN}" height="{height}" fill="none" '
        'stroke="rgba(128,128,128,.4)"/>'
    )
    label = "Kaplan-Meier survival from the released figures, from 1 at the top to 0"
    drawn = f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{label}">{frame}{"".join(lines)}</svg>'
    return Html(f"<div>{drawn}</div><div>{' · '.join(names)} at the end of {text(curves.index[-1])}</div>")


def _draw_correlations(found: "Table") -> Html:
    outer = [labels for name, labels in found.dimensions.items() if name not in ("variable", "times")]
    drawn = []
    for keys in product(*outer):
        matrix = correlation(found, *keys)
        headings = [f"correlation{' of ' if keys else ''}{', '.join(keys)}", *matrix.columns]
        rows = [(name, *("" if pd.isna(r) else f"{r:.2f}" for r in matrix.loc[name])) for name in matrix.index]
        drawn.append(table(headings, rows, number_columns=range(1, len(headings))))
    return Html("".join(drawn))
