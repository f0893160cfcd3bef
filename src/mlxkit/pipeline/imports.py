"""The project's own modules that a stage runs, found in its source without importing it.

Imports at any depth count, relative ones and the `__init__.py` of every parent too. What cannot be seen
this way (`importlib.import_module(name)`, a template file) is listed under `code:` in mlx.yaml.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.project.functions import module_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlxkit.project.models import Stage

_PYTHON = re.compile(r"(.*/)?python[0-9.]*")
_OPTIONS_WITH_VALUE = ("--check-hash-based-pycs",)
_OPERATORS = frozenset("();&|<>")


def code_dependencies(root: Path, stage: Stage, *, values: str | None = None) -> list[str]:
    """List the files that a stage's code consists of: sorted POSIX paths relative to the root.

    `values` is a function that the stage calls beside its own, `module:function`.
    """
    found: set[Path] = set()
    calls = [call for call in (stage.call, values) if call]
    for start, module, search in _entry_points(root, stage, calls):
        _collect(root, start, module, search, found)
    paths = {file.relative_to(root).as_posix() for file in found}
    return sorted(paths | set(stage.code))


def _entry_points(root: Path, stage: Stage, calls: Sequence[str]) -> list[tuple[Path, str, Path | None]]:
    """Return file, dotted name and script folder of each module that a stage starts."""
    if calls:
        modules = [call.partition(":")[0] for call in calls]
        return [(file, module, None) for module in modules if (file := module_file(root, module))]
    # DVC runs every line as a command of its own, from the project's root.
    return [start for line in (stage.cmd or "").splitlines() for start in _started(root, line)]


def _started(root: Path, line: str) -> Iterator[tuple[Path, str, Path | None]]:
    """Find the Python programs that a line of shell starts, in the folder that `cd` leads to."""
    try:
        words = _words(line)
    except ValueError:
        return
    folder = root
    for i, word in enumerate(words):
        first = i == 0 or set(words[i - 1]) <= _OPERATORS
        if word == "cd" and first and i + 1 < len(words):
            folder = Path(os.path.normpath(folder / words[i + 1]))
        elif word.startswith(")"):
            folder = root
        elif _PYTHON.fullmatch(word):
            module, script = _program(words[i + 1 :])
            for name in (f"{module}.__main__", module) if module else ():
                inside = folder.is_relative_to(root)
                file = module_file(root, name) or (module_file(folder, name) if inside else None)
                if file is not None:
                    yield file, name, folder if inside else None
                    break
            path = Path(os.path.normpath(folder / script))
            if script and path.is_relative_to(root) and path.is_file():
                yield path, path.stem, path.parent


def _program(arguments: Sequence[str]) -> tuple[str, str]:
    """Return the module or else the script that Python is told to run, by its options."""
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word in _OPTIONS_WITH_VALUE:
            del rest[:1]
        elif word == "-":
            return "", ""
        # Short options may share one word, and `m` may have its module in the same one.
        flags = "" if word.startswith("--") else word[1:]
        for i, flag in enumerate(flags, start=2):
            if flag in "cmWX":
                value = word[i:] or (rest.pop(0) if rest else "")
                if flag in "cm":
                    return value if flag == "m" else "", ""
                break
    return "", rest[0] if rest and rest[0].endswith(".py") else ""


def _words(cmd: str) -> list[str]:
    """Split a command as a shell does, operators such as `;` and `&&` apart, comments left out."""
    lexer = shlex.shlex(cmd, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def _collect(root: Path, file: Path, module: str, script_folder: Path | None, found: set[Path]) -> None:
    """Add a module, its parents and everything it imports from the project."""
    for depth in range(1, module.count(".") + 1):
        parent = ".".join(module.split(".")[:depth])
        init = module_file(root, parent)
        if init is not None and init.name == "__init__.py" and init not in found:
            _collect(root, init, parent, script_folder, found)
    if file in found:
        return
    found.add(file)
    for name in _imported(file, module):
        imported = module_file(root, name)
        if imported is None and script_folder is not None:
            imported = module_file(script_folder, name)
            if imported is not None and not imported.is_relative_to(root):
                imported = None
        if imported is not None:
            _collect(root, imported, name, script_folder, found)


def _imported(file: Path, module: str) -> set[str]:
    """Return the dotted names that a file may import; a file that does not parse imports nothing."""
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except (SyntaxError, ValueError):
        return set()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".") if package else []
                kept = parents[: len(parents) - (node.level - 1)]
                base = ".".join([*kept, *([node.module] if node.module else [])])
            if base:
                names.add(base)
                names |= {f"{base}.{alias.name}" for alias in node.names}
    return names
