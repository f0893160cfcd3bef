"""How a plain script saves what a stage's function returns: in the format that mlx would write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.pipeline.formats import TABLE_SUFFIXES, suffix_of
from mlxkit.pipeline.plain.script import Call, NotPlain, Script
from mlxkit.scaffold.render import python_literal

if TYPE_CHECKING:
    from mlxkit.project.signatures import Type


def write(script: Script, value: str, path: str, type_: Type, *, literal: bool = False) -> Call:
    """Return the statement that saves a value.

    `literal` says that the function builds the value as a dict in its own `return`.

    Raises:
        NotPlain: the source does not tell how, or mlx itself would refuse.
    """
    suffix, name = suffix_of(Path(path)), python_literal(path)
    match suffix:
        case ".json" if literal or (type_.is_known and not type_.is_table):
            return _write_json(script, value, path, type_)
        case ".yaml" | ".yml":
            dumped = f"{script.module('yaml')}.safe_dump({value}, sort_keys=False, allow_unicode=True)"
            return _write_text(script, dumped, path)
        case ".txt" | ".md" | ".html":
            return _write_text(script, value, path)
        case ".npy":
            return Call(f"{script.module('numpy')}.save", (name, value))
        case ".pkl" | ".joblib":
            return Call(f"{script.module('joblib')}.dump", (value, name))
        case _ if suffix in TABLE_SUFFIXES and type_.is_table:
            return _write_table(script, value, path, type_)
        case _ if suffix in TABLE_SUFFIXES and not type_.is_known:
            raise NotPlain(f"its source does not tell what it returns for '{path}'; annotate its return type")
    shown = f"'{type_.name}'" if type_.is_known else "what it returns"
    raise NotPlain(f"{shown} cannot be saved as '{path}'")


def _write_json(script: Script, value: str, path: str, type_: Type) -> Call:
    json = script.module("json")
    shown = f"{script.member('dataclasses', 'asdict')}({value})" if type_.meaning == "dataclass" else value
    # All of it is ASCII, so no encoding need be named.
    return Call(f"{script.path(path)}.write_text", (f'{json}.dumps({shown}, indent=2) + "\\n"',))


def _write_text(script: Script, text: str, path: str) -> Call:
    return Call(f"{script.path(path)}.write_text", (text, 'encoding="utf-8"'))


def _write_table(script: Script, value: str, path: str, type_: Type) -> Call:
    suffix, name = suffix_of(Path(path)), python_literal(path)
    if suffix == ".parquet" and type_.meaning == "polars":
        return Call(f"{value}.write_parquet", (name,))
    if suffix == ".parquet" and type_.meaning == "pyarrow":
        return Call(f"{script.module('pyarrow.parquet')}.write_table", (value, name))
    frame = {"polars": f"{value}.to_pandas()", "pyarrow": f"{value}.to_pandas()"}.get(type_.meaning, value)
    frame = f"{value}.to_frame()" if type_.meaning == "series" else frame
    # A time stamp in the archive would make equal tables unequal files.
    gzip = ('compression={"method": "gzip", "mtime": 0}',) if suffix.endswith(".gz") else ()
    match suffix.removesuffix(".gz"):
        case ".parquet":
            return Call(f"{frame}.to_parquet", (name,))
        case ".jsonl":
            return Call(f"{frame}.to_json", (name, 'orient="records"', "lines=True", 'date_format="iso"'))
        case ".json":
            return Call(f"{frame}.to_json", (name, 'orient="records"', "indent=2", 'date_format="iso"'))
        case ".tsv":
            return Call(f"{frame}.to_csv", (name, "index=False", 'sep="\\t"', *gzip))
        case _:
            return Call(f"{frame}.to_csv", (name, "index=False", *gzip))
