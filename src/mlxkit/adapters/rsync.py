"""Files to another machine and back: by the system's `rsync`, else by `tar`, over the same ssh."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

from mlxkit.adapters.ssh import FAILED, LineBroken
from mlxkit.errors import FREE_SPACE, NO_SPACE, ToolError, full_there

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlxkit.adapters.ssh import Ssh

_BROKEN = (FAILED, 10, 12, 30, 35)
"""Exit statuses of a transfer that the line ended: of ssh, and of rsync."""
_TRIES = 3
_Words = tuple[str, str]
_FULL_HERE = (NO_SPACE, FREE_SPACE)
"""Message and hint."""
_OPTIONS = ("-rLpt", "--protect-args", "--from0", "--files-from=-", "--partial-dir=.mlx-partial")


class Copier:
    """Copies files to and from one machine, the target `name`; `there` says whether that has rsync, too."""

    def __init__(self, ssh: Ssh, name: str, *, there: bool) -> None:
        self._ssh, self._name = ssh, name
        self._rsync = shutil.which("rsync") if there else None

    def send(self, folder: Path, names: Sequence[str], to: str, *, like: str = "") -> None:
        """Send files below a folder into a folder there, as they are; links are followed.

        `like` is a folder there, beside `to`, whose equal files need not travel. What is gone by now is left
        out. A transfer that broke goes on where it was.

        Raises:
            LineBroken: the line broke, more than once.
            ToolError: the machine has no room, or refuses.
        """
        if not names:
            return
        listed = "".join(f"{name}\0" for name in names).encode("utf-8", "surrogateescape")
        if self._rsync is None:
            self._send_by_tar(folder, names, to)
            return
        options = ["--ignore-missing-args", *([f"--copy-dest={like}"] if like else [])]
        self._run(
            [*options, f"{os.fspath(folder)}/", f"{self._ssh.host}:{to}/"], listed, full=self._full_there()
        )

    def fetch(self, folder: str, names: Sequence[str], to: Path) -> None:
        """Bring files and folders below a folder there into a folder here; see `send`."""
        to.mkdir(parents=True, exist_ok=True)
        if self._rsync is None:
            self._fetch_by_tar(folder, names, to)
            return
        listed = "".join(f"{name}\0" for name in names).encode()
        self._run([f"{self._ssh.host}:{folder}/", f"{os.fspath(to)}/"], listed, full=_FULL_HERE)

    def _full_there(self) -> _Words:
        return full_there(self._name)

    def _run(self, arguments: Sequence[str], listed: bytes, *, full: _Words) -> None:
        command = [self._rsync or "rsync", *_OPTIONS, "-e", shlex.join(self._ssh.command()), *arguments]
        for left in reversed(range(_TRIES)):
            done = subprocess.run(command, input=listed, capture_output=True, check=False)
            if done.returncode == 0:
                return
            if done.returncode not in _BROKEN or left == 0:
                raise self._failed(done.returncode, done.stderr, full)

    def _failed(self, status: int, errors: bytes, full: _Words) -> ToolError:
        said = errors.decode("utf-8", "replace")
        context = [line for line in said.splitlines() if line.strip()][-3:]
        if "No space left on device" in said:
            return ToolError(full[0], context=context, hint=full[1])
        if status == FAILED:
            return self._ssh.explained(said)
        if status in _BROKEN:
            return LineBroken(f"the line to '{self._ssh.host}' broke", context=context)
        return ToolError(f"files cannot be copied to or from '{self._ssh.host}'", context=context)

    def _send_by_tar(self, folder: Path, names: Sequence[str], to: str) -> None:
        script = f"mkdir -p {shlex.quote(to)} && exec tar -x -p -C {shlex.quote(to)} -f -"
        process = self._tar(script, stdin=subprocess.PIPE)
        assert process.stdin is not None
        try:
            with process.stdin, tarfile.open(fileobj=process.stdin, mode="w|", dereference=True) as archive:
                for name in names:
                    if (folder / name).exists():
                        archive.add(folder / name, name)
        except BrokenPipeError:
            process.wait()  # it says why on its standard error
        process.stdin = None
        self._end(process, full=self._full_there())

    def _fetch_by_tar(self, folder: str, names: Sequence[str], to: Path) -> None:
        process = self._tar(f"exec tar -c -h -C {shlex.quote(folder)} -f - -- {shlex.join(names)}")
        unpack = ["tar", "-x", "-C", os.fspath(to), "-f", "-"]
        done = subprocess.run(unpack, stdin=process.stdout, capture_output=True, check=False)
        if done.returncode != 0 and b"No space left on device" in done.stderr:
            process.kill()
            process.communicate()
            raise self._failed(done.returncode, done.stderr, _FULL_HERE)
        self._end(process, full=_FULL_HERE)
        if done.returncode != 0:
            raise self._failed(done.returncode, done.stderr, _FULL_HERE)

    def _tar(self, script: str, *, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        words = self._ssh.words(script)
        return subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def _end(self, process: subprocess.Popen[bytes], *, full: _Words) -> None:
        _, errors = process.communicate()
        if process.returncode != 0:
            raise self._failed(process.returncode, errors, full)
