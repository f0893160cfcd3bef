"""Made-up and bundled tables for `model.py`: each with something that a careful person looks after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import datasets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Table:
    """Rows with a column `target`, and what `mlx init` is told about them."""

    rows: pd.DataFrame
    options: dict[str, Any] = field(default_factory=dict)


def table(inputs: Any, target: Any, **options: Any) -> Table:
    """Name the columns of a bare array, and put the target beside them."""
    frame = inputs if isinstance(inputs, pd.DataFrame) else pd.DataFrame(inputs).add_prefix("x")
    return Table(frame.assign(target=np.asarray(target)), options)


def bundled() -> Iterator[tuple[str, Callable[[], Table]]]:
    """Yield the data sets that come with scikit-learn."""
    for name in ("breast_cancer", "wine", "iris", "digits"):
        yield name, lambda name=name: _labelled(getattr(datasets, f"load_{name}")(as_frame=True))
    yield "diabetes", lambda: table(*datasets.load_diabetes(as_frame=True, scaled=False, return_X_y=True))


def _labelled(bunch: Any) -> Table:
    return table(bunch.data, [f"class {code}" for code in bunch.target])


def classes(rows: int, seed: int, **settings: Any) -> Table:
    """Make clusters of classes."""
    settings = {"n_features": 20, "n_informative": 8, "class_sep": 0.7, **settings}
    inputs, target = datasets.make_classification(rows, random_state=seed, **settings)
    return table(inputs, [f"class {code}" for code in target])


def friedman(rows: int, noise: float, seed: int = 1) -> Table:
    """Make a smooth target with an interaction, and five columns of noise."""
    return table(*datasets.make_friedman1(rows, 10, noise=noise, random_state=seed))


def linear(rows: int, noise: float) -> Table:
    """Make a target that straight lines explain."""
    return table(*datasets.make_regression(rows, 20, n_informative=8, noise=noise, random_state=2))


@dataclass(frozen=True)
class Mixed:
    """Numbers and a category with interactions, as a base for the tables below."""

    inputs: pd.DataFrame
    signal: pd.Series
    random: np.random.Generator

    @property
    def noise(self) -> Any:
        """A standard normal for each row."""
        return self.random.normal(size=len(self.inputs))


def mixed(rows: int, seed: int = 0) -> Mixed:
    """Make the base."""
    random = np.random.default_rng(seed)
    x = (
        pd.DataFrame(random.normal(size=(rows, 10)))
        .add_prefix("x")
        .assign(kind=random.choice([*"abcdefgh"], rows))
    )
    steps = x["x4"] * x["kind"].isin([*"ace"])
    return Mixed(x, x["x0"] * x["x1"] + np.sin(2 * x["x2"]) + x["x3"] + steps, random)


def many_categories(rows: int, categories: int, *, labels: bool) -> Table:
    """Give each of many categories an effect of its own."""
    base = mixed(rows, seed=3)
    code = base.random.integers(0, categories, rows)
    effect = base.random.normal(size=categories)[code]
    target = effect + base.inputs["x0"] + base.noise
    inputs = base.inputs.assign(place=[f"place {number:05d}" for number in code])
    return table(inputs, np.where(target > 0, "yes", "no") if labels else target)


def gaps(rows: int, *, labels: bool) -> Table:
    """Take away a fifth of all values."""
    base = mixed(rows)
    target = base.signal + base.noise
    holes = base.inputs.mask(base.random.random(base.inputs.shape) < 0.2)
    return table(holes, np.where(target > 0.5, "yes", "no") if labels else target)


def skewed(rows: int, spread: float) -> Table:
    """Make a target of prices: a few are very high."""
    base = mixed(rows)
    return table(base.inputs, 100 * np.exp(spread * (base.signal + base.noise)))


def counts(rows: int) -> Table:
    """Make a target of counts."""
    base = mixed(rows)
    return table(base.inputs, base.random.poisson(np.exp(base.signal / 2)) + 0.0)


def drifting(rows: int, *, labels: bool) -> Table:
    """Let what explains the target change with time."""
    base = mixed(rows)
    share = np.arange(rows) / rows
    target = base.signal * (1 - share) + 2 * base.inputs["x5"] * share + base.noise
    when = pd.date_range("2023-01-01", periods=rows, freq="h").strftime("%Y-%m-%d %H:%M")
    return table(base.inputs.assign(when=when), np.where(target > 0, "yes", "no") if labels else target)


def repeated_keys(rows: int, *, labels: bool) -> Table:
    """Let the rows of one person share their values and most of their target."""
    base = mixed(rows)
    person = base.random.integers(0, rows // 20, rows)
    own = base.random.normal(size=(rows // 20, 4))[person]
    inputs = base.inputs.assign(person=person, **{f"own{i}": own[:, i] for i in range(3)})
    target = base.signal + 2 * own[:, 3] + base.noise
    return table(inputs, np.where(target > 0, "yes", "no") if labels else target, key="person")


def wide(rows: int) -> Table:
    """Hide three columns among two hundred."""
    x = np.random.default_rng(0).normal(size=(rows, 200))
    return table(x, x[:, 0] + x[:, 1] - x[:, 2] + np.random.default_rng(1).normal(size=rows))


TABLES: dict[str, Callable[[], Table]] = {
    **dict(bundled()),
    "classes 150": lambda: classes(150, 0, flip_y=0.05),
    "classes 500": lambda: classes(500, 1, flip_y=0.1),
    "classes 2000": lambda: classes(2000, 2, flip_y=0.1),
    "classes 7000": lambda: classes(7000, 3, flip_y=0.02),
    "classes 7000, noisy": lambda: classes(7000, 4, flip_y=0.3),
    "five classes": lambda: classes(5000, 5, n_classes=5),
    "1 in 100": lambda: classes(20_000, 6, weights=[0.99], flip_y=0.002),
    "1 in 50, few rows": lambda: classes(3000, 7, weights=[0.98], flip_y=0.005),
    "classes 300000": lambda: classes(300_000, 8, flip_y=0.1),
    "friedman 150": lambda: friedman(150, 1),
    "friedman 500": lambda: friedman(500, 1),
    "friedman 2000": lambda: friedman(2000, 1),
    "friedman 7000, clean": lambda: friedman(7000, 0.1),
    "friedman 7000, noisy": lambda: friedman(7000, 5),
    "friedman 300000": lambda: friedman(300_000, 1),
    "lines 150": lambda: linear(150, 20),
    "lines 7000": lambda: linear(7000, 50),
    "100 categories": lambda: many_categories(1500, 100, labels=True),
    "100 categories, numbers": lambda: many_categories(7000, 100, labels=False),
    "2000 categories": lambda: many_categories(8000, 2000, labels=True),
    "400 categories, numbers": lambda: many_categories(20_000, 400, labels=False),
    "gaps": lambda: gaps(8000, labels=True),
    "gaps, numbers": lambda: gaps(8000, labels=False),
    "prices": lambda: skewed(8000, 0.5),
    "prices, few and wild": lambda: skewed(600, 1.0),
    "counts": lambda: counts(8000),
    "drift": lambda: drifting(8000, labels=True),
    "drift, numbers": lambda: drifting(8000, labels=False),
    "repeated keys": lambda: repeated_keys(8000, labels=True),
    "repeated keys, numbers": lambda: repeated_keys(8000, labels=False),
    "200 columns": lambda: wide(1000),
}
