"""The stages of somebody's own dvc.yaml as DVC understands them: variables filled in, loops written out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.dvc_errors import translated
from mlxkit.adapters.dvc_locks import Locks
from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FLAGS = frozenset({"cache", "persist", "remote", "push", "desc", "type", "labels", "meta", "header"})
"""What dvc.yaml says of a plot and is no matter of drawing it."""


@dataclass(frozen=True)
class DvcStage:
    """One stage. Paths are POSIX strings relative to the project's root.

    Attributes:
        commands: the lines that run, one after the other.
        folder: where they run; "." for the root.
        params: file -> keys, of which none means all.
        uncached: those of `outputs` that DVC does not keep.
        filled: variables of parameter files whose values stand in it, such as `params.yaml: model.depth`.
        problems: what of it mlx has no word for.
        locked: its entry in dvc.lock, with paths as they stand there; None when it never ran.
        is_fresh: whether DVC would not run it again.
    """

    name: str
    commands: tuple[str, ...]
    folder: str
    inputs: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    uncached: tuple[str, ...] = ()
    description: str = ""
    filled: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    locked: Mapping[str, Any] | None = None
    is_fresh: bool = False


@dataclass(frozen=True)
class Pipeline:
    """A dvc.yaml.

    Attributes:
        sections: what it says beside the stages.
        elsewhere: other files of the repository below the project with stages in them.
        lock: all of dvc.lock.
    """

    stages: tuple[DvcStage, ...]
    sections: Mapping[str, Any] = field(default_factory=dict)
    elsewhere: tuple[str, ...] = ()
    lock: Mapping[str, Any] = field(default_factory=dict)


def read_pipeline(root: Path) -> Pipeline:
    """Read the dvc.yaml of a project that lies in a DVC repository.

    Raises:
        ToolError: DVC cannot read it, or another file of the repository.
    """
    from dvc.dvcfile import load_file
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

    from mlxkit.adapters.dvc import make_quiet

    make_quiet()
    root = root.resolve()  # as DVC names its files
    with _explained(), Repo(os.fspath(root), uninitialized=False) as repo:
        file: Any = load_file(repo, os.fspath(root / "dvc.yaml"))
        found = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
        own = [stage for stage in found if Path(stage.path) == root / "dvc.yaml"]
        with Locks(repo, root, lambda text: None).repository():
            stages = tuple(_read(stage, root, file.lockfile_contents.get("stages", {})) for stage in own)
        places = {Path(stage.path) for stage in found} - {root / "dvc.yaml"}
        elsewhere = sorted(p.relative_to(root).as_posix() for p in places if p.is_relative_to(root))
        return Pipeline(stages, _sections(file, own, root), tuple(elsewhere), dict(file.lockfile_contents))


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what DVC raises into ToolError, also where it lacks what an address of another kind needs."""
    from dvc.exceptions import NotDvcRepoError

    try:
        with translated():
            try:
                yield
            except NotDvcRepoError as error:
                raise ToolError("this folder is in no DVC repository", hint="run `dvc init`") from error
    except ImportError as error:
        raise ToolError(
            f"DVC cannot read dvc.yaml: {error}",
            hint="install what it names, for instance `pip install dvc-s3`",
        ) from error
    except ValueError as error:  # which DVC lets through where its schema allows more than its code
        raise ToolError(f"DVC cannot read dvc.yaml: {error}", hint="run `dvc status --verbose`") from error


def _read(stage: Any, root: Path, locked: Mapping[str, Any]) -> DvcStage:
    from dvc.dependency import ParamsDependency

    commands = [stage.cmd] if isinstance(stage.cmd, str) else list(stage.cmd)
    files = [dep for dep in stage.deps if not isinstance(dep, ParamsDependency)]
    params = {
        _path(dep, root): tuple(map(str, dep.params))
        for dep in stage.deps
        if isinstance(dep, ParamsDependency)
    }
    problems = tuple(_problems(stage, root))
    filled = (f"{file}: {key}" for file, values in stage.tracked_vars.items() for key in values)
    return DvcStage(
        name=stage.name,
        commands=tuple(line for command in commands for line in command.splitlines()),
        folder=_relative(stage.wdir, root),
        inputs=tuple(_path(dep, root) for dep in files),
        params=params,
        outputs=tuple(_path(out, root) for out in stage.outs),
        uncached=tuple(_path(out, root) for out in stage.outs if not out.use_cache),
        description=stage.desc or "",
        filled=tuple(filled),
        problems=problems,
        locked=locked.get(stage.name),
        is_fresh=not problems and stage.name in locked and not stage.changed(allow_missing=True),
    )


def _problems(stage: Any, root: Path) -> Iterator[str]:
    for word in ("frozen", "always_changed"):
        if getattr(stage, word):
            yield f"'{word}: true'"
    if stage.meta:
        yield "'meta'"
    for item in (*stage.deps, *stage.outs):
        if _path(item, root).startswith("../") or "://" in _path(item, root):
            yield f"'{item.def_path}' is outside the project"
    for out in stage.outs:
        if out.persist:
            yield f"'{out.def_path}' has 'persist: true', and mlx removes an output before its stage runs"
        for word in out.annot.to_dict():
            yield f"'{out.def_path}' has '{word}:'"
        if out.remote or not out.can_push:
            yield f"'{out.def_path}' has '{'remote' if out.remote else 'push'}:'"


def _path(item: Any, root: Path) -> str:
    """Return a path as seen from the root; of what is no local file, its address."""
    if item.protocol not in (None, "local"):
        return str(item.def_path) if "://" in str(item.def_path) else f"{item.protocol}://{item.def_path}"
    return _relative(item.fs_path, root)


def _relative(path: str, root: Path) -> str:
    return PurePosixPath(os.path.relpath(path, root)).as_posix()


def _sections(file: Any, stages: Iterable[Any], root: Path) -> dict[str, Any]:
    """Return what dvc.yaml says beside its stages, and what of the stages' outputs is shown as what."""
    metrics, plots = list(file.metrics), [_plain(plot) for plot in file.plots]
    for stage in stages:
        metrics += [_path(out, root) for out in stage.outs if out.metric]
        plots += [_plot(out, root) for out in stage.outs if out.plot]
    named = {
        "metrics": metrics,
        "plots": plots,
        "params": list(file.params),
        "artifacts": _plain(file.artifacts),
        "datasets": _plain(file.datasets),
    }
    return {name: value for name, value in named.items() if value}


def _plot(out: Any, root: Path) -> Any:
    how = (
        {name: value for name, value in dict(out.plot).items() if name not in _FLAGS}
        if out.plot is not True
        else {}
    )
    return {_path(out, root): how} if how else _path(out, root)


def _plain(value: Any) -> Any:
    """Return a value without the classes of DVC's parser."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def lock_text(lock: Mapping[str, Any]) -> str:
    """Return the text of a dvc.lock as DVC writes it."""
    from dvc.utils.serialize import dumps_yaml

    return str(dumps_yaml(dict(lock)))
