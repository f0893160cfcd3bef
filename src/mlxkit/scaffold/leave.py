"""Take mlx out of the files that the scaffold wrote, line by line; a file edited since may stay as it is."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlxkit.scaffold.template_record import RECORD_FILE, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MENTION = r"mlxkit|mlx\.yaml|mlx [a-z]+"
"""What a line says that means mlx, and not Apple's library of that name; to be matched as whole words."""

_WORDS = re.compile(rf"\b(?:{MENTION})\b")
_OF_MLX = (
    ".github/workflows/train.yml",
    ".github/workflows/promote.yml",
    ".github/workflows/drift.yml",
    "tests/test_pipeline.py",
)
_MARGIN = 28
_IGNORED = "__pycache__/"


@dataclass(frozen=True)
class Leaving:
    """What the plain project has in mlx's place.

    Attributes:
        stages: names of the train and of the evaluate stage.
        register: the command that registers a model.
        requirements: what the scripts import and the project does not ask for yet.
        untyped: patterns of modules that the type checker finds no types for.
        folder: where the scripts are.
        loads_model: whether a stage loads a model, and imports the code inside it.
    """

    stages: tuple[str, str]
    register: str
    requirements: tuple[str, ...]
    untyped: tuple[str, ...]
    folder: str
    loads_model: bool


@dataclass(frozen=True)
class Line:
    """A line that a person has to change."""

    file: str
    number: int
    text: str


@dataclass(frozen=True)
class Edit:
    """What becomes of a file: its new text, or the lines for which it is left alone."""

    file: str
    text: str
    left: tuple[Line, ...] = ()


def edits(root: Path, leaving: Leaving) -> list[Edit]:
    """Take mlx out of every file that the scaffold may have put it into; files without it are not named."""
    found = []
    for name, change in _CHANGES.items():
        path = root / name
        if path.is_file():
            before = path.read_text(encoding="utf-8")
            after = change(before, leaving)
            left = mentions(name, after)
            if left or after != before:
                # Half an edit would leave a file that fits neither way of working.
                found.append(Edit(name, before if left else after, left and mentions(name, before)))
    ignore = root / ".dvcignore"
    known = ignore.read_text(encoding="utf-8") if ignore.is_file() else ""
    if leaving.loads_model and _IGNORED not in known.splitlines():
        # A model that is loaded compiles the code inside it, and DVC would call the model changed.
        found.append(Edit(".dvcignore", f"{known}{_IGNORED}\n"))
    return found


def needless(root: Path) -> tuple[str, ...]:
    """Return files that only mlx has a use for, and that are as the scaffold wrote them."""
    if not (root / RECORD_FILE).is_file():
        return ()
    written = read_record(root).files
    return tuple(
        path
        for path in _OF_MLX
        if path in written and (root / path).is_file() and (root / path).read_bytes() == written[path]
    )


def mentions(file: str, text: str) -> tuple[Line, ...]:
    """Return the lines that mention mlx."""
    lines = enumerate(text.splitlines(), start=1)
    return tuple(Line(file, number, line.strip()) for number, line in lines if _WORDS.search(line))


def line_length(root: Path) -> int:
    """Return the longest line that the project's formatter leaves alone: ruff's setting, else its default."""
    path = root / "pyproject.toml"
    settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return int(settings.get("tool", {}).get("ruff", {}).get("line-length", 88))


def is_installable(root: Path) -> bool:
    """Whether `pip install --editable .` makes the project's packages importable."""
    path = root / "pyproject.toml"
    return path.is_file() and "project" in tomllib.loads(path.read_text(encoding="utf-8"))


def _makefile(text: str, leaving: Leaving) -> str:
    train, evaluate = leaving.stages
    text = _replaced(
        text,
        [
            (r"^drift: .*\n\t\$\(BIN\)mlx drift --data \S+\n\n", ""),
            (r"\.venv/bin/mlx\b", ".venv/bin/dvc"),
            (r"\bcommand -v mlx\b", "command -v dvc"),
            (r"^(\.PHONY:.*) drift\b", r"\1"),
            (r"^(\t\$\(BIN\))mlx run((?: [A-Za-z][\w-]*)*)$", r"\1dvc repro\2"),
            (r"^(\t\$\(BIN\))mlx train$", rf"\1dvc repro {train}"),
            (r"^(\t\$\(BIN\))mlx evaluate$", rf"\1dvc repro {evaluate}"),
            (r"^(promote: .*## register the model) if it passes the gates$", r"\1"),
            (r"^(\t\$\(BIN\))mlx promote$", rf"\1{leaving.register}"),
            (r"^(ui: .*) promote\)", r"\1)"),
            (r"^(\t\$\(BIN\))mlx ui$", r"\1mlflow ui"),
        ],
    )
    # DVC starts `python` through the shell, and it must be the environment's.
    path = "export PATH := $(CURDIR)/.venv/bin:$(PATH)"
    return _replaced(text, [(r"^(BIN := .*)$(?!\nexport PATH)", rf"\1\n{path}")])


