"""scikit-learn models as skops archives whose bytes depend on the model alone.

skops names arrays and marks shared objects by their memory addresses, dates the entries of its zip file, and
writes sets in the order of their hashes. Here addresses become numbers in order of appearance, dates are
constant and sets are sorted. Which objects are shared is kept; equal constants count as shared, because it is
chance whether Python shares them.
"""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BRIDGES = tuple(f"sklearn.externals.array_api_compat.{library}" for library in ("cupy", "dask", "torch"))


@contextmanager
def _without(modules: Sequence[str]) -> Iterator[None]:
    """Let no import find some modules, unless they are loaded already."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


# skops imports all of scikit-learn once, and with it PyTorch, for seconds, where that is installed.
with _without(_BRIDGES):
    import skops.io

_SCHEMA = "schema.json"
# Text vectorizers of scikit-learn keep an address, to check their stop words only once.
_STOP_WORDS = "_stop_words_id"
_EPOCH = (1980, 1, 1, 0, 0, 0)


class Unsupported(Exception):
    """skops cannot write this model, or cannot read back what it wrote."""


@dataclass(frozen=True)
class Archive:
    """A model in skops' format.

    Attributes:
        types: what a reader must trust beyond skops' own list, fully qualified, sorted.
        modules: top-level modules that its classes and functions come from, sorted.
    """

    content: bytes
    types: tuple[str, ...]
    modules: tuple[str, ...]


def dump(model: object) -> Archive:
    """Write a model to a reproducible archive, and prove that it can be read.

    Raises:
        Unsupported: skops cannot store the model.
    """
    try:
        content = normalised(skops.io.dumps(model))
        types = skops.io.get_untrusted_types(data=content)
        skops.io.loads(content, trusted=types)
    except Exception as error:  # skops raises whatever the model's own methods raise
        raise Unsupported(f"{type(error).__name__}: {error}") from error
    return Archive(content, tuple(types), _modules(content))


def load(path: Path, *, trusted: Sequence[str]) -> Any:
    """Load a model from a file, trusting its types."""
    return skops.io.load(path, trusted=list(trusted))


def normalised(archive: bytes) -> bytes:
    """Return the archive without what is not the model: addresses, dates, the order of sets."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        schema = json.loads(source.read(_SCHEMA))
        order = _Renumbering()
        schema = order.node(schema)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
            for old, new in order.files.items():
                target.writestr(zipfile.ZipInfo(new, _EPOCH), source.read(old))
            target.writestr(zipfile.ZipInfo(_SCHEMA, _EPOCH), json.dumps(schema))
    return out.getvalue()


def _modules(archive: bytes) -> tuple[str, ...]:
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        schema = source.read(_SCHEMA).decode("utf-8")
    return tuple(sorted(set(re.findall(r'"__module__": "([^."]+)', schema))))


@dataclass
class _Renumbering:
    """New ids and file names, handed out in order of appearance."""

    ids: dict[object, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def node(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.node(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node.get("__loader__") == "SetNode":
            node["content"].sort(key=_without_ids)
        elif node.get("__class__") == "frozenset" and node.get("__loader__") == "ConstructorFromReduceNode":
            node["content"]["content"][0]["content"].sort(key=_without_ids)
        elif _STOP_WORDS in node:
            node[_STOP_WORDS]["content"] = "0"
        return {key: self._value(node, key, value) for key, value in node.items()}

    def _value(self, node: dict[str, Any], key: str, value: Any) -> Any:
        if key == "__id__" and "__loader__" in node and isinstance(value, int):
            return self.ids.setdefault(self._identity(node, value), len(self.ids) + 1)
        if key == "file" and "__loader__" in node and isinstance(value, str):
            suffix = PurePosixPath(value).suffix
            return self.files.setdefault(value, f"{len(self.files) + 1}{suffix}")
        return self.node(value)

    def _identity(self, node: dict[str, Any], address: int) -> object:
        return node["content"] if node["__loader__"] == "JsonNode" else address


def _without_ids(node: Any) -> str:
    """Return a text that orders the items of a set the same way in every process."""
    if isinstance(node, dict):
        node = {key: value for key, value in node.items() if key != "__id__"}
        return json.dumps({key: _without_ids(value) for key, value in node.items()}, sort_keys=True)
    if isinstance(node, list):
        return json.dumps([_without_ids(item) for item in node])
    return json.dumps(node)
