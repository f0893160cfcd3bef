"""The signature of a model that takes raw rows: which columns, and what may stand in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType
from pandas.api import types

_ANY = AnyType()  # type: ignore[no-untyped-call]


def signature(rows: pd.DataFrame, predictions: Any) -> ModelSignature:
    """Describe a model by rows that it was trained on and by some of its predictions.

    Numbers are of type `any`: MLflow takes no whole numbers where a signature says `double`, and no missing
    value where it says `long`, while a column of a raw file is read as either, as it comes. The same holds
    for text that may be missing or may be a number, and for categories, which are no `string` to MLflow.
    """
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(_input_type(rows[name]), name=str(name)) for name in rows.columns
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=_outputs(predictions))


def _input_type(column: pd.Series[Any]) -> DataType | AnyType:
    if types.is_bool_dtype(column.dtype) and not column.hasnans:
        return DataType.boolean
    if types.is_datetime64_dtype(column.dtype):
        return DataType.datetime
    if types.is_numeric_dtype(column.dtype) or types.is_datetime64_any_dtype(column.dtype):
        return _ANY
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _ANY
    values = pd.Series(column.unique(), dtype=object)
    certain = values.map(lambda value: isinstance(value, str)).all()
    if not certain or pd.to_numeric(values, errors="coerce").notna().any():
        return _ANY
    return DataType.string


def _outputs(predictions: Any) -> Schema | None:
    values = np.asarray(predictions)
    if values.ndim != 1:
        return None
    match values.dtype.kind:
        case "b":
            kind = DataType.boolean
        case "i" | "u":
            kind = DataType.long
        case "f":
            kind = DataType.double
        case _:
            kind = DataType.string
    return Schema([ColSpec(kind)])
