"""What a machine may refuse: small disks that only the commands of one test see, and permissions."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def unprivileged(*argv: str) -> list[str]:
    """Return a command line that obeys permissions also when root runs it."""
    if os.geteuid() != 0:
        return [*argv]
    if shutil.which("setpriv") is None:
        pytest.skip("root may read and write everything")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *argv]


class SmallDisks:
    """Mounts small file systems in a mount namespace of its own, which a process keeps open.

    Files on them are seen by commands that run through `run` and `shell`, and by nobody else.
    """

    def __init__(self, holder: subprocess.Popen[str]) -> None:
        self.enter = ["nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials"]

    def mount(self, folder: Path, size: str) -> None:
        """Put an empty disk of that size over a folder, which is made where there is none."""
        self.shell(f"mkdir -p '{folder}' && mount -t tmpfs -o size={size} small '{folder}'", Path("/"))

    def fill(self, folder: Path) -> None:
        """Leave no byte on a folder's disk."""
        self.shell("! cat /dev/zero > ballast 2> /dev/null", folder)

    def free(self, folder: Path) -> None:
        """Take back what `fill` did."""
        self.shell("rm ballast", folder)

    def shell(self, script: str, folder: Path) -> str:
        """Run a script that must end well, and return its output."""
        done = self.run("sh", "-c", script, folder=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *argv: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder."""
        there = ["sh", "-c", 'cd "$0" && exec "$@"', str(folder), *argv]
        return subprocess.run([*self.enter, *there], capture_output=True, text=True, check=False)


@contextlib.contextmanager
def small_disks(folder: Path) -> Iterator[SmallDisks | None]:
    """Allow small disks below a folder; None where the kernel lets a user make none."""
    if sys.platform != "linux" or not (shutil.which("unshare") and shutil.which("nsenter")):
        yield None
        return
    script = f"mount -t tmpfs t '{folder}' && echo on && cat"
    holder = subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        yield SmallDisks(holder) if holder.stdout.readline() == "on\n" else None
        holder.stdin.close()
