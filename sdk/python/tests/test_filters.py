"""Filters as people read them."""

from typing import Any

import pytest

from glovebox.filters import show_filter

ADULT = {"field": "age", "op": "ge", "value": 18}
SEX = {"field": "sex", "in": ["1", "2"]}
BMI = {"field": "bmi", "present": True}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (ADULT, "age ≥ 18"),
        ({"not": {**BMI, "present": False}}, "not bmi is missing"),
        ({"all": [ADULT, {"any": [SEX, BMI]}]}, "age ≥ 18 and (sex is one of 1, 2 or bmi is present)"),
        ({"all": []}, "every row"),
        ({"any": []}, "no row"),
        ({"later": 1}, "{'later': 1}"),
    ],
)
def test_filters_read_well(rows: dict[str, Any], expected: str) -> None:
    assert show_filter(rows) == expected
