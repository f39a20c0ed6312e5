"""The package against a real server, as each person who would use it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import glovebox as gb
import zone

pytestmark = pytest.mark.live
BMI = zone.JOBS / "bmi-by-age-sex/bmi-by-age-sex.wasm"


@pytest.fixture(scope="module")
def place() -> zone.Zone:
    return zone.started()


@pytest.fixture(scope="module")
def box(place: zone.Zone) -> Iterator[gb.Box]:
    with place.connect("lin.wei") as found:
        yield found


@pytest.fixture(scope="module")
def grant(place: zone.Zone, box: gb.Box) -> gb.Grant:
    return box.grant(place.new_grant().id)


@pytest.fixture(scope="module")
def job(box: gb.Box, grant: gb.Grant) -> gb.Job:
    return box.run(box.submit_module(BMI), grant=grant, dataset="nhanes-2017", progress=False)


def test_the_enclave_knows_who_we_are(place: zone.Zone, box: gb.Box) -> None:
    assert box.whoami == gb.WhoAmI("lin.wei", "company-c", ("developer",))
    with place.connect("he.yun") as regulator:
        assert regulator.whoami.roles == ("regulator",)


def test_the_catalogue_is_the_filed_one(box: gb.Box) -> None:
    assert {"nhanes-2017", "rand-hie"} <= {dataset.id for dataset in box.datasets}
    schema = box.dataset("nhanes-2017").schema
    assert schema.loc["person_id", "identifiability"] == "direct"
    assert schema.loc["bmi", "unit"] == "kg/m2"
    assert schema.loc["sex", "values"] == "male, female"


def test_a_job_gives_tables(job: gb.Job) -> None:
    assert job.state == "released"
    result = job.result()
    persons = result.table("persons").to_pandas()
    assert persons.shape == (2, 6)
    assert list(persons.index) == ["male", "female"]
    total = result.table("persons").cell("all", "all").value
    assert total is not None
    # NHANES 2017-2018 examined some 5,200 adults with a body-mass index; the gate rounds to five.
    assert 4800 < total < 5600
    assert total % 5 == 0
    mean = result.table("mean_bmi").to_pandas()
    assert mean.min().min() > 25
    assert mean.max().max() < 33


def test_all_forms_agree_with_the_document(job: gb.Job) -> None:
    result = job.result()
    frame = result.to_pandas()
    assert len(frame) == result.cells_released + result.cells_withheld
    assert frame["value"].notna().sum() == result.cells_released
    assert (frame["value"].isna() == frame["suppression"].notna()).all()
    assert result.to_polars().height == result.to_arrow().num_rows == len(frame)
    assert len(result.withheld) == result.cells_withheld


def test_a_small_group_is_withheld_and_says_why(box: gb.Box, grant: gb.Grant) -> None:
    # Hardly anyone has an index of 50 and over in some cells.
    job = box.run(
        box.submit_module(BMI), grant=grant, dataset="nhanes-2017", parameters={"obese_from": 50}, progress=False
    )
    table = job.result().table("obese")
    assert table.is_withheld().to_numpy().any()
    assert "gate.cell-below-threshold" in {reason.code for reason in table.withheld}
    assert all(reason.rule and reason.remedy for reason in table.withheld)
    assert "withheld" in repr(table)


def test_noise_is_explained_then_spent(place: zone.Zone, box: gb.Box, grant: gb.Grant) -> None:
    module = box.submit_module(BMI)
    assert not box.lint(BMI, persons=8000, privacy=gb.laplace(0.5)).is_hopeless
    explained = box.explain(module, grant=grant, dataset="nhanes-2017", privacy=gb.laplace(0.5))
    assert not explained.reasons
    assert {charge.holder: charge.fits for charge in explained.charges} == dict.fromkeys(
        ("dataset", "grant", "developer"), True
    )
    result = box.run(module, grant=grant, dataset="nhanes-2017", privacy=gb.laplace(0.5), progress=False).result()
    assert (result.mechanism.name, result.mechanism.epsilon) == ("laplace", 0.5)
    cell = result.table("persons").cell("male", "[18, 30)")
    assert cell.half_width_95 is not None
    assert cell.half_width_95 > 0
    assert {entry.id: entry.epsilon_spent for entry in box.privacy("nhanes-2017").entries}[grant.id] == 0.5
    with place.connect("chen.jing") as supplier:
        assert "dataset" in {entry.holder for entry in supplier.privacy("nhanes-2017").entries}
    too_much = box.explain(module, grant=grant, dataset="nhanes-2017", privacy=gb.laplace(0.75))
    assert [reason.code for reason in too_much.reasons] == ["meter.epsilon-exhausted"]


def test_the_receipt_verifies_with_the_key_from_elsewhere(place: zone.Zone, job: gb.Job) -> None:
    receipt = job.receipt()
    found = receipt.verify(place.folder / "enclave.pem")
    assert found.is_key_pinned
    assert receipt.statement["job"] == job.id
    assert receipt.statement["outcome"] == "released"
    receipt.verify_output(job.result().document)
    with pytest.raises(gb.VerificationError, match="not the one of the statement"):
        receipt.verify_output(job.result().document + b" ")


def test_the_command_line_agrees_about_receipts(place: zone.Zone, job: gb.Job, tmp_path: Path) -> None:
    kept = tmp_path / "receipt.json"
    job.receipt().save(kept)
    verify: list[str | Path] = [place.binary, "receipt", "verify", kept, "--key", place.folder / "enclave.pem"]
    assert subprocess.run(verify, capture_output=True).returncode == 0
    altered = kept.read_text().replace('"outcome": "released"', '"outcome": "withheld"')
    kept.write_text(altered)
    with pytest.raises(gb.VerificationError):
        gb.Receipt.read(kept).verify(place.folder / "enclave.pem")
    assert subprocess.run(verify, capture_output=True).returncode == 4


def test_a_job_pays_from_its_budget(box: gb.Box, grant: gb.Grant, job: gb.Job) -> None:
    assert job.is_final
    before = grant.budget
    box.run(job.module, grant=grant, dataset="nhanes-2017", progress=False)
    after = grant.budget
    assert after.left("jobs") == before.left("jobs") - 1
    assert after.left("cells") < before.left("cells")
    assert after.left("fuel_units") <= before.left("fuel_units")


def test_what_is_not_granted_is_refused(box: gb.Box, grant: gb.Grant) -> None:
    curious = BMI.read_bytes().replace(b'"age_years"', b'"person_id"')
    with pytest.raises(gb.Refused) as caught:
        box.run(box.submit_module(curious), grant=grant, dataset="nhanes-2017", progress=False)
    assert any("person_id" in reason.place + reason.rule for reason in caught.value.reasons)
    assert caught.value.remedy


def test_parameters_out_of_bounds_are_refused(box: gb.Box, grant: gb.Grant, job: gb.Job) -> None:
    for parameters in ({"obese_from": 1e9}, {"unknown": 1.0}):
        with pytest.raises(gb.ProblemError) as caught:
            box.run(job.module, grant=grant, dataset="nhanes-2017", parameters=parameters, progress=False)
        assert caught.value.code.startswith(("policy.", "request.", "job."))


def test_bytes_that_are_no_module_are_refused(box: gb.Box) -> None:
    with pytest.raises(gb.ProblemError) as caught:
        box.submit_module(b"\0asm nonsense")
    assert caught.value.code.startswith("sandbox.")


def test_roles_hold(place: zone.Zone, grant: gb.Grant, job: gb.Job) -> None:
    for person in ("zhao.lei", "he.yun", "chen.jing", "wang.min"):
        # Whoever may not see the grant or the dataset is answered as if there were none.
        with place.connect(person) as other, pytest.raises((gb.Refused, gb.NotFound)):
            other.run(job.module, grant=grant.id, dataset="nhanes-2017", progress=False)
    with pytest.raises(gb.Refused):
        grant.approve("of my own", "reviewer")


def test_a_suspended_grant_runs_nothing(place: zone.Zone, box: gb.Box, job: gb.Job) -> None:
    grant = place.new_grant()
    with place.connect("chen.jing") as supplier:
        assert supplier.grant(grant.id).suspend("a question first").state == "suspended"
        with pytest.raises(gb.Refused):
            box.run(job.module, grant=grant.id, dataset="nhanes-2017", progress=False)
        assert supplier.grant(grant.id).resume().state == "active"
        ended = box.run(job.module, grant=grant.id, dataset="nhanes-2017", progress=False)
        assert ended.state == "released"
        assert supplier.grant(grant.id).revoke("over").state == "revoked"
    with pytest.raises(gb.Conflict):
        box.job(ended.id).cancel()


def test_an_empty_budget_runs_nothing(place: zone.Zone, box: gb.Box, job: gb.Job) -> None:
    grant = place.new_grant(jobs_max=1)
    assert box.run(job.module, grant=grant.id, dataset="nhanes-2017", progress=False).state == "released"
    with pytest.raises(gb.Explained) as caught:
        box.run(job.module, grant=grant.id, dataset="nhanes-2017", progress=False).result()
    assert caught.value.code == "policy.grant-uses-exhausted"


def test_lists_hold_what_was_made(box: gb.Box, grant: gb.Grant, job: gb.Job) -> None:
    assert job.id in {found.id for found in box.jobs}
    assert grant.id in {found.id for found in box.grants.active("nhanes-2017")}
    assert job.module in {found.id for found in box.modules}
    with pytest.raises(gb.NotFound):
        box.job("job-of-nobody")


def test_a_stranger_is_not_let_in(place: zone.Zone, authority: Path) -> None:
    files = (authority / "cert.pem", authority / "key.pem")
    with pytest.raises(gb.ConnectionFailed):
        gb.connect(place.server, identity=files, ca=place.identity("lin.wei") / "ca.pem")


def test_another_server_is_not_trusted(place: zone.Zone, authority: Path) -> None:
    with pytest.raises(gb.ConnectionFailed, match="is not trusted"):
        gb.connect(place.server, identity=place.identity("lin.wei"), ca=authority / "cert.pem")


def test_the_readme_says_what_works(place: zone.Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python blocks, one after the other, in a folder that looks like a trial's."""
    readme = (zone.REPOSITORY / "sdk/python/README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 5
    source = "\n".join(blocks).replace("https://127.0.0.1:8443", place.server)
    assert place.server in source
    for name, target in (("examples", zone.REPOSITORY), ("pki", place.folder), ("enclave.pem", place.folder)):
        (tmp_path / name).symlink_to(target / name)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    try:
        exec(compile(source, "README.md", "exec"), names)
    finally:
        box = names.get("box")
        assert isinstance(box, gb.Box)
        box.close()
    assert (tmp_path / "receipt.json").exists()
    proposed = names["proposed"]
    assert isinstance(proposed, gb.Grant)
    assert proposed.state == "proposed"
