"""Documents as the enclave sends them, in the shapes of sdk/api and runtime/gate."""

from typing import Any

THRESHOLD = {
    "code": "gate.cell-below-threshold",
    "rule": "at least 10 persons per cell",
    "place": "output mean_bmi, cell sex=male, age_band=[70, 81)",
    "remedy": "join small categories into larger ones",
}
COMPLEMENTARY = {
    "code": "gate.complementary",
    "rule": "no suppressed cell follows from its total",
    "place": "output mean_bmi, cell sex=male, age_band=[18, 30)",
    "remedy": "join small categories into larger ones",
}


def released(keys: list[str], value: float, rounded_to: float) -> dict[str, Any]:
    """A cell that left."""
    return {"keys": keys, "value": value, "rounded_to": rounded_to}


def withheld(keys: list[str], reason: dict[str, str]) -> dict[str, Any]:
    """A cell that did not."""
    return {"keys": keys, "value": None, "suppression": reason}


SEX = {"name": "sex", "labels": ["male", "female"]}
AGE = {"name": "age_band", "labels": ["[18, 30)", "[70, 81)"]}


def release() -> dict[str, Any]:
    """A release with tables of two, one and no dimensions."""
    return {
        "tables": [
            {
                "output": "mean_bmi",
                "reducer": "mean",
                "dimensions": [SEX, AGE],
                "cells": [
                    withheld(["male", "[18, 30)"], COMPLEMENTARY),
                    withheld(["male", "[70, 81)"], THRESHOLD),
                    released(["female", "[18, 30)"], 27.5, 0.5),
                    released(["female", "[70, 81)"], 28.0, 0.5),
                ],
                "margins": [
                    released(["male", "*"], 29.5, 0.5),
                    released(["female", "*"], 28.0, 0.5),
                    released(["*", "[18, 30)"], 27.5, 0.5),
                    released(["*", "[70, 81)"], 29.0, 0.5),
                    released(["*", "*"], 28.5, 0.5),
                ],
            },
            {
                "output": "persons",
                "reducer": "distinct-persons",
                "dimensions": [SEX],
                "cells": [released(["male"], 2505.0, 5.0), released(["female"], 120.0, 5.0)],
                "margins": [released(["*"], 2625.0, 5.0)],
            },
            {
                "output": "all_persons",
                "reducer": "count",
                "dimensions": [],
                "cells": [released([], 2625.0, 5.0)],
                "margins": [],
            },
        ],
        "profile": "default",
        "cells_released": 11,
        "cells_withheld": 2,
        "mechanism": "disclosure-rules",
        "leakage": {"bits": 123456, "bits_per_person": 42},
    }


def survival() -> dict[str, Any]:
    """A survival table: Kaplan-Meier's estimate is 0.9, then 0.675; the events of the second interval wait."""
    exits = {"[0, 1)": (100.0, 10.0, 10.0), "[1, 2)": (80.0, None, None), "[2, 3)": (80.0, 20.0, 60.0)}
    measures = ["at-risk", "events", "censored"]
    return {
        "output": "exits",
        "reducer": "survival-table",
        "dimensions": [
            {"name": "sex", "labels": ["female"]},
            {"name": "interval", "labels": list(exits)},
            {"name": "measure", "labels": measures},
        ],
        "cells": [
            withheld(["female", interval, measure], THRESHOLD)
            if value is None
            else released(["female", interval, measure], value, 5.0)
            for interval, values in exits.items()
            for measure, value in zip(measures, values, strict=True)
        ],
        "margins": [],
    }


def moments() -> dict[str, Any]:
    """Mean products of x = 0, 1, 2 and y = 0, 1, 4, whose correlation is 0.9608; z never varies."""
    means = {"x": 1.0, "y": 5 / 3, "z": 2.0}
    products = {"xx": 5 / 3, "xy": 3.0, "xz": 2.0, "yy": 17 / 3, "yz": 10 / 3, "zz": 4.0}
    cells = []
    for a in means:
        cells.append(released([a, "1"], means[a], 0.001))
        cells += [released([a, b], products["".join(sorted(a + b))], 0.001) for b in means]
    dimensions = [
        {"name": "variable", "labels": list(means)},
        {"name": "times", "labels": ["1", *means]},
    ]
    return {
        "output": "moments",
        "reducer": "cross-product",
        "dimensions": dimensions,
        "cells": cells,
        "margins": [],
    }


