"""Git's three-way merge of single files, which needs no repository."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mlxkit.errors import ToolError

_NO_MERGE = 128
"""From here on, the exit code is an error and not a number of conflicts."""


@dataclass(frozen=True)
class Merged:
    """What came of a merge; where both sides changed the same lines, both stand between markers."""

    text: bytes
    conflicts: int


def merge_file(mine: bytes, base: bytes, theirs: bytes, *, labels: tuple[str, str, str]) -> Merged | None:
    """Merge the changes from `base` to `theirs` into `mine`; None where one of them is no text.

    Raises:
        ToolError: git is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("mine", "base", "theirs")]
        for file, content in zip(files, (mine, base, theirs), strict=True):
            file.write_bytes(content)
        named = [word for label in labels for word in ("-L", label)]
        try:
            done = subprocess.run(
                ["git", "merge-file", "-p", "-q", "--diff3", *named, *map(os.fspath, files)],
                cwd=folder,
                capture_output=True,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except FileNotFoundError as error:
            raise ToolError("git is not installed, and merging needs it", hint="install git") from error
    if done.returncode >= _NO_MERGE or done.returncode < 0:
        return None
    return Merged(done.stdout, done.returncode)
