"""The project code that travels with a model, imported from beside the model while it loads."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


CODE_FOLDER = "code"
"""Where the code lies inside a model's directory, as MLflow calls it."""


@contextmanager
def own_code(code: Path) -> Iterator[None]:
    """Import a model's code from beside the model while it loads, unless the project's is the same.

    Two versions of a project's package live in one process this way: champion and challenger.
    """
    names = {path.stem for path in code.iterdir()} if code.is_dir() else set()
    if all(_is_current(code, name) for name in names):
        with _no_bytecode():
            yield
        return
    before = _loaded(names)
    for name in before:
        del sys.modules[name]
    path = list(sys.path)
    sys.path.insert(0, str(code))
    importlib.invalidate_caches()
    try:
        with _no_bytecode():
            yield
    finally:
        sys.path[:] = path
        for name in _loaded(names):
            del sys.modules[name]
        sys.modules.update(before)


def _loaded(names: set[str]) -> dict[str, Any]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names}


@contextmanager
def _no_bytecode() -> Iterator[None]:
    """Let no import leave `__pycache__` in a model directory, whose hash is recorded."""
    before, path = sys.dont_write_bytecode, list(sys.path)
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        sys.path[:] = path


def _is_current(code: Path, name: str) -> bool:
    """Whether the process would import the same source for a top-level name as the one in `code`."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    if spec is None or not spec.origin:
        return False
    here = Path(spec.origin)
    mine, theirs = (here.parent, code / name) if (code / name).is_dir() else (here, code / here.name)
    return _sources(mine) == _sources(theirs)


def _sources(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*.py")}
