"""Tools that a box may have."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def uv() -> str | None:
    """Find uv, also where its installer puts it: the path of a shell that nobody sits at may lack that."""
    homes = [str(Path.home() / ".local" / "bin"), str(Path.home() / ".cargo" / "bin")]
    return shutil.which("uv", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *homes]))
