"""dvc.yaml, dvc.lock and `.dvc` files through DVC's own classes: read once, written in one step.

DVC reads both files anew for every stage, truncates what it writes, and writes all of dvc.lock, which takes
long when there are many stages. Here what has not changed is not read again, and of dvc.lock one entry is
written anew, with the bytes that DVC would write.
"""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.adapters.dvc_errors import unknown_hash
from mlxkit.project.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

DVC_FILE, LOCK_FILE = "dvc.yaml", "dvc.lock"
TEMPORARY = re.compile(r".*\.[A-Za-z0-9_-]{22}\.tmp")
"""Names that DVC writes files under, in the cache and in the workspace, before it moves them to their own."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_HASHES = ("md5", "md5-dos2unix")
"""What DVC hashes a local file by: of version 3, and of version 2, whose records name none."""


class StageFiles:
    """The files of one project that say what its stages are, and what they last were."""

    def __init__(self, repo: Any, root: Path) -> None:
        self._repo = repo
        self._pipeline, self._lock = root / DVC_FILE, root / LOCK_FILE
        self._root = root
        self._file: Any = None
        self._seen: tuple[object, object] = (None, None)

    def stage(self, name: str) -> Any:
        """Return a stage of dvc.yaml, filled with what dvc.lock records, as a new object."""
        return self._understood(self._read().stages[name])

    def defined(self, name: str, definition: Mapping[str, Any]) -> Any:
        """Return a stage that dvc.yaml may not have yet, filled with what dvc.lock records."""
        from dvc.stage.loader import StageLoader

        file = self._read()
        locked = copy.deepcopy(file.lockfile_contents["stages"][name])
        return self._understood(StageLoader.load_stage(file, name, dict(definition), locked))

    def data(self, dvc_file: str) -> Any:
        """Return what a `.dvc` file describes; its path is relative to the root."""
        return self._understood(self._repo.stage.load_one(path=str(self._root / dvc_file)))

    def _understood(self, stage: Any) -> Any:
        """Return a stage whose record names no hash that DVC does not have: it would fail half-way.

        Raises:
            ToolError: it does.
        """
        from dvc.dependency import Dependency
        from dvc.stage import PipelineStage

        deps = [dep for dep in stage.deps if type(dep) is Dependency]  # not parameters and the like
        for item in (*deps, *stage.outs):
            if item.protocol == "local" and item.hash_name not in _HASHES:
                file = self._lock if isinstance(stage, PipelineStage) else Path(stage.path)
                raise unknown_hash(self._root, file, item.fs_path, item.hash_name)
        return stage

    def save(
        self,
        stage: Any,
        *,
        unless: Callable[[Any], str | None] = lambda stage: None,
        before: Callable[[Any], None] = lambda stage: None,
    ) -> str | None:
        """Save what a stage read and made: in the cache, the run cache, and dvc.lock or its `.dvc` file.

        `unless` may object, once DVC has looked at all of it: then nothing is saved, and its reason returned.
        `before` may correct what is about to be saved.
        """
        from dvc.dvcfile import SingleStageFile
        from dvc.stage import PipelineStage

        stage.save(run_cache=False)
        reason = unless(stage)
        if reason is not None:
            return reason
        before(stage)
        self._repo.stage_cache.save(stage)
        if isinstance(stage, PipelineStage):
            stage.commit()
            self._save_entry(stage)
        else:
            # Data is the user's own file, and nobody can make it again: it is not replaced by a link, since a
            # kill in between would leave the old version on record and the new one in the cache alone.
            stage.commit(relink=False)
            self._dump(stage, Path(stage.path), SingleStageFile, verify=False)
        return None

    def _read(self) -> Any:
        """Return DVC's object for dvc.yaml; of both files only what changed is read again."""
        from dvc.dvcfile import load_file

        seen = _signature(self._pipeline), _signature(self._lock)
        if seen != self._seen:
            known, same_pipeline = self._file, seen[0] == self._seen[0]
            self._file = load_file(self._repo, str(self._pipeline))
            if known is not None and same_pipeline:
                self._file.contents = known.contents
            self._seen = seen
        return self._file

    def _save_entry(self, stage: Any) -> None:
        """Replace the entry of a stage in dvc.lock."""
        from dvc.dvcfile import Lockfile
        from dvc.stage.serialize import to_lockfile

        locked = self._read().lockfile_contents
        entry = to_lockfile(stage)
        text = with_entry(_text(self._lock), stage.name, entry)
        if text is None:
            self._dump(stage, self._lock, Lockfile)
            return
        write_atomically(self._lock, text.encode())
        known = self._read()  # to DVC the file has changed, and to us it is known
        known.lockfile_contents = {"schema": "2.0", **locked, "stages": {**locked.get("stages", {}), **entry}}

    def _dump(self, stage: Any, file: Path, kind: Any, **options: bool) -> None:
        """Replace a file in one step by what DVC would write."""
        with TemporaryDirectory(dir=self._repo.tmp_dir) as folder:
            copy = Path(folder, file.name)
            if file.exists():
                copy.write_bytes(file.read_bytes())
            kind(self._repo, os.fspath(copy), **options).dump(stage)
            write_atomically(file, copy.read_bytes())


