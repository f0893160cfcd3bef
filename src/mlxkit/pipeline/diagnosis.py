"""What can be wrong with a machine or a project, looked at without changing anything unless asked to."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

from mlxkit.adapters import git, mlflow_moved, mlflow_store
from mlxkit.errors import ConfigError, MlxError, NotInProjectError
from mlxkit.pipeline import dvc_yaml
from mlxkit.project.environments import tracking_uri
from mlxkit.project.load import find_root, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlxkit.project.models import Environment, Project

State = Literal["ok", "warning", "problem", "mended"]
_LOW_DISK_BYTES = 1 << 30
_LIBRARIES = ("dvc", "mlflow", "pandas", "scikit-learn")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `remedy` is the command or edit that mends it, empty where there is none."""

    name: str
    state: State
    text: str
    remedy: str = ""


def diagnose(start: Path, *, fix: bool = False) -> list[Finding]:
    """Look at the machine, and at the project around `start` where there is one."""
    findings = [*_machine(start)]
    try:
        root = find_root(start)
    except NotInProjectError:
        findings.append(Finding("project", "warning", "not in a project", "mlx init NAME"))
        return findings
    findings.append(_environment(root))
    findings.append(_repository(root))
    try:
        project = load(root)
    except ConfigError as error:
        text = "; ".join([error.message, *error.context[:3]])
        return [*findings, Finding("mlx.yaml", "problem", text, error.hint)]
    findings.append(Finding("mlx.yaml", "ok", f"valid, {len(project.stages)} stages"))
    findings += [_dvc(project), _dvc_yaml(project, fix)]
    stores: dict[str | None, str] = {}
    for name, environment in project.environments.items():
        stores.setdefault(environment.tracking, name)
    for name in stores.values():
        title = f"store of {name}" if len(stores) > 1 else "store"
        findings.append(_store(project, project.environments[name], title, fix))
    return [*findings, _secrets(project)]


def _machine(start: Path) -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} in {sys.prefix}")
    versions = []
    for library in _LIBRARIES:
        try:
            versions.append(f"{library} {version(library)}")
        except PackageNotFoundError:
            yield Finding(library, "problem", "not installed", "make setup")
    yield Finding("libraries", "ok", ", ".join(versions))
    if not git.is_installed():
        yield Finding("git", "warning", "not installed", "install git")
    elif git.has_identity(start):
        yield Finding("git", "ok", "installed, with an identity")
    else:
        yield Finding("git", "warning", "no identity", "git config --global user.email YOU@EXAMPLE.ORG")
    free = shutil.disk_usage(start).free
    text = f"{free / 2**30:.1f} GiB free"
    low = free < _LOW_DISK_BYTES
    yield Finding("disk", "warning" if low else "ok", text, "free some space, or run `mlx gc`" if low else "")


def _environment(root: Path) -> Finding:
    folder = root / ".venv"
    if (folder / "bin" / "python").exists():
        return Finding("environment", "ok", "the project's own .venv")
    return Finding("environment", "warning", f"no .venv in the project; using {sys.prefix}", "make setup")


def _repository(root: Path) -> Finding:
    if not git.is_installed():
        return Finding(
            "repository", "warning", "git is not installed: code versions are not recorded", "install git"
        )
    complaint = git.complaint(root)
    if complaint is not None:
        linked = (root / ".git").is_file()
        remedy = f"git worktree repair '{root}', in the main working tree" if linked else "git status"
        return Finding("repository", "problem", complaint, remedy)
    if git.top_level(root) is None:
        return Finding(
            "repository", "warning", "no git repository: code versions are not recorded", "git init"
        )
    state = git.state(root)
    if state.commit is None:
        return Finding("repository", "warning", "no commit yet", "git add -A && git commit -m 'Start'")
    return Finding("repository", "ok", f"on {state.branch or 'no branch'} at {state.commit[:7]}")


def _dvc(project: Project) -> Finding:
    from mlxkit.adapters.dvc import Dvc

    try:
        Dvc(project.root).close()
    except MlxError as error:
        return Finding("dvc", "problem", error.message, error.hint)
    return Finding("dvc", "ok", "the repository opens")


def _dvc_yaml(project: Project, fix: bool) -> Finding:
    text = dvc_yaml.text_of(project)
    if dvc_yaml.in_step(project, text):
        return Finding("dvc.yaml", "ok", "in step with mlx.yaml")
    if not fix:
        return Finding("dvc.yaml", "problem", "not in step with mlx.yaml", "mlx check --fix")
    try:
        dvc_yaml.write(project, text)
    except MlxError as error:
        return Finding("dvc.yaml", "problem", error.message, error.hint)
    return Finding("dvc.yaml", "mended", "written anew")


def _store(project: Project, environment: Environment, title: str, fix: bool) -> Finding:
    """Look whether an environment's store answers, and still stores to this folder."""
    try:
        store = mlflow_store.resolve(project.root, tracking_uri(project, environment))
        if store.database is not None and not store.database.exists():
            return Finding(title, "ok", "not made yet; the first run makes it")
        old = None if store.database is None else mlflow_moved.moved_from(project.root, store.database)
        if old is None:
            mlflow_store.ask(store)
            return Finding(title, "ok", str(store))
        if not fix:
            return Finding(title, "problem", f"the project was moved here from {old}", "mlx doctor --fix")
        assert store.database is not None
        mended = mlflow_moved.mend_moved(project.root, store.database)
    except MlxError as error:
        return Finding(title, "problem", error.message, error.hint)
    return Finding(title, "mended", f"{mended} paths now point here")


def _secrets(project: Project) -> Finding:
    if not (project.root / ".env").exists():
        return Finding("secrets", "ok", "no .env")
    if git.committed_text(project.root, ".env") is not None:
        remedy = "git rm --cached .env, add it to .gitignore, and renew what it holds"
        return Finding("secrets", "problem", ".env is committed", remedy)
    return Finding("secrets", "ok", ".env is not committed")
