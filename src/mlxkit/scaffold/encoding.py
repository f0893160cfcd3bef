"""In which encoding a text is: decided by all of its bytes, not by the first few."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from mlxkit.errors import DataError
from mlxkit.scaffold.containers import DAMAGED, damaged, quoted

if TYPE_CHECKING:
    from mlxkit.scaffold.containers import Source

_CHUNK = 1 << 20
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_WESTERN = ["cp1251", "shift_jis", "gb18030", "big5", "euc_kr"]
# Languages of Western Europe seldom have two letters in a row that are not ASCII.
_MOST_IN_A_ROW = 0.3
_MOST_CONTROLS = 0.01
_NAMES = {"utf-8": "UTF-8", "utf-16": "UTF-16", "cp1252": "Windows-1252", "latin-1": "Latin-1"}


def find_encoding(source: Source) -> str:
    """Return the encoding of a text, as Python calls it; `utf-16-le` and `utf-16-be` begin with their mark.

    Raises:
        DataError: it is empty, damaged, or no text.
    """
    try:
        with source.open() as stream:
            start = stream.read(4)
        by_mark = next((name for mark, name in _BYTE_ORDER_MARKS if start.startswith(mark)), None)
        encoding = by_mark or "utf-8"
        if encoding == "utf-8":
            _check_text(source)
        if _decodes(source, encoding):
            return encoding
        if encoding != "utf-8":
            raise DataError(
                f"'{source.path}' is no whole UTF-16 text", hint=f"run `file {quoted(source.path)}`"
            )
        return _legacy(source)
    except DAMAGED as error:
        raise damaged(source.path, error) from error


def check_encoding(source: Source, given: str) -> str:
    """Return the encoding that the user names, as `find_encoding` calls it.

    Raises:
        DataError: the text has bytes that mean nothing in it.
    """
    name = codecs.lookup(given).name
    try:
        with source.open() as stream:
            start = stream.read(4)
        if not name.startswith(("utf-16", "utf-32")):
            _check_text(source)
        if not _decodes(source, name):
            raise DataError(
                f"'{source.path}' has bytes that mean nothing in {given}",
                hint="leave --read encoding away, or name another one",
            )
    except DAMAGED as error:
        raise damaged(source.path, error) from error
    by_mark = next((known for mark, known in _BYTE_ORDER_MARKS if start.startswith(mark)), None)
    if by_mark is not None and name.startswith(by_mark[:6]):
        return by_mark
    # Underscores: `utf-16-le` is one that begins with its mark.
    return "utf-8" if name in ("utf-8", "utf-8-sig") else given.replace("-", "_") if "16" in name else given


def encoding_for_pandas(encoding: str) -> str:
    """Return the name with which the byte order mark is left out of the first column's name."""
    return "utf-16" if encoding.startswith("utf-16") else encoding


def encoding_in_words(encoding: str) -> str:
    """Name an encoding for people."""
    name = encoding_for_pandas(encoding)
    return _NAMES.get(name, name)


def _check_text(source: Source) -> None:
    """Raise DataError when the bytes are none of a text."""
    line, blank = 1, True
    with source.open() as stream:
        while chunk := stream.read(_CHUNK):
            if b"\0" in chunk:
                line += chunk.count(b"\n", 0, chunk.index(b"\0"))
                raise DataError(
                    f"'{source.path}' is no text: byte 0x00 in line {line}",
                    hint=f"run `file {quoted(source.path)}`",
                )
            line += chunk.count(b"\n")
            blank = blank and not chunk.strip(b"\xef\xbb\xbf \t\r\n")
    if blank:
        raise DataError(f"'{source.path}' is empty", hint="use a file with a header row and data rows")


def _decodes(source: Source, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with source.open() as stream:
            while chunk := stream.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:  # UTF-16 without its mark is no UnicodeDecodeError
        return False
    return True


def _legacy(source: Source) -> str:
    """Return which of the older encodings it is: nothing in the bytes says so for sure."""
    with source.open() as stream:
        start = stream.read(_CHUNK)
    controls = len(re.findall(rb"[\x01-\x08\x0e-\x1f]", start))
    if controls > _MOST_CONTROLS * len(start):
        raise DataError(f"'{source.path}' is no text", hint=f"run `file {quoted(source.path)}`")
    sample = b"".join(line for line in start.splitlines(keepends=True) if not line.isascii())
    in_a_row = sum(map(len, re.findall(rb"[\x80-\xff]{2,}", sample)))
    letters = len(re.findall(rb"[A-Za-z\x80-\xff]", sample))
    if in_a_row > _MOST_IN_A_ROW * letters:
        from charset_normalizer import from_bytes

        best = from_bytes(sample, cp_isolation=_NOT_WESTERN).best()
        if best is not None and _decodes(source, best.encoding):
            return best.encoding
    return "cp1252" if _decodes(source, "cp1252") else "latin-1"
