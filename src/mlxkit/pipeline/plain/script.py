"""A Python script under construction: its imports in order, its statements laid out as the formatter does."""

from __future__ import annotations

import builtins
import keyword
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlxkit.project.functions import module_file
from mlxkit.scaffold.render import python_literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_INDENT = 4
_ALIASES: Mapping[str, str] = {
    "pandas": "pd",
    "polars": "pl",
    "pyarrow": "pa",
    "pyarrow.parquet": "pq",
    "numpy": "np",
}
_USED_IN_SCRIPTS = frozenset(
    {"Path", "YAML", "json", "joblib", "load_dotenv", "main", "mlflow", "np", "os", "params", "pa", "pd"}
    | {"pl", "pq", "results", "yaml"}
)


class NotPlain(Exception):
    """A stage does something that a plain script cannot say; the text names it and the way out."""


@dataclass(frozen=True)
class Call:
    """An expression: a function called with arguments, or without any `function` the one argument itself."""

    function: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        joined = ", ".join(self.arguments)
        return f"{self.function}({joined})" if self.function else joined


@dataclass
class Script:
    """What one script is made of.

    Attributes:
        root: the project's root, whose packages are imported last.
        width: the longest line that the project's formatter leaves alone.
        body: the statements of `main`, indented.
    """

    root: Path
    width: int
    modules: set[str] = field(default_factory=set)
    members: dict[str, set[str]] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    _taken: set[str] = field(default_factory=lambda: set(_USED_IN_SCRIPTS))

    def module(self, name: str) -> str:
        """Import a module; returns the name that it goes by."""
        self.modules.add(name)
        return _ALIASES.get(name, name)

    def member(self, module: str, *names: str) -> str:
        """Import names from a module; returns the first."""
        self.members.setdefault(module, set()).update(names)
        return names[0]

    def reserve(self, *names: str) -> None:
        """Keep names from being given to variables."""
        self._taken.update(names)

    def variable(self, name: str, otherwise: str) -> str:
        """Return a new variable's name: `name`, with `otherwise` at its end where that is taken."""
        free = name.isidentifier() and not keyword.iskeyword(name)
        if not free or name in self._taken or name in vars(builtins):
            name = f"{name if name.isidentifier() else 'data'}_{otherwise}"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def path(self, path: str) -> str:
        """Return the expression of a path."""
        return f"{self.member('pathlib', 'Path')}({python_literal(path)})"

    def say(self, call: Call, *, target: str = "", depth: int = 1) -> None:
        """Add a statement, `depth` times indented."""
        self.body += self.laid_out(call, target=target, depth=depth)

    def laid_out(self, call: Call, *, target: str = "", depth: int = 1) -> list[str]:
        """Return a statement, with one argument on a line where it is too long."""
        indent, start = " " * _INDENT * depth, f"{target} = " if target else ""
        one_line = f"{indent}{start}{call}"
        if len(one_line) <= self.width or not call.function:
            return [one_line]
        arguments = [f"{indent}    {word}," for word in call.arguments]
        return [f"{indent}{start}{call.function}(", *arguments, f"{indent})"]

    @property
    def libraries(self) -> set[str]:
        """The top-level modules of libraries that it imports."""
        names = {name.partition(".")[0] for name in (*self.modules, *self.members)}
        return {name for name in names if self._section(name) == 1}

    def import_lines(self) -> list[str]:
        """Return the import statements: standard library, libraries, project."""
        lines: list[str] = []
        for section in range(3):
            block = [*self._plain(section), *self._from(section)]
            lines += ["", *block] if lines and block else block
        return lines

    def _plain(self, section: int) -> Iterable[str]:
        for name in sorted(self.modules):
            if self._section(name) == section:
                yield f"import {name} as {_ALIASES[name]}" if name in _ALIASES else f"import {name}"

    def _from(self, section: int) -> Iterable[str]:
        for module in sorted(self.members):
            if self._section(module) == section:
                yield from self._from_line(module, sorted(self.members[module], key=_member_order))

    def _from_line(self, module: str, names: Sequence[str]) -> list[str]:
        line = f"from {module} import {', '.join(names)}"
        if len(line) <= self.width:
            return [line]
        return [f"from {module} import (", *(f"    {name}," for name in names), ")"]

    def _section(self, module: str) -> int:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names:
            return 0
        return 2 if module_file(self.root, top) or (self.root / "src" / top).is_dir() else 1


def _member_order(name: str) -> tuple[int, str]:
    """Order as isort does: constants, classes, the rest."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name
