"""What a stage's function takes and returns, read from its source: types by the names that it imports."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from mlxkit.project.functions import Function, find_function, module_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

Meaning = Literal["pandas", "series", "polars", "pyarrow", "path", "mapping", "record", "dataclass", "other"]

_KNOWN: Mapping[str, Meaning] = {
    "pandas.DataFrame": "pandas",
    "pandas.Series": "series",
    "polars.DataFrame": "polars",
    "pyarrow.Table": "pyarrow",
    "pathlib.Path": "path",
}
_MAPPINGS = frozenset(
    {"dict", "typing.Dict", "typing.Mapping", "collections.abc.Mapping", "collections.OrderedDict"}
)
_DEEPEST = 8


@dataclass(frozen=True)
class Type:
    """What an annotation names.

    Attributes:
        name: dotted origin, such as `pandas.DataFrame`; empty without an annotation that says anything.
        fields: of a NamedTuple (`record`), a TypedDict or a dataclass, in their order.
        values: type of the values of a `mapping`.
    """

    meaning: Meaning
    name: str = ""
    fields: Mapping[str, Type] = field(default_factory=dict)
    values: Type | None = None

    @property
    def is_table(self) -> bool:
        """Whether it is a table of one of the known libraries."""
        return self.meaning in ("pandas", "series", "polars", "pyarrow")

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it."""
        return bool(self.name)


UNKNOWN = Type("other")


@dataclass(frozen=True)
class Signature:
    """One function.

    Attributes:
        parameters: name -> type, in their order.
        required: names of the parameters without a default.
        returns: the annotated type; UNKNOWN without one.
        returned_keys: keys of the dicts that every `return` writes out, None where one returns anything else.
    """

    parameters: Mapping[str, Type]
    required: frozenset[str]
    returns: Type
    returned_keys: tuple[str, ...] | None


def read_signature(root: Path, call: str) -> Signature | None:
    """Read the signature of `module:function`; None where the source does not show it.

    Raises:
        FunctionNotFound: the module or the function does not exist.
    """
    function = find_function(root, call)
    if function.parameters is None:
        return None
    module = call.partition(":")[0]
    source = _Module(root, module, function.file)
    node = _definition(source, function)
    annotations = {arg.arg: arg.annotation for arg in _arguments(node)}
    return Signature(
        parameters={p.name: source.type_of(annotations[p.name]) for p in function.parameters},
        required=frozenset(p.name for p in function.parameters if p.required),
        returns=source.type_of(node.returns),
        returned_keys=_returned_keys(node),
    )


def _definition(source: _Module, function: Function) -> ast.FunctionDef:
    nodes = (node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef))
    return next(node for node in nodes if node.lineno == function.line)


def _arguments(node: ast.FunctionDef) -> list[ast.arg]:
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _returned_keys(node: ast.FunctionDef) -> tuple[str, ...] | None:
    keys: tuple[str, ...] | None = None
    for value in _returned(node.body):
        if not isinstance(value, ast.Dict):
            return None
        found = tuple(str(key.value) for key in value.keys if isinstance(key, ast.Constant))
        if len(found) < len(value.keys) or keys not in (None, found):
            return None
        keys = found
    return keys


def _returned(body: list[ast.stmt]) -> Iterator[ast.expr | None]:
    """Go through what a function returns, without the functions and classes inside it."""
    pending: list[ast.AST] = list(body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Return):
            yield node.value
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


class _Module:
    """One source file: its names, and the types that they stand for."""

    def __init__(self, root: Path, module: str, file: Path) -> None:
        self.root, self.module = root, module
        self.package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        self.tree = ast.parse(file.read_bytes(), filename=str(file))
        self.imports: dict[str, str] = {}
        self.defined: dict[str, ast.ClassDef | ast.expr] = {}
        for node in ast.walk(self.tree):
            self._note(node)

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    head = alias.name.partition(".")[0]
                    self.imports[alias.asname or head] = alias.name if alias.asname else head
            case ast.ImportFrom():
                base = self._base(node)
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = f"{base}.{alias.name}"
            case ast.ClassDef():
                self.defined.setdefault(node.name, node)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if node in self.tree.body:
                self.defined.setdefault(name, value)

    def _base(self, node: ast.ImportFrom) -> str:
        parents = self.package.split(".")
        above = parents[: len(parents) - node.level + 1] if node.level else []
        return ".".join([*above, *([node.module] if node.module else [])])

    def type_of(self, node: ast.expr | None, depth: int = 0) -> Type:
        """Return what an annotation stands for."""
        if node is None or depth > _DEEPEST:
            return UNKNOWN
        match node:
            case ast.Constant(value=str(text)):
                return self.type_of(_parsed(text), depth + 1)
            case ast.Constant(value=None):
                return Type("other", "None")
            case ast.Name(id=name) if name in self.defined:
                return self._own(name, depth)
            case ast.Name() | ast.Attribute():
                return self._imported(self.dotted(node), depth)
            case ast.Subscript(value=base, slice=inner):
                return self._generic(self.dotted(base), inner, depth)
        return UNKNOWN

    def dotted(self, node: ast.expr) -> str:
        """Return the full name of what a name or attribute stands for; empty for any other expression."""
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else ""
        return self.imports.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    def _generic(self, base: str, inner: ast.expr, depth: int) -> Type:
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if base == "typing.Annotated":
            return self.type_of(parts[0], depth + 1)
        if base in _MAPPINGS:
            return Type("mapping", base, values=self.type_of(parts[-1], depth + 1))
        return self._imported(base, depth)

    def _own(self, name: str, depth: int) -> Type:
        found = self.defined[name]
        return (
            self._class(found, depth) if isinstance(found, ast.ClassDef) else self.type_of(found, depth + 1)
        )

    def _class(self, node: ast.ClassDef, depth: int) -> Type:
        name = f"{self.module}.{node.name}"
        fields = {
            item.target.id: self.type_of(item.annotation, depth + 1)
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        }
        bases = {self.dotted(base) for base in node.bases}
        marks = {
            self.dotted(mark.func if isinstance(mark, ast.Call) else mark) for mark in node.decorator_list
        }
        if "typing.NamedTuple" in bases:
            return Type("record", name, fields)
        if bases & {"typing.TypedDict", "typing_extensions.TypedDict"}:
            return Type("mapping", name, fields)
        return Type("dataclass" if "dataclasses.dataclass" in marks else "other", name, fields)

    def _imported(self, name: str, depth: int) -> Type:
        if name in _KNOWN:
            return Type(_KNOWN[name], name)
        if name in _MAPPINGS:
            return Type("mapping", name)
        module, _, member = name.rpartition(".")
        file = module_file(self.root, module) if module else None
        if file is not None and depth < _DEEPEST:
            other = _Module(self.root, module, file)
            if member in other.defined:
                return other._own(member, depth + 1)
            if member in other.imports:
                return other._imported(other.imports[member], depth + 1)
        return UNKNOWN if name in ("typing.Any", "object", "") else Type("other", name)


@cache
def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
