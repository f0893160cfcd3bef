"""`mlx open`, and the table of metrics at the end of a run."""

from __future__ import annotations

import hashlib
import os
import webbrowser
from typing import TYPE_CHECKING, Any

import pytest

from mlxkit.cli.results import _difference, metric_lines
from mlxkit.evaluation.facts import (
    ChampionFacts,
    ChampionMetric,
    Estimate,
    Evaluation,
    Gap,
    Method,
    MetricFact,
)
from mlxkit.evaluation.facts_json import write_evaluation, write_fact
from mlxkit.output import Output
from mlxkit.pipeline.run_result import RunResult

if TYPE_CHECKING:
    from conftest import Mlx, TmpDir

MLX_YAML = """\
mlx: 1
project: demo
package: demo
task: classification
target: y
stages:
  train:
    call: demo.model:train
    inputs: {train: data/train.csv}
    outputs: {model: models/demo, test: data/test.csv}
  evaluate: {}
"""
FACTS = Evaluation(
    task="classification",
    target="y",
    positive="yes",
    rows=50,
    labelled=50,
    columns=2,
    headline="roc_auc",
    metrics=(MetricFact("roc_auc", "higher", Estimate(0.8, 0.7, 0.9), 0.5, Estimate(0.3, 0.2, 0.4)),),
    method=Method(1000, 50, 0),
    own={},
    gaps=(Gap("weak slices", "50 rows are too few to search"),),
)


@pytest.fixture
def project(tmp_dir: TmpDir) -> TmpDir:
    """A project that was never evaluated."""
    model = "def train(train):\n    return train\n"
    return tmp_dir.gen({"mlx.yaml": MLX_YAML, "src/demo/__init__.py": "", "src/demo/model.py": model})


@pytest.fixture
def evaluated(project: TmpDir) -> TmpDir:
    """One with facts, as a cache or a colleague brings them: without a page."""
    return project.gen("reports/evaluation.json", write_evaluation(FACTS))


def test_no_evaluation_yet(project: TmpDir, mlx: Mlx) -> None:
    result = mlx("open")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: there is no evaluation yet\n  reports/evaluation.json\nhint: run `mlx run evaluate`\n"
    )


def test_no_stage_that_evaluates(project: TmpDir, mlx: Mlx) -> None:
    project.gen("mlx.yaml", MLX_YAML.replace("  evaluate: {}\n", ""))
    result = mlx("open")
    assert result.code == 2
    assert result.err == (
        "error: mlx.yaml has no stage of kind 'evaluate'\nhint: add `evaluate: {}` below `stages:`\n"
    )


def test_facts_that_cannot_be_read(project: TmpDir, mlx: Mlx) -> None:
    project.gen("reports/evaluation.json", "[]")
    result = mlx("open")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: 'evaluation.json' cannot be read: not an evaluation that this mlx reads\n"
        f"  {project}/reports/evaluation.json\nhint: run `mlx run --force evaluate`\n"
    )


def test_a_missing_page_is_drawn_and_a_current_one_is_left(evaluated: TmpDir, mlx: Mlx) -> None:
    page = evaluated / "reports/evaluation.html"
    result = mlx("open")
    assert (result.code, result.out, result.err) == (0, f"{page}\n", "")
    assert "How well does the model predict y?" in page.read_text()
    assert "## What could not be computed" in (evaluated / "reports/evaluation.md").read_text()
    before = page.stat().st_mtime_ns
    assert mlx("open", "--json").json == {
        "report": str(page),
        "markdown": str(evaluated / "reports/evaluation.md"),
        "facts": str(evaluated / "reports/evaluation.json"),
        "drawn": False,
        "opened": False,
    }
    assert page.stat().st_mtime_ns == before


def test_a_page_of_other_facts_is_drawn_anew(evaluated: TmpDir, mlx: Mlx) -> None:
    mlx("open")
    other = write_evaluation(FACTS).replace('"y"', '"z"')
    evaluated.gen("reports/evaluation.json", other)
    assert mlx("open", "--json").json["drawn"]
    assert "predict z?" in (evaluated / "reports/evaluation.html").read_text()


