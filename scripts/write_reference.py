"""Write the generated parts of `docs/` from the code, so that they cannot tell something else.

`python scripts/write_reference.py` writes; with `--check` it exits with 1 when a page is out of date.
A generated part of a page stands between `<!-- generated: NAME -->` and `<!-- end: NAME -->`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer.main

from mlxkit.cli.app import build
from mlxkit.pipeline import formats
from mlxkit.project import schema
from mlxkit.project.json_schema import json_schema
from mlxkit.project.shapes import (
    Anything,
    Choice,
    Flag,
    Key,
    ListOf,
    MapOf,
    Number,
    OneOf,
    Scalar,
    Shape,
    Text,
    Texts,
    Type,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
SCHEMA_PAGE = "docs/mlx.schema.json"
SHARED_OPTIONS = ("--json", "--quiet", "-C", "--debug", "--help")


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write what is out of date, or only name it under `--check`; returns the exit code."""
    check = "--check" in arguments
    stale = {path: text for path, text in pages(root).items() if _read(root / path) != text}
    for path, text in stale.items():
        if check:
            sys.stderr.write(f"{path} is out of date: run `make reference`\n")
        else:
            (root / path).write_text(text, encoding="utf-8")
            sys.stderr.write(f"wrote {path}\n")
    return int(check and bool(stale))


def pages(root: Path) -> dict[str, str]:
    """Return the text that every page with a generated part should have."""
    parts: dict[str, dict[str, Callable[[], str]]] = {
        "docs/reference/cli.md": {"commands": _commands},
        "docs/reference/mlx-yaml.md": {"keys": _keys},
        "docs/reference/stages.md": {"formats": _formats},
    }
    texts = {path: _filled((root / path).read_text(encoding="utf-8"), part) for path, part in parts.items()}
    return {**texts, SCHEMA_PAGE: json.dumps(json_schema(), indent=2) + "\n"}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _filled(page: str, parts: Mapping[str, Callable[[], str]]) -> str:
    for name, make in parts.items():
        start, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise SystemExit(f"error: a page has no part '{name}' to fill in")
        page = f"{before}{start}\n{make().strip()}\n\n{end}{after}"
    return page


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in lines)


# --- commands


def _commands() -> str:
    group: Any = typer.main.get_command(build())
    sections = [_command(name, command) for name, command in _flat(group)]
    shared = next(iter(group.commands.values()))
    rows = [_option(p) for p in shared.params if _names(p)[-1] in SHARED_OPTIONS or p.opts[0] == "-C"]
    return "\n\n".join(
        ["## Options of every command", _table(["option", "does"], [*rows, _HELP_ROW]), *sections]
    )


