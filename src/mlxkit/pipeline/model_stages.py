"""What mlx does around the user's functions in the two known kinds: keep the trained model, score it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.errors import StageFailed, ToolError
from mlxkit.pipeline.compared_values import compared_values
from mlxkit.pipeline.formats import TABLE_SUFFIXES, load_table, suffix_of
from mlxkit.pipeline.trained_run import name_run
from mlxkit.pipeline.user_code import call_user_function

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mlxkit.evaluation.facts import Evaluation
    from mlxkit.evaluation.predictions import Predictions
    from mlxkit.pipeline.command import Command

TRAINING_ROWS_FILE = "training_rows.json"
_PROFILED_PREDICTIONS = 10_000


def save_trained_model(
    command: Command,
    model: object,
    path: str,
    root: Path,
    *,
    run_id: str | None,
    logged_to: str | None = None,
) -> None:
    """Store the model with its signature, reference profile and training rows, and name the run beside it.

    `run_id` is the MLflow run that mlx opened for this training, None without one; `logged_to` is that which
    this process logs to, which stands for it on another machine.

    Raises:
        StageFailed: the object is no model, or the stage has no table of training rows.
    """
    from mlxkit.adapters import mlflow_store
    from mlxkit.adapters.mlflow_live import drop_autologged_models
    from mlxkit.adapters.mlflow_model import predictor, save_model
    from mlxkit.evaluation.predictions import predict
    from mlxkit.evaluation.profile import PROFILE_FILE, build_profile
    from mlxkit.evaluation.training_rows import fingerprint

    context = command.context
    target, task = context["target"], context["task"]
    rows = _training_rows(command, target)
    columns = _input_columns(model, rows, target)
    sample = rows.sample(min(len(rows), _PROFILED_PREDICTIONS), random_state=0)
    predictions = predict(predictor(model), sample, task, columns=columns, with_scores=False)
    profile = build_profile(
        _values(command, rows, [*columns, target]),
        task=task,
        inputs=columns,
        target=target,
        prediction=_series(predictions.labels),
        values=context.get("values"),
    )
    key = context.get("key")
    seen = fingerprint(rows, key=key if key in rows.columns else None, columns=list(rows.columns))
    save_model(
        model,
        Path(path),
        example=rows[columns],
        predictions=predictions.labels if predictions.output is None else predictions.output,
        code_paths=[root / "src" / command.package] if command.package else (),
        extra_files={PROFILE_FILE: profile.to_json(), TRAINING_ROWS_FILE: seen.to_json()},
    )
    if logged_to is not None:
        # A store that is away by now does not make a training fail; whoever closes the run says it.
        with suppress(ToolError):
            drop_autologged_models(mlflow_store.resolve(root), logged_to)
    name_run(path, run_id)


def predict_test_rows(command: Command, model: object, rows: pd.DataFrame) -> Predictions:
    """Predict the rows of an evaluation.

    Raises:
        StageFailed: there is nothing to score.
    """
    from mlxkit.evaluation.predictions import predict

    target = command.context["target"]
    if target not in rows.columns:
        raise StageFailed(
            f"the evaluation rows have no column '{target}'",
            context=[command.bind["test"]],
            hint="keep the target in the rows that the stage named 'test' writes",
        )
    if rows.empty:
        raise StageFailed(
            "there are no evaluation rows",
            context=[command.bind["test"]],
            hint="let the stage that writes 'test' keep some of the rows for it",
        )
    return predict(model, rows, command.context["task"], target=target)


def metrics_of_model(command: Command, rows: pd.DataFrame, predictions: Predictions) -> dict[str, Any]:
    """Return the usual metrics of the task, and those of a model that knows nothing under `baseline`."""
    from mlxkit.evaluation.score import baseline, score

    task, positive = command.context["task"], command.context.get("positive")
    truth = rows[command.context["target"]]
    training = training_labels(Path(command.bind["model"]))
    return {
        **score(task, truth, predictions, positive=positive),
        "baseline": baseline(task, truth, training=training, positive=positive),
    }


def evaluation_of_model(
    command: Command, model: object, rows: pd.DataFrame, predictions: Predictions, own: Mapping[str, float]
) -> Evaluation:
    """Return everything that a report says; `own` are metrics of the project's own function."""
    from mlxkit.evaluation.describe import Subject, describe

    context = command.context
    return describe(
        Subject(
            task=context["task"],
            target=context["target"],
            rows=rows,
            predictions=predictions,
            model=model,
            training=training_labels(Path(command.bind["model"])),
            positive=context.get("positive"),
            key=context.get("key"),
            time=context.get("time"),
            protected=context.get("protected") or (),
            costs=context.get("costs"),
            own=own,
        )
    )


def training_labels(model: Path) -> pd.Series[Any] | None:
    """Return labels distributed as in training: a baseline may know no more. None where no profile tells."""
    import pandas as pd

    from mlxkit.evaluation.profile import PROFILE_FILE, CategorySketch, read_profile

    known = read_profile(model).target if (model / PROFILE_FILE).is_file() else None
    if known is None or not known.sketch.count:
        return None
    if not isinstance(known.sketch, CategorySketch):
        return pd.Series([known.sketch.mean])
    names, counts = zip(*known.sketch.categories, strict=True)
    return pd.Series(names, dtype=object).repeat(list(counts))


def training_rows_path(inputs: Mapping[str, str]) -> str | None:
    """Return the path of a train stage's rows: its input `train`, else its first table."""
    tables = {name: path for name, path in inputs.items() if suffix_of(Path(path)) in TABLE_SUFFIXES}
    return tables.get("train", next(iter(tables.values()), None))


def _training_rows(command: Command, target: str) -> pd.DataFrame:
    path = training_rows_path(command.bind)
    if path is None:
        raise StageFailed(
            f"stage '{command.stage}' has no table among its inputs, so its model cannot be described",
            hint="give it an input `train` with the training rows",
        )
    name = next(name for name, bound in command.bind.items() if bound == path)
    rows: pd.DataFrame = load_table(Path(path), read=command.read.get(name, {}))
    if target not in rows.columns:
        raise StageFailed(
            f"the training rows have no column '{target}'",
            context=[path],
            hint="keep the target in the rows, or correct `target:` in mlx.yaml",
        )
    return rows


def _values(command: Command, rows: pd.DataFrame, profiled: Sequence[str]) -> pd.DataFrame:
    """Return the rows as new ones will be compared with them."""
    call = command.context.get("values")
    if call is None:
        return rows
    values: pd.DataFrame = call_user_function(
        compared_values, {"call": call, "rows": rows}, replace(command, call=call)
    )
    lost = [name for name in profiled if name not in values.columns]
    if lost:
        raise StageFailed(
            f"'{call}' returned no column '{lost[0]}'",
            hint="return every column, also those that stay as they are",
        )
    return values


def _input_columns(model: object, rows: pd.DataFrame, target: str) -> list[str]:
    from mlxkit.evaluation.predictions import fitted_columns

    names = fitted_columns(model, rows.columns)
    if names is None:
        return [name for name in rows.columns if name != target]
    missing = [str(name) for name in names if name not in rows.columns]
    if missing:
        raise StageFailed(
            f"the model was fitted on '{missing[0]}', which is no column of the training rows",
            hint="derive columns inside the model's Pipeline, so that it takes raw rows",
        )
    return names


def _series(values: Any) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(values)
