"""What an existing repository gets to become a project: mlx.yaml, and files that fit any project."""

from __future__ import annotations

import re
import shlex
import tempfile
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.project.models import Task  # noqa: TC001 - answers are read back by their annotations
from mlxkit.scaffold.names import LONGEST_PROJECT, package_name, problem_with_name, slug, suggest_name
from mlxkit.scaffold.render import NO_CI, find_ci, render, render_file, templates_folder, yaml_scalar
from mlxkit.scaffold.requirements import Requirements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlxkit.scaffold.request import Request

TEMPLATE = "adopt"
_FILES, _CI, _MLX_YAML = "files", "ci", f"{TEMPLATE}/project.yaml.jinja"
_SCRIPTS = (".py", ".R", ".r", ".jl", ".sh", ".ipynb")
_RUNNERS = {".py": "python", ".R": "Rscript", ".r": "Rscript", ".jl": "julia", ".sh": "sh"}
_NO_STAGES = re.compile(
    r"(^|/)(tests?|docs|\.[^/]+|\w+\.egg-info|node_modules)/|(^|/)(test_|conftest|setup\.py|noxfile)"
)
_MOST_FOUND = 20
_MAIN = re.compile(r"^if __name__ ?== ?[\"']__main__[\"']", re.MULTILINE)


@dataclass(frozen=True)
class AdoptAnswers:
    """What the files for an existing repository are filled in with."""

    project: str
    package: str
    task: Task
    target: str
    requires: Requirements = field(default_factory=Requirements)


@dataclass(frozen=True)
class AdoptedStage:
    """A stage of mlx.yaml that runs a command; paths as mlx.yaml has them.

    Attributes:
        kind: "stage" where the name alone would mean more; else empty.
        remarks: what stands above it, one line each.
    """

    name: str
    cmd: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    uncached: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    kind: str = ""
    remarks: tuple[str, ...] = ()


def adopted_name(folder: Path) -> str:
    """Return the project's name: the folder's, as far as a project can have it."""
    name = folder.name
    return name if problem_with_name(name) is None else suggest_name(name)


def adopted_package(root: Path, project: str) -> str:
    """Return the import package that is there, below `src` or in the root; else one by the project's name."""
    for place in (root / "src", root):
        found = sorted(path.parent.name for path in place.glob("*/__init__.py"))
        found = [name for name in found if name not in ("tests", "test", "docs")]
        if len(found) == 1:
            return found[0]
    return package_name(project)


def find_adopted_ci(request: Request) -> Path | None:
    """Return the folder of the workflows asked for, None for none."""
    return find_ci(request, f"{TEMPLATE}/{_CI}")


def render_adopted(ci: Path | None, answers: AdoptAnswers) -> dict[str, bytes]:
    """Return path -> content of the files that any project may have."""
    values = {item.name: getattr(answers, item.name) for item in fields(answers)}
    values["ci"] = NO_CI if ci is None else ci.name
    with tempfile.TemporaryDirectory() as folder:
        for part in (templates_folder() / TEMPLATE / _FILES, ci):
            if part is not None:
                render(part, Path(folder), values)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def render_mlx_yaml(
    answers: AdoptAnswers, stages: Sequence[AdoptedStage], sections: Mapping[str, Any], found: Sequence[str]
) -> str:
    """Write mlx.yaml: with stages, or with those that scripts could be, behind comment signs."""
    dumped: str = yaml.safe_dump(dict(sections), allow_unicode=True, sort_keys=False, width=10**6)
    proposed = [_proposal(path) for path in found]
    names = [stage.name for stage in proposed]
    return render_file(
        _MLX_YAML,
        {
            **{item.name: getattr(answers, item.name) for item in fields(answers)},
            "stages": stages,
            "proposed": [stage for n, stage in enumerate(proposed) if stage.name not in names[:n]],
            "word": _word,
            "words": lambda texts: ", ".join(map(_word, texts)),
            "sections": dumped.splitlines() if sections else [],
        },
    )


def _word(text: str) -> str:
    """Write a path or a command as a YAML scalar, plain where it can be."""
    plain = re.fullmatch(r"[A-Za-z_.][\w./=-]*( [\w./=-]+)*", text) and yaml.safe_load(text) == text
    return text if plain else yaml_scalar(text)


def find_scripts(root: Path, files: Sequence[str]) -> list[str]:
    """Return those files that somebody runs: notebooks, and scripts that are no modules of others."""
    return [path for path in sorted(files) if _is_script(root, path)][:_MOST_FOUND]


def _is_script(root: Path, path: str) -> bool:
    place = PurePosixPath(path)
    if place.suffix not in _SCRIPTS or _NO_STAGES.search(path) or place.name == "__init__.py":
        return False
    if place.suffix != ".py":
        return True
    try:
        return bool(_MAIN.search((root / path).read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False


def _proposal(path: str) -> AdoptedStage:
    place = PurePosixPath(path)
    name = slug(place.stem, longest=LONGEST_PROJECT, fallback="stage")
    runner = _RUNNERS.get(place.suffix, "jupyter nbconvert --execute --to notebook --inplace")
    return AdoptedStage(
        name, f"{runner} {shlex.quote(path)}", kind="stage" if name in ("train", "evaluate") else ""
    )


def stage_names(names: Sequence[str]) -> Iterator[str]:
    """Return for each name one that mlx.yaml takes, and that no other stage has."""
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")
        plain = plain if plain[:1].isalpha() else f"stage-{plain}"
        number = 2
        free = plain
        while free in taken or (free != name and free in names):
            free, number = f"{plain}-{number}", number + 1
        taken.add(free)
        yield free
