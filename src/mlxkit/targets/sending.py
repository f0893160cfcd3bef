"""Data on its way to a box: one stream, which goes on where the last one broke."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from mlxkit.adapters.ssh import LineBroken
from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mlxkit.targets.line import Line

_CHUNK = 1 << 20
_MUCH_BYTES = 100_000_000
"""More than this, and how far it has come is worth telling."""


def send_objects(
    line: Line,
    job: str,
    objects: Mapping[str, Path | bytes],
    missing: Mapping[str, int],
    tell: Callable[[str], None],
) -> None:
    """Send what a box lacks.

    Args:
        line: the way there.
        job: name of the job that needs them.
        objects: hash -> its file here, or its content.
        missing: hash of each that the box lacks -> how many bytes of it have arrived before.
        tell: called with what is going on.

    Raises:
        LineBroken: the line broke; what arrived stays there.
        ToolError: a file is not what it was when it was hashed.
    """
    if not missing:
        return
    asked = []
    for digest, arrived in missing.items():
        size = _size(objects[digest])
        asked.append((digest, size, arrived if arrived <= size else 0))
    answer = line.pour("receive", {"job": job, "objects": asked}, _content(objects, asked, tell))
    if broken := answer["broken"]:
        raise ToolError(
            f"{len(broken)} files are not what they were when they were hashed",
            context=[str(objects[broken[0]])],
            hint="run the same command again",
        )
    if not answer["whole"]:
        raise LineBroken(f"the line to '{line.target.ssh}' broke")


def _size(source: Path | bytes) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def _content(
    objects: Mapping[str, Path | bytes], asked: Sequence[tuple[str, int, int]], tell: Callable[[str], None]
) -> Iterator[bytes]:
    """Yield the bytes of objects, each from where it is to begin.

    Raises:
        FileNotFoundError: a file is gone, or shorter than it was.
    """
    said = f"sending data, {len(asked)} file{'' if len(asked) == 1 else 's'}"
    whole, sent = sum(size for _, size, _ in asked), sum(start for _, _, start in asked)
    tell(said)
    for digest, size, start in asked:
        source, at = objects[digest], start
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            file.seek(start)
            while at < size:
                chunk = file.read(min(_CHUNK, size - at))
                if not chunk:
                    raise FileNotFoundError(f"{source!r} is not what it was")
                yield chunk
                at, sent = at + len(chunk), sent + len(chunk)
                if whole > _MUCH_BYTES:  # in tenths, for whoever reads it as lines
                    tell(f"{said}, {10 * (10 * sent // whole)} % of {whole / 1e9:.1f} GB")
