"""The kinds of models that MLflow stores for mlx, and how each is written."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mlxkit.errors import StageFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LIBRARIES = ("mlflow", "numpy", "pandas", "scikit-learn")
_USUAL_MODULES = {"cloudpickle", "mlflow", "mlxkit", "numpy", "pandas", "scipy", "skops", "sklearn"}
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
    returned = "nothing" if model is None else f"an object of type '{type_name(model)}'"
    raise StageFailed(
        f"the train function returned {returned}",
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
    from sklearn.dummy import DummyRegressor

    from mlxkit.adapters import skops_archive, stable_pickle

    stored: skops_archive.Archive | stable_pickle.Pickled
    try:
        stored = skops_archive.dump(model)
        library, file, types = "skops", "model.skops", list(stored.types)
    except skops_archive.Unsupported:
        stored = stable_pickle.dump(model)
        library, file, types = "cloudpickle", "model.pkl", None
    common["pip_requirements"] += _pinned([library, *_distributions(stored.modules)])
    # MLflow would write the model once more, and read it back. All that it asks of it is a `predict`.
    sklearn.save_model(
        DummyRegressor(), str(directory), serialization_format=library, skops_trusted_types=types, **common
    )
    (directory / file).write_bytes(stored.content)


def _save_xgboost(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import xgboost

    xgboost.save_model(model, str(directory), **common)


def _save_lightgbm(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import lightgbm

    lightgbm.save_model(model, str(directory), **common)


def _save_torch(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import pytorch

    from mlxkit.adapters.stable_pickle import Pickler

    # MLflow writes the name down, and reads with the module of that name.
    module = SimpleNamespace(__name__="mlflow.pytorch.pickle_module", Pickler=Pickler)
    # MLflow cannot load a GPU's model where there is no GPU. The traced format fixes the shape of a batch,
    # and takes no signature of columns.
    pytorch.save_model(
        model.cpu(), str(directory), serialization_format="pickle", pickle_module=module, **common
    )


def _save_pyfunc(model: Any, directory: Path, common: dict[str, Any]) -> None:
    from mlflow import pyfunc

    from mlxkit.adapters import stable_pickle

    stored = stable_pickle.dump(model)
    common["pip_requirements"] += _pinned(_distributions(stored.modules))
    pyfunc.save_model(str(directory), python_model=model, **common)
    if (directory / "python_model.pkl").exists():  # it has another name where MLflow is told to compress it
        (directory / "python_model.pkl").write_bytes(stored.content)


_FLAVORS = (
    Flavor("mlflow.pyfunc.model", ("PythonModel",), "cloudpickle", _save_pyfunc),
    Flavor("xgboost.core", ("Booster",), "xgboost", _save_xgboost),
    Flavor("lightgbm.basic", ("Booster",), "lightgbm", _save_lightgbm),
    Flavor("torch.nn.modules.module", ("Module",), "torch", _save_torch),
    # Estimators of XGBoost and LightGBM too: MLflow's own flavors for them forget parameters such as
    # `missing`, and refuse an objective or a subclass of the project.
    Flavor("sklearn.base", ("BaseEstimator",), "sklearn", _save_sklearn, estimator=True),
)


def _pinned(libraries: Iterable[str]) -> list[str]:
    """Return `name==version` of each library that is installed, sorted."""
    pinned = set()
    for library in libraries:
        try:
            version = importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            continue
        pinned.add(f"{library}=={version.partition('+')[0]}")  # 2.13.0+cpu is a build that no index may have
    return sorted(pinned)


def _distributions(modules: Iterable[str]) -> list[str]:
    """Return the distributions that hold top-level modules beyond the ones every model needs."""
    further = set(modules) - _USUAL_MODULES - sys.stdlib_module_names
    return [name for module in sorted(further) if _is_installed(module) for name in _owners(module)]


def _is_installed(module: str) -> bool:
    """Whether a module was installed; the project's own travel with the model."""
    spec = importlib.util.find_spec(module)
    places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
    return any({"site-packages", "dist-packages"} & set(Path(place).parts) for place in places)


def _owners(module: str) -> list[str]:
    """Return the distributions that hold a module: by its name, else after a look into all."""
    try:
        files = importlib.metadata.distribution(module).read_text("RECORD") or ""
    except importlib.metadata.PackageNotFoundError:
        files = ""
    if any(line.startswith((f"{module}/", f"{module}.py,")) for line in files.splitlines()):
        return [module]
    return importlib.metadata.packages_distributions().get(module, [])
