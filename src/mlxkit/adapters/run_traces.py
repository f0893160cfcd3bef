"""What a training leaves in its model that is not the model: ids of runs, times, states of random generators.

Without it, two equal trainings give equal models.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEARCH_TIMES = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")


def erase(model: object) -> None:
    """Erase the traces in a model and in the estimators that it is made of.

    They are the run that autologging notes, the seconds that a search over parameters took, and the generator
    that stacking gives to folds that are not shuffled.
    """
    from sklearn.base import BaseEstimator
    from sklearn.model_selection import BaseCrossValidator

    seen: set[int] = set()
    waiting: list[Any] = [getattr(model, "__dict__", {})]
    while waiting:
        held = waiting.pop()
        if id(held) in seen:
            continue
        seen.add(id(held))
        if isinstance(held, dict):
            _erase_in(held)
        for part in held.values() if isinstance(held, dict) else held:
            if isinstance(part, BaseEstimator):
                waiting.append(vars(part))
            elif isinstance(part, list | tuple | dict) or (
                isinstance(part, np.ndarray) and part.dtype == object and part.ndim
            ):
                waiting.append(part)
            elif isinstance(part, BaseCrossValidator) and getattr(part, "shuffle", None) is False:
                part.random_state = None


def _erase_in(attributes: dict[Any, Any]) -> None:
    attributes.pop("_mlflow_run_id", None)
    if isinstance(attributes.get("cv_results_"), dict) and "refit_time_" in attributes:
        attributes["refit_time_"] = 0.0
    for name in _SEARCH_TIMES:
        if isinstance(attributes.get(name), np.ndarray):
            attributes[name] = np.zeros_like(attributes[name])


@contextmanager
def fixed_generator() -> Iterator[None]:
    """Give numpy's own generator a fixed state for a while: models that hold it are stored with its state."""
    before = np.random.get_state()
    np.random.set_state(np.random.RandomState(0).get_state())
    try:
        yield
    finally:
        np.random.set_state(before)
