"""`mlx promote --write-golden`: rows with answers, which the same model meets afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from registry_bench import Bench, table

from mlxkit.errors import Refused, UsageError
from mlxkit.project.gates import GoldenGate, MetricGate
from mlxkit.project.models import Environment, Stage
from mlxkit.registry.write_golden import write_golden

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def written(bench: Bench) -> Bench:
    """A project with evaluation rows and a store in its environments."""
    dev = Environment("dev", tracking=bench.store.uri)
    evaluate = Stage("evaluate", "evaluate", inputs={"test": "test.parquet"}, outputs={})
    project = replace(
        bench.project, stages={**bench.project.stages, "evaluate": evaluate}, environments={"dev": dev}
    )
    table(2).to_parquet(project.root / "test.parquet")
    return replace(bench, project=project)


@pytest.mark.parametrize("name", ["references/golden.csv", "golden.parquet"])
def test_a_model_meets_what_it_said(written: Bench, name: str) -> None:
    run_id = written.run("good")
    golden = write_golden(written.project, written.project.root / name)
    assert (golden.file, golden.rows, golden.run_id) == (name, 50, run_id)
    gated = written.with_gates(GoldenGate(name), MetricGate("accuracy", minimum=0.5))  # type: ignore[arg-type]
    done = gated.promote()
    assert done.promoted
    written.run("poor")
    refused = gated.promote()
    assert not refused.promoted
    assert "rows of " in refused.gates[0].reason
    assert "differ: row " in refused.gates[0].reason


def test_a_file_that_may_not_be_written(written: Bench, tmp_path: Path) -> None:
    written.run("good")
    root = written.project.root
    (root / "golden.csv").write_text("prediction\nYes\n")
    for file, message in (
        (root / "golden.csv", "'golden.csv' is there already"),
        (root / "golden.txt", "'golden.txt' is no table"),
        (root.parent / "golden.csv", "is outside the project"),
    ):
        with pytest.raises(UsageError, match=message):
            write_golden(written.project, file)
    assert (root / "golden.csv").read_text() == "prediction\nYes\n"


def test_without_a_model_nothing_is_written(written: Bench) -> None:
    with pytest.raises(Refused, match="there is nothing to promote"):
        write_golden(written.project, written.project.root / "golden.csv")
    assert not (written.project.root / "golden.csv").exists()


def test_the_model_of_another_run(written: Bench) -> None:
    first = written.run("poor")
    written.run("good")
    golden = write_golden(written.project, written.project.root / "golden.csv", run_id=first)
    assert golden.run_id == first
    rows = pd.read_csv(written.project.root / "golden.csv")
    assert list(rows.columns) == ["noise", "prediction", "probability"]
