"""The system's own `ssh`: configuration, agent, jump hosts, hardware keys and known hosts are the user's.

All calls of one process go through one connection, which stays open for a while after the last of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FAILED = 255
"""Exit status of ssh itself; a command may end with it, too."""
_LONGEST_SOCKET = 90
"""A Unix socket's path has 108 bytes, and ssh adds some while it makes one."""
_PATIENCE = {"ConnectTimeout": 10, "ServerAliveInterval": 5, "ServerAliveCountMax": 3}
_KEPT_SECONDS = 60
_NOISE = re.compile(r"^(Warning: Permanently added|\*\* |Pseudo-terminal|mux_client_|Shared connection)")


class LineBroken(ToolError):
    """The connection to a machine was lost, or there is none at this moment."""


@dataclass(frozen=True)
class Done:
    """A command that ended there: its exit status, and what it wrote."""

    status: int
    output: bytes
    errors: str


class Ssh:
    """One machine, by the name that `ssh` knows it by."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._sockets = _socket_folder()

    def command(self) -> list[str]:
        """Return the words that `rsync` and others put before a command for that machine, host left out."""
        options = {
            "BatchMode": "yes",
            "ControlMaster": "auto",
            "ControlPath": f"{self._sockets}/%C",
            "ControlPersist": _KEPT_SECONDS,
            **_PATIENCE,
        }
        return ["ssh", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]

    def run(self, script: str, *, data: bytes = b"", timeout: float | None = None) -> Done:
        """Run a script in the machine's POSIX shell, with `data` on its standard input.

        Raises:
            LineBroken: the machine cannot be reached now, or the line broke.
            ToolError: it cannot be reached as things stand: an unknown host, a key that is refused.
        """
        try:
            done = subprocess.run(
                self.words(script), input=data, capture_output=True, check=False, timeout=timeout
            )
        except FileNotFoundError as error:
            raise _no_ssh() from error
        except subprocess.TimeoutExpired as error:
            raise LineBroken(f"'{self.host}' does not answer", hint=self._try_it()) from error
        errors = done.stderr.decode("utf-8", "replace")
        if done.returncode == FAILED:
            raise self.explained(errors)
        return Done(done.returncode, done.stdout, errors)

    def feed(self, script: str, content: Iterable[bytes]) -> Done:
        """Run a script there that reads `content` as that is made; raises as `run` does."""
        # Files and not pipes: nobody reads, while the content is written, what comes back.
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as said:
            status = self._fed(script, content, output, said)
            output.seek(0)
            said.seek(0)
            errors = said.read().decode("utf-8", "replace")
            if status == FAILED:
                raise self.explained(errors)
            return Done(status, output.read(), errors)

    def _fed(self, script: str, content: Iterable[bytes], output: IO[bytes], said: IO[bytes]) -> int:
        try:
            process = subprocess.Popen(self.words(script), stdin=subprocess.PIPE, stdout=output, stderr=said)
        except FileNotFoundError as error:
            raise _no_ssh() from error
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # how it ended says why
                for chunk in content:
                    process.stdin.write(chunk)
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
        return process.returncode

    def open(self, script: str, *, data: bytes) -> subprocess.Popen[bytes]:
        """Start a script there, with `data` on its standard input; what it prints is read as it comes.

        Errors of ssh are on its standard error, see `explained`.
        """
        # A file and not a pipe: nobody has to go on writing while the answers are read.
        with tempfile.TemporaryFile() as given:
            given.write(data)
            given.seek(0)
            try:
                return subprocess.Popen(
                    self.words(script),
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # Ctrl-C is for mlx, which then asks what is to become of the job
                )
            except FileNotFoundError as error:
                raise _no_ssh() from error

    def words(self, script: str) -> list[str]:
        """Return the words of the command that runs a script in the machine's POSIX shell."""
        # Whatever shell the user has there, it passes this on.
        return [*self.command(), "-T", self.host, f"exec sh -c {shlex.quote(script)}"]

    def _try_it(self) -> str:
        return f"run `ssh {shlex.quote(self.host)}` to see why"

    def explained(self, errors: str) -> ToolError:
        """Return in mlx's words why ssh failed, from what it wrote to its standard error."""
        said = [line.strip() for line in errors.splitlines() if line.strip() and not _NOISE.match(line)]
        context = said[-3:]
        for pattern, message, hint in _REASONS:
            if re.search(pattern, errors):
                named = {"host": self.host, "quoted": shlex.quote(self.host)}
                return ToolError(message.format(**named), context=context, hint=hint.format(**named))
        return LineBroken(f"the line to '{self.host}' is broken", context=context, hint=self._try_it())


_REASONS: Sequence[tuple[str, str, str]] = (
    (
        r"Could not resolve hostname",
        "ssh knows no host '{host}'",
        "check `ssh:` in mlx.yaml, or add the host to ~/.ssh/config",
    ),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host key of '{host}' is not the one that ssh knows: another machine, or a new installation",
        "ask who runs it; if it is right, run `ssh-keygen -R HOST`, then `ssh {quoted}`",
    ),
    (
        r"Host key verification failed|No \S+ host key is known",
        "ssh has never met '{host}', and its host key must be accepted once",
        "run `ssh {quoted}` and compare the fingerprint",
    ),
    (
        r"Permission denied|Too many authentication failures|no such identity",
        "'{host}' refuses your key",
        "run `ssh-add`, or `ssh-copy-id {quoted}`; mlx never asks for a password",
    ),
    (
        r"Bad configuration option|line \d+: ",
        "ssh does not understand its configuration",
        "run `ssh {quoted}`",
    ),
)


def _no_ssh() -> ToolError:
    return ToolError("the command `ssh` is not installed", hint="install the OpenSSH client")


def _socket_folder() -> Path:
    """Return where connections are found again: a short path, for a socket's has little room."""
    for folder in (Path.home() / ".mlx" / "cm", Path(tempfile.gettempdir()) / f"mlx-cm-{os.getuid()}"):
        if len(os.fsencode(folder)) + 41 > _LONGEST_SOCKET:  # 40 of the hash, and a slash
            continue
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            continue
        if folder.stat().st_uid == os.getuid():
            return folder
    return Path(tempfile.mkdtemp(prefix="mlx-cm-"))
