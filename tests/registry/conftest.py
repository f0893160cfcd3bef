"""What the tests of the registry share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from registry_bench import GOOD, POOR, Bench, table
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlxkit.adapters import mlflow_model, mlflow_store
from mlxkit.evaluation.training_rows import TRAINING_ROWS_FILE, fingerprint
from mlxkit.project.environments import DEFAULTS
from mlxkit.project.gates import MetricGate
from mlxkit.project.models import Project, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.adapters.mlflow_store import Store

EVALUATION_ROWS = "data/test.parquet"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Saved models: one sees the signal, one sees noise alone, one was trained on the evaluation rows."""
    folder = tmp_path_factory.mktemp("models")
    recipes = {"good": (GOOD, table(1)), "poor": (POOR, table(1)), "cheat": (POOR, table(2))}
    for name, (columns, rows) in recipes.items():
        inputs = ColumnTransformer([("scaled", StandardScaler(), columns)])
        model = make_pipeline(inputs, LogisticRegression()).fit(rows[columns], rows.Churn)
        known = fingerprint(rows, columns=columns).to_json()
        mlflow_model.save_model(
            model,
            folder / name / "churn",
            example=rows[columns],
            predictions=model.predict(rows[columns].head()),
            extra_files={TRAINING_ROWS_FILE: known},
        )
    return {name: folder / name / "churn" for name in recipes}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return mlflow_store.resolve(tmp_path_factory.mktemp("store"))


@pytest.fixture
def bench(tmp_path: Path, store: Store, models: dict[str, Path]) -> Bench:
    project = Project(
        root=tmp_path,
        name=f"churn-{uuid4().hex[:8]}",
        package="churn",
        task="classification",
        target="Churn",
        positive="Yes",
        stages={"train": Stage("train", "train", call="m:f", outputs={"model": "models/churn"})},
        gates=(MetricGate("roc_auc", minimum=0.6), MetricGate("roc_auc", beats="champion")),
        environments=DEFAULTS,
    )
    return Bench(project, store, models)


@pytest.fixture
def two(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A project with evaluation rows, in the store of the tests."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bench.store.uri)
    root = bench.project.root
    (root / "data").mkdir()
    table(2).assign(group=["a", "b"] * 200).to_parquet(root / EVALUATION_ROWS)
    evaluate = Stage("evaluate", "evaluate", inputs={"test": EVALUATION_ROWS, "model": "models/churn"})
    stages = {**bench.project.stages, "evaluate": evaluate}
    return replace(bench, project=replace(bench.project, stages=stages, protected=("group",)))
