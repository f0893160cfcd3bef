"""The rows that the models are trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd

NUMBERS, WORDS = ["age", "monthly fee"], ["plan", "region"]


def customers(*, categories: bool = False) -> pd.DataFrame:
    """Mixed columns with missing values, and the target `Churn`."""
    generator = np.random.default_rng(0)
    count = 300
    rows = pd.DataFrame(
        {
            "age": generator.integers(18, 80, count),
            "monthly fee": generator.normal(30, 5, count).round(2),
            "plan": generator.choice(["basic", "plus", "gold"], count),
            "region": generator.choice(["north", "south", "east"], count),
        }
    )
    rows.loc[::9, "monthly fee"] = np.nan
    rows["Churn"] = np.where(rows["age"] + 10 * generator.normal(size=count) > 50, "Yes", "No")
    return rows.astype(dict.fromkeys(WORDS, "category")) if categories else rows


def coded(*, categories: bool = False) -> pd.DataFrame:
    """The customers with a target of 0 and 1."""
    rows = customers(categories=categories)
    return rows.assign(Churn=(rows["Churn"] == "Yes").astype(int))


def numbers(*, regression: bool = True) -> pd.DataFrame:
    """Numbers alone, and the target `y`."""
    generator = np.random.default_rng(1)
    rows = pd.DataFrame(generator.normal(size=(300, 4)).round(3), columns=["a", "b", "c d", "e"])
    y = rows["a"] * 2 + rows["b"]
    return rows.assign(y=y if regression else (y > 0).astype(int))