def test_the_champion_of_these_facts_is_remembered(evaluated: TmpDir, mlx: Mlx) -> None:
    digest = hashlib.md5((evaluated / "reports/evaluation.json").read_bytes()).hexdigest()
    known = ChampionFacts(
        digest, "dev", "7", metrics=(ChampionMetric("roc_auc", 0.7, Estimate(0.1, 0.05, 0.2)),)
    )
    evaluated.gen(".mlx", {"champion.json": write_fact(known)})
    page = evaluated / "reports/evaluation.html"
    mlx("open")
    assert "version 7, the champion of dev" in page.read_text()
    evaluated.gen(".mlx", {"champion.json": write_fact(known).replace(digest, "other")})
    page.unlink()
    mlx("open")
    assert "the champion of dev" not in page.read_text()


def test_a_browser_is_asked_only_where_there_is_a_screen(
    evaluated: TmpDir, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def browse(url: str) -> bool:
        asked.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    monkeypatch.setattr(Output, "is_seen", True)
    page = evaluated / "reports/evaluation.html"
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert mlx("open").out == f"{page}\n"
    monkeypatch.setenv("DISPLAY", ":0")
    assert mlx("open").out == f"opened {page}\n"
    os.environ["CI"] = "1"
    assert mlx("open").out == f"{page}\n"
    assert asked == [page.as_uri()]


# --- the table of a run

METRICS: dict[str, Any] = {"roc_auc": 0.83457, "log_loss": 0.4, "cost": 12, "baseline": {"roc_auc": 0.5}}
INTERVALS = {"roc_auc": [0.81, 0.8571], "log_loss": [0.38, 0.42]}
CHAMPION = {
    "version": "3",
    "environment": "dev",
    "same": False,
    "problem": None,
    "metrics": {
        "roc_auc": {"champion": 0.82, "difference": 0.0146, "interval": [0.003, 0.03]},
        "log_loss": {"champion": 0.4, "difference": 0.0, "interval": None},
    },
}


def lines(**values: Any) -> list[str]:
    result = RunResult("r", None, False, "dev", (), metrics=METRICS, **values)
    return metric_lines(Output(), result)


def test_metrics_alone() -> None:
    assert lines() == [
        "",
        "metric     model  baseline",
        "roc_auc   0.8346       0.5",
        "log_loss     0.4",
        "cost          12",
        "",
    ]


def test_everything_on_a_wide_terminal() -> None:
    assert lines(intervals=INTERVALS, champion=CHAMPION, report="reports/evaluation.html") == [
        "",
        "metric     model  95 % interval  baseline       v3",
        "roc_auc   0.8346  0.81 to 0.857       0.5  +0.015*",
        "log_loss     0.4  0.38 to 0.42                 +0",
        "cost          12",
        "",
        "v3, the champion of dev: by how much this model is better",
        "on the same rows; * beyond chance",
        "",
        "report: reports/evaluation.html (`mlx open` shows it)",
    ]


def test_everything_fits_sixty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    long = {"median_absolute_error": 1234.5678, "baseline": {"median_absolute_error": 1234.5678}}
    champion = {
        **CHAMPION,
        "version": "120",
        "metrics": {
            "median_absolute_error": {"champion": 1.0, "difference": -123.4, "interval": [-200.0, -100.0]}
        },
    }
    result = RunResult(
        "r",
        None,
        False,
        "dev",
        (),
        metrics=long,
        intervals={"median_absolute_error": [1100.0, 1300.0]},
        champion=champion,
        report="reports/evaluation.html",
    )
    found = metric_lines(Output(), result)
    assert max(map(len, found)) <= 60
    assert found[2] == "median_absolute_error   1235  \N{PLUS-MINUS SIGN}100      1235  -120*"


@pytest.mark.parametrize(
    ("value", "text"),
    [(-112.8, "-110"), (0.0123, "+0.012"), (99.9, "+100"), (123456.0, "+1.2e+05"), (0.0, "+0")],
)
def test_a_difference_has_no_exponent_while_it_is_short(value: float, text: str) -> None:
    found = {"difference": value, "interval": None}
    assert _difference(found).rstrip() == text


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"same": True}, "this model is v3, the champion of dev"),
        ({"problem": "gone"}, "not compared with v3, the champion of dev: gone"),
    ],
)
def test_a_champion_without_a_comparison(change: dict[str, Any], line: str) -> None:
    assert line in lines(champion={**CHAMPION, "metrics": {}, **change})
