"""The answers file of a project: what its template was filled in with, and every file as it came from there.

Git keeps it with the project. The texts are the base of a three-way merge, so that an update needs neither
the mlx that made the project nor the commit in which it was made.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlxkit import __version__
from mlxkit.errors import ConfigError, UsageError
from mlxkit.scaffold.answers_json import to_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RECORD_FILE = ".mlx-template.json"
_ABOUT = "Written by mlx for `mlx template update`. Keep it in git, and edit nothing below 'files'."
_KEYS = {"mlx": str, "template": str, "ci": str, "answers": dict, "files": dict}


@dataclass(frozen=True)
class TemplateRecord:
    """What a project came from.

    Attributes:
        mlx: version of the mlx whose template it was.
        ci: whose workflows: "github", "gitlab" or "none".
        answers: plain values that the template was filled in with.
        files: path -> content as the template made it.
    """

    mlx: str
    template: str
    ci: str
    answers: Mapping[str, Any]
    files: Mapping[str, bytes]


def record_of(template: str, ci: str, answers: Any, folder: Path) -> TemplateRecord:
    """Describe what was just written into an empty folder from a template."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    files.pop(RECORD_FILE, None)
    return TemplateRecord(__version__, template, ci, to_plain(answers), files)


def record_text(record: TemplateRecord) -> str:
    """Write a record as JSON: a line for each answer and file, so that a diff shows which of them changed."""
    packed = {path: base64.b64encode(zlib.compress(text, 9)).decode() for path, text in record.files.items()}
    head = {"about": _ABOUT, "mlx": record.mlx, "template": record.template, "ci": record.ci}
    lines = [f"  {_json(name)}: {_json(value)}" for name, value in head.items()]
    for name, values in (("answers", record.answers), ("files", packed)):
        inner = ",\n".join(f"    {_json(key)}: {_json(value)}" for key, value in values.items())
        lines.append(f"  {_json(name)}: {{\n{inner}\n  }}" if inner else f"  {_json(name)}: {{}}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def read_record(root: Path) -> TemplateRecord:
    """Read the record of a project.

    Raises:
        UsageError: there is none.
        ConfigError: it is damaged, or a later mlx wrote it.
    """
    try:
        document = json.loads((root / RECORD_FILE).read_bytes())
        if any(not isinstance(document[key], kind) for key, kind in _KEYS.items()):
            raise ValueError
        files = {path: _unpacked(text) for path, text in document["files"].items()}
        if any(PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts for path in files):
            raise ValueError
    except FileNotFoundError as error:
        raise UsageError(
            f"the project has no '{RECORD_FILE}', which says what it was made from",
            hint="run `mlx init` with the same options in another folder, and copy that file from there",
        ) from error
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise ConfigError(
            f"'{RECORD_FILE}' is damaged", hint=f"run `git checkout HEAD -- {RECORD_FILE}`"
        ) from error
    if _numbers(document["mlx"]) > _numbers(__version__):
        raise ConfigError(
            f"the template of this project is that of mlx {document['mlx']}, and this is mlx {__version__}",
            hint="upgrade mlx: `pip install --upgrade mlxkit`",
        )
    return TemplateRecord(document["mlx"], document["template"], document["ci"], document["answers"], files)


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text, validate=True))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
