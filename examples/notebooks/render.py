"""Executes a notebook and writes it with its outputs as an HTML page that needs no network.

    python examples/notebooks/render.py examples/notebooks/first-aggregate.ipynb page.html

The enclave is the one of the environment: GLOVEBOX_SERVER and GLOVEBOX_IDENTITY.
"""

import argparse
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter


def execute(path: Path, timeout_seconds: int = 300) -> nbformat.NotebookNode:
    """The notebook with outputs. A cell that fails raises, with its traceback. The file is left as it is."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    client = NotebookClient(notebook, timeout=timeout_seconds, resources={"metadata": {"path": path.parent}})
    client.execute()
    return notebook


def to_html(notebook: nbformat.NotebookNode, title: str) -> str:
    """The page. Formulas and widgets, which would need scripts from elsewhere, are not used."""
    exporter = HTMLExporter(template_name="lab", mathjax_url="", require_js_url="", jquery_url="")
    page, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": title}})
    return str(page)


def main() -> None:
    """Executes and writes."""
    parser = argparse.ArgumentParser(description="Executes a notebook and writes it as a page.")
    parser.add_argument("notebook", type=Path)
    parser.add_argument("page", type=Path)
    arguments = parser.parse_args()
    page = to_html(execute(arguments.notebook), arguments.notebook.stem)
    arguments.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