def explanation() -> dict[str, Any]:
    """What noise would cost and be worth."""
    asked = {"epsilon_max": 2.0, "delta": 1e-9, "epsilon_asked": 1.0, "fits": True}
    return {
        "privacy": {"mechanism": "laplace", "epsilon": 1.0},
        "rounds_max": 1,
        "loss": {"pure": 1.0, "pure_rho": 0.5, "rho": 0.0},
        "charges": [
            {"holder": "dataset", **asked},
            {"holder": "grant", **asked, "epsilon_after": 2.5, "fits": False},
        ],
        "errors": [
            {"output": "persons", "reducer": "count", "figure": "a cell", "half_width_95": 3.0, "share": 1.0},
        ],
        "refusals": [
            {
                "code": "meter.epsilon-exhausted",
                "rule": "at most epsilon 2",
                "place": "grant",
                "remedy": "ask for more noise",
            }
        ],
    }


def ledger() -> dict[str, Any]:
    """A ledger with one account."""
    nothing = {"pure": 0.0, "pure_rho": 0.0, "rho": 0.0}
    account = {"epsilon_max": 2.0, "delta": 1e-9, "committed": nothing, "reserved": nothing}
    spent = {"epsilon_spent": 0.5, "epsilon_held": 0.75, "epsilon_left": 1.25}
    return {
        "dataset": "nhanes-2017",
        "limit": {"epsilon": 2.0, "delta": 1e-9},
        "entries": [{"holder": "grant", "id": "grt-1", "account": account, **spent}],
    }


def lint() -> dict[str, Any]:
    """Advice on a module."""
    return {
        "profile": "acro",
        "leakage": {"bits": 1200, "bits_per_person": 30},
        "advice": [{"level": "warning", **THRESHOLD}],
    }


LONG: dict[str, list[Any]] = {
    "output": ["mean_bmi"] * 9 + ["persons"] * 3 + ["all_persons"],
    "reducer": ["mean"] * 9 + ["distinct-persons"] * 3 + ["count"],
    "sex": ["male", "male", "female", "female", "male", "female", "*", "*", "*", "male", "female", "*", None],
    "age_band": ["[18, 30)", "[70, 81)"] * 2 + ["*", "*", "[18, 30)", "[70, 81)", "*"] + [None] * 4,
    "value": [None, None, 27.5, 28.0, 29.5, 28.0, 27.5, 29.0, 28.5, 2505.0, 120.0, 2625.0, 2625.0],
    "rounded_to": [None, None] + [0.5] * 7 + [5.0] * 4,
    "half_width_95": [None] * 13,
    "suppression": ["gate.complementary", "gate.cell-below-threshold", *[None] * 11],
}
"""The same as the enclave's engine flattens it."""


def dataset(name: str = "nhanes-2017") -> dict[str, Any]:
    """A dataset with one field of each kind."""

    def field(name: str, kind: dict[str, Any], identifiability: str, grade: int) -> dict[str, Any]:
        own = {"name": name, "description": f"What {name} means", "nullable": name == "bmi", "grade": grade}
        return {**own, **kind, "category": "health-status", "identifiability": identifiability}

    codes = [{"value": "male", "label": "Male"}, {"value": "female", "label": "Female"}]
    return {
        "id": name,
        "supplier": "hospital-a",
        "title": "A survey <of health>",
        "description": "One row a person.",
        "category": "health-status",
        "grade": 4,
        "sharing": "conditional",
        "conditions": "For statistics only.",
        "update_period_days": 730,
        "source": "NHANES",
        "licence": "Public domain",
        "assessment": None,
        "schema": {
            "person_key": "person_id",
            "fields": [
                field("person_id", {"type": "int64", "min": 1, "max": 999999}, "direct", 4),
                field("sex", {"type": "code", "codes": codes}, "quasi", 2),
                field("bmi", {"type": "float64", "min": 5.0, "unit": "kg/m2"}, "sensitive", 3),
                field("remark", {"type": "text"}, "none", 4),
            ],
        },
    }


