"""HTML for notebooks: tables, bars and marks that read well in light and dark themes, without scripts or style sheets.

Everything that goes in is escaped here, since names and descriptions are other people's text.
"""

from collections.abc import Collection, Iterable
from html import escape

from glovebox.shown import visible

_CELL = "padding:3px 10px;text-align:left;vertical-align:top;border-bottom:1px solid rgba(128,128,128,.25);"
_NUMBER = "padding:3px 10px;text-align:right;font-variant-numeric:tabular-nums;"
_NUMBER += "border-bottom:1px solid rgba(128,128,128,.25);"
_CODE = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:92%;white-space:nowrap;"
# Names and ids stay in one piece.
_WRAP_FROM = 24
_TONES = {"plain": "transparent", "refusal": "#c2410c", "good": "#15803d"}


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """``value`` as HTML."""
    return value if isinstance(value, Html) else Html(escape(visible(str(value))))


def page(headline: object, *parts: str, tone: str = "plain") -> str:
    """A block with a headline and a coloured edge that says whether it is good news."""
    edge = f"border-left:4px solid {_TONES[tone]};padding-left:10px;" if tone != "plain" else ""
    head = f'<div style="font-weight:600;margin:2px 0 6px">{text(headline)}</div>' if headline else ""
    return f'<div style="{edge}margin:4px 0;overflow-x:auto">{head}{"".join(parts)}</div>'


def table(
    headings: Iterable[object],
    rows: Iterable[Iterable[object]],
    *,
    code_columns: Collection[int] = (),
    number_columns: Collection[int] = (),
) -> Html:
    """A table. Cells are escaped unless they are :class:`Html`."""
    head = "".join(f'<th style="{_style(at, number_columns)}">{text(name)}</th>' for at, name in enumerate(headings))
    body = []
    for row in rows:
        cells = []
        for at, cell in enumerate(row):
            style = _style(at, number_columns) + (_CODE if at in code_columns else "")
            style += "" if len(str(cell)) > _WRAP_FROM else "white-space:nowrap;"
            cells.append(f'<td style="{style}">{text(cell)}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    style = "border-collapse:collapse;margin:0 0 10px"
    return Html(f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>')


def _style(column: int, number_columns: Collection[int]) -> str:
    return _NUMBER if column in number_columns else _CELL


def mark(label: object, explanation: str) -> Html:
    """A word in a box; the explanation shows when the pointer rests on it."""
    style = "color:#c2410c;background:rgba(194,65,12,.1);border-radius:3px;padding:0 5px;font-size:90%;cursor:help"
    return Html(f'<span style="{style}" title="{text(explanation)}">{text(label)}</span>')


def bar(used: int, held: int, limit: int, *, at_most: bool = False) -> Html:
    """How much of ``limit`` is used up for good, and how much running jobs hold; pale where it may be less."""
    share = [100.0 * min(amount, limit) / limit if limit else 100.0 for amount in (used, held)]
    is_short = share[0] + share[1] >= 80 and not at_most
    colour, strength = "#c2410c" if is_short else "#15803d", ".3" if at_most else "1"
    pieces = [
        f'<rect width="{share[0] * 1.6:.1f}" height="10" fill="{colour}" opacity="{strength}"/>',
        f'<rect x="{share[0] * 1.6:.1f}" width="{share[1] * 1.6:.1f}" height="10" fill="{colour}" opacity=".45"/>',
    ]
    label = f"{'at most ' if at_most else ''}{share[0]:.0f} % used" + (
        f", {share[1]:.0f} % held by running jobs" if held else ""
    )
    return Html(
        f'<svg width="160" height="10" role="img" aria-label="{label}" style="border-radius:3px">'
        f'<title>{label}</title><rect width="160" height="10" fill="rgba(128,128,128,.25)"/>{"".join(pieces)}</svg>'
    )
