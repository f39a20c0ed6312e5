"""A box over documents of every kind: what people see, what is asked of the server."""

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import documents
import forger
import glovebox as gb
from glovebox.access import Access
from glovebox.wire import Wire

Sent = list[tuple[str, str, Any]]
GOLDEN = Path(__file__).parents[3] / "tests/golden/openapi.json"


def page(*items: object) -> dict[str, Any]:
    return {"items": items}


def events(*states: str) -> str:
    found = [{"job": "job-1", "state": state, "at": "2026-11-23T00:00:00Z", "queue_position": 2} for state in states]
    return "".join(f"event: state\ndata: {json.dumps(event)}\n\n" for event in found)


def box(sent: Sent | None = None, **changes: Any) -> gb.Box:  # noqa: ANN401
    """A box whose server knows one thing of each kind; ``changes`` replace answers by route."""
    key = forger.golden_key()
    pem = (forger.VECTORS / "enclave.pem").read_text()
    answers = {
        "GET whoami": {"principal": "lin.wei", "organisation": "company-c", "roles": ["developer"]},
        "GET key": {"algorithm": "sm2", "public_key_pem": pem, "fingerprint_sm3": key.fingerprint, "log_id": "log-1"},
        "GET datasets": page(documents.dataset(), documents.dataset("other")),
        "GET datasets/nhanes-2017": documents.dataset(),
        "GET grants": page(documents.grant(), documents.grant("proposed", "grt-2")),
        "GET grants/grt-1": documents.grant(),
        "POST grants": documents.grant("proposed"),
        "POST grants/grt-1/approve": documents.grant(),
        "POST grants/grt-1/refuse": documents.grant("refused"),
        "POST grants/grt-1/suspend": documents.grant("suspended"),
        "POST grants/grt-1/resume": documents.grant(),
        "POST grants/grt-1/revoke": documents.grant("revoked"),
        "GET meters": page(documents.meters()),
        "GET modules": page(documents.module()),
        "POST modules": documents.module(),
        "GET jobs": page(documents.job(), documents.job("withheld")),
        "POST jobs": documents.job("queued"),
        "POST jobs/explain": documents.explanation(),
        "POST modules/lint": documents.lint(),
        "GET datasets/nhanes-2017/privacy": documents.ledger(),
        "GET jobs/job-1": documents.job(),
        "GET jobs/job-1/events": events("queued", "running", "released"),
        "POST jobs/job-1/cancel": documents.job("killed"),
        "GET jobs/job-1/receipt": forger.golden(),
        "GET releases/rel-1": documents.release(),
    } | {route.replace("_", " ", 1): answer for route, answer in changes.items()}

    def answer(request: httpx.Request) -> httpx.Response:
        route = f"{request.method} {request.url.path.removeprefix('/v1/')}"
        body = (
            request.content if request.headers.get("content-type") == "application/wasm" else request.content.decode()
        )
        if sent is not None:
            sent.append((route, request.url.query.decode(), body))
        found = answers[route]
        if isinstance(found, httpx.Response):
            return found
        return httpx.Response(200, text=found) if isinstance(found, str) else httpx.Response(200, json=found)

    access = Access("https://enclave.example:8443", Path(), Path(), Path())
    return gb.Box(Wire(access, httpx.MockTransport(answer)))


def test_every_call_is_one_of_the_interface() -> None:
    """The golden OpenAPI document knows every route that this package asks for, and every route is asked for once."""
    sent: Sent = []
    found = box(sent)
    grant = found.grant("grt-1")
    _ = found.whoami, found.key, found.datasets, found.dataset("nhanes-2017"), found.grants, found.budgets, found.jobs
    found.propose_grant({})
    for act in (grant.approve, grant.refuse, grant.suspend, grant.resume, grant.revoke):
        act("why")
    _ = found.modules, found.submit_module(b"\0asm")
    job = found.run("m", grant="g", dataset="d", progress=False)
    _ = job.cancel(), job.receipt(), found.job("job-1").result()
    found.explain("m", grant="g", dataset="d", privacy=gb.laplace(1))
    _ = found.lint(found.modules[0]), found.privacy("nhanes-2017")
    described = {
        (method.upper(), re.sub(r"\{.*?\}", "[^/]+", path))
        for path, item in json.loads(GOLDEN.read_text())["paths"].items()
        for method in item
    }
    for route, _, _ in sent:
        method, path = route.split()
        assert any(known == method and re.fullmatch(pattern, f"/v1/{path}") for known, pattern in described), route
    assert len({route for route, _, _ in sent}) == 25


