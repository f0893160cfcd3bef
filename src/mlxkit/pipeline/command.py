"""A stage as the command that runs it: everything in mlx.yaml that can change its result, and nothing else.

The same `mlx exec …` stands in dvc.yaml, is what `dvc repro` calls, and is what a worker executes.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.errors import UsageError
from mlxkit.project.functions import CONTEXT_NAMES, find_function
from mlxkit.project.models import Costs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.models import Kind, Project, Stage

_MODEL_CONTEXT = ("task", "target", "positive", "key")
"""What the kinds `train` and `evaluate` themselves need to know of mlx.yaml."""
_PROFILE_CONTEXT = ("values",)
"""What the reference profile of `train` needs beside those."""
_REPORT_CONTEXT = ("time", "protected", "costs")
"""What an evaluation in full needs beside those."""


@dataclass(frozen=True)
class Command:
    """One stage to execute.

    Attributes:
        context: the values of mlx.yaml that it may bind.
        read: name of an input -> arguments of `pandas.read_csv`.
    """

    stage: str
    kind: Kind = "stage"
    call: str | None = None
    cmd: str | None = None
    bind: Mapping[str, str] = field(default_factory=dict)
    out: Mapping[str, str] = field(default_factory=dict)
    params: tuple[str, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)
    package: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def arguments(self) -> list[str]:
        """Return the arguments of `mlx exec`; `parse` is the inverse."""
        words = [self.stage]
        if self.kind != "stage":
            words += ["--kind", self.kind]
        for option, value in (("--call", self.call), ("--package", self.package)):
            if value is not None:
                words += [option, value]
        words += [word for line in (self.cmd or "").splitlines() for word in ("--cmd", line)]
        for option, paths in (("--bind", self.bind), ("--out", self.out)):
            words += [word for name, path in paths.items() for word in (option, f"{name}={path}")]
        words += [
            word for name, value in self.read.items() for word in ("--read", f"{name}={_quoted(value)}")
        ]
        words += [word for group in self.params for word in ("--params", group)]
        words += [
            word for name, value in self.context.items() for word in ("--with", f"{name}={_encode(value)}")
        ]
        words += [
            word for name, value in self.env.items() for word in ("--set-env", f"{name}={_encode_env(value)}")
        ]
        return words

    @property
    def is_plain(self) -> bool:
        """Whether the user's own command needs nothing from mlx."""
        return self.cmd is not None and not self.env and "${" not in self.cmd

    def shell(self) -> str:
        """Return the shell command for dvc.yaml: the user's own where mlx has nothing to add."""
        if self.cmd is not None and self.is_plain:
            return self.cmd
        return " ".join(["mlx", "exec", *(shlex.quote(word) for word in self.arguments())])

    def to_json(self) -> dict[str, Any]:
        """Return plain values for a worker; `Command(**values)` is the inverse."""
        return {**vars(self), "params": list(self.params)}


def command_of(project: Project, stage: Stage) -> Command:
    """Return the command of a stage."""
    context_names = _context_names(project, stage)
    values = {name: getattr(project, name) for name in (*CONTEXT_NAMES, "costs")}
    values["values"] = project.drift.values
    context = {
        name: _as_plain(value)
        for name, value in values.items()
        if name in context_names and value is not None and value != ()
    }
    return Command(
        stage=stage.name,
        kind=stage.kind,
        call=stage.call,
        cmd="\n".join(stage.cmd.splitlines()) if stage.cmd else None,
        bind=dict(stage.inputs) if not stage.cmd else {},
        out=dict(stage.outputs) if not stage.cmd else {},
        params=stage.params if not stage.cmd else (),
        context=context if not stage.cmd else {},
        package=project.package if stage.kind == "train" else None,
        env=dict(stage.env),
        read=_read_options(project, stage) if not stage.cmd else {},
    )


def _as_plain(value: Any) -> Any:
    if isinstance(value, Costs):
        return dict(vars(value))
    return list(value) if isinstance(value, tuple) else value


def _read_options(project: Project, stage: Stage) -> dict[str, Mapping[str, Any]]:
    options = {name: project.read_options(path) for name, path in stage.inputs.items()}
    return {name: dict(value) for name, value in options.items() if value}


def _context_names(project: Project, stage: Stage) -> set[str]:
    """Return the names that matter: those the function asks for, and those its kind needs."""
    names = set(_MODEL_CONTEXT) if stage.kind in ("train", "evaluate") else set()
    if stage.kind == "train":
        names |= set(_PROFILE_CONTEXT)
    if stage.evaluation_path is not None:
        names |= set(_REPORT_CONTEXT)
    if stage.call:
        parameters = find_function(project.root, stage.call).parameters
        names |= set(CONTEXT_NAMES) if parameters is None else {p.name for p in parameters}
    return names


def parse_pairs(option: str, values: list[str]) -> dict[str, str]:
    """Split `name=value` arguments.

    Raises:
        UsageError: one has no `=`.
    """
    pairs = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not name or not equals:
            raise UsageError(f"'{option} {value}' is no NAME=VALUE", hint="run `mlx check --fix`")
        pairs[name] = rest
    return pairs


def parse_context(values: list[str]) -> dict[str, Any]:
    """Read `--with name=value` arguments; the inverse of how `Command.arguments` writes them."""
    return {name: _decode(text) for name, text in parse_pairs("--with", values).items()}


def parse_read(values: list[str]) -> dict[str, dict[str, Any]]:
    """Read `--read name={...}` arguments; the inverse of how `Command.arguments` writes them."""
    options = {name: _decode(text) for name, text in parse_pairs("--read", values).items()}
    for name, value in options.items():
        if not isinstance(value, dict):
            raise UsageError(f"'--read {name}={value}' is no JSON object", hint="run `mlx check --fix`")
    return options


def parse_env(values: list[str]) -> dict[str, str]:
    """Read `--set-env name=value` arguments; the inverse of how `Command.arguments` writes them."""
    pairs = parse_pairs("--set-env", values).items()
    return {name: str(_decode(text)) if text.startswith('"') else text for name, text in pairs}


def _encode(value: Any) -> str:
    """Write text as it is, unless it would be read back as a number, boolean, list or quoted text."""
    if isinstance(value, str) and _is_one_line(value) and _decode(value) == value:
        return value
    return _quoted(value)


def _encode_env(value: str) -> str:
    return value if _is_one_line(value) and not value.startswith('"') else _quoted(value)


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if _is_one_line(text) else json.dumps(value)


def _is_one_line(text: str) -> bool:
    """Whether DVC takes a text as part of one command: it runs every line as a command of its own."""
    return len(text.splitlines()) < 2 and text.splitlines() in ([], [text])


def _decode(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
