"""Read a delimited text: what the user says of it, else what its first lines tell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlxkit.errors import DataError
from mlxkit.scaffold.containers import Source, as_text, first_line
from mlxkit.scaffold.data_file import FEWEST_ROWS, DataFile, stem_of
from mlxkit.scaffold.dialect import Dialect, find_dialect
from mlxkit.scaffold.encoding import encoding_for_pandas, encoding_in_words
from mlxkit.scaffold.kinds import shown
from mlxkit.scaffold.missing import find_missing_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.scaffold.given import Given

_PACKED_IN_WORDS = {
    "": [],
    "gzip": ["packed with gzip"],
    "zip": ["packed as zip, kept as gzip"],
    "zstd": ["packed with zstd, kept as gzip"],
}
_MOST_NOTES = 5
_HEAD = 1 << 18
_LONG_HEAD = 1 << 26


def read_delimited(
    source: Source,
    encoding: str,
    target: str | None,
    given: Given,
    *,
    converted: bytes | None = None,
    notes: tuple[str, ...] = (),
) -> DataFile:
    """Read a delimited text; `target` names the column whose labels are no missing values.

    Raises:
        DataError: it is no regular one, or not as the user says.
    """
    raw = DataFile(
        source.path,
        stem_of(source.path),
        ".csv",
        pd.DataFrame(),
        source,
        converted=converted,
        encoding=encoding,
    )
    dialect = _dialect(raw, given)
    options = dialect.options
    name = encoding_for_pandas(encoding)
    if name != "utf-8":
        options["encoding"] = name
    if texts := [column for column, type_ in given.types.items() if type_.reads_text]:
        options["dtype"] = dict.fromkeys(texts, "str")
    frame, words = _with_missing(raw, dialect, options, target, given)
    suffix = ".csv"
    if dialect.sep == "\t" and ".tsv" in source.path.suffixes:
        suffix = ".tsv"
        del options["sep"]
    return replace(
        raw,
        suffix=suffix + (".gz" if source.packing else ""),
        frame=frame,
        summary=", ".join([*_in_words(raw, dialect, words), *given.in_words]),
        options=options,
        dialect=dialect,
        notes=(*notes, *_notes(dialect, frame)),
    )


def _with_missing(
    raw: DataFile, dialect: Dialect, options: dict[str, Any], target: str | None, given: Given
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read the rows, and say which words are missing values; `options` learn them."""
    only = given.read.get("keep_default_na") is False
    if only:
        options["keep_default_na"] = False
    if only or "na_values" in given.read:
        words = tuple(given.read.get("na_values", ()))
        if only or words:
            options["na_values"] = ["", *words] if only else list(words)
        return _frame(raw, dialect, options), words
    frame = _frame(raw, dialect, options)
    words = find_missing_words(frame, target)
    if words:
        options["na_values"] = list(words)
        del frame
        frame = _frame(raw, dialect, options)
    return frame, words


def _in_words(raw: DataFile, dialect: Dialect, missing: tuple[str, ...]) -> list[str]:
    """Say how a delimited text was understood: always its separator and encoding, else what is unusual."""
    separator, *unusual = dialect.in_words
    is_converted = raw.converted is not None
    form = ["a workbook, kept as CSV"] if is_converted else [separator, encoding_in_words(raw.encoding)]
    words = [f"{', '.join(map(shown, missing))} missing"] if missing else []
    return [*form, *unusual, *words, *_PACKED_IN_WORDS[raw.source.packing]]


def _dialect(raw: DataFile, given: Given) -> Dialect:
    """Judge the dialect from the first lines, from more of them where one value fills the first.

    Raises:
        DataError: the user names another number of columns than there are.
    """
    with raw.open() as stream, as_text(stream, raw.encoding) as text:
        head = text.read(_HEAD)
        if len(head) == _HEAD and head.count("\n") < FEWEST_ROWS:
            head += text.read(_LONG_HEAD)
    dialect = find_dialect(head, given.read)
    if dialect.names and dialect.width not in (0, len(dialect.names)):
        raise DataError(
            f"--read names has {len(dialect.names)} names, and '{raw.path}' has {dialect.width} columns",
            hint="name each column, in the order of the file",
        )
    return dialect


def _frame(raw: DataFile, dialect: Dialect, options: Mapping[str, Any]) -> pd.DataFrame:
    try:
        with raw.open() as stream:
            frame: pd.DataFrame = pd.read_csv(stream, low_memory=False, **options)
    except pd.errors.EmptyDataError as error:
        raise DataError(
            f"'{raw.path}' is empty", hint="use a file with a header row and data rows"
        ) from error
    except (pd.errors.ParserError, ValueError) as error:
        reason = first_line(error).removeprefix("Error tokenizing data. C error: ")
        quotes = "close the quote that opens there" if "EOF inside string" in reason else ""
        raise DataError(
            f"'{raw.path}' is no regular CSV: {reason}",
            hint=quotes or "quote values that hold a separator or a line break",
        ) from error
    if isinstance(frame.index, pd.RangeIndex):
        return frame
    if dialect.row_labels and frame.index.nlevels == 1 and frame.index.is_unique:
        return frame.reset_index(drop=True)
    raise DataError(
        f"'{raw.path}' is no regular CSV: its rows have more values than its header has names",
        hint="add the missing column name to the first line",
    )


def _notes(dialect: Dialect, frame: pd.DataFrame) -> tuple[str, ...]:
    """Say what became of a header that cannot be taken as it is."""
    notes = []
    if dialect.names:
        notes.append(
            f"the file has no header: its columns are called {dialect.names[0]} to {dialect.names[-1]}"
        )
    if dialect.row_labels:
        notes.append("the first column has no name in the header, holds row labels, and is left out")
    renamed = []
    for number, (written, name) in enumerate(zip(dialect.header, frame.columns, strict=False), start=1):
        if not written.strip() and frame[name].notna().any():
            renamed.append(f"column {number} has no name and is called '{name}'")
        elif written.strip() and written != name:
            renamed.append(f"column {number} is called '{name}', because {shown(written)} is there already")
    if len(renamed) > _MOST_NOTES:
        renamed[_MOST_NOTES:] = [f"and so are {len(renamed) - _MOST_NOTES} more columns"]
    return (*notes, *renamed)
