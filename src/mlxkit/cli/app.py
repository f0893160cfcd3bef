"""The command line: its commands, and `main`, the only handler of errors."""

from __future__ import annotations

import gc
import importlib
import io
import os
import re
import shlex
import signal
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from mlxkit.cli import options
from mlxkit.errors import Exit, Interrupted, MlxError, UsageError, of_the_machine
from mlxkit.output import Output, discard_stdout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMANDS: Mapping[str, str] = {
    "init": "init",
    "status": "status",
    "check": "check",
    "run": "run_",
    "train": "run_",
    "evaluate": "run_",
    "open": "open",
    "promote": "promote",
    "rollback": "rollback",
    "history": "history",
    "compare": "compare",
    "lineage": "lineage",
    "card": "card",
    "report": "report",
    "drift": "drift",
    "runs": "runs",
    "models": "models",
    "jobs": "jobs",
    "env": "env",
    "ui": "ui",
    "gc": "gc",
    "doctor": "doctor",
    "export": "export",
    "template": "template",
    "eject": "eject",
    "exec": "exec_",
}
"""The module of each command, in the order of `mlx --help`."""

_NEED_TIDYING = {"dvc", "mlflow", "evidently"}
"""What must be let close its files and threads when it was used."""


def _version(value: bool) -> None:
    if value:
        from mlxkit import __version__

        typer.echo(f"mlx {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    directory: options.Directory = None,
) -> None:
    """MLOps from one command line and one YAML file, on plain DVC, MLflow and git."""
    del version
    options.current.enter(directory)


def build(command: str | None = None) -> typer.Typer:
    """Return the command line: all of it, or the part in whose module a command is, which is ready sooner."""
    app = typer.Typer(
        name="mlx",
        help="MLOps from one command line and one YAML file, on plain DVC, MLflow and git.",
        epilog="Start with `mlx init NAME`. Every command has an example: `mlx run --help`.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for module in dict.fromkeys(COMMANDS.values()):
        if command is None or COMMANDS[command] == module:
            importlib.import_module(f"mlxkit.cli.{module}").register(app)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error ends here."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _switch_off_telemetry()
    wants_json = "--json" in arguments
    options.current.output = Output("json" if wants_json else "human")
    options.current.debug = "--debug" in arguments
    options.current.start = None
    try:
        return _call(arguments)
    except MlxError as error:
        return _report(error)
    except KeyboardInterrupt:
        return _report(Interrupted("interrupted"))
    except OSError as error:
        known = of_the_machine(error)
        return _report(known) if known is not None else _report_bug(error)
    except Exception as error:
        return _report_bug(error)


def run() -> None:
    """Run as the installed command. To be told to end, or to lose the terminal, counts as Ctrl-C."""
    # Nearly all that is made while everything is imported stays, so that to look for garbage is time lost.
    gc.set_threshold(50_000, 20, 20)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    code = main()
    if _NEED_TIDYING & sys.modules.keys():
        sys.exit(code)
    # Otherwise Python would take a tenth of the time of a short command to free what goes with it anyway.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.flush()
    os._exit(code)


def _call(arguments: list[str]) -> int:
    """Let Typer parse and call; its own usage errors are reported like all others."""
    usage, stdout, stderr = io.StringIO(), sys.stdout, sys.stderr
    sys.stderr = usage
    options.current.on_start = lambda: setattr(sys, "stderr", stderr)
    try:
        build(_named(arguments))(args=arguments, prog_name="mlx")
        return Exit.OK
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.__context__, BrokenPipeError):  # `mlx --help | true`
            sys.stdout = stdout
            discard_stdout()
            return Exit.OK
    finally:
        sys.stderr = stderr
        options.current.on_start = options.nothing
    text = usage.getvalue()
    if misplaced := re.search(r"No such option: (--json|--quiet|-q|--debug)\b", text):
        raise _misplaced(misplaced[1], arguments)
    if code == Exit.USAGE and "Error: " in text:
        raise UsageError(_usage_message(text), hint=f"run `{_usage_help(text, arguments)}`")
    stderr.write(text)
    return code


def _named(arguments: list[str]) -> str | None:
    """Return the command that is called; None where that is not plain, or the shell asks for completions."""
    words = iter(arguments)
    for word in words:
        if word == "-C":
            next(words, None)
        elif not word.startswith("-C"):
            return word if word in COMMANDS and "_MLX_COMPLETE" not in os.environ else None
    return None


def _misplaced(option: str, arguments: list[str]) -> UsageError:
    """Explain an option that every command has and `mlx` itself has not."""
    rest = [argument for argument in arguments if argument != option]
    named = any(not argument.startswith("-") for argument in rest)
    command = shlex.join(["mlx", *rest, option]) if named else "mlx --help"
    return UsageError(f"'{option}' goes after the command", hint=f"run `{command}`")


def _usage_message(text: str) -> str:
    """Say a usage error of Typer as mlx says its own."""
    from mlxkit.project.suggestions import did_you_mean

    message = text.rpartition("Error: ")[2].strip().removesuffix(".")
    wrong = re.match(r"No such (command|option):? '?([^\s']+)'?", message)
    if wrong is None:
        return message[:1].lower() + message[1:]
    candidates = re.findall(
        r"[\w-]+", message[wrong.end() :].partition("ossible options: ")[2]
    ) or re.findall(r"'([\w-]+)'", message[wrong.end() :])
    return f"there is no {wrong[1]} '{wrong[2]}'{did_you_mean(wrong[2], candidates)}"


def _usage_help(text: str, arguments: list[str]) -> str:
    usage = re.search(r"^Usage: (mlx(?: [a-z-]+)*)", text, re.MULTILINE)
    named = f"mlx {arguments[0]}" if arguments and arguments[0] in COMMANDS else "mlx"
    return f"{usage[1] if usage else named} --help"


def _report(error: MlxError) -> int:
    if options.current.debug:
        traceback.print_exception(error)
    options.current.output.error(error)
    return error.exit_code


def _report_bug(error: Exception) -> int:
    """Report what mlx did not foresee; the traceback is for the bug report."""
    bug = MlxError(
        f"a bug in mlx: {type(error).__name__}: {error}",
        hint="run the same command with --debug, and report what it shows",
    )
    bug.kind = "bug"
    bug.__cause__ = error
    return _report(bug)


def _switch_off_telemetry() -> None:
    for name, value in (
        ("DVC_NO_ANALYTICS", "1"),
        ("DO_NOT_TRACK", "1"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(name, value)
