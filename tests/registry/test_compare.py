"""Two models side by side: real models, a real store, a real repository."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from mlxkit.adapters import mlflow_logged_model, mlflow_tracking
from mlxkit.adapters.mlflow_tracking import DatasetInput
from mlxkit.errors import DataError
from mlxkit.project.gates import MetricGate
from mlxkit.registry.compare import compare
from mlxkit.registry.compare_page import page_of, write_page
from mlxkit.registry.references import find_model
from mlxkit.report.page import render_page

if TYPE_CHECKING:
    from pathlib import Path

    from registry_bench import Bench

    from mlxkit.registry.comparison import ModelComparison

ROWS = "data/test.parquet"
CONFIG = "mlx: 1\ntask: {task}\ntarget: {target}\n"


def trained(
    bench: Bench,
    model: str | None,
    *,
    commit: str = "",
    params: dict[str, Any] | None = None,
    data: str = "a" * 32,
    config: str = CONFIG.format(task="classification", target="Churn"),
    dirty: bool = False,
) -> str:
    """Record a run with parameters, data, commit and its mlx.yaml."""
    store = bench.store
    run_id = mlflow_tracking.open_run(
        store,
        bench.project.name,
        name="run",
        params=params or {},
        tags={mlflow_tracking.COMMIT: commit, mlflow_tracking.DIRTY: str(dirty).lower()},
        datasets=[DatasetInput("raw", "data/raw.csv", data), DatasetInput("same", "data/same.csv", "b" * 32)],
    )
    model_id = None if model is None else mlflow_logged_model.log_model(store, run_id, bench.models[model])
    file = bench.project.root / "mlx.yaml"
    file.write_text(config)
    mlflow_tracking.close_run(store, run_id, status="FINISHED", artifacts=[file], model_id=model_id)
    return run_id


def compared(bench: Bench, first: str, second: str) -> ModelComparison:
    dev = bench.project.environments["dev"]
    one, other = (find_model(bench.project, which, environment=dev) for which in (first, second))
    return compare(bench.project, one, other)


def test_a_better_model(two: Bench) -> None:
    found = compared(two, trained(two, "poor"), trained(two, "good"))
    assert (
        found.notes
        == (
            "run " + found.second.named.run_id[:8] + " takes 'signal', and "  # type: ignore[index]
            "run " + found.first.named.run_id[:8] + " does not",
        )
    )  # type: ignore[index]
    assert found.paired is not None
    verdicts = {pair.name: pair.verdict for pair in found.metrics}
    assert verdicts["roc_auc"] == verdicts["log_loss"] == "better"
    by_name = {pair.name: pair for pair in found.metrics}
    brier = by_name["brier"]
    assert brier.first is not None
    assert brier.second is not None
    assert brier.gain is not None
    # A lower Brier score is better, so the gain of the better model is above zero.
    assert brier.gain.value == pytest.approx(brier.first.value - brier.second.value)
    assert brier.gain.lower is not None
    assert 0 < brier.gain.lower < brier.gain.value
    assert {(group.column, group.value, group.rows) for group in found.paired.groups} == {
        ("group", "a", 200),
        ("group", "b", 200),
    }
    apart = found.paired.disagreement
    assert apart.differ is not None
    assert (apart.first_right or 0) + (apart.second_right or 0) == apart.differ
    assert found.second.importance[0].column == "signal"


def test_the_other_way_round_the_verdict_turns(two: Bench) -> None:
    poor, good = trained(two, "poor"), trained(two, "good")
    there, back = compared(two, poor, good), compared(two, good, poor)
    for one, other in zip(there.metrics, back.metrics, strict=True):
        assert one.gain is not None
        assert other.gain is not None
        assert one.gain.value == pytest.approx(-other.gain.value)
        assert one.gain.lower == pytest.approx(-other.gain.upper)  # type: ignore[operator]


def test_the_values_are_those_of_scikit_learn(two: Bench) -> None:
    from sklearn.metrics import accuracy_score, roc_auc_score

    from mlxkit.adapters.mlflow_model import load_model

    found = compared(two, trained(two, "poor"), trained(two, "good"))
    rows = pd.read_parquet(two.project.root / ROWS)
    model = load_model(two.models["good"])
    by_name = {pair.name: pair.second.value for pair in found.metrics if pair.second is not None}
    assert by_name["accuracy"] == accuracy_score(rows.Churn, model.predict(rows[["signal", "noise"]]))
    scores = model.predict_proba(rows[["signal", "noise"]])[:, 1]
    assert by_name["roc_auc"] == pytest.approx(roc_auc_score(rows.Churn == "Yes", scores))


def test_equal_models_under_two_names(two: Bench) -> None:
    found = compared(two, trained(two, "good"), trained(two, "good"))
    assert not found.same
    assert {pair.verdict for pair in found.metrics} == {"same"}
    assert found.paired is not None
    assert found.paired.disagreement.differ == 0


def test_one_model_is_not_compared_with_itself(two: Bench) -> None:
    run = trained(two, "good")
    found = compared(two, run, run)
    assert (found.same, found.paired, found.notes) == (True, None, ())


def test_a_model_that_knows_the_evaluation_rows(two: Bench) -> None:
    found = compared(two, trained(two, "good"), trained(two, "cheat"))
    short = found.second.short
    assert found.notes[0] == (
        f"{short} was trained on 100% of the evaluation rows, so its figures are too good to be fair"
    )
    assert found.to_json()["second"]["trained_on"] == 1.0


def test_parameters_and_data_that_differ(two: Bench) -> None:
    first = trained(two, "good", params={"model": {"depth": 3, "seed": 0}}, data="a" * 32)
    second = trained(two, "poor", params={"model": {"depth": 5, "seed": 0, "extra": "x"}}, data="c" * 32)
    found = compared(two, first, second)
    assert [(c.name, c.first, c.second) for c in found.params] == [
        ("model.depth", "3", "5"),
        ("model.extra", None, "x"),
    ]
    assert found.params_alike == 1
    assert [(c.name, c.first, c.second) for c in found.inputs] == [("data/raw.csv", "a" * 32, "c" * 32)]
    assert found.inputs_alike == 1


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_what_the_commits_changed(two: Bench) -> None:
    root = two.project.root
    git(root, "init", "-q", "-b", "main")
    commits = []
    for text in ("a\nb\n", "a\nc\nd\n"):
        (root / "steps.py").write_text(text)
        (root / "with space.txt").write_text("always")
        git(root, "add", "steps.py", "with space.txt")
        git(root, "commit", "-qm", "step")
        commits.append(git(root, "rev-parse", "HEAD"))
    runs = [trained(two, "good", commit=commit, dirty=commit == commits[1]) for commit in commits]
    found = compared(two, *runs)
    assert [(f.path, f.added, f.removed) for f in found.code.files or ()] == [("steps.py", 2, 1)]
    assert found.code.command == f"git diff {commits[0][:12]} {commits[1][:12]}"
    assert found.notes == (f"{found.second.short} was trained with uncommitted changes, which its run keeps",)
    other = trained(two, "good", commit="0" * 40)
    assert compared(two, runs[0], other).code.files is None


def test_models_that_predict_different_things(two: Bench) -> None:
    first = trained(two, "good")
    second = trained(two, "good", config=CONFIG.format(task="regression", target="Spend"))
    found = compared(two, first, second)
    assert found.paired is None
    assert found.first.problem is None
    assert found.second.problem == "it predicts 'Spend' (regression)"
    assert any("they predict different things" in note for note in found.notes)
    assert found.params_alike == 0
    page = render_page(page_of(found, name="churn"))
    assert "not to be compared" in page


def test_columns_that_the_rows_have_no_more(two: Bench) -> None:
    rows = pd.read_parquet(two.project.root / ROWS).drop(columns="signal")
    rows.to_parquet(two.project.root / ROWS)
    found = compared(two, trained(two, "good"), trained(two, "poor"))
    assert found.paired is None
    assert found.first.problem == "the rows lack columns that the model needs: 'signal'"
    assert found.second.problem is None


def test_rows_that_are_not_here(two: Bench) -> None:
    from mlxkit.adapters import dvc

    dvc.init(two.project.root, subdir=False, scm=False)
    (two.project.root / ROWS).unlink()
    found = compared(two, trained(two, "good"), trained(two, "poor", params={"a": 1}))
    assert found.paired is None
    assert found.notes[0] == (
        "nothing was measured: the evaluation rows are not here; run `mlx run evaluate`"
    )
    assert [change.name for change in found.params] == ["a"]


def test_no_label_in_the_rows(two: Bench) -> None:
    pd.read_parquet(two.project.root / ROWS).assign(Churn=None).to_parquet(two.project.root / ROWS)
    found = compared(two, trained(two, "good"), trained(two, "poor"))
    assert found.first.problem == "no row has a label, so nothing can be scored"


def test_a_model_that_cannot_be_loaded_any_more(two: Bench) -> None:
    run = trained(two, "good")
    found_one = find_model(two.project, run, environment=two.project.environments["dev"])
    next(path for path in found_one.directory.iterdir() if path.name.startswith("model.")).write_bytes(b"no")
    found = compared(two, run, trained(two, "poor"))
    assert found.paired is None
    assert found.first.problem is not None
    assert found.first.problem.startswith("cannot load the model")


def test_a_run_without_a_model(two: Bench) -> None:
    found = compared(two, trained(two, None), trained(two, "poor"))
    assert found.first.problem == f"{found.first.short} has no model"


def test_what_stdout_gets_while_models_predict(two: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    compared(two, trained(two, "good"), trained(two, "poor"))
    assert capfd.readouterr().out == ""


def test_the_page(two: Bench, tmp_path: Path) -> None:
    found = compared(two, trained(two, "poor"), trained(two, "good", params={"html": "<script>a & b"}))
    write_page(found, tmp_path / "new folder" / "page.html", name="churn")
    page = (tmp_path / "new folder" / "page.html").read_text()
    assert "&lt;script&gt;a &amp; b" in page
    assert "<script" not in page
    assert "src=" not in page
    with pytest.raises(DataError, match="cannot be written"):
        write_page(found, tmp_path, name="churn")


JUDGE = """\
def judge(model, test, target):
    print("judging")
    return {"found": float((model.predict(test) == test[target]).sum()), "slow": 1.0}
