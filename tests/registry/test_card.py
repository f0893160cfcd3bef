"""A model card: from what people wrote and what the run kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from registry_bench import GOOD, table

from mlxkit.adapters import mlflow_logged_model, mlflow_store, mlflow_tracking
from mlxkit.adapters.mlflow_model import load_model
from mlxkit.adapters.mlflow_tracking import DatasetInput
from mlxkit.evaluation.describe import Subject, describe
from mlxkit.evaluation.facts_json import write_evaluation
from mlxkit.evaluation.predictions import predict
from mlxkit.evaluation.training_rows import TRAINING_ROWS_FILE
from mlxkit.pipeline.record_job import MODEL_HASH
from mlxkit.project.models import Card
from mlxkit.registry.card import ModelCard, card_of, missing_fields
from mlxkit.registry.card_page import report_of
from mlxkit.registry.references import find_model
from mlxkit.report.markdown import render_markdown
from mlxkit.report.page import render_page

if TYPE_CHECKING:
    from pathlib import Path

    from registry_bench import Bench

HASH, ROWS = "c" * 32 + ".dir", "d" * 32
CONFIG = "mlx: 1\ntask: classification\ntarget: Churn\nstages:\n  evaluate: {}\n"
LOCK = f"""\
schema: '2.0'
stages:
  evaluate:
    cmd: mlx exec evaluate
    deps:
    - {{path: data/test.parquet, hash: md5, md5: {ROWS}, size: 1}}
    - {{path: models/churn, hash: md5, md5: {HASH}, size: 1}}
    - {{path: src/churn/cost.py, hash: md5, md5: {"e" * 32}, size: 1}}
    outs:
    - {{path: reports/evaluation.json, hash: md5, md5: {"f" * 32}, size: 1}}
