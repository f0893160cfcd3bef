"""The kinds of models that MLflow stores for mlx, and how each is written."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.errors import StageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_LIBRARIES = ("mlflow", "numpy", "pandas", "scikit-learn")
_ACCEPTED = "a scikit-learn estimator, an XGBoost, LightGBM or PyTorch model, or an mlflow.pyfunc.PythonModel"


@dataclass(frozen=True)
class Flavor:
    """One kind of model: base classes by module and name, the library to import, and what writes it.

    Attributes:
        estimator: whether the model itself predicts for a table of rows.
    """

    module: str
    bases: tuple[str, ...]
    library: str
    save: Callable[[Any, Path, dict[str, Any]], None]
    estimator: bool = False

    def requirements(self) -> list[str]:
        """Return what the model needs at least, pinned to what is installed."""
        return _pinned((*_LIBRARIES, *_distributions([self.library])))


def flavor_of(model: object) -> Flavor:
    """Return how to store a model.

    Raises:
        StageFailed: it is of none of the kinds.
    """
    names = {_name(cls) for cls in type(model).__mro__}
    for flavor in _FLAVORS:
        if any(f"{flavor.module}.{base}" in names for base in flavor.bases):
            return flavor
    raise StageFailed(
        f"the train function returned an object of type '{type_name(model)}'",
        context=[f"a model is {_ACCEPTED}"],
        hint="return one of these from the train function",
    )


def type_name(model: object) -> str:
    """Return the full name of an object's type."""
    return _name(type(model))


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _save_sklearn(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import sklearn

    from mlxkit.adapters import skops_archive

    try:
        archive = skops_archive.dump(model)
    except skops_archive.Unsupported:
        common["pip_requirements"] += _pinned(["cloudpickle"])
        sklearn.save_model(model, str(directory), serialization_format="cloudpickle", **common)
        return
    common["pip_requirements"] += _pinned(["skops", *_distributions(archive.modules)])
    sklearn.save_model(
        model,
        str(directory),
        serialization_format="skops",
        skops_trusted_types=list(archive.types),
        **common,
    )
    (directory / "model.skops").write_bytes(archive.content)


def _save_xgboost(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import xgboost

    xgboost.save_model(model, str(directory), **common)


def _save_lightgbm(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import lightgbm

    from mlxkit.adapters import skops_archive

    common["pip_requirements"] += _pinned(["skops"])
    lightgbm.save_model(model, str(directory), **common)
    archive = directory / "model.skops"
    if archive.exists():
        archive.write_bytes(skops_archive.normalised(archive.read_bytes()))


def _save_torch(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import pytorch

    # The other format traces the model with tensors of one shape, and takes no signature of columns.
    pytorch.save_model(model, str(directory), serialization_format="pickle", **common)


def _save_pyfunc(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import pyfunc

    pyfunc.save_model(str(directory), python_model=model, **common)


_FLAVORS = (
    Flavor("mlflow.pyfunc.model", ("PythonModel",), "cloudpickle", _save_pyfunc),
    Flavor("xgboost.core", ("Booster",), "xgboost", _save_xgboost),
    Flavor("xgboost.sklearn", ("XGBModel",), "xgboost", _save_xgboost, estimator=True),
    Flavor("lightgbm.basic", ("Booster",), "lightgbm", _save_lightgbm),
    Flavor("lightgbm.sklearn", ("LGBMModel",), "lightgbm", _save_lightgbm, estimator=True),
    Flavor("torch.nn.modules.module", ("Module",), "torch", _save_torch),
    Flavor("sklearn.base", ("BaseEstimator",), "sklearn", _save_sklearn, estimator=True),
)


def _pinned(libraries: Iterable[str]) -> list[str]:
    """Return `name==version` of each library that is installed, sorted."""
    pinned = set()
    for library in libraries:
        try:
            pinned.add(f"{library}=={importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return sorted(pinned)


def _distributions(modules: Iterable[str]) -> list[str]:
    """Return the distributions that hold top-level modules beyond the ones every model needs."""
    usual = {"sklearn", "numpy", "pandas", "scipy", "skops", *sys.stdlib_module_names}
    further = set(modules) - usual
    if not further:
        return []
    owners = importlib.metadata.packages_distributions()
    return [name for module in further for name in owners.get(module, [])]
