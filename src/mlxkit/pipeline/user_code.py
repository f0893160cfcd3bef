"""The user's own functions: imported, called, and what they return matched with a stage's outputs."""

from __future__ import annotations

import importlib
import sys
import traceback
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.errors import FREE_SPACE, MlxError, StageFailed, is_full_disk
from mlxkit.pipeline.saving import type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from mlxkit.pipeline.command import Command


def import_function(command: Command) -> Callable[..., Any]:
    """Import the function of a stage.

    Raises:
        StageFailed: its module raises while it is imported, or has no such function.
    """
    module_name, _, name = (command.call or "").partition(":")
    module = call_user_function(importlib.import_module, {"name": module_name}, command)
    function = getattr(module, name, None)
    if not callable(function):
        raise StageFailed(f"'{module_name}' has no function '{name}'", hint="run `mlx check`")
    return function  # type: ignore[no-any-return]


def call_user_function(function: Callable[..., Any], arguments: Mapping[str, Any], command: Command) -> Any:
    """Call code of the user; whatever it raises is explained with the line in the user's own file.

    A change of the working folder ends with the call.
    """
    try:
        with chdir("."):
            return function(**arguments)
    except SystemExit as error:
        raise StageFailed(
            f"'{command.call}' called sys.exit({'' if error.code is None else repr(error.code)})",
            context=_user_frames(error),
            hint="return from the function, or raise an exception",
        ) from error
    except MlxError:
        raise
    except Exception as error:
        users = error.__traceback__ and error.__traceback__.tb_next  # it begins where mlx's own code ends
        lines = traceback.format_exception(type(error), error, users)
        sys.stderr.write("".join([*lines, "\n"]))  # which is the stage's log here
        text, *more = str(error).splitlines() or [""]
        said = f": {text}{' …' if more else ''}" if text else ""
        raise StageFailed(
            f"'{command.call}' raised {type(error).__name__}{said}",
            context=_user_frames(error),
            hint=FREE_SPACE if is_full_disk(error) else "",
        ) from error


def _user_frames(error: BaseException) -> list[str]:
    """Return file, line and source of the innermost frame in the project's own code."""
    root = Path.cwd()
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(root) and "site-packages" not in frame.filename
    ]
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(root):
        return [f"{Path(error.filename).relative_to(root)}:{error.lineno}: {(error.text or '').strip()}"]
    if not frames:
        return []
    last = frames[-1]
    return [f"{Path(last.filename).relative_to(root)}:{last.lineno} in {last.name}: {last.line}"]


def results_by_output(returned: Any, wanted: list[str], command: Command) -> dict[str, Any]:
    """Match what a function returned with the outputs that it did not write itself.

    Raises:
        StageFailed: it is not what the stage has outputs for.
    """
    if not wanted:
        return {}
    if len(wanted) == 1 and not (isinstance(returned, dict) and set(returned) == set(wanted)):
        value = (
            getattr(returned, wanted[0])
            if _is_named_tuple(returned) and wanted[0] in returned._fields
            else returned
        )
        return {wanted[0]: value}
    if _is_named_tuple(returned):
        returned = returned._asdict()
    if not isinstance(returned, dict):
        raise StageFailed(
            f"'{command.call}' returned {type_name(returned)}, but the stage has {len(wanted)} outputs",
            hint=f"return a dict or a NamedTuple with the names {', '.join(wanted)}",
        )
    _refuse_forgotten(returned, wanted, command)
    return {name: returned[name] for name in wanted}


def _refuse_forgotten(returned: Mapping[str, Any], wanted: Iterable[str], command: Command) -> None:
    forgotten = [name for name in wanted if name not in returned]
    if forgotten:
        raise StageFailed(
            f"'{command.call}' forgot the output '{forgotten[0]}'",
            context=[f"it returned {', '.join(map(str, returned)) or 'nothing'}"],
            hint=f"return '{forgotten[0]}' too, or remove it from mlx.yaml",
        )


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def evaluation_results(
    returned: Any, written: Collection[str], command: Command
) -> tuple[dict[str, float], dict[str, Any]]:
    """Part what the user's evaluate function returned into its metrics and its further outputs by name.

    Metrics stand beside the further outputs or, as a dict of their own, under `metrics`. `written` names the
    outputs that the function wrote itself. Nothing returned means no metrics of its own.
    """
    wanted = [name for name in command.out if name not in written and name not in ("metrics", "evaluation")]
    values = returned._asdict() if _is_named_tuple(returned) else {} if returned is None else returned
    if not isinstance(values, dict):
        raise StageFailed(
            f"'{command.call}' returned {type_name(returned)}, not a dict of metrics",
            hint='return metrics as a dict, such as {"cost": 12.5}',
        )
    _refuse_forgotten(values, wanted, command)
    own = {name: value for name, value in values.items() if name not in wanted}
    if isinstance(own.get("metrics"), dict):
        own = {**own.pop("metrics"), **own}
    try:
        metrics = {str(name): float(value) for name, value in own.items()}
    except (TypeError, ValueError) as error:
        raise StageFailed(f"a metric of '{command.call}' is no number: {error}") from error
    return metrics, {name: values[name] for name in wanted}
