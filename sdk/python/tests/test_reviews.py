"""Reviews as reviewers and developers use them in a notebook."""

import json
from collections.abc import Callable
from typing import Any

import pytest

import documents
import glovebox as gb
from test_box import Sent, box, events, page


def entry(act: str, comment: str = "", principal: str | None = "zhao.yu") -> dict[str, Any]:
    who = {"principal": principal, "organisation": "review-board"} if principal else {}
    return {"at": "2026-11-23T00:00:03.000Z", "act": act, "comment": comment, **who}


def review(state: str = "in-review", **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "id": "rev-1",
        "job": "job-1",
        "grant": "grt-1",
        "dataset": "nhanes-2017",
        "supplier": "hospital-a",
        "module": "ab" * 32,
        "organisation": "company-c",
        "submitted_by": "lin.wei",
        "barred_organisations": ["company-c"],
        "barred_principals": ["lin.wei"],
        "opened_at": "2026-11-23T00:00:02.000Z",
        "expires_at": "2026-12-23T00:00:02.000Z",
        "leakage_bits": 1234,
        "candidate_sm3": "0" * 64,
        "state": state,
        "entries": [entry("submit", principal=None), entry("claim"), entry("return", "what is <column 2>?")],
        "fetches_max": 100,
        "fetches": 0,
    } | changes


def output() -> dict[str, Any]:
    finding = {"code": "gate.claims-unchecked", "place": "output `out`", "finding": "persons are <claimed>"}
    change = {"output": "mean_bmi", "keys": ["male", "*"], "before": 29.0, "now": 29.5}
    earlier = {
        "release": "rel-0",
        "job": "job-0",
        "organisation": "company-d",
        "released_at": "2026-11-01T00:00:00Z",
        "snapshot": 1,
        "figures_same": 40,
        "figures_changed": 1,
        "changes": [change],
    }
    evidence = {"job": "job-1", "isolation": "cohort", "parameters": {}}
    return {
        "review": "rev-1",
        "document": documents.release() | {"mechanism": "reviewed", "leakage": {"bits": 9_876, "bits_per_person": 99}},
        "report": [finding],
        "evidence": evidence,
        "differences": [earlier],
    }


def test_reviews_are_listed_and_read() -> None:
    found = box(GET_reviews=page(review("submitted"), review("released", release="rel-1"))).reviews
    assert found.to_pandas()["state"].tolist() == ["submitted", "released"]
    assert [one.state for one in found.waiting()] == ["submitted"]
    one = found[0]
    assert (one.leakage_bits, one.is_final, one.expires_at.year) == (1234, False, 2026)
    assert [step.act for step in one.entries] == ["submit", "claim", "return"]
    assert one.entries[0].who == "" and one.entries[1].who == "zhao.yu of review-board"
    shown = one._repr_html_()
    assert "what is &lt;column 2&gt;?" in shown and "1,234 bits" in shown
    assert "return: what is <column 2>?" in repr(one)
    # What developers may not know is not there.
    hidden = review(leakage_bits=None, entries=[entry("claim", principal=None)])
    assert "leakage bound" not in box(None, **{"GET_reviews/rev-1": hidden}).review("rev-1")._repr_html_()


def test_every_act_is_a_call_with_its_comment() -> None:
    sent: Sent = []
    acts: dict[str, Callable[[gb.Review], gb.Review]] = {
        "claim": lambda one: one.claim(),
        "comment": lambda one: one.comment("a ward"),
        "return": lambda one: one.return_to_developer("what?"),
        "approve": lambda one: one.approve(),
        "refuse": lambda one: one.refuse("single persons"),
        "answer": lambda one: one.answer("a mean"),
    }
    answers = {f"POST_reviews/rev-1/{act}": review() for act in acts}
    found = box(sent, **{"GET_reviews/rev-1": review()}, **answers)
    for act, do in acts.items():
        assert do(found.review("rev-1")).id == "rev-1"
        assert sent[-1][0] == f"POST reviews/rev-1/{act}"
    assert json.loads(next(body for route, _, body in sent if route.endswith("refuse"))) == {
        "comment": "single persons"
    }


def test_an_output_shows_tables_report_and_differences() -> None:
    held = box(None, **{"GET_reviews/rev-1": review(), "GET_reviews/rev-1/output": output()}).review("rev-1").output()
    assert held.report["code"].tolist() == ["gate.claims-unchecked"]
    assert held.differences.iloc[0].tolist() == ["rel-0", "mean_bmi", "male, *", 29.0, 29.5]
    assert set(held.tables) >= {"mean_bmi", "persons"}
    assert held.table("persons").output == "persons"
    shown = held._repr_html_()
    assert "persons are &lt;claimed&gt;" in shown and "rel-0 to company-d" in shown
    assert "gate.claims-unchecked" in repr(held) and "9,876 bits in all, 99 about one person" in repr(held)
    assert held.evidence["isolation"] == "cohort"


def test_a_job_in_review_is_not_waited_for() -> None:
    waiting = documents.job("running") | {"state": "in-review", "review": "rev-1"}
    found = box(
        None,
        **{
            "GET_jobs/job-1": waiting,
            "GET_jobs/job-1/events": events("queued", "running", "in-review"),
            "GET_reviews/rev-1": review("returned"),
        },
    )
    job = found.run("m", grant="g", dataset="d", progress=False)
    assert (job.state, job.is_final) == ("in-review", False)
    assert job.review is not None and job.review.state == "returned"
    with pytest.raises(gb.JobInReview, match="box.review\\('rev-1'\\)"):
        job.result()
    assert box().job("job-1").review is None
