"""What a file is by its first bytes, whatever its name says, and its bytes without their packing."""

from __future__ import annotations

import gzip
import io
import shlex
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Literal, cast

import pyarrow as pa

from mlxkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Packing = Literal["", "gzip", "zip", "zstd"]
Holds = Literal["text", "parquet", "excel"]

# What libraries raise for a packed file that is cut short or damaged.
DAMAGED = (OSError, EOFError, zlib.error, zipfile.BadZipFile, pa.ArrowException)
_LONGEST_START = 512

_PACKED: tuple[tuple[bytes, Packing], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_AS_CSV = "save the table in it as CSV"
_NO_TABLES: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF document", _AS_CSV),
    (b"\x89PNG", "a PNG image", _AS_CSV),
    (b"\xff\xd8\xff", "a JPEG image", _AS_CSV),
    (b"GIF8", "a GIF image", _AS_CSV),
    (b"SQLite format 3", "an SQLite database", "export one of its tables as CSV"),
    (
        b"\xd0\xcf\x11\xe0",
        "an old .xls workbook, or one with a password",
        "save it as .xlsx, without password",
    ),
    (b"BZh", "packed with bzip2", "unpack it with `bunzip2 -k {file}`"),
    (b"\xfd7zXZ", "packed with xz", "unpack it with `unxz -k {file}`"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (
        b"ARROW1",
        "a Feather file",
        'run `python -c "import pandas as pd; pd.read_feather({name!r}).to_parquet({stem!r})"`',
    ),
    (b"\x89HDF", "an HDF5 file", "save the table in it as CSV or Parquet"),
    (b"\x93NUMPY", "a NumPy array, which has no column names", "save it as CSV, with a header"),
    (b"\x80\x04\x95", "a Python pickle, which runs code when it is read", "save the table as CSV or Parquet"),
    (b"\x80\x05\x95", "a Python pickle, which runs code when it is read", "save the table as CSV or Parquet"),
)
_HTML = (b"<!doctype html", b"<html", b"<table", b"<head", b"<body")


@dataclass(frozen=True)
class Source:
    """A file with rows in it, by its content.

    Attributes:
        packing: how it is compressed, empty when it is not.
        member: the file's name inside a zip.
        holds: what lies in it once it is unpacked.
    """

    path: Path
    packing: Packing
    member: str
    holds: Holds

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Give the unpacked bytes, as a stream."""
        with _unpacked(self.path, self.packing, self.member) as stream:
            yield stream

    def content(self) -> bytes:
        """Return all unpacked bytes; raise DataError when they are damaged."""
        try:
            with self.open() as stream:
                return stream.read()
        except DAMAGED as error:
            raise damaged(self.path, error) from error


def identify(path: Path) -> Source:
    """Look what a file is; raise DataError when there is no table in it."""
    if path.is_dir():
        raise DataError(
            f"'{path}' is a folder",
            hint="name one file with a table in it, or say `--template torch` for a folder of images",
        )
    if not path.exists():
        raise DataError(f"there is no file '{path}'", hint=f"run `ls {quoted(path.parent)}`")
    try:
        start = _start(path, "", "")
        packing: Packing = next((kind for magic, kind in _PACKED if start.startswith(magic)), "")
        if packing == "zip" and _is_workbook(path):
            return Source(path, "", "", "excel")
        member = _only_member(path) if packing == "zip" else ""
        if packing:
            start = _start(path, packing, member)
    except PermissionError as error:
        raise DataError(f"'{path}' may not be read", hint=f"run `ls -l {quoted(path)}`") from error
    except DAMAGED as error:
        raise damaged(path, error) from error
    if start.startswith(b"PAR1"):
        return Source(path, packing, member, "parquet")
    _refuse_other(path, start)
    return Source(path, packing, member, "text")


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error for a file whose bytes cannot be had."""
    return DataError(f"'{path}' cannot be read: {first_line(error)}", hint=f"run `file {quoted(path)}`")


def quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    return shlex.quote(str(path))


def first_line(error: Exception) -> str:
    """Return the first line of a library's message, or the name of the error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _unpacked(path: Path, packing: Packing, member: str) -> Iterator[IO[bytes]]:
    match packing:
        case "gzip":
            with gzip.open(path) as stream:
                yield cast("IO[bytes]", stream)
        case "zip":
            with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
                yield stream
        case "zstd":
            with pa.input_stream(str(path), compression="zstd") as stream:
                yield stream
        case _:
            with path.open("rb") as stream:
                yield stream


def _start(path: Path, packing: Packing, member: str) -> bytes:
    with _unpacked(path, packing, member) as stream:
        return stream.read(_LONGEST_START)


def _is_workbook(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return "xl/workbook.xml" in archive.namelist()


def _only_member(path: Path) -> str:
    """Return the name of the one file in a zip; raise DataError when there is another number of them."""
    with zipfile.ZipFile(path) as archive:
        members = [
            entry
            for entry in archive.infolist()
            if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
        ]
    names = [entry.filename for entry in members]
    if len(members) != 1:
        held = f"{len(members)} files" if members else "no file"
        more = ", ..." if len(names) > 3 else ""
        raise DataError(
            f"'{path}' holds {held}{': ' + ', '.join(names[:3]) + more if names else ''}",
            hint=f"run `unzip {quoted(path)}`, then name one of them" if names else "use another file",
        )
    if members[0].flag_bits & 1:
        raise DataError(f"'{path}' is protected by a password", hint=f"run `unzip {quoted(path)}`")
    return names[0]


def _refuse_other(path: Path, start: bytes) -> None:
    """Raise DataError when a file is of a known kind that is no table."""
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(_HTML):
        page = f"pd.read_html({str(path)!r})[0].to_csv({path.stem + '.csv'!r}, index=False)"
        raise DataError(
            f"'{path}' is an HTML page, whatever its name says",
            hint=f'run `python -c "import pandas as pd; {page}"`',
        )
    for magic, what, hint in _NO_TABLES:
        if start.startswith(magic):
            shown = hint.format(file=quoted(path), name=str(path), stem=f"{path.stem}.parquet")
            raise DataError(f"'{path}' is {what}", hint=shown)


@contextmanager
def as_text(stream: IO[bytes], encoding: str) -> Iterator[IO[str]]:
    """Give a stream of bytes as text with its line ends as they are."""
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    yield text
    text.detach()
