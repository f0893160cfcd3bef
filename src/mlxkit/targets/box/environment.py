"""The virtual environment of a job: built once for each list of requirements, and used again."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from mlxkit.targets.box.places import Refused, locked
from mlxkit.targets.box.tools import uv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlxkit.targets.box.places import Places

    _Step = tuple[list[str], Refused]
    """A command, and what its failure means."""

_DONE = "mlx-complete"
_TORCH = ("torch", "torchvision", "torchaudio")


def interpreter(places: Places, wanted: Mapping[str, Any], log: Path, tell: Callable[[str], None]) -> Path:
    """Return the Python of an environment that has the requirements, building it where there is none.

    Args:
        places: the box's folder.
        wanted: `python`, a version such as `3.11`, and `requirements`, the text of a requirements file.
        log: file that takes what is said meanwhile.
        tell: called with what is being done.

    Raises:
        Refused: there is no such Python, or the requirements cannot be installed.
    """
    place = places.environments / key(wanted)
    python = place / "bin" / "python"
    if (place / _DONE).exists():
        _use(place)
        return python
    tell("waiting for its environment")
    with locked(place.with_suffix(".lock")):
        if not (place / _DONE).exists():
            tell("building its environment")
            shutil.rmtree(place, ignore_errors=True)
            _build(place, wanted, log)
        _use(place)
    return python


def _use(place: Path) -> None:
    """Note that an environment is complete, and used now."""
    (place / _DONE).touch()


def last_use(place: Path) -> float:
    """Return when an environment was last used, or half of one begun, in seconds since the epoch."""
    done = place / _DONE
    return (done if done.exists() else place).stat().st_mtime


def disown(place: Path) -> None:
    """Let nobody take an environment that is about to be removed."""
    (place / _DONE).unlink(missing_ok=True)
    place.with_suffix(".txt").unlink(missing_ok=True)


def built(places: Places, wanted: Mapping[str, Any]) -> Path | None:
    """Return the Python of an environment that is there already; see `interpreter`."""
    place = places.environments / key(wanted)
    return place / "bin" / "python" if (place / _DONE).exists() else None


def available(version: str) -> bool:
    """Whether an environment of a version of Python can be built."""
    tool = uv()
    if tool is not None:  # it knows what it could get, without a network
        done = subprocess.run([tool, "python", "list", version], capture_output=True, check=False)
        return bool(done.stdout.strip())
    return shutil.which(f"python{version}") is not None or platform.python_version().startswith(f"{version}.")


def key(wanted: Mapping[str, Any]) -> str:
    """Return the name of the environment of some requirements; see `interpreter`."""
    machine = f"{platform.system()} {platform.machine()}"
    return hashlib.sha256(repr((wanted["python"], wanted["requirements"], machine)).encode()).hexdigest()[:20]


def _build(place: Path, wanted: Mapping[str, Any], log: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    requirements = place.with_suffix(".txt")
    requirements.write_text(wanted["requirements"], encoding="utf-8")
    tool = uv()
    steps = _with_uv(tool, place, wanted, requirements) if tool else _with_pip(place, wanted, requirements)
    with log.open("ab") as said:
        for step, refusal in steps:
            done = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
            if done.returncode != 0:
                shutil.rmtree(place, ignore_errors=True)
                raise refusal


def _with_uv(tool: str, place: Path, wanted: Mapping[str, Any], requirements: Path) -> list[_Step]:
    # Of PyTorch there is a build for each version of CUDA: uv looks at the driver.
    backend = ["--torch-backend", "auto"] if _names_torch(wanted["requirements"]) else []
    python, version = str(place / "bin" / "python"), wanted["python"]
    make = [tool, "venv", "--no-project", "--quiet", "--python", version, str(place)]
    fill = [tool, "pip", "install", "--python", python, *backend, "--requirement", str(requirements)]
    return [(make, _no_python(version)), (fill, _does_not_fit())]


def _with_pip(place: Path, wanted: Mapping[str, Any], requirements: Path) -> list[_Step]:
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    make = [_python(wanted["python"]), "-m", "venv", str(place)]
    fill = [str(place / "bin" / "python"), "-m", "pip", "install", *quiet, "--requirement", str(requirements)]
    cannot = Refused(
        "the box's Python makes no environments",
        hint="install uv there, or the system's package for that, such as `python3-venv`",
    )
    return [(make, cannot), (fill, _does_not_fit())]


def _python(version: str) -> str:
    """Find an interpreter of a version.

    Raises:
        Refused: there is none, and no uv that could get one.
    """
    found = shutil.which(f"python{version}")
    if found is None and platform.python_version().startswith(f"{version}."):
        # `sys.executable` may itself be in an environment, which another one can be made from.
        found = sys.executable
    if found is None:
        raise _no_python(version)
    return found


def _no_python(version: str) -> Refused:
    """Return the refusal of an environment whose Python is not there, and cannot be got."""
    way = "set `python:` below the target in mlx.yaml"
    return Refused(
        f"there is no Python {version} on the box",
        hint=f"{way if uv() else f'install uv there, or {way}'}; it has {platform.python_version()}",
    )


def _does_not_fit() -> Refused:
    return Refused(
        "the environment cannot be built on the box",
        hint="name a file with what fits it by `requirements:` below the target in mlx.yaml, or correct it",
    )


def _names_torch(requirements: str) -> bool:
    pattern = rf"^\s*({'|'.join(_TORCH)})\b(?!-)"
    return re.search(pattern, requirements, re.IGNORECASE | re.MULTILINE) is not None


def variables(python: Path) -> dict[str, str]:
    """Return the variables of a process in an environment, that of the interpreter."""
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(python.parent.parent)}
