"""Files to Python objects, and in `saving` back, by the file's suffix and the annotated or returned type.

| suffix                     | loads as (by annotation)            | saves                        |
|----------------------------|-------------------------------------|------------------------------|
| .csv .tsv, also with .gz   | pandas, polars or pyarrow table     | a table                      |
| .parquet .jsonl            | pandas, polars or pyarrow table     | a table                      |
| .json                      | dict or list; a table if annotated  | dict, list, dataclass, table |
| .yaml .yml                 | dict or list                        | dict, list                   |
| .txt .md .html             | str                                 | str                          |
| .npy                       | numpy array                         | numpy array                  |
| .pkl .joblib               | any object                          | any object                   |
| a directory                | MLflow model                        | the train stage's model      |
"""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import yaml

from mlxkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Library = Literal["pandas", "polars", "pyarrow"]
Options = Mapping[str, Any]
TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet", ".json", ".jsonl")

_AS_IT_IS: Options = MappingProxyType({})

# What pandas, pyarrow, numpy, joblib and yaml raise for a file that is not what it should be.
_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    OSError,
    EOFError,
    ImportError,
    AttributeError,
    zlib.error,
    pickle.UnpicklingError,
    yaml.YAMLError,
)


def suffix_of(path: Path) -> str:
    """Return the suffix that decides the format, such as `.csv.gz`; a directory has none."""
    suffixes = path.suffixes
    if len(suffixes) > 1 and suffixes[-1] == ".gz":
        return "".join(suffixes[-2:]).lower()
    return path.suffix.lower()


def load_table(path: Path, library: Library = "pandas", *, read: Options = _AS_IT_IS) -> Any:
    """Load a table; `read` holds arguments of `pandas.read_csv` for a CSV file.

    Raises:
        DataError: the file is not there, holds no table, or its suffix is none of a table.
    """
    suffix = suffix_of(path)
    if suffix not in TABLE_SUFFIXES:
        raise DataError(
            f"'{path}' is no table: its suffix must be one of {', '.join(TABLE_SUFFIXES)}",
            hint="annotate the parameter as `Path` and read the file yourself",
        )
    try:
        return _TABLE_READERS[library](path, suffix, read)
    except FileNotFoundError as error:
        raise DataError(f"there is no file '{path}'") from error
    except _UNREADABLE as error:
        raise DataError(f"'{path}' cannot be read as a table: {first_line(error)}") from error


_AS_WRITTEN: Mapping[str, Any] = {"dtype": False, "convert_dates": False}
"""JSON knows numbers from texts: pandas must not make "007" a 7, nor a number in `sold_at` a date."""


def _read_pandas(path: Path, suffix: str, read: Options) -> Any:
    import pandas as pd

    match suffix.removesuffix(".gz"):
        case ".parquet":
            return pd.read_parquet(path)
        case ".jsonl":
            return pd.read_json(path, lines=True, **_AS_WRITTEN)
        case ".json":
            return pd.read_json(path, **_AS_WRITTEN)
        case ".tsv":
            return pd.read_csv(path, **{"sep": "\t", **read}, low_memory=False)
        case _:
            return pd.read_csv(path, **read, low_memory=False)


def _read_polars(path: Path, suffix: str, read: Options) -> Any:
    import polars as pl

    if read:  # polars has other names for these, and for some of them no equal
        return pl.from_pandas(_read_pandas(path, suffix, read))
    match suffix.removesuffix(".gz"):
        case ".parquet":
            return pl.read_parquet(path)
        case ".jsonl":
            return pl.read_ndjson(path)
        case ".json":
            return pl.read_json(path)
        case ".tsv":
            return pl.read_csv(path, separator="\t")
        case _:
            return pl.read_csv(path)


def _read_pyarrow(path: Path, suffix: str, read: Options) -> Any:
    import pyarrow as pa

    if suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path)
    return pa.Table.from_pandas(_read_pandas(path, suffix, read), preserve_index=False)


_TABLE_READERS: Mapping[Library, Callable[[Path, str, Options], Any]] = {
    "pandas": _read_pandas,
    "polars": _read_polars,
    "pyarrow": _read_pyarrow,
}


def load_object(path: Path, *, read: Options = _AS_IT_IS) -> Any:
    """Load what is no annotated table: parsed JSON or YAML, text, an array, a pickle, a model directory.

    Raises:
        DataError: the path is not there, cannot be read, or has a suffix that mlx does not know.
    """
    if not path.exists():
        raise DataError(f"there is no file or directory '{path}'")
    if path.is_dir():
        return _load_directory(path)
    suffix = suffix_of(path)
    try:
        match suffix:
            case ".json":
                return json.loads(path.read_text(encoding="utf-8"))
            case ".yaml" | ".yml":
                return yaml.safe_load(path.read_text(encoding="utf-8"))
            case ".txt" | ".md" | ".html":
                return path.read_text(encoding="utf-8")
            case ".npy":
                import numpy as np

                return np.load(path)
            case ".pkl" | ".joblib":
                import joblib

                return joblib.load(path)
            case _ if suffix in TABLE_SUFFIXES:
                return load_table(path, read=read)
    except _UNREADABLE as error:
        raise DataError(f"'{path}' cannot be read: {first_line(error)}") from error
    raise DataError(
        f"mlx does not know how to load '{path}'",
        hint="annotate the parameter as `Path` and read the file yourself",
    )


def _load_directory(path: Path) -> Any:
    if not (path / "MLmodel").is_file():
        raise DataError(
            f"'{path}' is a directory without a model",
            hint="annotate the parameter as `Path` and read it yourself",
        )
    from mlxkit.adapters.mlflow_model import load_model

    return load_model(path)


def first_line(error: Exception) -> str:
    """Return the first line of a library's message, or the name of the error."""
    return (str(error).splitlines() or [type(error).__name__])[0]
