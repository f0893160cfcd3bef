"""A data file that was read: its rows, how they were understood, and the bytes that the project keeps."""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from mlxkit.scaffold.containers import Source
    from mlxkit.scaffold.dialect import Dialect

FEWEST_ROWS = 20
_SUFFIXES = (
    ".gz",
    ".zip",
    ".zst",
    ".csv",
    ".tsv",
    ".txt",
    ".dat",
    ".parquet",
    ".jsonl",
    ".ndjson",
    ".json",
    ".xlsx",
)


@dataclass(frozen=True)
class DataFile:
    """A data file that was read.

    Attributes:
        stem: the file's name without its suffixes.
        suffix: of the file that the project keeps; it says how to read it, together with `options`.
        frame: its rows as pandas reads them.
        summary: how the file was understood, for people.
        encoding: of a text, with its byte order.
        options: arguments of `pandas.read_csv` that differ from what the suffix means.
        dialect: of a delimited text.
        converted: what is kept in place of the file, where its own bytes cannot be divided into rows.
        notes: what the user should know, one line each.
    """

    path: Path
    stem: str
    suffix: str
    frame: pd.DataFrame
    source: Source
    summary: str = ""
    encoding: str = "utf-8"
    options: Mapping[str, Any] | None = None
    dialect: Dialect | None = None
    converted: bytes | None = None
    notes: tuple[str, ...] = ()

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Give the bytes that the project keeps, unpacked."""
        if self.converted is not None:
            yield io.BytesIO(self.converted)
            return
        with self.source.open() as stream:
            yield stream


def stem_of(path: Path) -> str:
    """Return a file's name without its suffixes."""
    name = path.name
    while (suffix := next((end for end in _SUFFIXES if name.lower().endswith(end)), None)) and name != suffix:
        name = name[: -len(suffix)]
    return name
