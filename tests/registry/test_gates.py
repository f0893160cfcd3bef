"""Gates say yes or no, and why, in a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import ConfigError, DataError
from mlxkit.evaluation.comparison import Comparison
from mlxkit.evaluation.training_rows import Overlap
from mlxkit.project.models import Gate
from mlxkit.registry.gates import Rival, judge, shown

if TYPE_CHECKING:
    from mlxkit.project.models import Direction

BEATS = Gate("roc_auc", beats="champion")


def verdict(gate: Gate, value: float | None, rival: Rival | None = None) -> tuple[bool, str]:
    metrics = {} if value is None else {gate.metric: value}
    (found,) = judge([gate], task="classification", metrics=metrics, rival=rival)
    assert found.gate == str(gate)
    return found.passed, found.reason


def rival(comparison: Comparison | None = None, overlap: Overlap | None = None) -> Rival:
    def compare(gate: Gate, direction: Direction) -> Comparison:
        if comparison is None:
            raise DataError("'roc_auc' cannot be computed for the champion on these 3 rows")
        return comparison

    return Rival("version 3", overlap, compare)


def comparison(
    challenger: float, champion: float, lower: float, *, resamples: int = 1000, keys: int | None = None
) -> Comparison:
    difference = challenger - champion
    return Comparison("roc_auc", challenger, champion, difference, lower, 0.95, 1409, resamples, keys)


@pytest.mark.parametrize(
    ("gate", "value", "passed", "reason"),
    [
        (Gate("roc_auc", minimum=0.8), 0.9123, True, "ROC AUC is 0.912, at least 0.8 is required"),
        (Gate("roc_auc", minimum=0.8), 0.8, True, "ROC AUC is 0.800, at least 0.8 is required"),
        (Gate("roc_auc", minimum=0.8), 0.78, False, "ROC AUC is 0.780, 0.020 short of the required 0.8"),
        (Gate("roc_auc", minimum=0.8), 0.79996, False, "ROC AUC is 0.800, 4e-05 short of the required 0.8"),
        (Gate("log_loss", maximum=0.5), 0.4, True, "Log loss is 0.400, at most 0.5 is required"),
        (Gate("log_loss", maximum=0.5), 0.75, False, "Log loss is 0.750, 0.250 over the required 0.5"),
        (Gate("cost", maximum=9e4), 91234.5, False, "'cost' is 91,234, 1,234 over the required 90000"),
    ],
)
def test_bounds(gate: Gate, value: float, passed: bool, reason: str) -> None:
    assert verdict(gate, value) == (passed, reason)


def test_observed_and_required_are_numbers() -> None:
    gates = [Gate("roc_auc", minimum=0.8), BEATS]
    against = rival(comparison(0.9, 0.85, 0.02))
    first, second = judge(gates, task="classification", metrics={"roc_auc": 0.9}, rival=against)
    assert (first.observed, first.required) == (0.9, 0.8)
    assert (second.observed, second.required) == (0.9, 0.85)


def test_a_metric_without_value_fails() -> None:
    reason = "ROC AUC cannot be computed for this model on the evaluation rows"
    assert verdict(Gate("roc_auc", minimum=0.8), None) == (False, reason)
    assert verdict(BEATS, None) == (False, reason)


def test_the_first_model_has_nothing_to_beat() -> None:
    assert verdict(BEATS, 0.9) == (True, "there is no champion yet, so there is nothing to beat")


@pytest.mark.parametrize(
    ("measured", "passed", "reason"),
    [
        (
            comparison(0.912, 0.9, 0.004),
            True,
            "ROC AUC is 0.912 against 0.900 of version 3: better by 0.012, and by at least 0.004 "
            "with 95 % confidence on 1,409 rows",
        ),
        (
            comparison(0.912, 0.9, -0.002),
            False,
            "ROC AUC is 0.912 against 0.900 of version 3: better by 0.012, but that may be chance: "
            "the lower bound is -0.002 with 95 % confidence on 1,409 rows",
        ),
        (
            comparison(0.912, 0.9, 0.001, keys=310),
            True,
            "ROC AUC is 0.912 against 0.900 of version 3: better by 0.012, and by at least 0.001 "
            "with 95 % confidence on 1,409 rows of 310 keys",
        ),
        (comparison(0.88, 0.9, -0.03), False, "ROC AUC is 0.880 against 0.900 of version 3: worse by 0.020"),
        (comparison(0.9, 0.9, 0.0), False, "ROC AUC is 0.900 against 0.900 of version 3: no better"),
        (
            comparison(0.912, 0.9, 0.012, resamples=0),
            True,
            "ROC AUC is 0.912 against 0.900 of version 3: better by 0.012, as both runs recorded it",
        ),
        (
            None,
            False,
            "no comparison with version 3: 'roc_auc' cannot be computed for the champion on these 3 rows",
        ),
    ],
)
def test_against_a_champion(measured: Comparison | None, passed: bool, reason: str) -> None:
    assert verdict(BEATS, 0.912, rival(measured)) == (passed, reason)


@pytest.mark.parametrize(
    ("overlap", "passed", "reason"),
    [
        (Overlap(100, 100, 1), True, "better by"),
        (
            Overlap(1409, 1409, 1127),
            False,
            "version 3 was trained on 1,127 of the 1,409 evaluation rows, "
            "so a comparison on them would not be fair",
        ),
        (Overlap(9000, 100, 80), False, "version 3 was trained on about 80% of the evaluation rows"),
        (Overlap(9000, 0, 0), True, "better by"),
    ],
)
def test_a_champion_that_knows_the_rows(overlap: Overlap, passed: bool, reason: str) -> None:
    found = verdict(BEATS, 0.912, rival(comparison(0.912, 0.9, 0.004), overlap))
    assert found[0] is passed
    assert reason in found[1]


def test_every_problem_of_the_gates_is_named() -> None:
    gates = [Gate("roc_auk", minimum=0.8), Gate("gini", beats="champion"), Gate("rmse", maximum=1.0)]
    metrics = {"roc_auc": 0.9, "gini": 0.8, "baseline.roc_auc": 0.5}
    with pytest.raises(ConfigError) as raised:
        judge(gates, task="classification", metrics=metrics, rival=None)
    assert raised.value.context == (
        "mlx.yaml promote.gates[0]: there is no metric 'roc_auk'",
        "mlx.yaml promote.gates[1]: mlx does not know which way 'gini' is better",
        "mlx.yaml promote.gates[2]: there is no metric 'rmse'",
    )


def test_hints_show_what_to_write() -> None:
    with pytest.raises(ConfigError) as raised:
        judge([Gate("auc", minimum=0.8)], task="classification", metrics={"f1": 1, "gini": 1}, rival=None)
    assert raised.value.hint == "use one of: f1, gini"
    with pytest.raises(ConfigError) as raised:
        judge([Gate("gini", beats="champion")], task="classification", metrics={"gini": 1}, rival=None)
    assert raised.value.hint == "- {metric: gini, beats: champion, direction: higher}"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.000"), (0.00042, "0.0004"), (-0.0213, "-0.021"), (12.345, "12.35"), (123456.7, "123,457")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert shown(value) == text
