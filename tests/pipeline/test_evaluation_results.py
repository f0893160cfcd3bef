"""What a user's evaluate function may return, and what the baseline beside it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pytest

from mlxkit.errors import StageFailed
from mlxkit.evaluation.profile import PROFILE_FILE, build_profile
from mlxkit.evaluation.score import baseline
from mlxkit.pipeline.command import Command
from mlxkit.pipeline.model_stages import predict_test_rows, training_labels
from mlxkit.pipeline.user_code import evaluation_results

if TYPE_CHECKING:
    from pathlib import Path

    from mlxkit.project.models import Task


class Scores(NamedTuple):
    cost: float
    errors: list[int]


def parted(returned: Any, *written: str, errors: bool = False) -> tuple[dict[str, float], dict[str, Any]]:
    out = {"metrics": "reports/metrics.json", **({"errors": "reports/errors.json"} if errors else {})}
    return evaluation_results(returned, set(written), Command("evaluate", "evaluate", call="m:f", out=out))


def test_metrics_alone() -> None:
    assert parted({"cost": 2, "gain": 0.5}) == ({"cost": 2.0, "gain": 0.5}, {})
    assert parted({"metrics": {"cost": 2}}) == ({"cost": 2.0}, {})
    assert parted(None) == ({}, {})


def test_metrics_beside_further_outputs() -> None:
    expected = ({"cost": 2.0}, {"errors": [1]})
    assert parted({"cost": 2, "errors": [1]}, errors=True) == expected
    assert parted({"metrics": {"cost": 2}, "errors": [1]}, errors=True) == expected
    assert parted(Scores(2, [1]), errors=True) == expected
    assert parted({"errors": [1]}, errors=True) == ({}, {"errors": [1]})


def test_an_output_that_the_function_wrote_itself_is_not_asked_for() -> None:
    assert parted({"cost": 2}, "errors", errors=True) == ({"cost": 2.0}, {})
    assert parted(None, "errors", errors=True) == ({}, {})


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (0.5, "'m:f' returned float, not a dict of metrics"),
        ({"cost": 1}, "'m:f' forgot the output 'errors'"),
        (None, "'m:f' forgot the output 'errors'"),
        ({"cost": "low", "errors": 1}, "a metric of 'm:f' is no number: could not convert string"),
    ],
)
def test_what_cannot_be_used_is_named(returned: Any, message: str) -> None:
    with pytest.raises(StageFailed) as caught:
        parted(returned, errors=True)
    assert caught.value.message.startswith(message)


TRUTHS = {
    "numbers": ("regression", [1.0, 2.0, 3.0], [3.0, 5.0, 7.0]),
    "texts": ("classification", ["no", "no", "no", "yes"], ["yes", "no", "yes", "no"]),
    "whole numbers, one of them not among the rows": ("classification", [0, 0, 1, 2], [1, 1, 1, 0]),
    "booleans": ("classification", [True, False, False], [True, True, False]),
}


@pytest.mark.parametrize(("task", "trained", "labels"), TRUTHS.values(), ids=TRUTHS)
def test_the_baseline_knows_the_training_rows_and_not_those_it_is_scored_on(
    tmp_path: Path, task: Task, trained: list[Any], labels: list[Any]
) -> None:
    training, truth = pd.Series(trained, name="y"), pd.Series(labels, name="y")
    profile = build_profile(training.to_frame(), task=task, inputs=[], target="y")
    (tmp_path / PROFILE_FILE).write_bytes(profile.to_json())
    found = baseline(task, truth, training=training_labels(tmp_path))
    assert found == pytest.approx(baseline(task, truth, training=training))
    assert found != pytest.approx(baseline(task, truth))


def test_a_model_without_a_profile_has_the_baseline_of_the_rows(tmp_path: Path) -> None:
    assert training_labels(tmp_path) is None


def test_no_evaluation_rows_are_named_and_not_left_to_the_model() -> None:
    command = Command(
        "evaluate",
        "evaluate",
        bind={"model": "models/churn", "test": "data/processed/test.parquet"},
        context={"target": "Churn", "task": "classification"},
    )
    with pytest.raises(StageFailed, match="there are no evaluation rows") as raised:
        predict_test_rows(command, object(), pd.DataFrame({"age": [], "Churn": []}))
    assert list(raised.value.context) == ["data/processed/test.parquet"]
    assert raised.value.hint == "let the stage that writes 'test' keep some of the rows for it"
