"""Text of others: whatever a server sends, nothing acts on a terminal, a page or the text around it."""

import json

import httpx
import pytest

import documents
import glovebox as gb
from glovebox.html import mark, page, table
from glovebox.shown import shown, visible
from test_result import result
from test_wire import problem, scripted

HOSTILE = [
    "a\u202eb",
    "a\u2066b",
    "a\u200bb",
    "a\ufeffb",
    "a\x1b[2Jb",
    "a\x9b2Jb",
    "a\rb",
    "a\u2028b",
    "a\u3164b",
    "a\ufe0fb",
    "a\ue000b",
    "a\U000e0041b",
]
MARKUP = '<img src=x onerror="alert(1)">'


def is_harmless(text: str) -> bool:
    return all(char == "\n" or char == "\ufffd" or visible(char) == char for char in text)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_has_no_look_is_marked(hostile: str) -> None:
    assert "\ufffd" in visible(hostile)
    assert visible(hostile)[0] == "a" and visible(hostile)[-1] == "b"


def test_what_people_write_stays() -> None:
    for text in ["糖尿病（Ⅱ型）", "Größe ≥ 1,80 m²", "العمر", "आयु", "line\nline", "=1+1", "50–60 %"]:
        assert visible(text) == text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_results_show_themselves_without_harm(hostile: str) -> None:
    content = json.loads(json.dumps(documents.release()))
    for found in content["tables"]:
        for dimension in found["dimensions"]:
            dimension["labels"] = [label if label != "male" else hostile + MARKUP for label in dimension["labels"]]
        for cell in found["cells"] + found["margins"]:
            cell["keys"] = [key if key != "male" else hostile + MARKUP for key in cell["keys"]]
    shown_result = result(content)
    for text in (repr(shown_result), shown_result._repr_html_()):
        assert is_harmless(text)
    assert "<img" not in shown_result._repr_html_()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_problems_are_told_without_harm(hostile: str) -> None:
    reason = {"code": "policy.purpose", "rule": hostile + MARKUP, "place": hostile, "remedy": hostile}
    wire, _ = scripted(problem(403, reasons=[reason], title=hostile))
    with pytest.raises(gb.Refused) as raised:
        wire.get("grants", "g")
    assert is_harmless(str(raised.value))
    assert is_harmless(raised.value._repr_html_())
    assert "<img" not in raised.value._repr_html_()


def test_answers_are_cleaned_where_they_arrive() -> None:
    wire, _ = scripted(httpx.Response(200, json={"a\u202eb": ["\u200b", {"x": "\x1b[2J"}], "n": 1}))
    assert wire.get("grants") == {"a\ufffdb": ["\ufffd", {"x": "\ufffd[2J"}], "n": 1}
    assert shown(None) is None


def test_html_is_escaped_wherever_text_goes_in() -> None:
    for made in (
        page(MARKUP),
        table([MARKUP], [[MARKUP]]),
        mark(MARKUP, MARKUP),
        page("", table(["\u202e"], [["\u202e"]])),
    ):
        assert "<img" not in made and 'onerror="' not in made
        assert "\u202e" not in made
