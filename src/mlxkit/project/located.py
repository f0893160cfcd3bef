"""YAML read with the line and column of every value, so that each problem can be pointed at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.errors import ConfigError
from mlxkit.project.yaml12 import Loader

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a YAML file; `line` and `column` count from 1.

    Attributes:
        mend: the file to edit, where that is another one.
    """

    file: str
    line: int
    column: int
    where: str
    text: str
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place} {self.where}: {self.text}" if self.where else f"{place} {self.text}"


@dataclass(frozen=True)
class Value:
    """One YAML value and its place.

    Attributes:
        data: a scalar, a list of Values, or a dict of Values by the text of their keys.
        text: the scalar as written, without quotes; empty for lists and mappings.
        where: dotted path from the root, such as `stages.train.call`.
    """

    data: Any
    text: str
    line: int
    column: int
    where: str


@dataclass
class Problems:
    """Collects every problem of one file before any of them is raised."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def add(self, value: Value, text: str, *, key: str = "", mend: str = "") -> None:
        """Note a problem at a value, or at a key below it that is not there; `mend` is the file to edit."""
        where = ".".join(part for part in (value.where, key) if part)
        self.found.append(Problem(self.file, value.line, value.column, where, text, mend))

    def raise_if_any(self, *, hint: str = "") -> None:
        """Raise one ConfigError with all problems in the order of the file."""
        if not self.found:
            return
        found = sorted(set(self.found))
        files = list(dict.fromkeys(problem.mend or problem.file for problem in found))
        who = self.file if files == [self.file] else "the project"
        count = "a problem" if len(found) == 1 else f"{len(found)} problems"
        raise ConfigError(
            f"{who} has {count}",
            context=[str(problem) for problem in found],
            hint=hint or f"edit {' and '.join(files)}, then run `mlx check`",
        )


def read_yaml(path: Path, problems: Problems) -> Value | None:
    """Read one YAML document; a syntax error or unreadable file raises ConfigError at once.

    Returns:
        The root value, or None for an empty document. Duplicate keys are noted in `problems`.
    """
    text = _read_text(path, problems.file)
    loader: Any = None
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        return None if node is None else _Reader(loader, problems).value(node, "")
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{problems.file} is not valid YAML",
            context=[str(_syntax_problem(problems.file, text, error))],
            hint=f"edit {problems.file}, then run `mlx check`",
        ) from error
    finally:
        if loader is not None:
            loader.dispose()


def _read_text(path: Path, file: str) -> str:
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].rpartition(b"\n")
        line, column = before[0].count(b"\n") + 1 + len(before[1]), len(before[2]) + 1
        text = f"the byte 0x{content[error.start]:02x} is not UTF-8"
        raise ConfigError(
            f"{file} is not UTF-8 text",
            context=[str(Problem(file, line, column, "", text))],
            hint=f"save {file} as UTF-8",
        ) from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}", context=[str(path)]) from error


def _syntax_problem(file: str, text: str, error: yaml.YAMLError) -> Problem:
    """Locate what makes a text no YAML, in words that say what to do where the parser's do not."""
    if not isinstance(error, yaml.MarkedYAMLError):
        unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
        before = text[: unprintable.start()] if unprintable else ""
        line, column = before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
        what = f"the character U+{ord(unprintable[0]):04X} is not allowed" if unprintable else str(error)
        return Problem(file, line, column, "", what)
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    what = error.problem or str(error)
    if "cannot start any token" in what:
        character = text.splitlines()[line - 1][column - 1]
        what = (
            "a tab cannot indent; use spaces"
            if character == "\t"
            else f"text cannot start with '{character}'; put it in quotes"
        )
    elif what.startswith("mapping values are not allowed"):
        what = "this ':' cannot stand here; check the indentation, or put the text in quotes"
    elif what == "found unexpected ':'":
        what = "this ':' cannot stand here; write a space after it, or put the text in quotes"
    elif what == "but found another document":
        what = "a second document starts here; there may be only one"
    elif error.context and error.context_mark and error.context_mark.line + 1 != line:
        what += f" ({error.context} from line {error.context_mark.line + 1})"
    return Problem(file, line, column, "", what)


class _Reader:
    """Turns composed nodes into Values; aliases that contain themselves are refused."""

    def __init__(self, loader: Any, problems: Problems) -> None:
        self._loader = loader
        self._problems = problems
        self._open: set[int] = set()

    def value(self, node: Any, where: str) -> Value:
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if isinstance(node, yaml.ScalarNode):
            return Value(self._scalar(node), node.value, line, column, where)
        if id(node) in self._open:
            raise yaml.constructor.ConstructorError(None, None, "an alias contains itself", node.start_mark)
        self._open.add(id(node))
        try:
            data: Any
            if isinstance(node, yaml.SequenceNode):
                data = [self.value(item, f"{where}[{i}]") for i, item in enumerate(node.value)]
            else:
                data = self._mapping(node, where)
        finally:
            self._open.discard(id(node))
        return Value(data, "", line, column, where)

    def _scalar(self, node: Any) -> Any:
        try:
            return self._loader.construct_object(node)
        except (ValueError, LookupError) as error:  # such as the date 2026-13-45
            kind = node.tag.rpartition(":")[2]
            text = f"'{node.value}' is no valid {kind}; put it in quotes if it is meant as text"
            raise yaml.constructor.ConstructorError(None, None, text, node.start_mark) from error

    def _mapping(self, node: Any, where: str) -> dict[str, Value]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be plain text", key_node.start_mark
                )
            if key_node.value in seen and key_node.value != "<<":
                place = Value(None, "", key_node.start_mark.line + 1, key_node.start_mark.column + 1, where)
                self._problems.add(place, "this key stands here twice", key=key_node.value)
            seen.add(key_node.value)
        self._loader.flatten_mapping(node)
        result: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            value = self.value(value_node, f"{where}.{key}" if where else key)
            # Unknown and misspelt keys are reported where the key stands, not its value.
            result[key] = Value(
                value.data,
                value.text,
                key_node.start_mark.line + 1,
                key_node.start_mark.column + 1,
                value.where,
            )
        return result