def test_the_catalogue_reads_well() -> None:
    found = box()
    assert found.datasets.to_pandas()["id"].tolist() == ["nhanes-2017", "other"]
    assert [dataset.id for dataset in found.datasets] == ["nhanes-2017", "other"]
    assert len(found.datasets) == 2
    assert found.datasets[1].supplier == "hospital-a"
    assert "A survey &lt;of health&gt;" in found.datasets._repr_html_()
    assert "nhanes-2017" in repr(found.datasets)
    schema = found.dataset("nhanes-2017").schema
    assert schema.index.tolist() == ["person_id", "sex", "bmi", "remark"]
    assert list(schema.loc["bmi", ["type", "unit", "grade", "nullable"]]) == ["float64", "kg/m2", 3, True]
    assert schema["values"].tolist() == ["1 … 999,999", "male, female", "5 …", ""]
    assert schema.loc["person_id", "identifiability"] == "direct"
    assert found.dataset("nhanes-2017").fields[1].codes == {"male": "Male", "female": "Female"}
    assert "Public domain" in found.dataset("nhanes-2017")._repr_html_()
    assert repr(box(GET_datasets=page()).datasets) == "(none)"


def test_grants_are_found_and_decided() -> None:
    sent: Sent = []
    found = box(sent)
    assert [grant.id for grant in found.grants.active("nhanes-2017")] == ["grt-1"]
    assert len(found.grants.active("other")) == 0
    grant = found.grants[1]
    assert grant.state == "proposed"
    assert grant.fields["nhanes-2017"] == ("age_years", "bmi", "sex")
    approved = found.grant("grt-1").approve("as agreed", "supplier")
    assert approved.is_active
    assert sent[-1] == ("POST grants/grt-1/approve", "capacity=supplier", '{"comment": "as agreed"}')
    assert found.grant("grt-1").revoke("over").state == "revoked"
    html = approved._repr_html_()
    assert "reviewer review-board" in html
    assert "2999-01-01" in html
    ended = box(GET_grants=page({**documents.grant(), "valid_until": "2020-02-01T00:00:00.000Z"}))
    assert len(ended.grants.active()) == 0


def test_terms_are_written_as_the_interface_takes_them() -> None:
    written = gb.terms(
        title="t",
        purpose="research",
        fields={"nhanes-2017": ["sex", "bmi"]},
        filters={"nhanes-2017": {"field": "age_years", "op": "ge", "value": 18}},
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_until=datetime(2027, 1, 1, tzinfo=UTC),
        recipients={"company-c": "CN"},
        budget=documents.BUDGET,
        agreement_sm3="ab" * 32,
    )
    assert written["scopes"] == [
        {
            "dataset": "nhanes-2017",
            "fields": ["bmi", "sex"],
            "filter": {"field": "age_years", "op": "ge", "value": 18},
        }
    ]
    assert written["valid_until"] == "2027-01-01T00:00:00.000Z"
    schema = json.loads(GOLDEN.read_text())["components"]["schemas"]["GrantTerms"]
    assert written.keys() == set(schema["properties"])
    with pytest.raises(ValueError, match="needs its zone"):
        gb.terms(
            title="t",
            purpose="research",
            fields={},
            valid_until=datetime(2027, 1, 1),  # noqa: DTZ001
            recipients={},
            budget={},
            agreement_sm3="",
        )


def test_budgets_show_what_is_left() -> None:
    (budget,) = box().budgets
    assert budget.left("jobs") == 0
    assert budget.left("cells") == 870
    assert list(budget.to_pandas().loc["jobs"]) == [10, 9, 1, 0]
    html = budget._repr_html_()
    assert html.count("<svg") == 8
    # A developer's fuel is a bound, and drawn as one.
    assert "at most 25 M" in html
    assert "at most 0 % used" in html
    supplier = {"principal": "chen.jing", "organisation": "hospital-a", "roles": ["supplier"]}
    assert "at most" not in box(GET_whoami=supplier).budgets[0]._repr_html_()
    assert "90 % used, 10 % held by running jobs" in html
    assert "1 T" in html
    assert box().grant("grt-1").budget.left("cells") == 870
    assert "jobs" in repr(budget)
    assert box().budgets.to_pandas()["cells_left"].tolist() == [870]


