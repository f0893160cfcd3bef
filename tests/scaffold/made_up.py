"""Small made-up tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path


def write_csv(path: Path, **columns: Any) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False, lineterminator="\n")
    return path


def customers(rows: int = 60, **columns: Any) -> dict[str, Any]:
    """Columns of a small churn table; `columns` replaces some or adds more."""
    random = np.random.default_rng(0)
    tenure = random.integers(0, 72, rows)
    return {
        "customerID": [f"{number:04d}-AB" for number in range(rows)],
        "gender": random.choice(["Female", "Male"], rows),
        "tenure": tenure,
        "TotalCharges": [" " if row == 0 else f"{months * 29.85:.2f}" for row, months in enumerate(tenure)],
        "Churn": ["Yes" if number % 4 == 0 else "No" for number in range(rows)],
        **columns,
    }
