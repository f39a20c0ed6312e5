"""Canonical JSON: the samples of RFC 8785, as the enclave's own tests hold them."""

import random
import struct

import pytest

from glovebox.verification import canonical_json, parse_json
from glovebox.verification.canonical import float_text

# RFC 8785, appendix B.
NUMBERS = {
    0x0000000000000000: "0",
    0x8000000000000000: "0",
    0x0000000000000001: "5e-324",
    0x8000000000000001: "-5e-324",
    0x7FEFFFFFFFFFFFFF: "1.7976931348623157e+308",
    0x4340000000000000: "9007199254740992",
    0x4430000000000000: "295147905179352830000",
    0x44B52D02C7E14AF5: "9.999999999999997e+22",
    0x44B52D02C7E14AF6: "1e+23",
    0x44B52D02C7E14AF7: "1.0000000000000001e+23",
    0x444B1AE4D6E2EF4E: "999999999999999700000",
    0x444B1AE4D6E2EF4F: "999999999999999900000",
    0x444B1AE4D6E2EF50: "1e+21",
    0x3EB0C6F7A0B5ED8C: "9.999999999999997e-7",
    0x3EB0C6F7A0B5ED8D: "0.000001",
    0x41B3DE4355555553: "333333333.3333332",
    0xBECBF647612F3696: "-0.0000033333333333333333",
    0x43143FF3C1CB0959: "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "expected"), NUMBERS.items())
def test_numbers_of_rfc_8785(bits: int, expected: str) -> None:
    (number,) = struct.unpack(">d", bits.to_bytes(8, "big"))
    assert float_text(number) == expected


def test_numbers_read_back_the_same() -> None:
    source = random.Random(3)
    for _ in range(20_000):
        (number,) = struct.unpack(">d", source.randbytes(8))
        if number == number and abs(number) != float("inf"):
            assert float(float_text(number)) == number
    assert [float_text(number) for number in (18.0, 39.5, 1e-7, 0.1, 100.0)] == ["18", "39.5", "1e-7", "0.1", "100"]


def test_keys_sort_by_utf16() -> None:
    sample = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    expected = '{"\\r":2,"1":4,"\x80":6,"\xf6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'
    assert canonical_json(sample) == expected.encode()


def test_strings_have_one_form() -> None:
    expected = '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'
    assert canonical_json('\u20ac$\u000f\nA\'B"\\\\"/\u007f') == expected.encode()


def test_nesting_and_constants() -> None:
    value = {"b": [True, False, None, {}], "a": {"z": [], "y": 2**64 - 1, "x": -(2**63)}, "f": 30.0}
    expected = b'{"a":{"x":-9223372036854775808,"y":18446744073709551615,"z":[]},"b":[true,false,null,{}],"f":30}'
    assert canonical_json(value) == expected


def test_what_json_can_not_write_is_refused() -> None:
    for odd in (float("nan"), float("inf"), -float("inf"), object(), "\ud800"):
        with pytest.raises(ValueError):
            canonical_json([odd])


def test_reading_is_strict() -> None:
    assert parse_json('{"a": [1, 2.0]}') == {"a": [1, 2.0]}
    for odd in ('{"a": 1, "a": 1}', '[{"b": 1, "c": 2, "b": 3}]', '{"a": NaN}', "[Infinity]", "", "[" * 100_000):
        with pytest.raises(ValueError):
            parse_json(odd)
