"""Fill in a project template: a folder tree in which names and the text of `*.jinja` files are templates."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, StrictUndefined

from mlxkit.errors import UsageError
from mlxkit.project.models import CONFIG_FILE
from mlxkit.project.suggestions import closest, did_you_mean
from mlxkit.scaffold.notebook import notebook
from mlxkit.scaffold.template_record import RECORD_FILE, record_of, record_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _typeshed import DataclassInstance

    from mlxkit.scaffold.request import Request

_SUFFIX = ".jinja"
_LINE_LENGTH = 110  # as pyproject.toml of a project says
_COMMON = "common"
_CI = "ci"
NO_CI = "none"
_PACKAGE = Path(__file__).parents[1]


def templates_folder() -> Path:
    """Return the folder of the templates: inside the installed package, else in the source checkout."""
    installed = _PACKAGE / "templates"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "templates"


def find_template(request: Request) -> Path:
    """Return the folder of the template asked for; raise UsageError when there is none of that name."""
    names = sorted(path.parent.name for path in templates_folder().glob(f"*/{CONFIG_FILE}{_SUFFIX}"))
    if request.template not in names:
        close = closest(request.template, names)
        raise UsageError(
            f"there is no template '{request.template}'",
            hint=request.hint(template=close or names[0]),
            context=(f"templates: {', '.join(names)}",),
        )
    return templates_folder() / request.template


def find_ci(request: Request, below: str = _CI) -> Path | None:
    """Return the folder of the workflows asked for, None for none; UsageError for unknown ones."""
    if request.ci == NO_CI:
        return None
    names = sorted(path.name for path in (templates_folder() / below).iterdir())
    if request.ci not in names:
        options = [*names, NO_CI]
        raise UsageError(
            f"there are no workflows for '{request.ci}'{did_you_mean(request.ci, options)}",
            hint=request.hint(ci=closest(request.ci, options) or names[0]),
            context=(f"workflows: {', '.join(options)}",),
        )
    return templates_folder() / below / request.ci


def render_project(template: Path, ci: Path | None, folder: Path, answers: DataclassInstance) -> None:
    """Write what all projects have, what this template adds, and workflows, into `folder`."""
    values = {item.name: getattr(answers, item.name) for item in fields(answers)}
    values |= {"template": template.name, "ci": NO_CI if ci is None else ci.name}
    for part in (template.with_name(_COMMON), template, ci):
        if part is not None:
            render(part, folder, values)
    record = record_of(template.name, values["ci"], answers, folder)
    (folder / RECORD_FILE).write_text(record_text(record), encoding="utf-8")


def render(template: Path, folder: Path, values: Mapping[str, Any]) -> None:
    """Write the filled-in template into `folder`; modes of files are kept."""
    environment = _environment()
    for source in sorted(template.rglob("*")):
        name = environment.from_string(source.relative_to(template).as_posix()).render(values)
        goal = folder / name.removesuffix(_SUFFIX)
        if ".." in goal.relative_to(folder).parts:
            raise UsageError(
                f"'{name}' is outside of the project", hint="correct what names it in .mlx-template.json"
            )
        if source.is_dir():
            goal.mkdir(parents=True, exist_ok=True)
        elif source.suffix == _SUFFIX:
            text = (
                environment.from_string(source.read_text(encoding="utf-8")).render(values).strip("\n") + "\n"
            )
            goal.write_text(notebook(text) if goal.suffix == ".ipynb" else text, encoding="utf-8")
            shutil.copymode(source, goal)
        else:
            shutil.copy(source, goal)


def render_file(template: str, values: Mapping[str, Any]) -> str:
    """Return the filled-in text of one template file, named by its path below the folder of templates."""
    source = (templates_folder() / template).read_text(encoding="utf-8")
    return _environment().from_string(source).render(values).strip("\n") + "\n"


def _environment() -> Environment:
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["py"] = python_literal
    environment.filters["yaml"] = yaml_scalar
    environment.filters["from"] = import_statement
    environment.filters["shell"] = shlex.quote
    environment.filters["regex"] = re.escape
    environment.filters["cell"] = lambda value: str(value).replace("|", "\\|").replace("\n", " ")
    return environment


def python_literal(value: object) -> str:
    """Write a value as Python source, with the quotes that the formatter prefers."""
    if not isinstance(value, str):
        return repr(value)
    quote = "'" if value.count('"') > value.count("'") else '"'
    escapes = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", quote: "\\" + quote}
    return (
        quote
        + "".join(escapes.get(char) or (char if char.isprintable() else _escaped(char)) for char in value)
        + quote
    )


def import_statement(names: Sequence[str], module: str) -> str:
    """Write the import of names from a module, broken into lines where the formatter would break it."""
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= _LINE_LENGTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])


def yaml_scalar(value: object) -> str:
    """Write a value as a YAML scalar, safe in a flow list: plain where it can be, else in double quotes."""
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][\w.-]*( [\w.-]+)*", value) and yaml.safe_load(value) == value
        return value if plain else f'"{"".join(_yaml_char(char) for char in value)}"'
    return json.dumps(value)


def _yaml_char(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08X}"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
