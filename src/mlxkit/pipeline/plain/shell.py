"""A stage's variables without mlx: in the shell command of dvc.yaml, or in its script."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from mlxkit.pipeline.plain.script import Call
from mlxkit.project.variables import REFERENCE
from mlxkit.scaffold.render import python_literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.pipeline.plain.script import Script
    from mlxkit.project.models import Stage


def script_command(stage: Stage, file: str, *, path: str = "") -> str:
    """Return the command that runs a stage's script; constant variables must be set before it imports."""
    constant = {name: text for name, text in stage.env.items() if not _refers(text)}
    words = [f"{name}={shlex.quote(text)}" for name, text in constant.items()]
    return " ".join([*([f"PYTHONPATH={path}"] if path else []), *words, f"python {file}"])


def plain_command(stage: Stage) -> str:
    """Return a stage's own command, with its variables set and `.env` read where it refers to one.

    Every line is a shell of its own, as DVC has it.
    """
    return "\n".join(_plain_line(line, stage.env) for line in (stage.cmd or "").splitlines())


def _plain_line(line: str, env: Mapping[str, str]) -> str:
    exports = " ".join(f"{name}={_quoted(text)}" for name, text in env.items())
    command = f"export {exports} && {line}" if exports else line
    if not any(_refers(text) for text in (line, *env.values())):
        return command
    return f"touch .env && dotenv run --no-override -- sh -c {shlex.quote(command)}"


def set_variables(script: Script, stage: Stage, *, dotenv: bool) -> None:
    """Read `.env`, and set the variables that refer to others."""
    referring = {name: text for name, text in stage.env.items() if _refers(text)}
    if dotenv or referring:
        script.say(Call(script.member("dotenv", "load_dotenv"), ()))
    for name, text in referring.items():
        script.module("os")
        script.say(Call("", (expanded(text),)), target=f"os.environ[{python_literal(name)}]")


def expanded(text: str) -> str:
    """Return the expression of a text in which `${NAME}` is the environment's value."""
    whole = REFERENCE.fullmatch(text)
    if whole:
        return f"os.environ[{python_literal(whole[1])}]"
    if not _refers(text):
        return python_literal(text)
    parts = [
        f"os.environ[{python_literal(piece)}]" if i % 2 else python_literal(piece)
        for i, piece in enumerate(REFERENCE.split(text))
        if piece
    ]
    return " + ".join(parts)


def _refers(text: str) -> bool:
    return REFERENCE.search(text) is not None


def _quoted(text: str) -> str:
    """Quote a value for the shell, `${NAME}` still meaning the variable."""
    if not _refers(text):
        return shlex.quote(text)
    pieces = REFERENCE.split(text)
    literal = [re.sub(r'([\\"`$])', r"\\\1", piece) for piece in pieces[::2]]
    names = [f"${{{name}}}" for name in pieces[1::2]]
    return '"' + "".join(part for pair in zip(literal, [*names, ""], strict=True) for part in pair) + '"'
