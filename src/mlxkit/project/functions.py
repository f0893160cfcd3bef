"""What can be known of a stage's function without importing it: that it exists, and its parameters."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

CONTEXT_NAMES = ("task", "target", "positive", "key", "time", "protected")
"""Values of mlx.yaml that a stage function may ask for by parameter name."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a stage function; `annotation` is the source text, empty without one."""

    name: str
    annotation: str
    required: bool


@dataclass(frozen=True)
class Function:
    """A stage function as its source says it.

    Attributes:
        parameters: None when the source does not show them (the function is imported from elsewhere,
            decorated, or takes `**kwargs`).
    """

    file: Path
    line: int
    parameters: tuple[Parameter, ...] | None


class FunctionNotFound(Exception):
    """The function of a `call:` does not exist: which name is wrong, and the ones that there are.

    `mend` is the file to edit where that is not mlx.yaml.
    """

    def __init__(self, message: str, wrong: str = "", options: Sequence[str] = (), *, mend: str = "") -> None:
        super().__init__(message)
        self.message, self.wrong, self.options, self.mend = message, wrong, list(options), mend


def module_file(root: Path, module: str) -> Path | None:
    """Find the source file of a module of the project, under `src/` or in the root itself."""
    for base in (root / "src", root):
        path = base.joinpath(*module.split("."))
        for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def find_function(root: Path, call: str) -> Function:
    """Look up `module:function` in the project's sources.

    Raises:
        FunctionNotFound: the module or the function does not exist, or the module does not parse.
    """
    module, _, name = call.partition(":")
    file = module_file(root, module)
    if file is None:
        raise FunctionNotFound(f"there is no module '{module}' in src/", module, _modules(root))
    shown = file.relative_to(root).as_posix()
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        text = f"{shown}:{error.lineno or 1} is not valid Python: {error.msg}"
        raise FunctionNotFound(text, mend=shown) from error
    except ValueError as error:
        raise FunctionNotFound(f"{shown} is not valid Python: {error}", mend=shown) from error
    names: list[str] = []
    found: Function | None = None
    for node in _top_level(tree.body):
        match node:
            case ast.FunctionDef():
                names.append(node.name)
                if node.name == name:
                    found = Function(file, node.lineno, _parameters(node))
            case ast.Import() | ast.ImportFrom():
                bound = [(alias.asname or alias.name.partition(".")[0]) for alias in node.names]
                names += bound
                # A star may stand for any name.
                if name in bound or (bound == ["*"] and found is None):
                    found = Function(file, node.lineno, None)
            case ast.Assign(targets=[ast.Name(id=assigned)]) | ast.AnnAssign(target=ast.Name(id=assigned)):
                names.append(assigned)
                if assigned == name:
                    found = Function(file, node.lineno, None)
            case ast.ClassDef():
                names.append(node.name)
                if node.name == name:
                    found = Function(file, node.lineno, None)
    if found is None:
        raise FunctionNotFound(f"there is no function '{name}' in {shown}", name, names)
    return found


def _top_level(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Go through the statements that define a module's names, also those below `if`, `try` and `with`."""
    for node in body:
        yield node
        match node:
            case ast.If():
                yield from _top_level([*node.body, *node.orelse])
            case ast.Try():
                handled = [statement for handler in node.handlers for statement in handler.body]
                yield from _top_level([*handled, *node.body, *node.orelse, *node.finalbody])
            case ast.With():
                yield from _top_level(node.body)


def _parameters(node: ast.FunctionDef) -> tuple[Parameter, ...] | None:
    arguments = node.args
    if node.decorator_list or arguments.kwarg or arguments.vararg:
        return None
    positional = [*arguments.posonlyargs, *arguments.args]
    first_default = len(positional) - len(arguments.defaults)
    parameters = [_parameter(arg, required=i < first_default) for i, arg in enumerate(positional)]
    parameters += [
        _parameter(arg, required=default is None)
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return tuple(parameters)


def _parameter(arg: ast.arg, *, required: bool) -> Parameter:
    return Parameter(arg.arg, ast.unparse(arg.annotation) if arg.annotation else "", required)


def _modules(root: Path) -> list[str]:
    source = root / "src"
    return [
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(source.rglob("*.py"))
    ]
