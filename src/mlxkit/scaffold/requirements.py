"""The one place that says which libraries a generated project asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import requires
from typing import TYPE_CHECKING

from mlxkit import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Requirements:
    """Requirement lines; what hooks run is pinned, since each hook has an environment of its own.

    `untyped` are modules that the type checker leaves alone: without types, or not in that environment.
    """

    project: tuple[str, ...] = (
        "matplotlib>=3.8",
        "mlflow>=3.17,<4",
        f"mlxkit>={__version__}",
        "numpy>=1.26",
        "pandas>=2.2,<3.1",
        "scikit-learn>=1.6",
        "threadpoolctl>=3.1",
    )
    dev: tuple[str, ...] = (
        "ipykernel>=6.29",
        "mypy==2.4.1",
        "pandas-stubs==3.1.0.261029",
        "pre-commit>=4.5",
        "pytest==9.2.0",
        "pyyaml>=6",
        "ruff==0.17.6",
    )
    hooks: str = "pre-commit-hooks==6.0.0"
    notebooks: str = "nbstripout==0.9.1"
    untyped: tuple[str, ...] = ("matplotlib", "mlflow", "sklearn", "threadpoolctl", "yaml")

    @property
    def mlx(self) -> str:
        """The line of mlx itself."""
        return next(line for line in self.project if line.startswith("mlxkit"))

    @property
    def ruff(self) -> str:
        """The pinned linter, the same in the hooks as in the project's environment."""
        return next(line for line in self.dev if line.startswith("ruff=="))

    @property
    def type_checker(self) -> tuple[str, ...]:
        """What the type checker's own environment holds."""
        return tuple(line for line in self.dev if line.startswith(("mypy", "pandas-stubs", "pytest")))


OF_IMAGES = Requirements(
    project=(
        "matplotlib>=3.8",
        "mlflow>=3.17,<4",
        f"mlxkit>={__version__}",
        "numpy>=1.26",
        "pandas>=2.2,<3.1",
        "pillow>=10.3",
        "torch>=2.6",
    ),
    untyped=("PIL", "matplotlib", "mlflow", "torch"),
)
"""Of a project that trains a network with PyTorch."""

_OF_MODULES = {
    "dotenv": "python-dotenv",
    "ruamel": "ruamel.yaml",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def requirements_of(modules: Iterable[str]) -> tuple[str, ...]:
    """Return the requirement lines of top-level modules, bounded as mlx itself bounds them."""
    bounds = dict(_bounded(line) for line in requires("mlxkit") or ())
    names = sorted({_OF_MODULES.get(module, module) for module in modules})
    return tuple(f"{name}{bounds.get(_normal(name), '')}" for name in names)


def _bounded(requirement: str) -> tuple[str, str]:
    """Split a requirement into its normalised name and its bounds, the lower one first."""
    name, bounds = re.findall(r"[A-Za-z0-9._-]+|[<>=!~][^;]*", requirement.replace(" ", ""))[:2]
    return _normal(name), ",".join(sorted(bounds.split(","), reverse=True))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
