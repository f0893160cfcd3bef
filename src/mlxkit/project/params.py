"""`params.yaml`: reading it, and writing single values with its comments kept."""

from __future__ import annotations

from datetime import date
from io import StringIO
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.errors import ConfigError, UsageError
from mlxkit.project.files import write_atomically
from mlxkit.project.located import Problems, Value, read_yaml
from mlxkit.project.models import PARAMS_FILE
from mlxkit.project.suggestions import did_you_mean
from mlxkit.project.yaml12 import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Params = dict[str, Any]


def read_params(root: Path) -> Params:
    """Read params.yaml as plain values; no file means no parameters.

    Raises:
        ConfigError: the file is not valid YAML, holds a key twice, or a parameter has no value.
    """
    path = root / PARAMS_FILE
    if not path.exists():
        return {}
    problems = Problems(PARAMS_FILE)
    value = read_yaml(path, problems)
    if value is None:
        return {}
    if not isinstance(value.data, dict):
        problems.add(value, "must be a mapping of parameters")
    _check(value, problems)
    problems.raise_if_any(hint=f"edit {PARAMS_FILE}, then run `mlx check`")
    # Not from `value`, whose keys are texts: in `weights: {0: 1.0, 1: 5.0}` they are numbers.
    return dict(load(path.read_text(encoding="utf-8-sig")))


def _check(value: Value, problems: Problems) -> None:
    match value.data:
        case dict():
            for item in value.data.values():
                _check(item, problems)
        case list():
            for item in value.data:
                _check(item, problems)
        case None if value.text == "":
            problems.add(value, "has no value; write one, or `null` for None")
        case date():
            problems.add(value, f"DVC takes no dates as parameters; put '{value.text}' in quotes")


def set_params(root: Path, settings: list[str]) -> Params:
    """Write `group.key=value` settings into params.yaml, comments and order kept.

    The value is read as YAML, so that `0.1`, `true`, `[1, 2]` and `null` mean what they say.

    Raises:
        UsageError: a setting is no `key=value`, or names a parameter that does not exist.
    """
    params = read_params(root)
    if not settings:
        return params
    path = root / PARAMS_FILE
    editor = _editor()
    document = editor.load(path.read_text(encoding="utf-8-sig")) if path.exists() else None
    if document is None:
        raise UsageError(
            f"there is no parameter to set: {PARAMS_FILE} is missing or empty",
            hint=f"write the parameter into {PARAMS_FILE} first",
        )
    for setting in settings:
        _set_one(document, params, setting)
    text = StringIO()
    editor.dump(document, text)
    write_atomically(path, text.getvalue().encode())
    return read_params(root)


def _editor() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter

    # A class of its own, because DVC writes its files with the representer of ruamel itself.
    class Representer(RoundTripRepresenter):
        pass

    def represent_none(representer: Any, value: None) -> Any:
        del value
        return representer.represent_scalar("tag:yaml.org,2002:null", "null")

    Representer.add_representer(type(None), represent_none)
    editor = YAML()
    editor.Representer = Representer
    editor.preserve_quotes = True
    editor.width = 4096
    return editor


def _set_one(document: Any, params: Params, setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise UsageError(f"'{setting}' is no setting", hint="write it as `--set model.learning_rate=0.1`")
    parts = key.split(".")
    node, known = document, params
    last: Any = None
    for depth, part in enumerate(parts):
        found = [name for name in known if str(name) == part] if isinstance(known, dict) else []
        if not found:
            raise UsageError(
                f"{PARAMS_FILE} has no parameter '{key}'{_closest(key, params)}",
                hint=f"add it to {PARAMS_FILE} first, if it is new",
            )
        last = found[0]
        if depth < len(parts) - 1:
            node, known = node[last], known[last]
    if isinstance(known[last], dict):
        raise UsageError(
            f"'{key}' is a group of parameters",
            hint=f"set one of its keys: `--set {key}.{next(iter(known[last]), 'KEY')}=VALUE`",
        )
    try:
        new = load(text) if text else ""
    except (yaml.YAMLError, ValueError) as error:
        hint = f"quote it: `--set '{key}=\"{text}\"'`"
        raise UsageError(f"'{text}' is not a YAML value", hint=hint) from error
    if isinstance(new, date):
        hint = f"quote it: `--set '{key}=\"{text}\"'`"
        raise UsageError(f"'{text}' is a date, which DVC does not take as a parameter", hint=hint)
    node[last] = new


def _closest(key: str, params: Params) -> str:
    """Suggest a parameter: one that ends like the key, else one that is spelt like it."""
    names = list(_names(params, ""))
    ends = [name for name in names if name.endswith(f".{key}")]
    return f", did you mean '{ends[0]}'?" if ends else did_you_mean(key, names)


def _names(params: Params, prefix: str) -> Iterator[str]:
    for name, value in params.items():
        if isinstance(value, dict):
            yield from _names(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def group_values(params: Params, groups: tuple[str, ...]) -> Params:
    """Pick whole groups of parameters.

    Raises:
        ConfigError: a group does not exist.
    """
    missing = [group for group in groups if group not in params]
    if missing:
        raise ConfigError(
            f"{PARAMS_FILE} has no group '{missing[0]}'", hint=f"add `{missing[0]}:` to {PARAMS_FILE}"
        )
    return {group: params[group] for group in groups}
