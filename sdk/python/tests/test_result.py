"""Results: what left is there, what did not is seen to be missing."""

import json
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import documents
from glovebox import Result, Table, UnexpectedAnswer


def arrow_bytes(long: dict[str, Any]) -> bytes:
    types = {name: pa.float64() if name in ("value", "rounded_to", "half_width_95") else pa.string() for name in long}
    table = pa.table({name: pa.array(column, types[name]) for name, column in long.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def result(content: dict[str, Any] | None = None, long: dict[str, Any] | None = None) -> Result:
    document = json.dumps(content or documents.release()).encode()
    return Result("rel-1", document, lambda: arrow_bytes(long or documents.LONG))


def test_a_table_is_pivoted_by_its_keys() -> None:
    frame = result().table("mean_bmi").to_pandas()
    assert list(frame.index) == ["male", "female"]
    assert frame.index.name == "sex"
    assert list(frame.columns) == ["[18, 30)", "[70, 81)"]
    assert frame.columns.name == "age_band"
    assert frame.loc["female", "[18, 30)"] == 27.5
    assert frame.isna().sum().sum() == 2


def test_margins_stand_under_all() -> None:
    frame = result().table("mean_bmi").to_pandas(margins=True)
    assert list(frame.index) == ["male", "female", "all"]
    assert list(frame.loc["all"]) == [27.5, 29.0, 28.5]
    assert frame["all"].tolist() == [29.5, 28.0, 28.5]
    assert result().table("persons").to_pandas(margins=True)["persons"].tolist() == [2505, 120, 2625]


def test_tables_of_one_no_and_three_dimensions() -> None:
    persons = result().table("persons").to_pandas()
    assert persons.to_dict() == {"persons": {"male": 2505.0, "female": 120.0}}
    overall = result().table("all_persons").to_pandas()
    assert overall.to_dict() == {"all_persons": {"all": 2625.0}}
    dimensions = [{"name": name, "labels": ["x", "y"]} for name in "abc"]
    keys = [[a, b, c] for a in "xy" for b in "xy" for c in "xy"]
    cells = [documents.released(key, float(at), 1.0) for at, key in enumerate(keys)]
    margins = [documents.released(["y", "*", "*"], 22.0, 1.0), documents.released(["*", "*", "*"], 28.0, 1.0)]
    deep = Table({"output": "n", "reducer": "count", "dimensions": dimensions, "cells": cells, "margins": margins})
    frame = deep.to_pandas(margins=True)
    assert frame.index.names == ["a", "b"]
    assert frame.loc[("y", "x"), "y"] == 5
    assert frame.loc[("y", "all"), "all"] == 22
    assert frame.loc[("all", "all"), "all"] == 28
    # Lines that have no cell at all are not made up.
    assert ("x", "all") not in frame.index
    assert "22" in deep._repr_html_()


def test_what_was_withheld_is_not_silently_missing() -> None:
    table = result().table("mean_bmi")
    assert table.is_withheld().loc["male"].all()
    assert not table.is_withheld().loc["female"].any()
    assert [reason.code for reason in table.withheld] == ["gate.complementary", "gate.cell-below-threshold"]
    assert table.cell("male", "[70, 81)").suppression is not None
    text = repr(table)
    assert text.count("withheld: gate.") == 2
    assert "at least 10 persons per cell" in text
    html = table._repr_html_()
    assert html.count(">withheld</span>") == 2
    assert "gate.cell-below-threshold" in html
    assert "join small categories" in html
    assert len(result().withheld) == 2


def test_values_show_as_many_decimals_as_they_were_rounded_to() -> None:
    cases = [
        (27.5, 0.5, "27.5"),
        (28.0, 0.5, "28.0"),
        (2505.0, 5.0, "2,505"),
        (1.25, 0.25, "1.25"),
        (3e6, 1e5, "3,000,000"),
    ]
    for value, rounded_to, expected in cases:
        content = {**documents.release()["tables"][2], "cells": [documents.released([], value, rounded_to)]}
        assert str(Table(content).cell()) == expected
    assert str(result().table("mean_bmi").cell("male", "[70, 81)")) == "withheld"
    assert str(result().table("mean_bmi").cell("all", "all")) == "28.5"


def test_a_coarse_mean_says_how_far_it_may_be_off() -> None:
    content = documents.release()["tables"][2]
    cells = {"cells": [documents.released([], 0.0, 5.0)]}
    assert "0 ± 2.5" in repr(Table({**content, **cells, "reducer": "mean"}))
    assert "0 ± 2.5" in Table({**content, **cells, "reducer": "sum"})._repr_html_()
    # Counts are rounded to five, always and everywhere.
    assert "±" not in repr(Table({**content, **cells, "reducer": "count"}))
    assert "±" not in repr(result().table("mean_bmi"))


def test_all_tables_as_one() -> None:
    found = result()
    frame = found.to_pandas()
    assert list(frame.columns) == list(documents.LONG)
    assert len(frame) == 13
    withheld = frame[frame["suppression"].notna()]
    assert withheld["suppression"].tolist() == ["gate.complementary", "gate.cell-below-threshold"]
    assert withheld["value"].isna().all()
    assert isinstance(found.to_polars(), pl.DataFrame)
    assert found.to_polars()["value"].null_count() == 2
    assert found.to_arrow().to_pydict() == documents.LONG
    assert found.to_arrow() is found.to_arrow()


@pytest.mark.parametrize("column", documents.LONG)
def test_an_arrow_form_that_is_not_the_document_is_refused(column: str) -> None:
    long = {name: list(values) for name, values in documents.LONG.items()}
    long[column][3] = 99.0 if column in ("value", "rounded_to", "half_width_95") else "other"
    with pytest.raises(UnexpectedAnswer, match="differs from its document"):
        result(long=long).to_pandas()
    without = {name: values for name, values in documents.LONG.items() if name != column}
    with pytest.raises(UnexpectedAnswer, match="differs from its document"):
        result(long=without).to_arrow()


def test_a_key_named_like_another_column_gives_way() -> None:
    content = documents.release()
    content["tables"] = content["tables"][1:2]
    content["tables"][0]["dimensions"][0]["name"] = "value"
    long = {
        "output": ["persons"] * 3,
        "reducer": ["distinct-persons"] * 3,
        "key_value": ["male", "female", "*"],
        "value": [2505.0, 120.0, 2625.0],
        "rounded_to": [5.0] * 3,
        "half_width_95": [None] * 3,
        "suppression": [None] * 3,
    }
    assert result(content, long).to_pandas()["key_value"].tolist() == ["male", "female", "*"]


def test_names_are_escaped() -> None:
    content = documents.release()
    content["tables"][1]["dimensions"][0]["labels"][0] = "<script>"
    content["tables"][1]["cells"][0]["keys"] = ["<script>"]
    assert "<script>" not in result(content)._repr_html_()
    assert "&lt;script&gt;" in result(content)._repr_html_()


def test_unknown_outputs_and_cells_are_named() -> None:
    with pytest.raises(KeyError, match="there are mean_bmi, persons, all_persons"):
        result().table("bmi")
    with pytest.raises(KeyError, match="has no cell"):
        result().table("persons").cell("other")


def test_what_is_no_release_is_told() -> None:
    for document in (b"", b"[]", b"{}", b'{"tables": [{}]}'):
        with pytest.raises(UnexpectedAnswer, match="can't read release rel-1"):
            Result("rel-1", document, bytes)
    content = documents.release()
    content["tables"][0]["cells"][0]["keys"] = ["male"]
    with pytest.raises(UnexpectedAnswer, match="another number of keys"):
        result(content)


def test_the_headline_counts() -> None:
    text = repr(result())
    assert text.startswith("Release rel-1: 11 figures left, 2 were withheld under the rules `default`")
    assert isinstance(result().table("persons").to_pandas(), pd.DataFrame)


def noisy(content: dict[str, Any]) -> dict[str, Any]:
    cells = [cell if cell["value"] is None else {**cell, "half_width_95": 3.2} for cell in content["cells"]]
    return {**content, "cells": cells}


def test_figures_with_noise_say_how_far_off_they_may_be() -> None:
    table = Table(noisy(documents.release()["tables"][1]))
    assert str(table.cell("male")) == "2,505.0 ± 3.2"
    assert table.cell("male").half_width_95 == 3.2
    assert "120.0 ± 3.2" in table._repr_html_()
    assert "120.0 ± 3.2" in repr(table)


def test_a_release_says_how_it_was_kept() -> None:
    content = {**documents.release(), "mechanism": "laplace", "epsilon": 0.5}
    found = result(content)
    assert (found.mechanism.name, found.mechanism.epsilon, found.leakage.bits_per_person) == ("laplace", 0.5, 42)
    assert "ε 0.5 in all" in repr(found)
    assert "123,456 bits" in found._repr_html_()
    assert "exact figures" in repr(result())
    with pytest.raises(UnexpectedAnswer, match="leakage"):
        result({name: value for name, value in documents.release().items() if name != "leakage"})


def test_survival_is_kaplan_and_meier_s() -> None:
    table = Table(documents.survival())
    curve = table.survival()
    assert curve.index.tolist() == ["[0, 1)", "[1, 2)", "[2, 3)"]
    assert curve["female"].tolist() == pytest.approx([0.9, 0.9, 0.675])
    html = table._repr_html_()
    assert "<polyline" in html
    assert "female: 0.675" in html
    with pytest.raises(ValueError, match="reducer `count`"):
        Table(documents.release()["tables"][2]).survival()


def test_correlations_follow_from_mean_products() -> None:
    table = Table(documents.moments())
    matrix = table.correlation()
    assert matrix.loc["x", "y"] == pytest.approx(0.960_768_922_830_523)
    assert matrix.loc["y", "y"] == 1
    assert matrix.loc["z"].isna().all()
    assert ">0.96<" in table._repr_html_()


def test_a_model_shows_its_last_rounds() -> None:
    states = [[0.25 * number, 1.0] for number in range(1, 8)]
    model = {"rounds": 7, "stopped": True, "names": ["slope", "intercept"], "states": states}
    found = result({**documents.release(), "model": model})
    assert found.model is not None
    assert found.model.state.to_dict() == {"slope": 1.75, "intercept": 1.0}
    assert "7 rounds, stopped by itself" in repr(found)
    assert "1.75" in found._repr_html_()
    assert result().model is None