"""


@pytest.fixture
def judged(two: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The same with an evaluate function of the project's own, and gates on its metrics."""
    package = two.project.root / "src/judging"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text(JUDGE)
    for module in ("judging", "judging.steps"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    evaluate = replace(
        two.project.stages["evaluate"],
        call="judging.steps:judge",
        outputs={"metrics": "reports/metrics.json"},
    )
    gates = (MetricGate("found", minimum=0, direction="higher"), MetricGate("absent", minimum=0))
    stages = {**two.project.stages, "evaluate": evaluate}
    return replace(two, project=replace(two.project, package="judging", stages=stages, gates=gates))


def test_metrics_of_the_projects_own(judged: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    found = compared(judged, trained(judged, "poor"), trained(judged, "good"))
    assert [pair.name for pair in found.own] == ["found"]
    own = found.own[0]
    accuracy = next(pair for pair in found.metrics if pair.name == "accuracy")
    assert own.verdict == "better"
    assert own.second is not None
    assert accuracy.second is not None
    assert own.second.value == pytest.approx(400 * accuracy.second.value)
    assert any(note.startswith("'absent' was not measured: ") for note in found.notes)
    assert capfd.readouterr().out == ""


def test_without_a_direction_nobody_knows_which_value_is_better(judged: Bench) -> None:
    gates = (MetricGate("found", minimum=0),)
    bench = replace(judged, project=replace(judged.project, gates=gates))
    own = compared(bench, trained(bench, "poor"), trained(bench, "good")).own[0]
    assert (own.gain, own.verdict) == (None, None)
    assert own.first is not None
    assert own.first.lower is not None


def test_a_slow_metric_of_the_projects_own_is_not_resampled(
    judged: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlxkit.registry.score_both._SLOW_SECONDS", 0.0)
    own = compared(judged, trained(judged, "poor"), trained(judged, "good")).own[0]
    assert own.first is not None
    assert (own.first.lower, own.gain) == (None, None)
