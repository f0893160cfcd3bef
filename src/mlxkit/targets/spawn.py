"""A module of this room as a process of its own: a template, or a keeper, in a new interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENVIRONMENT = {"PYTHONUNBUFFERED": "1"}
"""What every process below mlx gets beside mlx's own variables."""


def spawn(
    module: str,
    arguments: Sequence[str],
    passed: Sequence[int],
    *,
    root: Path,
    log: int | None = None,
    piped: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a module in the folder `root`; it inherits the descriptors `passed`.

    Its output goes to the descriptor `log`, else nowhere; `piped` leaves its standard input to be written.
    """
    return subprocess.Popen(
        # Without -P the working folder would be on the path of a template that serves other projects too.
        [sys.executable, "-P", "-m", f"mlxkit.targets.{module}", *arguments],
        cwd=root,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
        # A template that lingers must not keep the pipe open that somebody reads mlx's output from.
        stdout=subprocess.DEVNULL if log is None else log,
        stderr=subprocess.DEVNULL if log is None else log,
        pass_fds=passed,
        # Ctrl-C in the terminal reaches mlx alone, which then ends its jobs in order.
        start_new_session=True,
    )
