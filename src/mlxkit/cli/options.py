"""What every command has in common: its shared options, its Output, and the project it works in."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec

import typer

from mlxkit.errors import Interrupted, NotInProjectError, ToolError, UsageError
from mlxkit.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Directory = Annotated[
    Path | None, typer.Option("-C", metavar="DIR", help="Work in this folder instead of the current one.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Env = Annotated[str | None, typer.Option("--env", metavar="ENV", help="Environment; else MLX_ENV, else dev.")]
NAMES = "environment, version or run"
"""What a model may be named by."""
Model = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]", help=f"{NAMES.capitalize()}. Default: the champion, else the one here."
    ),
]

_SHARED: dict[str, Any] = {"json": Json, "quiet": Quiet, "directory": Directory, "debug": Debug}


def nothing() -> None:
    """Do nothing."""


@dataclass
class Session:
    """One call of the command line; `main` reads it to report an error the way that was asked for.

    Attributes:
        on_start: called when the arguments are parsed and the command begins.
        start: the working folder before `-C` changed it; None when it did not.
    """

    output: Output
    debug: bool = False
    on_start: Callable[[], None] = nothing
    start: Path | None = None

    @functools.cached_property
    def root(self) -> Path:
        """The project's root; the project's own environment runs the command from here on."""
        from mlxkit.project.load import find_root
        from mlxkit.project.variables import export_of_stores

        try:
            here = Path.cwd()
        except FileNotFoundError as error:
            raise NotInProjectError("this folder does not exist any more", hint="run `cd`") from error
        root = find_root(here)
        use_project_environment(root, start=self.start)
        export_of_stores(root)
        return root

    def enter(self, directory: Path | None) -> None:
        """Work in another folder from here on, as `mlx -C DIR run` and `mlx run -C DIR` ask for.

        Raises:
            UsageError: there is no such folder.
        """
        if directory is None:
            return
        try:
            self.start = self.start or Path.cwd()
            os.chdir(directory)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(
                f"cannot work in '{directory}': {reason}", hint="name an existing folder with `-C DIR`"
            ) from error


current = Session(Output())
"""The session of the command under way."""


def command(
    app: typer.Typer, name: str | None = None, *, hidden: bool = False
) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Register a function as a command; it gets a Session first, and may return an exit code."""

    def register(function: Callable[..., int | None]) -> Callable[..., None]:
        @functools.wraps(function)
        def wrapper(**arguments: Any) -> None:
            shared = {key: arguments.pop(key) for key in _SHARED}
            session = _start(**shared)
            try:
                code = function(session, **arguments)
            except KeyboardInterrupt as error:
                raise Interrupted("interrupted") from error
            if code:
                raise typer.Exit(code)

        signature = inspect.signature(function, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "session"]
        added = [
            inspect.Parameter(
                key,
                inspect.Parameter.KEYWORD_ONLY,
                default=None if key == "directory" else False,
                annotation=kind,
            )
            for key, kind in _SHARED.items()
        ]
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        wrapper.__signature__ = signature.replace(parameters=[*keyword, *added], return_annotation=None)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in [*keyword, *added]}
        app.command(name or function.__name__, help=inspect.getdoc(function), hidden=hidden)(wrapper)
        return wrapper

    return register


def _start(*, json: bool, quiet: bool, directory: Path | None, debug: bool) -> Session:
    current.on_start()
    current.output = Output("json" if json else "quiet" if quiet else "human")
    current.debug = debug
    current.__dict__.pop("root", None)
    current.enter(directory)
    return current


def use_project_environment(root: Path, *, start: Path | None = None) -> None:
    """Continue in the project's `.venv`, where there is one and this is another Python.

    `start` is the folder to begin again from, because the arguments say `-C` once more.

    Raises:
        ToolError: the `.venv` lacks mlx, or there is none and mlx is installed as a tool of its own,
            without the project's libraries.
    """
    environment = root / ".venv"
    python = environment / "bin" / "python"
    if Path(sys.prefix).resolve() == environment.resolve():
        return
    if not python.exists():
        if any((Path(sys.prefix) / mark).exists() for mark in ("uv-receipt.toml", "pipx_metadata.json")):
            raise ToolError(
                "this project has no environment of its own yet", context=[str(root)], hint="run `make setup`"
            )
        return
    if not any(environment.glob("lib/python*/site-packages/mlxkit*")):
        raise ToolError(
            "the project's environment lacks mlx", context=[str(environment)], hint="run `make setup`"
        )
    if os.environ.get("MLX_PYTHON") == str(python):
        raise ToolError(
            "the project's environment cannot be used",
            context=[str(python)],
            hint="run `rm -r .venv && make setup`",
        )
    os.environ["MLX_PYTHON"] = str(python)
    os.environ["PATH"] = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
    if start is not None:
        os.chdir(start)
    os.execv(python, [str(python), "-m", "mlxkit", *sys.argv[1:]])