def grant(state: str = "active", name: str = "grt-1") -> dict[str, Any]:
    """A grant with two approvals."""
    decided = {"approved": True, "comment": "as agreed", "at": "2026-11-23T00:00:01.000Z"}
    return {
        "id": name,
        "proposed_by": "lin.wei",
        "organisation": "company-c",
        "proposed_at": "2026-11-23T00:00:00.000Z",
        "title": "Body mass",
        "purpose": "research",
        "basis": "public-or-anonymised",
        "scopes": [
            {
                "dataset": "nhanes-2017",
                "fields": ["age_years", "bmi", "sex"],
                "filter": {"field": "age_years", "op": "ge", "value": 18},
            }
        ],
        "valid_from": "2020-01-01T00:00:00.000Z",
        "valid_until": "2999-01-01T00:00:00.000Z",
        "recipients": [{"organisation": "company-c", "jurisdiction": "CN"}],
        "budget": BUDGET,
        "disclosure_profile": "default",
        "isolations": ["block", "person", "row"],
        "review_required": False,
        "agreement_sm3": "ab" * 32,
        "suppliers": ["hospital-a"],
        "approvals": [
            {"principal": "chen.jing", "organisation": "hospital-a", "capacity": "supplier", **decided},
            {"principal": "li.na", "organisation": "review-board", "capacity": "reviewer", **decided},
        ],
        "state": state,
    }


BUDGET = {
    "jobs_max": 10,
    "releases_max": 10,
    "claims_max": 10_000,
    "cells_max": 1000,
    "bytes_out_max": 10485760,
    "fuel_max_units": 1000000000000,
    "rows_max": 200000,
    "leakage_bits_max": 50000,
}


def meters() -> dict[str, Any]:
    """The budget of the grant, nine tenths of its jobs used up."""
    nothing = dict.fromkeys(
        ["jobs", "releases", "cells", "claims", "bytes_out", "leakage_bits", "fuel_units", "rows_read"], 0
    )
    committed = {**nothing, "jobs": 9, "cells": 130, "fuel_units": 25000000}
    return {
        "grant": "grt-1",
        "budget": BUDGET,
        "committed": committed,
        "reserved": {**nothing, "memory_peak_bytes": 0, "jobs": 1},
    }


def module() -> dict[str, Any]:
    """A module with a parameter."""
    return {
        "id": "ab" * 32,
        "sha256": "cd" * 32,
        "size_bytes": 12345,
        "organisation": "company-c",
        "submitted_by": "lin.wei",
        "submitted_at": "2026-11-23T00:00:00.000Z",
        "door": "columnar",
        "separation": "stateless-proof",
        "manifest": {
            "abi": "glovebox:job@0.1.0",
            "name": "bmi-by-age-sex",
            "version": "1.0.0",
            "description": "Mean <index>",
            "isolation": "row",
            "inputs": [
                {"name": "sex", "type": {"code": ["male", "female"]}, "nullable": False},
                {"name": "bmi", "type": "float64", "nullable": True},
            ],
            "parameters": [{"name": "obese_from", "default": 30.0, "min": 20.0, "max": 50.0}],
            "keys": [{"name": "sex", "domain": {"codes": ["male", "female"]}}],
            "outputs": [
                {"name": "mean_bmi", "reducer": "mean", "lower": 10.0, "upper": 80.0, "keys": ["sex"]},
                {"name": "all_persons", "reducer": "count", "keys": []},
            ],
            "contributions_per_person_max": 1,
        },
    }


def job(state: str = "released") -> dict[str, Any]:
    """A job in a state."""
    ended: dict[str, Any] = {"released": {"release": "rel-1"}, "queued": {}, "running": {}}.get(
        state, {"reasons": [THRESHOLD]}
    )
    if state not in ("queued", "running"):
        ended |= {"ended_at": "2026-11-23T00:00:02.000Z", "time": "minute", "fuel": {"at_most_ten_to_the": 8}}
    return {
        "id": "job-1",
        "grant": "grt-1",
        "dataset": "nhanes-2017",
        "module": "ab" * 32,
        "parameters": {"obese_from": 28.0},
        "organisation": "company-c",
        "submitted_by": "lin.wei",
        "submitted_at": "2026-11-23T00:00:01.000Z",
        "state": state,
        "isolation": "row",
        **ended,
    }


def problem(status: int = 403, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """A problem document with a reason."""
    reason = {
        "code": "policy.field-not-granted",
        "rule": "a job reads granted fields only",
        "place": "input person_id",
        "remedy": "propose a grant that opens the field",
    }
    return {
        "type": f"urn:glovebox:refusal:{reason['code']}",
        "title": reason["rule"],
        "status": status,
        "detail": reason["remedy"],
        "code": reason["code"],
        "reasons": [reason],
        "request_id": "req-1",
        **changes,
    }
