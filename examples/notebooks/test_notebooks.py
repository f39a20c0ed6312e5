"""The notebooks run against a real server and show what they promise."""

import json
import re
from html import unescape
from pathlib import Path

import nbformat
import pytest
from render import execute, to_html

import zone

FOLDER = Path(__file__).parent
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_without_outputs(path: Path) -> None:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.fixture(scope="module")
def executed() -> nbformat.NotebookNode:
    place = zone.started()
    place.new_grant()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GLOVEBOX_SERVER", place.server)
        environment.setenv("GLOVEBOX_IDENTITY", str(place.identity("lin.wei")))
        environment.delenv("GLOVEBOX_PROFILE", raising=False)
        # What the kernel and its libraries deprecate is not ours to mend.
        return execute(FOLDER / "first-aggregate.ipynb")


def shown(notebook: nbformat.NotebookNode, source: str) -> str:
    """Everything that the cell with ``source`` in it shows, as text without tags."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    (cell,) = [cell for cell in cells if cell.source == source] or [cell for cell in cells if source in cell.source]
    parts = []
    for output in cell.outputs:
        data = output.get("data", {})
        parts.append(data.get("text/html") or data.get("text/plain") or output.get("text", ""))
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", " ".join(parts))).split())


@pytest.mark.live
@pytest.mark.filterwarnings("ignore")
def test_the_first_aggregate(executed: nbformat.NotebookNode, tmp_path: Path) -> None:
    assert "lin.wei" in shown(executed, "box.whoami")
    assert "hospital-a" in shown(executed, "box.datasets")
    assert re.search(r"bmi float64 \S* ?… ?\S* kg/m2", shown(executed, "nhanes.schema"))
    assert "approved" in shown(executed, "box.grants")
    assert "one row" in shown(executed, "box.submit_module(modules")
    assert "→ released" in shown(executed, "job = box.run(module")

    table = shown(executed, 'result.table("mean_bmi")')
    lines = re.search(r"male ([\d. ]+) female ([\d. ]+) all ([\d. ]+)", table)
    assert lines, table
    figures = [float(figure) for line in lines.groups() for figure in line.split()]
    assert len(figures) == 3 * 7
    assert all(25 < figure < 33 for figure in figures)

    severe = shown(executed, 'severe.result().table("obese")')
    assert "withheld" in severe
    assert "gate.cell-below-threshold" in severe
    assert "gate.cell-below-threshold" in shown(executed, ".query(")

    (chart,) = [cell for cell in executed.cells if "plt.show()" in cell.source]
    assert any("image/png" in output.get("data", {}) for output in chart.outputs)

    refusal = shown(executed, "except gb.Refused")
    assert "The enclave refused this (403)" in refusal
    assert "person_id" in refusal
    assert "what to do" in refusal

    budget = shown(executed, "grant.budget")
    assert re.search(r"jobs\s+\d+ % used\s+[1-9]\d*\s+\d+", budget), budget
    assert "released" in shown(executed, "receipt = job.receipt()")
    assert shown(executed, "receipt.verify()").count("✓") == 4
    assert "signature of the statement does not verify" in shown(executed, "forged")

    page = to_html(executed, "first-aggregate")
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    assert "A first aggregate" in page
    assert not re.search(r'(src|href)="https?://', page), "the page asks for something from elsewhere"