"""
WRITTEN = Card(
    owner="Ann <script>",
    contact="ann@example.org",
    license="internal",
    intended_use="Sorts the list.\n\nA person decides.",
    out_of_scope="Prices.",
    limitations="One country.",
    ethical_considerations="Nobody is refused anything.",
)
PARTS = (
    "## Model details",
    "## Intended use",
    "## Factors and metrics",
    "## Evaluation data",
    "## Training data",
    "## Quantitative analyses",
    "## Ethical considerations",
    "## Caveats and recommendations",
    "## Drift reference",
    "## How it was trained",
    "## Promotions",
)


@pytest.fixture(autouse=True)
def _own_store(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bench.store.uri)


@pytest.fixture(scope="module")
def facts(models: dict[str, Path]) -> str:
    """What the evaluation of the good model finds, with a group."""
    rows = table(2).assign(group=["a", "b"] * 200)
    model = load_model(models["good"])
    predictions = predict(model, rows, "classification", target="Churn", columns=GOOD)
    subject = Subject(
        "classification",
        "Churn",
        rows,
        predictions,
        model,
        training=table(1).Churn,
        positive="Yes",
        protected=["group"],
    )
    return write_evaluation(describe(subject))


def trained(bench: Bench, facts: str | None, *, model_hash: str = HASH) -> str:
    """Record a run that keeps its evaluation, mlx.yaml and dvc.lock."""
    store = bench.store
    run_id = mlflow_tracking.open_run(
        store,
        bench.project.name,
        name="run",
        params={"model": {"depth": 3}},
        tags={"mlx.python": "3.11"},
        datasets=[DatasetInput("train", "data/train.parquet", "a" * 32, size=3000)],
    )
    model_id = mlflow_logged_model.log_model(store, run_id, bench.models["good"])
    kept = bench.project.root / "kept"
    kept.mkdir(exist_ok=True)
    texts = {"dvc.lock": LOCK, "mlx.yaml": CONFIG, "evaluation.json": facts}
    files = [kept / name for name, text in texts.items() if text is not None]
    for file in files:
        file.write_text(texts[file.name] or "")
    mlflow_tracking.close_run(
        store,
        run_id,
        status="FINISHED",
        artifacts=files,
        model_id=model_id,
        stages={"train": mlflow_tracking.StageUse(1.5, 0)},
        tags={MODEL_HASH: model_hash},
    )
    return run_id


def card(bench: Bench, which: str, said: Card | None = None) -> ModelCard:
    project = bench.project if said is None else replace(bench.project, card=said)
    return card_of(project, find_model(project, which, environment=project.environments["dev"]))


def test_a_whole_card(bench: Bench, facts: str) -> None:
    run_id = trained(bench, facts)
    replace(bench, project=replace(bench.project, gates=())).promote(run_id=run_id, reason="the first")
    found = card(bench, "@dev", WRITTEN)
    text = render_markdown(report_of(found))
    places = [text.index(part) for part in PARTS]
    assert places == sorted(places)
    for expected in (
        f"# {bench.project.name}, version 1",
        "Sorts the list. A person decides.",
        "ROC AUC",
        "**Groups of group**",
        "**Calibration, of 100, by tenth of the rows**",
        "signal",
        f"| data/test.parquet | {ROWS} |",
        "Trained on 400 rows.",
        "| data/train.parquet |",
        "| the first |",
        "1.50 s",
    ):
        assert expected in text
    assert "Nobody has written yet" not in text
    document = found.to_json()
    assert document["missing"] == []
    assert document["evaluation_data"] == [{"path": "data/test.parquet", "hash": ROWS}]
    assert document["training_rows"] == 400
    assert 0.5 < document["metrics"]["roc_auc"]["lower"] < document["metrics"]["roc_auc"]["value"] < 1
    assert document["lineage"]["promotions"][0]["record"]["reason"] == "the first"


def test_the_page_escapes_what_people_wrote(bench: Bench, facts: str) -> None:
    page = render_page(report_of(card(bench, trained(bench, facts), WRITTEN)))
    assert "Ann &lt;script&gt;" in page
    assert "<script" not in page
    assert "<p>Sorts the list.</p><p>A person decides.</p>" in page


def test_what_nobody_wrote_is_unknown(bench: Bench, facts: str) -> None:
    found = card(bench, trained(bench, facts), Card(owner="Ann"))
    text = render_markdown(report_of(found))
    assert "**Owner**: Ann" in text
    assert text.count("**License**: unknown") == 1
    assert "**Considerations**: unknown" in text
    assert "Nobody has written yet: contact, license, intended\\_use" in text
    assert "None: no environment ever had it." in text


def test_the_fields_that_are_missing(bench: Bench) -> None:
    assert missing_fields(replace(bench.project, card=WRITTEN)) == []
    assert missing_fields(replace(bench.project, card=replace(WRITTEN, contact=None, license=""))) == [
        "contact",
        "license",
    ]
    assert missing_fields(bench.project) == [
        "owner",
        "contact",
        "license",
        "intended_use",
        "out_of_scope",
        "limitations",
        "ethical_considerations",
    ]


def test_a_run_without_an_evaluation(bench: Bench) -> None:
    found = card(bench, trained(bench, None, model_hash="1" * 32))
    text = render_markdown(report_of(found))
    assert "No run of this model keeps an evaluation" in text
    assert "Unknown: no run of this model keeps an evaluation." in text
    assert found.to_json()["metrics"] == {}
    assert render_page(report_of(found)).startswith("<!DOCTYPE html>")


def test_the_same_model_of_another_run_was_evaluated(bench: Bench, facts: str) -> None:
    trained(bench, facts, model_hash="2" * 32)
    again = trained(bench, None, model_hash="2" * 32)
    assert card(bench, again).evaluation is not None


@pytest.mark.parametrize("broken", ["{", '{"version": 99}', '{"version": 1}', "[]"])
def test_an_evaluation_that_this_mlx_does_not_read(bench: Bench, broken: str) -> None:
    assert card(bench, trained(bench, broken, model_hash="3" * 32)).evaluation is None


def test_an_evaluation_of_another_model_has_no_rows_in_the_lock(bench: Bench, facts: str) -> None:
    found = card(bench, trained(bench, facts, model_hash="4" * 32))
    assert found.evaluated_on == ()
    assert "which file they were is unknown" in render_markdown(report_of(found))


def test_files_that_are_gone(bench: Bench, facts: str) -> None:
    import shutil

    run_id = trained(bench, facts)
    named = find_model(bench.project, run_id, environment=bench.project.environments["dev"])
    (named.directory / TRAINING_ROWS_FILE).write_text("no json")
    assert card(bench, run_id).files.rows is None
    shutil.rmtree(named.directory)
    found = card(bench, run_id)
    assert found.files.problem is not None
    text = render_markdown(report_of(found))
    assert "Its files could not be read: the files of the model" in text
    assert "**Size**: unknown" in text


def test_a_version_whose_run_is_deleted(bench: Bench, facts: str) -> None:
    run_id = trained(bench, facts)
    replace(bench, project=replace(bench.project, gates=())).promote(run_id=run_id)
    with mlflow_store.talking(bench.store, "delete"):
        mlflow_store.connect(bench.store).delete_run(run_id)
    text = render_markdown(report_of(card(bench, "1")))
    assert "**Trained**: unknown" in text
    assert "Its run is deleted, so nothing tells what it was made of." in text
