"""The notebook of a generated project is one, is clean, and runs from top to bottom."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from made_up import customers, write_csv
from nbclient import NotebookClient

from mlxkit.scaffold import names
from mlxkit.scaffold.notebook import notebook
from mlxkit.scaffold.project_tree import Scaffolded, scaffold
from mlxkit.scaffold.request import Request

if TYPE_CHECKING:
    from conftest import TmpDir

ROWS = 300
RANDOM = np.random.default_rng(0)


def read(made: Scaffolded) -> Any:
    (path,) = (made.root / "notebooks").glob("*.ipynb")
    document = nbformat.read(path, as_version=4)
    nbformat.validate(document)
    return document


TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "classes": (customers(ROWS), "Churn"),
    "regression by time": (
        {
            "day": pd.date_range("2024-01-01", periods=ROWS),
            'it\'s "odd"': RANDOM.normal(size=ROWS),
            "y": RANDOM.gamma(2.0, 10.0, ROWS),
        },
        "y",
    ),
    "numbers as text": (
        {"kind": ["a", "b"] * (ROWS // 2), "y": ["?", *map(str, RANDOM.normal(size=ROWS - 1))]},
        "y",
    ),
    "a number for time": (
        {
            "year": np.arange(ROWS) // 10,
            "x": RANDOM.normal(size=ROWS),
            "y": ["no", "yes", "no"] * (ROWS // 3),
        },
        "y",
    ),
}


@pytest.mark.filterwarnings("ignore")  # of the Jupyter client's own
@pytest.mark.parametrize("case", TABLES)
def test_it_runs(tmp_dir: TmpDir, case: str) -> None:
    columns, target = TABLES[case]
    path = write_csv(tmp_dir / "rows.csv", **columns)
    time = "year" if "year" in columns else None
    made = scaffold(Request(tmp_dir / "looked-at", path, target=target, time=time))
    ran = read(made)
    NotebookClient(ran, timeout=120, resources={"metadata": {"path": str(made.root / "notebooks")}}).execute()
    outputs = [output for cell in ran.cells if cell.cell_type == "code" for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]


def test_it_has_neither_results_nor_anything_that_differs(tmp_dir: TmpDir) -> None:
    path = write_csv(tmp_dir / "rows.csv", **customers(ROWS))
    made = []
    for folder in (tmp_dir / "first", tmp_dir / "second"):
        folder.mkdir()
        made.append(scaffold(Request(folder / "churn", path, target="Churn")))
    assert read(made[0]) == read(made[1])
    assert all(not cell.get("outputs") for cell in read(made[0]).cells)


def test_cells_of_a_script() -> None:
    cells = json.loads(notebook("# %% [markdown]\n# # Title\n#\n# Text\n# %%\na = 1\n\n\nb = 2\n"))["cells"]
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in cells] == [
        ("markdown", "# Title\n\nText"),
        ("code", "a = 1\n\n\nb = 2"),
    ]


@pytest.mark.parametrize(("login", "expected"), [("Ada.Lovelace", "adalovelace"), ("界", "me"), (None, "me")])
def test_the_author(login: str | None, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def getuser() -> str:
        if login is None:
            raise OSError("no user name")
        return login

    monkeypatch.setattr(names.getpass, "getuser", getuser)
    assert names.author() == expected
