"""What a user's evaluate function may return."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from mlxkit.errors import StageFailed
from mlxkit.pipeline.command import Command
from mlxkit.pipeline.execute import evaluation_results


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
