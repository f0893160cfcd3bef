"""Run commands in a real terminal, so that documents and pictures show what a person sees.

What mlx draws while a run goes on (a table that is redrawn, colours) goes through a terminal emulator; what
is on its screen at the end is what is on a person's. Home, user and settings are neutral: nothing of this
machine shows.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyte

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROWS, WIDEST = 400, 300
"""Of the emulated screen: more than any command prints, so nothing scrolls away or is broken in two."""
GIT_SETTINGS = """[user]
\tname = Ada Lovelace
\temail = ada@example.org
[init]
\tdefaultBranch = main
"""


@dataclass(frozen=True, slots=True)
class Result:
    """The screen after a command: its rows of styled cells, without the empty ones at the end."""

    code: int
    cells: list[list[Any]]

    @property
    def lines(self) -> list[str]:
        """Return the text of each row."""
        return ["".join(cell.data for cell in row).rstrip() for row in self.cells]


class Terminal:
    """A shell that remembers folder and variables from one command to the next."""

    def __init__(self, home: Path, columns: int = 88) -> None:
        """Begin in `home`, which is made when it is not there."""
        home.mkdir(parents=True, exist_ok=True)
        (home / ".gitconfig").write_text(GIT_SETTINGS, encoding="utf-8")
        self.home = home
        self.folder = home
        self.columns = columns
        self.variables: Mapping[str, str] = _neutral(home)

    def run(self, command: str) -> Result:
        """Run one command of bash to its end, and return the screen that it leaves."""
        state = self.home / ".terminal"
        script = f"{command}\ncode=$?\n{{ pwd; env -0; }} > {state}\nexit $code\n"
        primary, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, self.columns, 0, 0))
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            env=dict(self.variables),
            stdin=subprocess.DEVNULL,
            stdout=secondary,
            stderr=secondary,
            start_new_session=True,
        )
        os.close(secondary)
        screen = pyte.Screen(WIDEST, ROWS)
        stream = pyte.ByteStream(screen)
        for data in _read(primary, process):
            # The emulator knows no faint text; a terminal shows it much like "bright black".
            stream.feed(data.replace(b"\x1b[2m", b"\x1b[90m"))
        os.close(primary)
        code = process.wait()
        self._remember(state)
        return Result(code, _cells(screen))

    def _remember(self, state: Path) -> None:
        if not state.is_file():
            return
        folder, _, rest = state.read_text(encoding="utf-8").partition("\n")
        state.unlink()
        self.folder = Path(folder)
        pairs = (pair.partition("=") for pair in rest.split("\0") if pair)
        self.variables = {name: value for name, _, value in pairs if name not in {"_", "SHLVL", "OLDPWD"}}


def _neutral(home: Path) -> dict[str, str]:
    """Return the variables of a user who has set nothing, with this interpreter's environment activated."""
    return {
        "HOME": str(home),
        "USER": "ada",
        "LOGNAME": "ada",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "VIRTUAL_ENV": sys.prefix,
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(home),
        "DVC_SITE_CACHE_DIR": str(home / ".cache/dvc-site"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / ".config/dvc-system"),
        # The workers that wait for the next command must not wait long after the last one.
        "MLX_WARM": "30",
    }


def _read(primary: int, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield what is printed until the command ends; what it left running may hold the terminal open."""
    ended = 0.0
    while True:
        ready, _, _ = select.select([primary], [], [], 0.05)
        if ready:
            try:
                data = os.read(primary, 65536)
            except OSError:
                return
            if not data:
                return
            yield data
        elif process.poll() is not None:
            ended = ended or time.monotonic()
            if time.monotonic() - ended > 0.1:
                return


def _cells(screen: Any) -> list[list[Any]]:
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.cursor.y + 1)]
    while rows and all(cell.data == " " for cell in rows[-1]):
        rows.pop()
    return rows
