"""The project's own function that reads the columns of rows, so that drift compares what the model reads."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mlxkit.errors import StageFailed
from mlxkit.pipeline.saving import type_name

if TYPE_CHECKING:
    from pandas import DataFrame


def compared_values(call: str, rows: DataFrame) -> DataFrame:
    """Return what the function makes of rows: as many rows, with values in place of what is written there.

    Whatever the user's code raises comes as it is.

    Raises:
        StageFailed: there is no such function, or it returns something else.
    """
    import pandas as pd

    module_name, _, name = call.partition(":")
    function = getattr(importlib.import_module(module_name), name, None)
    if not callable(function):
        raise StageFailed(f"'{module_name}' has no function '{name}'", hint="run `mlx check`")
    values = function(rows.copy())
    if isinstance(values, pd.DataFrame) and len(values) == len(rows):
        return values
    returned = f"{len(values)} rows" if isinstance(values, pd.DataFrame) else type_name(values)
    raise StageFailed(
        f"'{call}' returned {returned}, and not the {len(rows)} rows that it was given",
        hint="return a DataFrame with a row for each row",
    )
