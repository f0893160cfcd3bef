"""One stage, executed in this process: load and bind its inputs, call the function, save what it returns.

This is what `mlx exec` does, in a worker of `mlx run` as under a plain `dvc repro`.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.errors import MlxError, StageFailed, machine_explained
from mlxkit.pipeline.binding import bind
from mlxkit.pipeline.command import Command
from mlxkit.pipeline.evaluation_report import write_evaluation
from mlxkit.pipeline.formats import load_object, load_table
from mlxkit.pipeline.model_stages import (
    evaluation_of_model,
    metrics_of_model,
    predict_test_rows,
    save_trained_model,
)
from mlxkit.pipeline.saving import save
from mlxkit.pipeline.user_code import (
    call_user_function,
    evaluation_results,
    import_function,
    results_by_output,
)
from mlxkit.project.models import model_output
from mlxkit.project.params import group_values, read_params
from mlxkit.project.variables import expand, read_dotenv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlxkit.evaluation.facts import Evaluation

RUN_ID = "MLX_RUN_ID"
"""Variable with the run that a model names as its own, where another one stands for it meanwhile."""


def execute_job(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Execute a stage for a worker; a failure that mlx can explain comes back as plain values."""
    values = dict(arguments)
    values["params"] = tuple(values["params"])
    try:
        with machine_explained():
            execute(Command(**values), Path.cwd())
    except MlxError as error:
        return _plain(error)
    finally:
        if "mlflow" in sys.modules:
            from mlxkit.adapters import mlflow_live

            mlflow_live.flush()
    return {}


def _plain(error: MlxError) -> dict[str, Any]:
    return {
        "message": error.message,
        "context": list(error.context),
        "hint": error.hint,
        "kind": error.kind,
    }


def execute(command: Command, root: Path) -> None:
    """Execute a stage in the project's root, which must be the working directory.

    Raises:
        StageFailed: the user's code raised, exited, forgot an output or returned the wrong type.
        DataError: an input is not there or cannot be read.
        ConfigError: a parameter or a `${NAME}` has no value.
    """
    _set_environment(command, root)
    if command.cmd is not None:
        _run_shell(command.cmd, root)
        return
    # MLflow removes its variable once the user's code logs something, and so joins the run.
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if run_id is not None and command.kind == "train":
        from mlxkit.adapters import mlflow_live

        mlflow_live.shield(os.environ.get("MLFLOW_TRACKING_URI", ""))
    params = group_values(read_params(root), command.params)
    remove_outputs(_written(command))
    if command.kind == "evaluate":
        results, evaluation = _evaluate(command, params)
    else:
        results, evaluation = _call(command, params), None
    for name, value in results.items():
        if command.kind == "train" and name == model_output(command.out):
            named = os.environ.get(RUN_ID, run_id)
            save_trained_model(command, value, command.out[name], root, run_id=named, logged_to=run_id)
        else:
            save(value, Path(command.out[name]))
    if evaluation is not None:
        write_evaluation(evaluation, Path(command.out["evaluation"]), name=Path(command.bind["model"]).name)
    _check_outputs(command)


@contextmanager
def prints_aside() -> Iterator[None]:
    """Send to stderr what user code and its child processes print: stdout is for the command's answer."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _set_environment(command: Command, root: Path) -> None:
    # Python takes a compiled file for current by size and second, and would miss an edit right after a run.
    sys.dont_write_bytecode = True
    for path in (str(root), str(root / "src")):
        if path not in sys.path:
            sys.path.insert(0, path)
    for name, value in read_dotenv(root).items():
        os.environ.setdefault(name, value)
    for name, text in command.env.items():
        os.environ[name] = expand(text, root, where=f"stage '{command.stage}'")


def _run_shell(cmd: str, root: Path) -> None:
    """Run each line as a command of its own, as DVC does; the first that fails ends the stage."""
    shell = os.environ.get("SHELL") or "/bin/sh"
    for line in cmd.splitlines():
        done = subprocess.run(line, shell=True, cwd=root, check=False, executable=shell)
        if done.returncode != 0:
            raise StageFailed(f"the command ended with exit code {done.returncode}", context=[line])


def remove_outputs(paths: Iterable[Path]) -> None:
    """Unlink what is there: an output may be a link into the cache, and an old one must not pass as new."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)


def _written(command: Command) -> list[Path]:
    """Return what a stage writes: its outputs, and beside a model the record of the run that trained it."""
    paths = [Path(path) for path in command.out.values()]
    model = model_output(command.out) if command.kind == "train" else None
    return paths if model is None else [*paths, Path(f"{command.out[model]}.run.json")]


def _call(command: Command, params: Mapping[str, Any]) -> dict[str, Any]:
    """Call the user's function and return its results by output name."""
    function = import_function(command)
    arguments, written = bind(function, command, params)
    returned = call_user_function(function, arguments, command)
    wanted = [name for name in command.out if name not in written]
    return results_by_output(returned, wanted, command)


def _evaluate(command: Command, params: Mapping[str, Any]) -> tuple[dict[str, Any], Evaluation | None]:
    """Score the model; the user's own function adds metrics, or replaces those of the same name."""
    model = load_object(Path(command.bind["model"]))
    rows = load_table(Path(command.bind["test"]), read=command.read.get("test", {}))
    predictions = predict_test_rows(command, model, rows)
    metrics = metrics_of_model(command, rows, predictions)
    own: dict[str, float] = {}
    others: dict[str, Any] = {}
    asks = "evaluation" in command.out
    if command.call is not None:
        function = import_function(command)
        arguments, written = bind(function, command, params, given={"model": model, "test": rows})
        returned = call_user_function(function, arguments, command)
        own, others = evaluation_results(returned, written, command)
        for name, value in own.items():
            if not math.isfinite(value):
                raise StageFailed(
                    f"the metric '{name}' of '{command.call}' is {value}",
                    hint="leave a metric out where it has no value",
                )
        asks = asks and "evaluation" not in written
    evaluation = evaluation_of_model(command, model, rows, predictions, own) if asks else None
    return {"metrics": {**metrics, **own}, **others}, evaluation


def _check_outputs(command: Command) -> None:
    for name, path in command.out.items():
        if not Path(path).exists():
            raise StageFailed(
                f"the output '{name}' was not made: there is no '{path}'",
                hint=f"write it in '{command.call}', or remove it from mlx.yaml",
            )
