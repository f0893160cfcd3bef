"""How a plain script reads a stage's input: what mlx would load for the suffix and the annotation."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlxkit.pipeline.formats import TABLE_SUFFIXES, Library, Options, suffix_of
from mlxkit.pipeline.plain.script import Call, NotPlain, Script
from mlxkit.scaffold.render import python_literal

if TYPE_CHECKING:
    from mlxkit.project.signatures import Type

_AS_IT_IS: Options = MappingProxyType({})
_LIBRARIES: dict[str, Library] = {"pandas": "pandas", "polars": "polars", "pyarrow": "pyarrow"}


def read(script: Script, path: str, type_: Type, options: Options = _AS_IT_IS) -> Call:
    """Return the expression that reads a file as a parameter's annotation asks for; `options` of a CSV file.

    Raises:
        NotPlain: mlx itself would not know how.
    """
    if type_.meaning == "path":
        return Call("", (script.path(path),))
    suffix = suffix_of(Path(path))
    if type_.meaning in _LIBRARIES:
        return read_table(script, path, _LIBRARIES[type_.meaning], options)
    match suffix:
        case ".json":
            return Call(f"{script.module('json')}.loads", (_text(script, path),))
        case ".yaml" | ".yml":
            return Call(f"{script.module('yaml')}.safe_load", (_text(script, path),))
        case ".txt" | ".md" | ".html":
            return Call("", (_text(script, path),))
        case ".npy":
            return Call(f"{script.module('numpy')}.load", (python_literal(path),))
        case ".pkl" | ".joblib":
            return Call(f"{script.module('joblib')}.load", (python_literal(path),))
        case _ if suffix in TABLE_SUFFIXES:
            return read_table(script, path, "pandas", options)
    raise NotPlain(f"it is unknown how to load '{path}'; annotate the parameter as `Path`")


def read_table(script: Script, path: str, library: Library, options: Options = _AS_IT_IS) -> Call:
    """Return the expression that reads a table; `options` are arguments of `pandas.read_csv`.

    Raises:
        NotPlain: the suffix is none of a table.
    """
    suffix = suffix_of(Path(path))
    if suffix not in TABLE_SUFFIXES:
        raise NotPlain(f"'{path}' is no table; annotate the parameter as `Path`")
    if library == "pyarrow" and suffix == ".parquet":
        return Call(f"{script.module('pyarrow.parquet')}.read_table", (python_literal(path),))
    if library == "pyarrow":
        frame = _pandas(script, path, suffix, options)
        return Call(f"{script.module('pyarrow')}.Table.from_pandas", (str(frame), "preserve_index=False"))
    if library == "polars":
        if options:
            return Call(
                f"{script.module('polars')}.from_pandas", (str(_pandas(script, path, suffix, options)),)
            )
        return _polars(script, path, suffix)
    return _pandas(script, path, suffix, options)


def _pandas(script: Script, path: str, suffix: str, options: Options) -> Call:
    pd, name = script.module("pandas"), python_literal(path)
    match suffix.removesuffix(".gz"):
        case ".parquet":
            return Call(f"{pd}.read_parquet", (name,))
        case ".jsonl":
            return Call(f"{pd}.read_json", (name, "lines=True", "dtype=False", "convert_dates=False"))
        case ".json":
            return Call(f"{pd}.read_json", (name, "dtype=False", "convert_dates=False"))
        case ".tsv":
            return Call(f"{pd}.read_csv", (name, *_arguments({"sep": "\t", **options}), "low_memory=False"))
        case _:
            return Call(f"{pd}.read_csv", (name, *_arguments(options), "low_memory=False"))


def _arguments(options: Options) -> list[str]:
    return [f"{name}={_literal(value)}" for name, value in options.items()]


def _literal(value: Any) -> str:
    match value:
        case list():
            return f"[{', '.join(map(python_literal, value))}]"
        case dict():
            items = (f"{python_literal(name)}: {python_literal(item)}" for name, item in value.items())
            return f"{{{', '.join(items)}}}"
        case _:
            return python_literal(value)


def _polars(script: Script, path: str, suffix: str) -> Call:
    pl, name = script.module("polars"), python_literal(path)
    match suffix.removesuffix(".gz"):
        case ".parquet":
            return Call(f"{pl}.read_parquet", (name,))
        case ".jsonl":
            return Call(f"{pl}.read_ndjson", (name,))
        case ".json":
            return Call(f"{pl}.read_json", (name,))
        case ".tsv":
            return Call(f"{pl}.read_csv", (name, 'separator="\\t"'))
        case _:
            return Call(f"{pl}.read_csv", (name,))


def _text(script: Script, path: str) -> str:
    return f'{script.path(path)}.read_text(encoding="utf-8")'
