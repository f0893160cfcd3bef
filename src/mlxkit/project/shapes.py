"""The types that a key of `mlx.yaml` may have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = r"[A-Za-z][A-Za-z0-9_-]*"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
DURATION = r"\d+(\.\d+)?(s|m|h)?"
SIZE = r"\d+(\.\d+)? ?(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)"


@dataclass(frozen=True)
class Text:
    """Any text; numbers and dates are taken as they are written."""

    pattern: str = ""
    example: str = ""


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """A number within bounds; `open` excludes the bounds themselves."""

    low: float | None = None
    high: float | None = None
    whole: bool = False
    open: bool = False


@dataclass(frozen=True)
class Scalar:
    """A label: text, number or boolean."""


@dataclass(frozen=True)
class Flag:
    """The one boolean that makes a difference; the other is the default."""

    value: bool


@dataclass(frozen=True)
class Texts:
    """One text, or a list of them."""

    example: str = ""


@dataclass(frozen=True)
class Anything:
    """What mlx hands on as it stands."""


@dataclass(frozen=True)
class ListOf:
    """A list of one type."""

    item: Type


@dataclass(frozen=True)
class MapOf:
    """A mapping from names to one type; `lists` also accepts a plain list of texts."""

    item: Type
    key_pattern: str = ""
    lists: bool = False
    empty_is_default: bool = False


@dataclass(frozen=True)
class Shape:
    """A mapping with known keys."""

    title: str
    keys: Mapping[str, Key] = field(default_factory=dict)


@dataclass(frozen=True)
class OneOf:
    """One of several mappings; the one key by which each is known stands first in it."""

    title: str
    shapes: tuple[Shape, ...]

    @property
    def by_key(self) -> Mapping[str, Shape]:
        """Return the mappings by the key that tells which it is."""
        return {next(iter(shape.keys)): shape for shape in self.shapes}


@dataclass(frozen=True)
class Key:
    """One key of a Shape: its type and a sentence for the reference."""

    type: Type
    doc: str
    required: bool = False


Type = Text | Choice | Number | Scalar | Flag | Texts | Anything | ListOf | MapOf | Shape | OneOf
