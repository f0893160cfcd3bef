"""`mlx init`: a scaffolded project made ready to run, with git, DVC, dvc.yaml and the first commit."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters import dvc, git
from mlxkit.pipeline import dvc_yaml, warm
from mlxkit.pipeline.git_hooks import install_git_hooks
from mlxkit.project.files import write_atomically
from mlxkit.project.json_schema import json_schema
from mlxkit.project.load import load
from mlxkit.scaffold.images import scaffold_images
from mlxkit.scaffold.project_tree import scaffold

if TYPE_CHECKING:
    from mlxkit.scaffold.project_tree import Scaffolded
    from mlxkit.scaffold.request import Request

SCHEMA_FILE = "references/mlx.schema.json"


@dataclass(frozen=True)
class Created:
    """A new project.

    Attributes:
        commit: whether a first commit was made; never inside an existing repository.
        notes: what the user should know about git, one line each.
        git_hooks: whether git calls the project's hooks.
    """

    scaffolded: Scaffolded
    commit: bool
    notes: tuple[str, ...]
    git_hooks: bool = False


def schema_text() -> bytes:
    """Return the content of the schema for editors."""
    return (json.dumps(json_schema(), indent=2) + "\n").encode()


def notes_on_workflows(ci: str, within: str) -> list[str]:
    """Say what workflows need that lie in a folder of a repository, as `git.path_within` names it."""
    files = {"github": ".github", "gitlab": ".gitlab-ci.yml"}.get(ci)
    if files is None or not within:
        return []
    place = within.rstrip("/")
    return [
        f"workflows run from the repository's root alone: move {place}/{files} there, and let its jobs "
        f"work in '{place}'"
    ]


def create(request: Request) -> Created:
    """Write a project and make it ready to run.

    Raises:
        UsageError, DataError: the request cannot be met; nothing was written.
        ToolError: git or DVC failed; the project's files are there.
    """
    warm.start_for_the_next_run(Path.cwd())
    request = replace(request, within=git.path_within(request.folder))
    made = scaffold_images(request) if request.template == "torch" else scaffold(request)
    root = made.root
    write_atomically(root / SCHEMA_FILE, schema_text())
    inside = git.top_level(root)
    installed = git.is_installed()
    if installed and inside is None:
        git.init(root)
    dvc.init(root, subdir=inside is not None, scm=installed)
    repository = dvc.Dvc(root)
    for data in made.tracked:
        repository.add(data.as_posix())
    repository.close()
    project = load(root)
    dvc_yaml.write(project, dvc_yaml.text_of(project))
    if not installed:
        return Created(made, False, ("git is not installed, so nothing was committed; mlx works without it",))
    notes: list[str] = []
    if inside is None:
        if git.commit_all(root, f"Start {project.name} with mlx"):
            identity = f"{git.FALLBACK_NAME} <{git.FALLBACK_EMAIL}>"
            notes.append(
                f"git has no identity here, so the first commit is by {identity}; set yours with `git config`"
            )
    else:
        notes += [f"inside the repository {inside}, so nothing was committed"]
        notes += notes_on_workflows(request.ci, request.within)
    problem = install_git_hooks(root) if request.git_hooks else None
    return Created(
        made, inside is None, (*notes, *([problem] if problem else ())), request.git_hooks and not problem
    )