def _flat(group: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all commands with their names, those of a group behind its own: `jobs list`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _flat(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


_HELP_ROW = ["`-h`, `--help`", "Show the command's help and exit."]


def _command(name: str, command: Any) -> str:
    text, _, example = " ".join(command.help.split()).partition("Example: ")
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [
        p
        for p in command.params
        if p.param_type_name == "option" and not set(SHARED_OPTIONS) & {*p.opts, *p.secondary_opts}
    ]
    words = ["mlx", name, *(_usage(p) for p in arguments), *(["[OPTIONS]"] if options else [])]
    parts = [f"## mlx {name}", text.strip(), f"```\n{' '.join(words)}\n```"]
    rows = [[f"`{_usage(p)}`", p.help or ""] for p in arguments] + [_option(p) for p in options]
    if rows:
        parts.append(_table(["argument or option", "does"], rows))
    parts.append(f"Example: `{example.strip()}`")
    return "\n\n".join(parts)


def _usage(argument: Any) -> str:
    name = (argument.metavar or argument.name).strip("[]").upper()
    shown = f"{name}..." if argument.nargs == -1 else name
    return shown if argument.required else f"[{shown}]"


def _names(option: Any) -> list[str]:
    """Return an option's names, the short one first."""
    return sorted({*option.opts, *option.secondary_opts}, key=len)


def _option(option: Any) -> list[str]:
    value = "" if option.is_flag else f" {option.metavar or option.name.upper()}"
    *short, last = [f"`{name}`" for name in _names(option)]
    shown = ", ".join([*short, f"`{_names(option)[-1]}{value}`" if value else last])
    notes = ["Required."] if option.required else []
    if option.multiple:
        notes.append("May be given several times.")
    if isinstance(option.default, str | int) and not isinstance(option.default, bool):
        notes.append(f"Default: `{option.default}`.")
    return [shown, " ".join([option.help or "", *notes])]


# --- mlx.yaml


def _keys() -> str:
    shapes = dict.fromkeys(_title(shape) for shape in _shapes(schema.ROOT))
    found = {_title(shape): shape for shape in _shapes(schema.ROOT)}
    return "\n\n".join(_section(found[title]) for title in shapes)


def _section(shape: Shape | OneOf) -> str:
    return _one_of(shape) if isinstance(shape, OneOf) else _shape(shape)


def _shapes(shape: Shape | OneOf) -> Iterator[Shape | OneOf]:
    """Walk all mappings with known keys, the outermost first."""
    yield shape
    if isinstance(shape, OneOf):
        return
    for key in shape.keys.values():
        for inner in _inner(key.type):
            yield from _shapes(inner)


def _one_of(kind: OneOf) -> str:
    """Put the mappings of one kind into one table, the key that tells which it is in bold."""
    rows = []
    for shape in kind.shapes:
        (name, key), *others = shape.keys.items()
        first, *rest = _key(name, key)
        rows += [[f"**{first}**", *rest], *(_key(*other) for other in others)]
    text = f"A {kind.title} has one of the keys in bold, and those below it."
    return f"### {_title(kind)}\n\n{text}\n\n" + _table(["key", "type", "default", "meaning"], rows)


def _inner(kind: Type) -> Iterator[Shape | OneOf]:
    match kind:
        case Shape() | OneOf():
            yield kind
        case ListOf(item) | MapOf(item):
            yield from _inner(item)


def _shape(shape: Shape) -> str:
    rows = [_key(name, key) for name, key in shape.keys.items()]
    return f"### {_title(shape)}\n\n" + _table(["key", "type", "default", "meaning"], rows)


def _title(shape: Shape | OneOf) -> str:
    """Name a section by its key, and what occurs many times by one of it."""
    if shape is schema.ROOT:
        return "Top level"
    known = schema.ROOT.keys.get(shape.title)
    return shape.title if known is not None and known.type is shape else f"One {shape.title}"


def _key(name: str, key: Key) -> list[str]:
    meaning, _, default = key.doc.partition(" Default")
    return [
        f"`{name}`",
        _type(key.type),
        "required" if key.required else default.strip(": ").removesuffix(".") or "none",
        meaning,
    ]


def _type(kind: Type) -> str:
    match kind:
        case Text(_, example):
            return f"text, such as `{example}`" if example else "text"
        case Choice(options):
            return " or ".join(f"`{option}`" for option in options)
        case Number():
            return _number(kind)
        case Flag(value):
            return f"`{str(value).lower()}`"
        case Anything():
            return "anything"
        case Scalar():
            return "text, number or boolean"
        case ListOf(Anything()):
            return "list"
        case MapOf(Anything()):
            return "mapping"
        case ListOf(item):
            return f"list of {_plural(_type(item))}"
        case MapOf(item, _, lists):
            return f"mapping: name to {_type(item)}" + (", or list" if lists else "")
        case Texts(example):
            return f"text, such as `{example}`, or list of texts"
        case Shape(title) | OneOf(title):
            return f"[{title}](#{_title(kind).lower().replace(' ', '-')})"


def _plural(word: str) -> str:
    return re.sub(r"^\[(\w+)\]", r"[\1s]", word) if word.startswith("[") else f"{word}s"


def _number(kind: Number) -> str:
    word = "whole number" if kind.whole else "number"
    if kind.low is None and kind.high is None:
        return word
    if kind.high is None:
        return f"{word}, at least {kind.low:g}"
    between = f"{word} from {kind.low:g} to {kind.high:g}"
    return f"{between}, both excluded" if kind.open else between


# --- stages


def _formats() -> str:
    """Take over the table of formats from the module that implements it."""
    rows = [line for line in (formats.__doc__ or "").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    body = [[_code(first), *others] for first, *others in cells[2:]]
    return _table(cells[0], body)


def _code(cell: str) -> str:
    return re.sub(r"\.\w+", lambda match: f"`{match[0]}`", cell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
