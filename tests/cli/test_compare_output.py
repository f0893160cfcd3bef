"""What `mlx compare` prints, and how it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.adapters.git_commits import FileChange
from mlxkit.adapters.mlflow_registry import Version
from mlxkit.adapters.mlflow_store import Store
from mlxkit.cli.compare_lines import lines_of
from mlxkit.evaluation.facts import Estimate, Importance, Method
from mlxkit.evaluation.facts_of_pairs import Disagreement, GroupPair, MetricPair, Paired
from mlxkit.output import Output
from mlxkit.registry.comparison import Change, CodeChange, ModelComparison, Side
from mlxkit.registry.named_model import NamedModel

if TYPE_CHECKING:
    import pytest

    from conftest import Mlx, TmpDir


def side(number: str, *importance: tuple[str, float]) -> Side:
    from datetime import UTC, datetime
    from pathlib import Path

    version = Version("churn", number, None, None, "", datetime(2026, 1, 1, tzinfo=UTC))
    named = NamedModel(Store("sqlite:///x", Path()), None, version)
    columns = tuple(Importance(name, loss, loss, loss, loss) for name, loss in importance)
    return Side(named, "classification", "Churn", (), importance=columns)


def comparison() -> ModelComparison:
    better = MetricPair(
        "roc_auc", "higher", Estimate(0.8, 0.75, 0.85), Estimate(0.9, 0.85, 0.95), Estimate(0.1, 0.05, 0.15)
    )
    unknown = MetricPair("recall", "higher", Estimate(0.5), None)
    return ModelComparison(
        first=side("1", ("income", 0.2)),
        second=side("2", ("income", 0.1), ("a column with a name that is very long indeed", 0.00001)),
        same=False,
        rows="data/test.parquet",
        paired=Paired(
            "roc_auc",
            400,
            399,
            (better, unknown),
            (GroupPair("gender", "x", 4, None), GroupPair("gender", "y", 395, better)),
            Disagreement(399, differ=12, first_right=4, second_right=8),
            Method(1000, 399, 0),
        ),
        own=(),
        params=(Change("model.depth", "3", None),),
        params_alike=2,
        inputs=(),
        inputs_alike=1,
        code=CodeChange(
            "a" * 40, "b" * 40, (FileChange("x.py", 1, 2), FileChange("y.png", None, None)), "git diff a b"
        ),
        measured="roc_auc",
        notes=("version 1 was registered without a run",),
    )


def test_on_a_narrow_terminal_intervals_stand_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = lines_of(Output(), comparison(), None)
    assert max(map(len, lines)) <= 80
    place = next(i for i, line in enumerate(lines) if line.startswith("roc_auc"))
    assert lines[place].split() == ["roc_auc", "0.800", "0.900", "+0.100", "better"]
    assert lines[place + 1].split("  ")[-1].strip() == "+0.050 to +0.150"
    text = "\n".join(lines)
    for expected in (
        "on the same 399 rows of data/test.parquet",
        "they give 12 rows another label: A is right on 4 of those, B on 8",
        "too few rows",
        "\n(",
        "2 parameters alike",
        "data inputs: the same (1)",
        "  y.png  binary",
        "git diff a b",
        "note: version 1 was registered without a run",
    ):
        assert expected in text


def test_on_a_wide_terminal_they_stand_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    lines = lines_of(Output(), comparison(), None)
    line = next(line for line in lines if line.startswith("roc_auc"))
    assert line.split("  ")[0] == "roc_auc"
    assert "0.800  0.750 to 0.850" in line
    assert max(map(len, lines)) <= 120


def test_the_document() -> None:
    document = comparison().to_json()
    assert set(document) == {
        "first", "second", "same", "rows", "headline", "metrics", "groups", "disagreement",
        "params", "inputs", "code", "importance", "notes",
    }  # fmt: skip
    assert document["metrics"][0] == {
        "metric": "roc_auc",
        "direction": "higher",
        "first": {"value": 0.8, "interval": [0.75, 0.85]},
        "second": {"value": 0.9, "interval": [0.85, 0.95]},
        "difference": {"value": 0.1, "interval": [0.05, 0.15]},
        "verdict": "better",
    }
    assert document["metrics"][1]["verdict"] is None
    assert document["groups"][0] == {"column": "gender", "value": "x", "rows": 4, "metric": None}


def test_without_a_champion(mlx: Mlx, copies: TmpDir) -> None:
    result = mlx("compare")
    assert result.code == 2
    assert result.err.splitlines()[-2:] == [
        "error: 'dev' has no champion yet to compare with",
        "hint: run `mlx promote --to dev`, or name two models: `mlx compare A B`",
    ]


def test_an_environment_that_there_is_not(mlx: Mlx, copies: TmpDir) -> None:
    result = mlx("compare", "--env", "stagin", "--json")
    assert result.code == 2
    assert result.json["error"]["message"] == "there is no environment 'stagin', did you mean 'staging'?"


def test_a_model_that_there_is_not(mlx: Mlx, copies: TmpDir) -> None:
    result = mlx("compare", "3", "--json")
    assert result.code == 2
    assert result.json["error"]["message"] == "'copies' has no version 3"
