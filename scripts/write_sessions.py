"""Run every command that the documentation shows, and write what it really printed into the pages.

`python scripts/write_sessions.py [PAGE...]` runs the sessions and mends what a page shows wrongly; what
differs only in times, sizes and ids stays as it is, unless `--anew` is given. With `--check` nothing is
written, and the exit code is 1 when a page shows something else than what happens. `session_page.py` says
how a page is written.
"""

from __future__ import annotations

import difflib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from session_page import is_same, merged, pieces_of, renewed, session_of
from terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from session_page import Piece

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "cells"
# What a how-to starts from: a project that has run, is committed, and has a champion.
BEGINNING = (
    f"mlx init {PROJECT} --quiet",
    f"cd {PROJECT}",
    "mlx run --quiet",
    "git add --all",
    "git commit --quiet --message 'First run'",
    "mlx promote --quiet",
)
HOME_SHOWN = "/home/ada"


class UnexpectedExitError(Exception):
    """A command ended otherwise than its page says."""


def main(arguments: Sequence[str]) -> int:
    """Run the sessions of the pages that are named, else of all; returns the exit code."""
    flags = {word for word in arguments if word.startswith("-")}
    named = [Path(word).resolve() for word in arguments if not word.startswith("-")]
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="mlx-docs-", ignore_cleanup_errors=True) as folder:
        player = Player(Path(folder).resolve())
        for page in named or sorted((ROOT / "docs").rglob("*.md")):
            wrong += not _is_fine(page, player, flags)
    return int(wrong > 0)


def _is_fine(page: Path, player: Player, flags: set[str]) -> bool:
    old = page.read_text(encoding="utf-8")
    start = session_of(old)
    if start is None:
        return True
    name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name
    try:
        new = player.play(old, start, anew="--anew" in flags)
    except UnexpectedExitError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return False
    if new == old:
        return True
    if "--check" in flags:
        sys.stderr.writelines(_difference(old, new, name))
        return False
    page.write_text(new, encoding="utf-8")
    sys.stderr.write(f"wrote {name}\n")
    return True


class Player:
    """Plays sessions, each from its beginning, in the home of a person who has done nothing else."""

    def __init__(self, folder: Path) -> None:
        """Keep the home and the project that sessions begin with below `folder`."""
        self._home = folder / "ada"
        self._kept = folder / "kept"

    def play(self, page: str, start: str, *, anew: bool) -> str:
        """Run a page's session; returns the page as it should be."""
        terminal = self._begin(start)
        parts, place = [], 0
        for piece in pieces_of(page):
            parts.append(page[place : piece.start])
            parts.append(self._do(piece, page[piece.start : piece.end], terminal, anew=anew))
            place = piece.end
        return "".join([*parts, page[place:]])

    def _begin(self, start: str) -> Terminal:
        if start and not self._kept.exists():
            self._empty_home()
            terminal = Terminal(self._home)
            for command in BEGINNING:
                _run(terminal, command)
            self._home.joinpath(PROJECT).rename(self._kept)
        self._empty_home()
        terminal = Terminal(self._home)
        if start:
            # Under the same path as before: MLflow's store holds absolute ones.
            shutil.copytree(self._kept, self._home / PROJECT, symlinks=True)
            _run(terminal, f"cd {PROJECT}")
        return terminal

    def _empty_home(self) -> None:
        for path in self._home.iterdir() if self._home.exists() else []:
            if path.is_dir() and path.name != ".cache":
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()

    def _do(self, piece: Piece, source: str, terminal: Terminal, *, anew: bool) -> str:
        match piece.kind:
            case "hidden":
                _run(terminal, piece.text)
            case "write":
                file = terminal.folder / piece.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(piece.text, encoding="utf-8")
            case "merge":
                _merge(terminal.folder / piece.path, piece.text)
            case "console":
                return f"```console\n{self._console(piece, terminal, anew=anew)}```"
        return source

    def _console(self, piece: Piece, terminal: Terminal, *, anew: bool) -> str:
        lines = []
        for shown in piece.commands:
            real = [
                line.replace(str(self._home), HOME_SHOWN)
                for line in _run(terminal, shown.command, shown.code)
            ]
            keep = is_same(shown.output, real) and not anew
            lines += [f"$ {shown.command}", *(shown.output if keep else renewed(shown.output, real))]
        return "".join(f"{line}\n" for line in lines)


def _run(terminal: Terminal, command: str, code: int = 0) -> list[str]:
    result = terminal.run(command)
    if result.code != code:
        shown = "\n".join(result.lines)
        raise UnexpectedExitError(f"`{command}` exits with {result.code}, and not with {code}\n{shown}")
    return result.lines


def _merge(file: Path, fragment: str) -> None:
    yaml = YAML()
    yaml.width = 1000
    value = merged(yaml.load(file.read_text(encoding="utf-8")), yaml.load(fragment))
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(value, stream)


def _difference(old: str, new: str, name: str) -> list[str]:
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), name, f"{name} as it is"
    )
    return [*lines, f"{name} shows something else than what happens: run `make sessions`\n"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