def test_modules_say_what_they_do(tmp_path: Path) -> None:
    sent: Sent = []
    (tmp_path / "job.wasm").write_bytes(b"\0asm")
    module = box(sent).submit_module(tmp_path / "job.wasm")
    assert sent == [("POST modules", "", b"\0asm")]
    assert (module.name, module.isolation, module.inputs) == ("bmi-by-age-sex", "row", ("sex", "bmi"))
    assert list(module.parameters.loc["obese_from"]) == [30.0, 20.0, 50.0]
    html = module._repr_html_()
    assert "Mean &lt;index&gt;" in html
    assert "mean_bmi: mean by sex<br>all_persons: count" in html


def test_a_job_runs_and_tells_its_progress(capsys: pytest.CaptureFixture[str]) -> None:
    sent: Sent = []
    found = box(sent)
    job = found.run(found.modules[0], grant=found.grants[0], dataset=found.datasets[0], parameters={"obese_from": 28})
    assert sent[3][0] == "POST jobs"
    assert json.loads(sent[3][2]) == {
        "module": "ab" * 32,
        "grant": "grt-1",
        "dataset": "nhanes-2017",
        "parameters": {"obese_from": 28.0},
    }
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "job job-1: queued, 2 ahead"
    assert re.fullmatch(r"job job-1: queued, 2 ahead \d\.\d s → running \d\.\d s → released", shown[2])
    assert job.state == "released"
    assert job.result().table("persons").cell("male").value == 2505
    assert "at most 10<sup>8</sup> units" in job._repr_html_()
    receipt = job.receipt()
    assert not receipt.verify().is_key_pinned
    assert receipt.verify(fingerprint=found.key.fingerprint).is_key_pinned


def test_a_terminal_line_is_written_over(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    box().run("m", grant="g", dataset="d")
    shown = capsys.readouterr().err
    assert shown.count("\r") == 3
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("state", "kind"),
    [("withheld", gb.JobWithheld), ("refused", gb.JobRefused), ("failed", gb.JobFailed), ("killed", gb.JobEnded)],
)
def test_a_job_without_release_explains_itself(state: str, kind: type[gb.JobEnded]) -> None:
    changes: dict[str, Any] = {"GET_jobs/job-1": documents.job(state), "GET_jobs/job-1/events": events(state)}
    found = box(None, **changes)
    job = found.run("m", grant="g", dataset="d", progress=False)
    assert job.reasons[0].code == "gate.cell-below-threshold"
    with pytest.raises(gb.JobEnded) as caught:
        job.result()
    assert type(caught.value) is kind
    assert caught.value.state == state
    assert f"Job job-1 ended {state}: nothing left the enclave." in str(caught.value)
    assert "join small categories" in caught.value.remedy
    for html in (job._repr_html_(), caught.value._repr_html_()):
        assert "at least 10 persons per cell" in html


def test_refusals_explain_themselves() -> None:
    refusal = httpx.Response(403, json=documents.problem(), headers={"content-type": "application/problem+json"})
    with pytest.raises(gb.Refused) as caught:
        box(POST_jobs=refusal).run("m", grant="g", dataset="d")
    assert list(caught.value.reasons.to_pandas().loc[0]) == [
        "policy.field-not-granted",
        "a job reads granted fields only",
        "input person_id",
        "propose a grant that opens the field",
    ]
    assert "what to do" in caught.value._repr_html_()


def test_a_key_that_is_not_what_it_says_is_not_used() -> None:
    pem = (forger.VECTORS / "enclave.pem").read_text()
    answer = {"algorithm": "sm2", "public_key_pem": pem, "fingerprint_sm3": "00" * 32, "log_id": "log-1"}
    with pytest.raises(gb.UnexpectedAnswer, match="not the one stated"):
        _ = box(GET_key=answer).key


def changed_job(**changes: object) -> dict[str, Any]:
    return {name: value for name, value in {**documents.job(), **changes}.items() if value is not None}


def test_a_release_without_a_name_is_told() -> None:
    changes: dict[str, Any] = {"GET_jobs/job-1": changed_job(release=None)}
    found = box(None, **changes)
    with pytest.raises(gb.UnexpectedAnswer, match="names no release"):
        found.job("job-1").result()


