"""cloudpickle with bytes that depend on the pickled object alone, readable by any unpickler.

cloudpickle writes sets in the order of their hashes, equal texts once or twice by chance, the folder of a
function's source, and a random id for each class that it stores whole. Here sets are sorted, equal texts are
one, source paths start in the working folder, and a class gets its id from the content of the pickle: models
with different code for a class of one name never share it.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import cloudpickle

if TYPE_CHECKING:
    from collections.abc import Callable

_CLASS_ID = "mlx{:029d}"
"""Stands for a class's id, of the same length, until the content is known."""


@dataclass(frozen=True)
class Pickled:
    """A pickled object; `modules` are the top-level modules whose classes and functions it names, sorted."""

    content: bytes
    modules: tuple[str, ...]


class Pickler(pickle._Pickler):
    """A pickler for `torch.save`, and behind `dump`; in Python, because the one in C writes sets itself."""

    def __init__(self, file: Any, protocol: int | None = None, **options: Any) -> None:
        self._file = file
        self._made = io.BytesIO()
        super().__init__(self._made, pickle.DEFAULT_PROTOCOL if protocol is None else protocol, **options)
        self.globals_ref: dict[int, dict[str, Any]] = {}
        self.modules: set[str] = set()
        self._texts: dict[str, str] = {}
        self._classes: dict[type, str] = {}

    dispatch_table = cloudpickle.Pickler.dispatch_table
    _function_reduce = cloudpickle.Pickler._function_reduce
    _dynamic_function_reduce = cloudpickle.Pickler._dynamic_function_reduce

    def dump(self, obj: object) -> None:
        """Write the pickle, with ids of classes that follow from its content."""
        super().dump(obj)
        content = self._made.getvalue()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        for number in range(len(self._classes)):
            own = hashlib.md5(f"{digest}{number}".encode(), usedforsecurity=False).hexdigest()
            content = content.replace(_CLASS_ID.format(number).encode(), own.encode())
        self._file.write(content)

    def save(self, obj: Any, *options: Any, **more: Any) -> None:
        """Save an object; equal texts count as the same."""
        known = self._texts.setdefault(obj, obj) if type(obj) is str else obj
        super().save(known, *options, **more)  # type: ignore[misc]

    def reducer_override(self, obj: Any) -> Any:
        """Return what to store instead of an object, NotImplemented for the usual."""
        kind = type(obj)
        if kind is set or kind is frozenset:
            return kind, (_sorted(obj),)
        if kind is CodeType:
            reduce: Callable[[CodeType], Any] = self.dispatch_table[CodeType]
            return reduce(obj.replace(co_filename=_portable(obj.co_filename)))
        if isinstance(obj, type | FunctionType | BuiltinFunctionType):
            self.modules.add((obj.__module__ or "builtins").partition(".")[0])
        reduced = cloudpickle.Pickler.reducer_override(self, obj)
        if isinstance(obj, type) and isinstance(reduced, tuple) and len(reduced) > 2:
            return self._with_own_id(obj, reduced)
        return reduced

    def _function_getnewargs(self, func: FunctionType) -> Any:
        code, namespace, *rest = cloudpickle.Pickler._function_getnewargs(self, func)
        if "__file__" in namespace:
            namespace["__file__"] = _portable(namespace["__file__"])
        return code, namespace, *rest

    def _with_own_id(self, cls: type, reduced: tuple[Any, ...]) -> tuple[Any, ...]:
        # cloudpickle makes a class, and an enum, from arguments that end with its id and room for more.
        make, (*arguments, _, more), *rest = reduced
        own = self._classes.setdefault(cls, _CLASS_ID.format(len(self._classes)))
        return make, (*arguments, own, more), *rest


def dump(obj: object) -> Pickled:
    """Pickle an object."""
    file = io.BytesIO()
    pickler = Pickler(file)
    try:
        pickler.dump(obj)
    except RecursionError:  # the pickler in C goes deeper
        return Pickled(cloudpickle.dumps(obj, protocol=pickle.DEFAULT_PROTOCOL), ())
    return Pickled(file.getvalue(), tuple(sorted(pickler.modules)))


def _sorted(items: set[Any] | frozenset[Any]) -> list[Any]:
    kinds = {type(item) for item in items}
    if len(kinds) < 2 and kinds <= {str, int, bytes}:
        return sorted(items)
    return sorted(items, key=lambda item: dump(item).content)


def _portable(source: str) -> str:
    path = Path(source)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else source
