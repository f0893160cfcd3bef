from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.project.signatures import UNKNOWN, Type, read_signature

if TYPE_CHECKING:
    from conftest import TmpDir

SHAPES = """\
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import polars as pl
from pandas import DataFrame, Series

Table = DataFrame


class Split(NamedTuple):
    train: Table
    test: "pl.DataFrame"


class Both(TypedDict):
    low: DataFrame


@dataclass(frozen=True)
class Settings:
    rate: float
"""


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("pd.DataFrame", Type("pandas", "pandas.DataFrame")),
        ("'pd.DataFrame'", Type("pandas", "pandas.DataFrame")),
        ("Table", Type("pandas", "pandas.DataFrame")),
        ("shapes.Table", Type("pandas", "pandas.DataFrame")),
        ("Annotated[pd.Series[float], 'rate']", Type("series", "pandas.Series")),
        ("arrow.Table", Type("pyarrow", "pyarrow.Table")),
        ("Path", Type("path", "pathlib.Path")),
        ("pathlib.Path", Type("path", "pathlib.Path")),
        ("dict", Type("mapping", "dict")),
        (
            "dict[str, pd.DataFrame]",
            Type("mapping", "dict", values=Type("pandas", "pandas.DataFrame")),
        ),
        (
            "Mapping[str, Any]",
            Type("mapping", "collections.abc.Mapping", values=UNKNOWN),
        ),
        (
            "Split",
            Type(
                "record",
                "demo.shapes.Split",
                {"train": Type("pandas", "pandas.DataFrame"), "test": Type("polars", "polars.DataFrame")},
            ),
        ),
        ("Both", Type("mapping", "demo.shapes.Both", {"low": Type("pandas", "pandas.DataFrame")})),
        ("Settings", Type("dataclass", "demo.shapes.Settings", {"rate": Type("other", "float")})),
        ("float", Type("other", "float")),
        ("Any", UNKNOWN),
        ("pd.DataFrame | None", UNKNOWN),
        ("Loop", UNKNOWN),
    ],
)
def test_annotations(tmp_dir: TmpDir, annotation: str, expected: Type) -> None:
    source = f"""\
from __future__ import annotations

import pathlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as arrow

from demo import shapes
from .shapes import Both, Settings, Split, Table

if TYPE_CHECKING:
    import pandas as pd

Loop = "Loop"


def work(value: {annotation}) -> {annotation}:
    return value
"""
    tmp_dir.gen({"src/demo/__init__.py": "", "src/demo/shapes.py": SHAPES, "src/demo/steps.py": source})
    signature = read_signature(tmp_dir, "demo.steps:work")
    assert signature is not None
    assert signature.parameters == {"value": expected}
    assert signature.returns == expected


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ('return {"a": 1, "b": 2}', ("a", "b")),
        ('if x:\n        return {"a": 1}\n    return {"a": 2}', ("a",)),
        ('if x:\n        return {"a": 1}\n    return {"b": 2}', None),
        ("return x", None),
        ("return {**x}", None),
        ('def inner():\n        return 5\n    return {"a": inner()}', ("a",)),
        ("print(x)", None),
    ],
)
def test_keys_of_the_dicts_that_are_returned(
    tmp_dir: TmpDir, body: str, keys: tuple[str, ...] | None
) -> None:
    tmp_dir.gen("src/steps.py", f"def work(x):\n    {body}\n")
    signature = read_signature(tmp_dir, "steps:work")
    assert signature is not None
    assert signature.returned_keys == keys
    assert signature.returns == UNKNOWN


def test_a_decorator_hides_the_parameters(tmp_dir: TmpDir) -> None:
    tmp_dir.gen("src/steps.py", "import functools\n\n\n@functools.cache\ndef work(x):\n    return x\n")
    assert read_signature(tmp_dir, "steps:work") is None