def _readme(text: str, leaving: Leaving) -> str:
    scripts = f"| `dvc.yaml`, `{leaving.folder}/` | the pipeline, and a script for each of its stages |"
    return _replaced(
        text,
        [
            (r"^mlx run {2,}(# .*)$", rf"{'dvc repro':{_MARGIN}}\1"),
            (r"^mlx promote {2,}# .*$", f"{leaving.register}  # register the model of the last training"),
            (r"^mlx drift --data \S+\n", ""),
            (r"^mlx ui {2,}(# .*)$", rf"{'mlflow ui':{_MARGIN}}\1"),
            (r"^\| `mlx\.yaml` \| the pipeline, the gates, the environments \|$", scripts),
            (r"^\| `tests/test_pipeline\.py` \|.*\n", ""),
            (r"^(\| `(?:\.github/workflows/|\.gitlab-ci\.yml)` \| checks of every change);.*$", r"\1 |"),
        ],
    )


def _workflow(text: str, leaving: Leaving) -> str:
    del leaving
    return _replaced(
        text,
        [
            (
                r"^      - name: Is mlx\.yaml valid.*\n        run: mlx check$",
                "      - name: Is dvc.yaml valid\n        run: dvc dag",
            ),
            (r"^(      - name: Tests, of code and model), with a run of the whole pipeline.*$", r"\1"),
            (r"^      - name: Does dvc\.lock belong.*\n        run: mlx status --check\n", ""),
            (r"^      - name: Say that there will be no report\n(?:.*\n)*\Z", ""),
        ],
    )


def _pipeline(text: str, leaving: Leaving) -> str:
    """Leave of GitLab's pipeline what checks a change."""
    del leaving
    return _replaced(
        text,
        [
            (r"\A# Checks every change; trains.*\n(?:# .*\n)*", "# Checks every change.\n"),
            (r"^stages: \[check, train, promote, drift\]$", "stages: [check]"),
            (r"^  (?:GIT_DEPTH|PUSH_URL|NEW_ROWS): .*\n", ""),
            (r"^    - mlx check$", "    - dvc dag"),
            (r"^    - mlx status --check\n", ""),
            (r"^\n# Compares the model that a merge request brings.*\n(?:.*\n)*\Z", ""),
        ],
    )


def _hooks(text: str, leaving: Leaving) -> str:
    del leaving
    return _replaced(
        text,
        [
            (r"^      - id: mlx-check\n(?: {8,}\S.*\n)+", ""),
            (r"`mlx run` makes or fetches it", "`dvc repro` makes it"),
        ],
    )


def _example(text: str, leaving: Leaving) -> str:
    del leaving
    return text.replace(" mlx.yaml can name any of these as ${NAME}.", "")


def _pyproject(text: str, leaving: Leaving) -> str:
    settings = tomllib.loads(text)
    asked = settings.get("project", {}).get("dependencies", [])
    known = {_distribution(line) for line in asked}
    added = [line for line in leaving.requirements if _distribution(line) not in known]
    lines = [f'  "{line}",' for line in added]
    block = re.search(r'^dependencies = \[\n((?: +"[^"\n]*",\n)*)\]$', text, re.MULTILINE)
    if block and '"mlxkit' in block[1]:
        kept = [line for line in block[1].splitlines() if '"mlxkit' not in line]
        ordered = sorted([*kept, *lines]) if kept == sorted(kept) else [*kept, *lines]
        text = text[: block.start(1)] + "".join(f"{line}\n" for line in ordered) + text[block.end(1) :]
    files = rf'files = ["src", "tests", "{leaving.folder}"]'
    return _replaced(
        text,
        [
            (r'^files = \["src", "tests"\]$', files),
            (r'^module = \["matplotlib.*\]$', _untyped(settings, leaving)),
        ],
    )


def _untyped(settings: dict[str, dict[str, dict[str, list[dict[str, list[str]]]]]], leaving: Leaving) -> str:
    overrides = settings.get("tool", {}).get("mypy", {}).get("overrides", [])
    known = next((entry["module"] for entry in overrides if "matplotlib.*" in entry.get("module", [])), [])
    names = ", ".join(f'"{name}"' for name in sorted({*known, *leaving.untyped}))
    return f"module = [{names}]"


def _distribution(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0].lower()


def _replaced(text: str, rules: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


_CHANGES: dict[str, Callable[[str, Leaving], str]] = {
    "pyproject.toml": _pyproject,
    "Makefile": _makefile,
    "README.md": _readme,
    ".github/workflows/ci.yml": _workflow,
    ".gitlab-ci.yml": _pipeline,
    ".pre-commit-config.yaml": _hooks,
    ".env.example": _example,
}
