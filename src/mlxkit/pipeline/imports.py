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
    from mlxkit.project.models import Stage

_PYTHON = re.compile(r"(.*/)?python[0-9.]*")
_OPTIONS_WITH_VALUE = ("-W", "-X", "--check-hash-based-pycs")


def code_dependencies(root: Path, stage: Stage) -> list[str]:
    """List the files that a stage's code consists of: sorted POSIX paths relative to the root."""
    found: set[Path] = set()
    for start, module, search in _entry_points(root, stage):
        _collect(root, start, module, search, found)
    paths = {file.relative_to(root).as_posix() for file in found}
    return sorted(paths | set(stage.code))


def _entry_points(root: Path, stage: Stage) -> list[tuple[Path, str, Path | None]]:
    """Return file, dotted name and script folder of each module that a stage starts."""
    if stage.call:
        module = stage.call.partition(":")[0]
        file = module_file(root, module)
        return [(file, module, None)] if file else []
    if not stage.cmd:
        return []
    try:
        words = _words(stage.cmd)
    except ValueError:
        return []
    starts: list[tuple[Path, str, Path | None]] = []
    for i, word in enumerate(words):
        if not _PYTHON.fullmatch(word):
            continue
        rest = words[i + 1 :]
        while rest and rest[0].startswith("-") and rest[0] != "-m":
            rest = rest[2:] if rest[0] in _OPTIONS_WITH_VALUE else rest[1:]
        if len(rest) > 1 and rest[0] == "-m":
            package = module_file(root, f"{rest[1]}.__main__")
            file = package or module_file(root, rest[1])
            if file:
                starts.append((file, f"{rest[1]}.__main__" if package else rest[1], None))
        elif rest and rest[0].endswith(".py"):
            script = Path(os.path.normpath(root / rest[0]))
            if script.is_relative_to(root) and script.is_file():
                starts.append((script, script.stem, script.parent))
    return starts


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
