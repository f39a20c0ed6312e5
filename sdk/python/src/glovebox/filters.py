"""Row filters of grants, as people read them."""

from typing import Any

_SIGNS = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}


def show_filter(rows: dict[str, Any]) -> str:
    """``{"field": "age", "op": "ge", "value": 18}`` as ``age ≥ 18``."""
    match rows:
        case {"all": parts}:
            return " and ".join(map(_inner, parts)) or "every row"
        case {"any": parts}:
            return " or ".join(map(_inner, parts)) or "no row"
        case {"not": part}:
            return f"not {_inner(part)}"
        case {"field": field, "op": sign, "value": value}:
            return f"{field} {_SIGNS.get(sign, sign)} {value}"
        case {"field": field, "in": values}:
            return f"{field} is one of {', '.join(map(str, values))}"
        case {"field": field, "present": present}:
            return f"{field} is {'present' if present else 'missing'}"
        case _:
            return str(rows)


def _inner(rows: dict[str, Any]) -> str:
    return f"({show_filter(rows)})" if rows.keys() & {"all", "any"} else show_filter(rows)
