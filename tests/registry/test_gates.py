"""Gates on metrics say yes or no, and why, in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import project, trial, verdict, words

from mlxkit.errors import Interrupted, MlxError, ToolError
from mlxkit.evaluation.comparison import Comparison
from mlxkit.evaluation.training_rows import Overlap
from mlxkit.project.gates import MetricGate
from mlxkit.registry.gates.metric import against, unfair
from mlxkit.registry.gates.trial import Champion
from mlxkit.registry.gates.verdict import shown

BEATS = MetricGate("roc_auc", beats="champion")
FEW = pd.DataFrame({"y": words("1100")})


def comparison(
    challenger: float,
    champion: float,
    lower: float,
    *,
    rows: int = 1409,
    keys: int | None = None,
    error: float | None = None,
) -> Comparison:
    gap = challenger - champion
    resamples = 1000 if rows else 0
    return Comparison("roc_auc", challenger, champion, gap, lower, 0.95, rows, resamples, keys, error)


@pytest.mark.parametrize(
    ("gate", "value", "passed", "reason"),
    [
        (MetricGate("gini", minimum=0.8), 0.9123, True, "'gini' is 0.912, at least 0.8 is required"),
        (MetricGate("gini", minimum=0.8), 0.8, True, "'gini' is 0.800, at least 0.8 is required"),
        (MetricGate("gini", minimum=0.8), 0.78, False, "'gini' is 0.780, 0.020 short of the required 0.8"),
        (MetricGate("gini", minimum=0.8), 0.79996, False, "'gini' is 0.800, 4e-05 short of the required 0.8"),
        (MetricGate("loss", maximum=0.5), 0.4, True, "'loss' is 0.400, at most 0.5 is required"),
        (MetricGate("loss", maximum=0.5), 0.75, False, "'loss' is 0.750, 0.250 over the required 0.5"),
        (MetricGate("cost", maximum=9e4), 91234.5, False, "'cost' is 91,234, 1,234 over the required 90000"),
    ],
)
def test_bounds(gate: MetricGate, value: float, passed: bool, reason: str) -> None:
    found = verdict(gate, trial(FEW, words("1100"), recorded={gate.metric: value}))
    bound = gate.minimum if gate.minimum is not None else gate.maximum
    assert (found.passed, found.reason) == (passed, reason)
    assert (found.observed, found.required) == (value, bound)


def test_a_metric_without_value_fails() -> None:
    reason = "ROC AUC cannot be computed for this model on the evaluation rows"
    for gate in (MetricGate("roc_auc", minimum=0.8), BEATS):
        found = verdict(gate, trial(FEW, words("1100")))
        assert (found.passed, found.observed, found.reason) == (False, None, reason)


def test_no_number_is_a_refusal() -> None:
    for own in (float("nan"), float("inf")):
        measured = trial(FEW, words("1100"), own={"gain": lambda truth, predictions, value=own: value})
        found = verdict(MetricGate("gain", minimum=0.0), measured)
        assert not found.passed
        assert found.observed is None
        assert found.reason == "'gain' cannot be computed for this model on the evaluation rows"


def test_the_first_model_has_nothing_to_beat() -> None:
    found = verdict(MetricGate("accuracy", beats="champion"), trial(FEW, words("1100")))
    assert (found.passed, found.required) == (True, None)
    assert found.reason == "there is no champion yet, so there is nothing to beat"


def test_calibration_is_that_of_the_report() -> None:
    """Half of the rows say 0.2 and half 0.9; 0.3 and 0.8 of them are positive."""
    truth = words("1110000000" * 10 + "1111111100" * 10)
    scores = [0.2] * 100 + [0.9] * 100
    sure = trial(pd.DataFrame({"y": truth}), words("0" * 100 + "1" * 100), scores=scores)
    found = verdict(MetricGate("calibration_error", maximum=0.05), sure)
    assert not found.passed
    assert found.observed == pytest.approx(0.1)
    assert found.reason == "Calibration error is 0.100, 0.050 over the required 0.05"
    assert verdict(MetricGate("calibration_error", maximum=0.11), sure).passed


@pytest.mark.parametrize(
    ("measured", "data", "reason"),
    [
        (
            comparison(0.912, 0.9, 0.004),
            "3f2a9c1d77",
            "better by 0.012, and by at least 0.004 with 95 % confidence on 1,409 rows (data 3f2a9c1)",
        ),
        (
            comparison(0.912, 0.9, -0.002),
            "",
            "better by 0.012, but that may be chance: "
            "the lower bound is -0.002 with 95 % confidence on 1,409 rows",
        ),
        (
            comparison(0.912, 0.9, -0.002, error=0.01),
            "",
            "better by 0.012, but that may be chance: the lower bound is -0.002 with 95 % confidence on "
            "1,409 rows; to tell such a difference takes about 2,700 rows",
        ),
        (
            comparison(0.912, 0.9, 0.001, keys=310),
            "",
            "better by 0.012, and by at least 0.001 with 95 % confidence on 1,409 rows of 310 keys",
        ),
        (comparison(0.88, 0.9, -0.03), "", "worse by 0.020"),
        (comparison(0.912, 0.912, 0.0), "", "no better"),
        (comparison(0.912, 0.9, 0.012, rows=0), "", "better by 0.012, as both runs recorded it"),
    ],
)
def test_what_is_said_of_a_comparison(measured: Comparison, data: str, reason: str) -> None:
    start = f"ROC AUC is {measured.challenger:.3f} against {measured.champion:.3f} of version 3: "
    assert against(measured, "version 3", data) == start + reason


def test_rows_needed() -> None:
    """At four times the rows the error is half, so a gap of half of z errors takes four times as many."""
    z = 1.6448536269514722
    assert comparison(0.5 + z * 0.01, 0.5, -1, rows=100, error=0.02).rows_needed == pytest.approx(400, abs=1)
    assert comparison(0.5, 0.5, 0.0, error=0.02).rows_needed is None
    assert comparison(0.9, 0.5, -1, rows=100, error=0.02).rows_needed == 101


def _only(ours: int, theirs: int, both: int, *, confidence: float = 0.95) -> Any:
    """Judge a model that has rows right which the champion has not, and the other way round."""
    truth = words("1" * (ours + theirs + both))
    challenger = words("1" * ours + "0" * theirs + "1" * both)
    champion = words("0" * ours + "1" * theirs + "1" * both)
    tried = trial(pd.DataFrame({"y": truth}), challenger)
    rival = trial(pd.DataFrame({"y": truth}), champion).challenger
    version = Champion("version 3", lambda: Path("/nowhere"), dict)
    tried = type(tried)(tried.project, tried.environment, tried.challenger, tried.rows, version)
    tried.__dict__["rival"] = rival
    return verdict(MetricGate("accuracy", beats="champion", confidence=confidence), tried)


def test_accuracy_is_decided_by_an_exact_test() -> None:
    """One-sided p of 9 of 10 is 11/1024, of 8 of 10 it is 56/1024."""
    assert _only(9, 1, 90).passed
    refused = _only(8, 2, 90)
    assert not refused.passed
    assert (refused.observed, refused.required) == (pytest.approx(0.98), pytest.approx(0.92))
    assert refused.reason == (
        "Accuracy is 0.980 against 0.920 of version 3: better by 0.060, but that may be chance: the lower "
        "bound is -0.001 with 95 % confidence on 100 rows, by McNemar's exact test: it alone has 8 rows "
        "right, version 3 alone 2; to tell such a difference takes about 110 rows"
    )
    assert not _only(9, 1, 90, confidence=0.99).passed


def test_guessing_is_beaten_on_the_same_rows() -> None:
    truth = words("1" * 60 + "0" * 60)
    rows = pd.DataFrame({"y": truth})
    good = trial(rows, truth, scores=[0.8] * 60 + [0.3] * 60)
    found = verdict(MetricGate("roc_auc", beats="baseline"), good)
    assert found.passed
    assert (found.observed, found.required) == (1.0, 0.5)
    assert found.reason.startswith(
        "ROC AUC is 1.000 against 0.500 of guessing: better by 0.500, and by at least"
    )
    flat = trial(rows, truth, scores=[0.5] * 120)
    assert verdict(MetricGate("roc_auc", beats="baseline"), flat).reason.endswith("of guessing: no better")


def test_a_champion_that_knows_the_rows() -> None:
    assert unfair("version 3", Overlap(1409, 1409, 1127)) == (
        "version 3 was trained on 1,127 of the 1,409 evaluation rows, "
        "so a comparison on them would not be fair"
    )
    assert unfair("version 3", Overlap(9000, 100, 80)).startswith(
        "version 3 was trained on about 80% of the evaluation rows"
    )


def test_a_metric_that_there_is_not_is_refused() -> None:
    found = verdict(MetricGate("roc_auk", minimum=0.5), trial(FEW, words("1100"), scores=[1, 1, 0, 0]))
    assert not found.passed
    assert found.reason == "cannot be judged: there is no metric 'roc_auk', did you mean 'roc_auc'?"
    found = verdict(MetricGate("gini", beats="champion"), trial(FEW, words("1100"), recorded={"gini": 0.5}))
    assert found.reason == (
        "cannot be judged: mlx does not know which way 'gini' is better; "
        "write `direction: higher` or `direction: lower`"
    )


def test_whatever_goes_wrong_is_a_refusal() -> None:
    def gone() -> Path:
        raise ToolError(
            "the files of the model are gone", context=["'x' does not exist"], hint="run `mlx doctor`"
        )

    def broken(truth: Any, predictions: Any) -> float:
        raise ZeroDivisionError("division\nby zero")

    version = Champion("version 3", gone, dict)
    found = verdict(MetricGate("accuracy", beats="champion"), trial(FEW, words("1100"), champion=version))
    assert not found.passed
    assert found.reason == (
        "cannot be judged: the files of the model are gone: 'x' does not exist; run `mlx doctor`"
    )
    found = verdict(MetricGate("gain", minimum=0), trial(FEW, words("1100"), own={"gain": broken}))
    assert found.reason == "cannot be judged: ZeroDivisionError: division by zero"


def test_an_interruption_is_no_verdict() -> None:
    def stop(truth: Any, predictions: Any) -> float:
        raise Interrupted("stopped")

    with pytest.raises(MlxError, match="stopped"):
        verdict(MetricGate("gain", minimum=0), trial(FEW, words("1100"), own={"gain": stop}))


def test_a_regression_beats_the_mean() -> None:
    truth = np.arange(50.0)
    tried = trial(pd.DataFrame({"y": truth}), truth + 1, of=project(task="regression", positive=None))
    found = verdict(MetricGate("mae", beats="baseline"), tried)
    assert found.passed
    assert found.observed == pytest.approx(1)
    assert found.required == pytest.approx(12.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (0.00042, "0.0004"), (-0.0213, "-0.021"), (12.345, "12.35"), (123456.7, "123,457")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert shown(value) == text