Make = Callable[[gb.Box], object]
ASKED: dict[str, Make] = {
    "GET_whoami": lambda found: found.whoami,
    "GET_key": lambda found: found.key,
    "GET_datasets": lambda found: found.datasets,
    "GET_datasets/nhanes-2017": lambda found: found.dataset("nhanes-2017"),
    "GET_grants/grt-1": lambda found: found.grant("grt-1"),
    "GET_jobs/job-1": lambda found: found.job("job-1"),
    "POST_modules": lambda found: found.submit_module(b""),
}


@pytest.mark.parametrize("answer", [{}, [], 7, {"id": 1}], ids=str)
@pytest.mark.parametrize("route", ASKED)
def test_answers_of_another_shape_are_told(route: str, answer: object) -> None:
    changes: dict[str, Any] = {route: answer}
    with pytest.raises(gb.UnexpectedAnswer, match="its version may differ"):
        ASKED[route](box(None, **changes))


@pytest.mark.parametrize(
    "make", [lambda b: b.datasets, lambda b: b.grants, lambda b: b.budgets, lambda b: b.modules, lambda b: b.jobs]
)
def test_every_list_has_a_frame_and_a_table(make: Make) -> None:
    listing: Any = make(box())
    assert len(listing.to_pandas()) == len(listing)
    assert "<table" in listing._repr_html_()
    assert repr(listing)


def test_noise_is_asked_for_and_explained() -> None:
    sent: Sent = []
    found = box(sent)
    found.run("m", grant="g", dataset="d", privacy=gb.gaussian(0.05), progress=False)
    assert json.loads(sent[0][2])["privacy"] == {"mechanism": "gaussian", "rho": 0.05}
    explained = found.explain("m", grant="g", dataset="d", privacy=gb.laplace(1))
    assert json.loads(sent[-1][2])["privacy"] == {"mechanism": "laplace", "epsilon": 1.0}
    assert explained.errors[0].half_width_95 == 3.0
    assert [charge.epsilon_after for charge in explained.charges] == [None, 2.5]
    assert explained.reasons[0].code == "meter.epsilon-exhausted"
    assert explained.to_pandas()["figure"].tolist() == ["a cell"]
    for part in ("± 3", "does not fit", "ask for more noise", "<svg"):
        assert part in explained._repr_html_()
    assert "meter.epsilon-exhausted" in repr(explained)
    for loss in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="above 0"):
            gb.laplace(loss)


def test_a_ledger_shows_what_is_left() -> None:
    ledger = box().privacy("nhanes-2017")
    assert ledger.entries[0].epsilon_left == 1.25
    assert ledger.to_pandas()["epsilon_spent"].tolist() == [0.5]
    assert "25 % used, 12 % held by running jobs" in ledger._repr_html_()
    assert "grt-1" in repr(ledger)
    changes: dict[str, Any] = {"GET_datasets/nhanes-2017/privacy": {"dataset": "nhanes-2017", "entries": []}}
    assert "no limit is filed" in box(None, **changes).privacy("nhanes-2017")._repr_html_()


def section(name: bytes, content: bytes) -> bytes:
    size = len(name) + 1 + len(content)
    return bytes([0, size & 0x7F | 0x80, size >> 7, len(name)]) + name + content


def test_a_file_is_linted_before_it_is_submitted() -> None:
    sent: Sent = []
    manifest = json.dumps(documents.module()["manifest"]).encode()
    module = b"\0asm\1\0\0\0" + section(b"producers", b"x" * 200) + section(b"glovebox.job", manifest)
    lint = box(sent).lint(module, persons=500, profile="acro", privacy=gb.laplace(1))
    asked = json.loads(sent[0][2])
    assert asked["manifest"] == documents.module()["manifest"]
    assert (asked["persons"], asked["profile"], asked["privacy"]["epsilon"]) == (500, "acro", 1.0)
    assert lint[0].level == "warning"
    assert not lint.is_hopeless
    assert lint.leakage is not None
    assert "1,200 bits" in lint._repr_html_()
    assert "join small categories" in str(lint.to_pandas().loc[0, "remedy"])
    for broken in (b"", b"\0asm\1\0\0\0", module[:30], b"\0asm\1\0\0\0\0\xff"):
        with pytest.raises(ValueError, match="module"):
            box().lint(broken)
