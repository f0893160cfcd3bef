"""Columns whose values only the project can read: compared as numbers and dates, on both sides alike."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from mlxkit.errors import DataError, StageFailed
from mlxkit.evaluation.drift import ColumnDrift, SchemaProblem, check_drift
from mlxkit.evaluation.profile import PROFILE_FILE, Profile, build_profile
from mlxkit.pipeline.new_rows import compared_rows

if TYPE_CHECKING:
    from conftest import Mlx, TmpDir

HEADER = "ordered;price;weight;share;member;left"


def sales(rows: int, *, seed: int, price: float = 1) -> str:
    """Return a table with a currency, units, decimal commas, thousands, days first, and yes and no."""
    chance = random.Random(seed)
    lines = [HEADER]
    for _ in range(rows):
        cost = chance.uniform(50, 4000)
        euros = f"{cost * price:,.2f}".translate(str.maketrans(",.", ".,"))
        left = "yes" if chance.random() < (0.8 if cost > 2000 else 0.2) else "no"
        day, month = chance.randint(1, 28), chance.randint(1, 12)
        lines.append(
            f"{day:02}.{month:02}.2025;\u20ac {euros};{chance.uniform(1, 30):.1f} kg;"
            f"{chance.uniform(0, 50):.0f} %;{chance.choice(['ja', 'nein'])};{left}"
        )
    return "\n".join(lines) + "\n"


def without(name: str, text: str) -> str:
    place = HEADER.split(";").index(name)
    rows = [line.split(";") for line in text.splitlines()]
    return "\n".join(";".join(row[:place] + row[place + 1 :]) for row in rows) + "\n"


@pytest.mark.filterwarnings("ignore")
def test_a_doubled_price_is_drift_of_a_number_and_an_unchanged_one_is_none(
    tmp_dir: TmpDir, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ada@example.org")
    tmp_dir.gen("sales.csv", sales(600, seed=0))
    assert mlx("init", "own-values", "--data", "sales.csv", "--target", "left").code == 0
    os.chdir("own-values")
    done = mlx("run", "choose", "train", "evaluate", "--set", "choice.candidates=[linear]", "--json")
    assert done.code == 0, done.out
    assert mlx("promote", "--json").code == 0
    same = sales(300, seed=1)
    _write({"same": same, "double": sales(300, seed=1, price=2), "gone": without("price", same)})
    _write({"text": re.sub(r"\u20ac [\d.,]+", "on request", same)})

    assert drifted(mlx, "same.csv") == ([], [])
    assert drifted(mlx, "double.csv") == ([("price", "numeric", "wasserstein")], [])
    assert drifted(mlx, "gone.csv") == ([("price", "numeric", "gone")], [("price", "gone")])
    assert drifted(mlx, "text.csv") == (
        [("price", "numeric", "missing_share")],
        [("price", "not_numeric")],
    )
    kinds = {c["column"]: c["kind"] for c in mlx("drift", "--data", "same.csv", "--json").json["columns"]}
    assert kinds == {
        "ordered": "datetime",
        "price": "numeric",
        "weight": "numeric",
        "share": "numeric",
        "member": "categorical",
        "left": "categorical",
    }


def _write(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(f"{name}.csv").write_text(text, encoding="utf-8")


def drifted(mlx: Mlx, file: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    found = mlx("drift", "--data", file, "--json").json
    return (
        [(c["column"], c["kind"], c["measure"]) for c in found["columns"] if c["drifted"] and c["counted"]],
        [(problem["column"], problem["problem"]) for problem in found["schema"]],
    )


@pytest.fixture
def champion(tmp_path: Path) -> Path:
    """Return a model's directory with a function that reads kilograms."""
    package = tmp_path / "model/code/weighing"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "reading.py").write_text(
        "def read(rows):\n"
        "    print('reading')\n"
        "    rows['weight'] = rows['weight'].str.removesuffix(' kg').astype(float)\n"
        "    return rows\n\n\n"
        "def half(rows):\n    return rows[: len(rows) // 2]\n\n\n"
        "def nothing(rows):\n    return None\n"
    )
    return tmp_path / "model"


ROWS = pd.DataFrame({"weight": [f"{kilos} kg" for kilos in range(40)], "id": range(40)})


def profile(call: str | None) -> Profile:
    weights = pd.DataFrame({"weight": [float(kilos) for kilos in range(40)]})
    return build_profile(weights, task="regression", inputs=["weight"], values=call)


def test_rows_are_read_by_the_code_that_travelled_with_the_model(
    champion: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    values = compared_rows(profile("weighing.reading:read"), champion, ROWS, Path("new.csv"))
    assert values["weight"].tolist() == list(range(40))
    assert ROWS["weight"][3] == "3 kg"
    # Standard output is for the answer.
    assert capfd.readouterr().out == ""
    assert compared_rows(profile(None), champion, ROWS, Path("new.csv")) is ROWS


PROBLEMS: dict[str, tuple[str, type[Exception], str]] = {
    "a column that is gone": (
        "read",
        DataError,
        "'weighing.reading:read' raised KeyError on the rows of 'new.csv'",
    ),
    "half of the rows": (
        "half",
        StageFailed,
        "'weighing.reading:half' returned 20 rows, and not the 40 rows that it was given",
    ),
    "nothing": (
        "nothing",
        StageFailed,
        "'weighing.reading:nothing' returned nothing, and not the 40 rows that it was given",
    ),
    "no function": ("write", StageFailed, "'weighing.reading' has no function 'write'"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_function_that_fails(champion: Path, name: str) -> None:
    function, kind, message = PROBLEMS[name]
    with pytest.raises(kind) as caught:
        compared_rows(
            profile(f"weighing.reading:{function}"), champion, ROWS.drop(columns="weight"), Path("new.csv")
        )
    error: Any = caught.value
    assert error.message == message
    assert error.hint


def test_what_is_written_and_cannot_be_read_is_said() -> None:
    written = ROWS.assign(weight=["?" if kilos % 2 else text for kilos, text in enumerate(ROWS["weight"])])
    values = written.assign(weight=pd.to_numeric(written["weight"].str.removesuffix(" kg"), errors="coerce"))
    report = check_drift(values, profile("x.y:z"), max_share=0.3, written=written)
    assert report.schema == (
        SchemaProblem("weight", "not_numeric", 0.5),
        SchemaProblem("id", "new", 1.0),
    )
    found: ColumnDrift = report.columns[0]
    assert (found.kind, found.missing) == ("numeric", 0.5)


def test_a_profile_remembers_its_function_and_an_older_one_has_none() -> None:
    known = profile("weighing.reading:read")
    assert Profile.from_json(known.to_json()) == known
    older = known.to_json().replace(b', "values": "weighing.reading:read"', b"")
    assert b"weighing" not in older, PROFILE_FILE
    assert Profile.from_json(older).values is None
