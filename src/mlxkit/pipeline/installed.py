"""What the project's environment has here, as a list of requirements that builds the same elsewhere."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_OWN = "mlxkit"
_NOT_IN_JOBS = ("dvc", "evidently")
"""Large packages that mlx itself needs, but none of its code that runs jobs."""


def pinned(root: Path) -> str:
    """Return `name==version` of all that the project and mlx need, in the versions that are installed here.

    mlx itself and the project are not among them: they travel as code. A build's own mark, as in `2.6.0+cpu`,
    is left out, because another machine may need another build.
    """
    found: dict[str, str] = {}
    waiting = [*_named_by(root), *_requirements(_OWN, set())]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or name == _OWN:
            continue
        try:
            found[name] = _version(requirement.name)
        except metadata.PackageNotFoundError:
            continue  # for another system, or missing here, which the stage will say
        waiting += _requirements(requirement.name, requirement.extras)
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def needed_by_jobs() -> dict[str, str]:
    """Return what mlx imports while it runs a stage, and the version that is installed here."""
    names = {canonicalize_name(requirement.name) for requirement in _requirements(_OWN, set())}
    return {name: _version(name) for name in sorted(names.difference(_NOT_IN_JOBS))}


def _version(name: str) -> str:
    """Return the installed version of a distribution without a build's own mark."""
    return re.sub(r"\+.*", "", metadata.version(name))


def _named_by(root: Path) -> Iterator[Requirement]:
    """Yield what the project's pyproject.toml says that it needs."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return
    yield from _understood(project.get("dependencies", []), set())


def _requirements(name: str, extras: set[str]) -> Iterator[Requirement]:
    """Yield what a distribution needs here."""
    yield from _understood(metadata.requires(name) or [], extras)


def _understood(texts: Iterable[str], extras: set[str]) -> Iterator[Requirement]:
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            yield requirement
