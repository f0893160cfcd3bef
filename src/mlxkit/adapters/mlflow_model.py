"""A model as an MLflow model directory that is the same, byte by byte, whenever the model is.

Estimators are stored by skops; where it cannot, by cloudpickle. Both are made to write the same for the same.
"""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.adapters import run_traces
from mlxkit.adapters.mlflow_flavors import flavor_of, type_name
from mlxkit.adapters.mlflow_store import quiet
from mlxkit.adapters.model_code import CODE_FOLDER, own_code
from mlxkit.errors import FREE_SPACE, NO_SPACE, MlxError, StageFailed, ToolError, UsageError, is_full_disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pandas import DataFrame

MLMODEL = "MLmodel"
EXAMPLE_ROWS = 5

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster, where PyYAML has it
_OF_ONE_SAVE = ("artifact_path", "model_id", "model_uuid", "run_id", "utc_time_created")


def save_model(
    model: object,
    directory: Path,
    *,
    example: DataFrame,
    predictions: Any,
    code_paths: Sequence[Path] = (),
    extra_files: Mapping[str, bytes] | None = None,
) -> None:
    """Write `model` to `directory`, replacing what is there once the new one is complete.

    Args:
        model: a fitted model of one of the accepted types.
        directory: the model directory; its parent exists.
        example: rows that the model was trained on, model inputs only. The signature is judged on all of
            them, so give as many as there are; the first five are stored as the input example.
        predictions: the model's answers to some rows, for the type of its output.
        code_paths: packages and modules that travel with the model.
        extra_files: name -> content of further files in the directory.

    Raises:
        StageFailed: the model is of a type that MLflow's flavors here do not cover, or cannot be stored.
        ToolError: the disk is full.
    """
    flavor = flavor_of(model)
    run_traces.erase(model)
    with quiet(), _beside(directory) as made:
        from mlxkit.adapters.mlflow_signature import signature

        common = {
            "signature": signature(example, predictions),
            "input_example": example.head(EXAMPLE_ROWS).reset_index(drop=True),
            "code_paths": [str(path) for path in code_paths] or None,
            "pip_requirements": flavor.requirements(),
        }
        try:
            with run_traces.fixed_generator(), _requirements_unchecked():
                flavor.save(model, made, common)
        except Exception as error:  # a library's save raises whatever the model's own methods raise
            raise _not_stored(model, error) from error
        _drop_caches(made)
        for name, content in (extra_files or {}).items():
            (made / name).write_bytes(content)
        _normalise(made)
        _replace(directory, made)


@contextmanager
def _beside(directory: Path) -> Iterator[Path]:
    """Give a name to write under; what is still there at the end was never complete."""
    made = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def predictor(model: object) -> Any:
    """Return what predicts for a table of rows: an estimator itself, any other model as MLflow's pyfunc.

    Raises:
        StageFailed: the model is of a type that MLflow's flavors here do not cover, or cannot be stored.
    """
    flavor = flavor_of(model)
    if flavor.estimator:
        return model
    with quiet(), tempfile.TemporaryDirectory(prefix="mlx-model-") as folder:
        from mlflow import pyfunc

        directory = Path(folder, "model")
        try:
            with _requirements_unchecked():
                flavor.save(model, directory, {"pip_requirements": flavor.requirements()})
            return pyfunc.load_model(str(directory), suppress_warnings=True)
        except Exception as error:  # a library's save raises whatever the model's own methods raise
            raise _not_stored(model, error) from error


@contextmanager
def _requirements_unchecked() -> Iterator[None]:
    """Keep MLflow from comparing requirements with every installed file: they are what is installed."""
    from mlflow.utils import environment

    names, check = vars(environment), "warn_dependency_requirement_mismatches"
    before = names.get(check)
    names[check] = lambda requirements: None
    try:
        yield
    finally:
        names[check] = before


def _not_stored(model: object, error: Exception) -> MlxError:
    if is_full_disk(error):
        return ToolError(f"the model cannot be stored: {NO_SPACE}", hint=FREE_SPACE)
    return StageFailed(
        f"the model of type '{type_name(model)}' cannot be stored",
        context=[f"{type(error).__name__}: {error}"],
        hint="define its classes and functions at the top level of a module of the project",
    )


def load_model(directory: Path) -> Any:
    """Load the model: an estimator itself, any other as MLflow's pyfunc.

    The model finds the code that travelled with it, whatever version of that code the project has now.

    Raises:
        UsageError: there is no model in `directory`.
        ToolError: the model cannot be loaded here.
    """
    flavors = read_mlmodel(directory)["flavors"]
    try:
        with quiet(), own_code(directory / CODE_FOLDER):
            if "sklearn" in flavors:
                return _load_sklearn(directory, flavors["sklearn"])
            from mlflow import pyfunc

            return pyfunc.load_model(str(directory), suppress_warnings=True)
    except Exception as error:  # unpickling runs the model's own code
        raise ToolError(
            f"cannot load the model in '{directory}'",
            context=[f"{type(error).__name__}: {error}"],
            hint=f"run `pip install -r '{directory / 'requirements.txt'}'`",
        ) from error


def model_columns(directory: Path) -> tuple[str, ...]:
    """Return the names of the columns that the model takes; () when its signature names none."""
    inputs = read_mlmodel(directory).get("signature", {}).get("inputs") or "[]"
    return tuple(column["name"] for column in json.loads(inputs) if "name" in column)


def read_mlmodel(directory: Path) -> dict[str, Any]:
    """Return the content of the directory's `MLmodel` file; UsageError when there is none."""
    path = directory / MLMODEL
    try:
        return dict(yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER))
    except FileNotFoundError:
        raise UsageError(
            f"there is no model in '{directory}'", context=[f"'{path}' does not exist"], hint="run `mlx run`"
        ) from None


def write_mlmodel(directory: Path, content: Mapping[str, Any]) -> None:
    """Write the `MLmodel` file, keys sorted."""
    text = yaml.safe_dump(dict(content), default_flow_style=False)
    (directory / MLMODEL).write_text(text, encoding="utf-8")


def _load_sklearn(directory: Path, flavor: Mapping[str, Any]) -> Any:
    path = directory / flavor["pickled_model"]
    match flavor.get("serialization_format", "pickle"):
        case "skops":
            from mlxkit.adapters import skops_archive

            return skops_archive.load(path, trusted=flavor.get("skops_trusted_types") or ())
        case _:
            return pickle.loads(path.read_bytes())


def _drop_caches(directory: Path) -> None:
    for name in ("__pycache__", ".ipynb_checkpoints", ".DS_Store", "*.egg-info"):
        for path in [*directory.rglob(name)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _normalise(directory: Path) -> None:
    content = {key: value for key, value in read_mlmodel(directory).items() if key not in _OF_ONE_SAVE}
    for flavor in content["flavors"].values():
        if flavor.get("skops_trusted_types"):
            flavor["skops_trusted_types"].sort()
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != MLMODEL]
    write_mlmodel(directory, {**content, "model_size_bytes": sum(path.stat().st_size for path in files)})


def _replace(directory: Path, made: Path) -> None:
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.is_symlink() or directory.is_file():
        directory.unlink()
    elif directory.exists():
        directory.rename(old)
    made.rename(directory)
    shutil.rmtree(old, ignore_errors=True)
