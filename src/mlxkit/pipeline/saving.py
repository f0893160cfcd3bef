"""A stage's results into files: the suffix decides how, and a type that does not fit it is refused."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.errors import FREE_SPACE, NO_SPACE, StageFailed, ToolError, is_full_disk
from mlxkit.pipeline.formats import TABLE_SUFFIXES, first_line, suffix_of

if TYPE_CHECKING:
    from pathlib import Path

# What pandas, pyarrow, numpy, joblib and yaml raise for a value that cannot be written.
_UNWRITABLE = (
    ValueError,
    TypeError,
    OSError,
    AttributeError,
    NotImplementedError,
    OverflowError,
    pickle.PicklingError,
    yaml.YAMLError,
)


def save(value: Any, path: Path) -> None:
    """Save a stage's result; the suffix decides how, and a type that does not fit it is refused.

    Raises:
        StageFailed: the value cannot be saved under this suffix.
        ToolError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if value is None:
        raise StageFailed(f"the function returned nothing for '{path.name}'", hint="return the value")
    try:
        _save(value, path)
    except _UNWRITABLE as error:
        if path.is_file():  # a half takes room, and looks like a result
            path.unlink()
        if is_full_disk(error):
            raise ToolError(
                f"the result cannot be saved as '{path.name}': {NO_SPACE}", hint=FREE_SPACE
            ) from error
        raise StageFailed(f"the result cannot be saved as '{path.name}': {first_line(error)}") from error


def _save(value: Any, path: Path) -> None:
    suffix = suffix_of(path)
    match suffix:
        case ".json" if not _is_table(value):
            path.write_text(json.dumps(value, indent=2, default=_plain) + "\n", encoding="utf-8")
        case ".yaml" | ".yml" if isinstance(value, dict | list):
            path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")
        case ".txt" | ".md" | ".html" if isinstance(value, str):
            path.write_text(value, encoding="utf-8")
        case ".npy" if type(value).__module__.startswith("numpy"):
            import numpy as np

            np.save(path, value)
        case ".pkl" | ".joblib":
            import joblib

            joblib.dump(value, path)
        case _ if suffix in TABLE_SUFFIXES and _is_table(value):
            _save_table(value, path, suffix)
        case _:
            wanted = "a table" if suffix in TABLE_SUFFIXES else "something else"
            raise StageFailed(
                f"the function returned {type_name(value)}, which cannot be saved as '{path.name}'",
                hint=f"return {wanted}, or write the file yourself to a parameter annotated `Path`",
            )


def _save_table(value: Any, path: Path, suffix: str) -> None:
    frame = value
    if type(value).__module__.startswith("polars"):
        frame = value.to_arrow()
    if type(frame).__module__.startswith("pyarrow"):
        if suffix == ".parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(frame, path)
            return
        frame = frame.to_pandas()
    if type(frame).__name__ == "Series":
        frame = frame.to_frame()
    match suffix.removesuffix(".gz"):
        case ".parquet":
            frame.to_parquet(path)
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True, date_format="iso")
        case ".json":
            frame.to_json(path, orient="records", indent=2, date_format="iso")
        case ".tsv":
            frame.to_csv(path, index=False, sep="\t", compression=_gzip(suffix))
        case _:
            frame.to_csv(path, index=False, compression=_gzip(suffix))


def _gzip(suffix: str) -> dict[str, Any] | None:
    """Write gzip without a timestamp, so that the same table is the same file."""
    return {"method": "gzip", "mtime": 0} if suffix.endswith(".gz") else None


def _is_table(value: Any) -> bool:
    module, name = type(value).__module__.partition(".")[0], type(value).__name__
    return (module, name) in {
        ("pandas", "DataFrame"),
        ("pandas", "Series"),
        ("polars", "DataFrame"),
        ("pyarrow", "Table"),
    }


def _plain(value: Any) -> Any:
    """Turn dataclasses, numpy values, paths and dates into what JSON can hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    for method in ("tolist", "isoformat", "__fspath__"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise StageFailed(
        f"{type_name(value)} inside the result cannot be saved as JSON",
        hint="return plain numbers, texts and lists",
    )


def type_name(value: Any) -> str:
    """Name the type of a value for a message; of None, there is nothing to name."""
    if value is None:
        return "nothing"
    kind = type(value)
    return (
        kind.__name__
        if kind.__module__ == "builtins"
        else f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
    )
