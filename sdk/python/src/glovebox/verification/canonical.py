"""Canonical JSON, the one byte string that a value is hashed and signed as.

RFC 8785 with one difference: whole numbers stay exact beyond 2⁵³ (docs/receipts.md).
"""

import json
import math

from glovebox.values import Json


def parse_json(text: str | bytes) -> Json:
    """Reads JSON strictly: no member twice, no NaN. What two readers could take differently is no receipt."""
    try:
        return json.loads(text, object_pairs_hook=_members, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("the JSON nests too deep") from error


def canonical_json(value: object) -> bytes:
    """The canonical JSON of a JSON value."""
    # A lone surrogate has no UTF-8 form; such a text can't have been signed.
    return _text(value).encode()


def _text(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return float_text(value)
        case str():
            return _string(value)
        case list():
            return "[" + ",".join(map(_text, value)) + "]"
        case dict():
            names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
            return "{" + ",".join(f"{_string(name)}:{_text(value[name])}" for name in names) + "}"
        case _:
            raise ValueError(f"JSON can't write a {type(value).__name__}")


def _string(text: str) -> str:
    # Python escapes as RFC 8785 asks for: \" \\ \b \t \n \f \r and \u00xx for the other control characters.
    return json.dumps(text, ensure_ascii=False)


def float_text(number: float) -> str:
    """A finite double as ECMAScript writes it (ECMA-262, Number::toString): plain from 10⁻⁶ up to 10²¹."""
    if not math.isfinite(number):
        raise ValueError("JSON can't write numbers that are not finite")
    if number == 0:
        return "0"
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    significant = (whole + fraction).lstrip("0")
    # How many digits stand before the decimal point; zero or less below one tenth.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(significant))
    digits = significant.rstrip("0")
    if len(digits) <= point <= 21:
        magnitude = digits + "0" * (point - len(digits))
    elif 0 < point <= 21:
        magnitude = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        magnitude = f"0.{'0' * -point}{digits}"
    else:
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        magnitude = f"{digits[0]}{rest}e{point - 1:+d}"
    return f"-{magnitude}" if number < 0 else magnitude


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice in the JSON")
    return members


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"`{name}` is not JSON")