def backdate(stage: Any, cmd: str, read: Mapping[str, str | None], params: Mapping[str, Any]) -> None:
    """Let a stage that DVC has looked at say that it was made from what was there when it began.

    Args:
        stage: DVC's object.
        cmd: its command then.
        read: path -> hash of its inputs then.
        params: group -> values in params.yaml then.
    """
    from dvc.dependency import ParamsDependency
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.meta import Meta

    stage.cmd = cmd
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            then = {key: params[key] for key in dep.params if key in params}
            values: Any = {**dep.hash_info.value, **then}
            dep.hash_info = HashInfo(dep.hash_info.name, values)
            continue
        known = read.get(dep.def_path)
        if known is not None and dep.hash_info and dep.hash_info.value != known:
            dep.hash_info, dep.meta = HashInfo("md5", known), Meta(isdir=known.endswith(".dir"))


def drop_half_written(cache: Path, outputs: Collection[Path], since: float) -> None:
    """Remove what was begun after that time and never got its name: on a full disk, DVC leaves it there.

    The caller holds DVC's lock. Another writer, of a cache that is shared, has no room either.
    """
    inside = (
        Path(folder, name)
        for place in (cache, *outputs)
        for folder, _, names in os.walk(place)
        for name in names
    )
    beside = (file for folder in {output.parent for output in outputs} for file in folder.glob("*.tmp"))
    for file in {*inside, *beside}:
        if TEMPORARY.fullmatch(file.name) and file.lstat().st_ctime >= since:
            file.unlink()


def with_entry(text: str, name: str, entry: Mapping[str, Any]) -> str | None:
    """Return the text of a dvc.lock with a stage's entry replaced or added, as DVC would write it.

    `entry` maps the stage's name to its content. None when the text is not as DVC writes it, because somebody
    has edited it: then DVC itself has to keep what they wrote.
    """
    if not text:
        return _dumped({"schema": "2.0", "stages": dict(entry)})
    lines = text.splitlines(keepends=True)
    if lines[:2] != ["schema: '2.0'\n", "stages:\n"] or not text.endswith("\n") or "#" in text:
        return None
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
        return None
    if root is None or len(root.value) != 2 or not isinstance(root.value[1][1], yaml.MappingNode):
        return None
    keys = [key for key, _ in root.value[1][1].value]
    if any(key.start_mark.column != 2 for key in keys):
        return None
    starts = {key.value: key.start_mark.line for key in keys}
    ends = dict(zip(starts, [*list(starts.values())[1:], len(lines)], strict=True))
    start = starts.get(name, len(lines))
    block = _dumped({"stages": dict(entry)}).partition("\n")[2]
    return "".join([*lines[:start], block, *lines[ends.get(name, len(lines)) :]])


def _dumped(data: Mapping[str, Any]) -> str:
    from dvc.utils.serialize import dumps_yaml

    return str(dumps_yaml(data))


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        return ""


def _signature(file: Path) -> object:
    """Return what changes whenever a file is replaced or written; None where there is none."""
    try:
        info = file.stat()
    except FileNotFoundError:
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns
