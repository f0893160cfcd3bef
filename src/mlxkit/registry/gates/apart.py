"""A process apart, for what this one must not do itself."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def run_apart(
    command: Sequence[str], *, seconds: float, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> list[str]:
    """Run a command in a process group of its own; return the lines that it said, [] when it ended well.

    Raises:
        ToolError: it did not end in time.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env=env,
        cwd=cwd,
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise ToolError(f"it did not end within {seconds:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    if process.returncode == 0:
        return []
    return lines or [f"it ended with {process.returncode}"]
