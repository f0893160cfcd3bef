"""`dvc.lock`, `.dvc` files and the cache's layout, read without importing DVC."""

from __future__ import annotations

import configparser
import itertools
import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.errors import ToolError
from mlxkit.project.yaml12 import load

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK_FILE = "dvc.lock"
NAMING_FILES = (LOCK_FILE, "*.dvc")
"""Patterns of the files that name objects of the cache."""

_HASH = re.compile(r"[0-9a-f]{32}(\.dir)?")
_PLAIN_KEYS = {"path", "hash", "md5", "size", "nfiles", "isexec"}
"""What DVC 3 writes of a file or directory; all but the hash says nothing that a comparison needs."""
_DATA_KEYS = _PLAIN_KEYS | {"desc", "type", "labels", "meta", "remote", "push", "persist"}
_DATA_FILE_KEYS = {"outs", "wdir", "desc", "meta", "frozen", "always_changed"}
_IMPORT_KEYS = _DATA_FILE_KEYS | {"deps", "md5"}
_OBJECT = re.compile(rb"(?<![0-9A-Za-z])[0-9a-f]{32}(?:\.dir)?(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Locked:
    """What dvc.lock says of one stage: the command, and hashes and values at its last run.

    Attributes:
        plain: whether mlx understands all of it, and all hashes are those of DVC 3; else DVC has to compare.
    """

    cmd: str
    deps: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    outs: Mapping[str, str] = field(default_factory=dict)
    plain: bool = True


@dataclass(frozen=True)
class Tracked:
    """Data that DVC tracks: its `.dvc` file or dvc.lock, its path and the hash on record, empty without one.

    Attributes:
        plain: whether mlx understands all of it, and the hash is that of DVC 3; else DVC has to compare.
        settled: whether nothing but its own content decides what it should be. An import that is not frozen
            follows its source, and what a key means that mlx does not know, only DVC can tell.
        imported: whether DVC got it from somewhere else, in a way that it can repeat.
        maker: the stage that makes it, when it is recorded in dvc.lock.
    """

    dvc_file: str
    path: str
    digest: str
    plain: bool = True
    settled: bool = True
    imported: bool = False
    maker: str | None = None


def output_hash(locked: Mapping[str, Locked], path: str | None) -> str:
    """Return the hash on record of an output; empty where no stage has it."""
    found = (stage.outs[path] for stage in locked.values() if path in stage.outs) if path else ()
    return next(iter(found), "")


def read_lock(root: Path) -> dict[str, Locked]:
    """Read dvc.lock; no file means that no stage has run.

    Raises:
        ToolError: the file is damaged.
    """
    path = root / LOCK_FILE
    try:
        return parse_lock(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        raise ToolError(
            f"{LOCK_FILE} is damaged", context=[str(path)], hint=f"run `git checkout -- {LOCK_FILE}`"
        ) from error


def parse_lock(text: str) -> dict[str, Locked]:
    """Read the text of a dvc.lock."""
    data = load(text) or {}
    stages = data.get("stages") or {}
    known = data.get("schema") == "2.0" and data.keys() <= {"schema", "stages", "datasets"}
    known = known and all(entry.keys() <= {"cmd", "deps", "params", "outs"} for entry in stages.values())
    return {name: _locked(entry, known=known) for name, entry in stages.items()}


def _locked(entry: Mapping[str, Any], *, known: bool) -> Locked:
    deps, outs = entry.get("deps") or [], entry.get("outs") or []
    plain = isinstance(entry["cmd"], str) and all(_is_plain(item, _PLAIN_KEYS) for item in (*deps, *outs))
    return Locked(
        cmd=entry["cmd"] if isinstance(entry["cmd"], str) else "\n".join(entry["cmd"]),
        deps={dep["path"]: str(dep.get("md5") or "") for dep in deps},
        params=dict((entry.get("params") or {}).get("params.yaml") or {}),
        outs={out["path"]: str(out.get("md5") or "") for out in outs},
        plain=known and plain,
    )


def _is_plain(item: Mapping[str, Any], keys: set[str]) -> bool:
    """Whether a file or directory is recorded by a hash of DVC 3, and by nothing but these keys."""
    digest = item.get("md5")
    hashed = item.get("hash") == "md5" and isinstance(digest, str) and _HASH.fullmatch(digest)
    return bool(hashed) and item.keys() <= keys


def tracked_data(root: Path, path: str) -> Tracked | None:
    """Find the `.dvc` file that tracks a path or a folder above it.

    It is named after what it tracks, unless somebody has named it otherwise.
    """
    above = PurePosixPath(path).parents
    named = [f"{tracked}.dvc" for tracked in (path, *(parent.as_posix() for parent in above))][:-1]
    others = (file for folder in above for file in sorted((root / folder).glob("*.dvc")) if file.is_file())
    files = itertools.chain(named, (file.relative_to(root).as_posix() for file in others))
    return next((found for dvc_file in files if (found := _tracked(root, dvc_file, path))), None)


def _tracked(root: Path, dvc_file: str, path: str) -> Tracked | None:
    """Read a `.dvc` file; None when there is none, or what it tracks is something else."""
    try:
        data = load((root / dvc_file).read_text(encoding="utf-8"))
        folder = PurePosixPath(dvc_file).parent / (data.get("wdir") or ".")
        outs = {os.path.normpath(folder / out["path"]): out for out in data["outs"]}
        place = next((place for place in outs if f"{path}/".startswith(f"{place}/")), None)
        if place is None and outs:
            return None
        out = outs[place or ""]
        imported = bool(data.get("deps"))
        frozen = not imported or data.get("frozen") is True
        known = data.keys() <= (_IMPORT_KEYS if imported else _DATA_FILE_KEYS)
        known = known and all(
            out.keys() <= _DATA_KEYS and out.get("hash", "md5") == "md5" for out in outs.values()
        )
        plain = known and frozen and _is_plain(out, _DATA_KEYS)
        return Tracked(dvc_file, str(place), str(out.get("md5") or ""), plain, known and frozen, imported)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError) as error:
        path = dvc_file.removesuffix(".dvc")
        raise ToolError(
            f"'{dvc_file}' is damaged", hint=f"run `git checkout -- '{dvc_file}'` or `dvc add '{path}'`"
        ) from error


def named_objects(content: bytes) -> set[str]:
    """Return every object that a dvc.lock, a `.dvc` file or an entry of the run cache may name.

    All that looks like a hash counts, so that a file with merge conflicts loses nothing.
    """
    return {name.decode() for name in _OBJECT.findall(content)}


def dvc_root(root: Path) -> Path:
    """Return the root of the DVC repository: a project inside a bigger one may share that above it."""
    return next((folder for folder in (root, *root.parents) if (folder / ".dvc").is_dir()), root)


def cache_folder(root: Path) -> Path:
    """Return the folder of DVC's cache objects, as DVC's configuration files name it."""
    top = dvc_root(root)
    folder = top / ".dvc" / "cache"
    for file in (*_config_files(), top / ".dvc" / "config", top / ".dvc" / "config.local"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        if parser.has_option("cache", "dir"):
            # A name with a comma or a hash sign stands in quotes.
            text = parser.get("cache", "dir").strip()
            text = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
            folder = file.parent / Path(text).expanduser()
    return folder / "files" / "md5"


def _config_files() -> tuple[Path, Path]:
    """Return DVC's configuration files of this machine and of this user, where DVC looks for them."""
    home = Path.home()
    if sys.platform == "darwin":
        system, user = Path("/Library/Application Support/dvc"), home / "Library/Application Support/dvc"
    else:
        shared = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)[0]
        system = Path(shared) / "dvc"
        user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "dvc"
    return (
        Path(os.environ.get("DVC_SYSTEM_CONFIG_DIR") or system) / "config",
        Path(os.environ.get("DVC_GLOBAL_CONFIG_DIR") or user) / "config",
    )


def read_listing(cache: Path, digest: str) -> dict[str, str]:
    """Return relative path -> hash of a directory's files, empty when the cache does not hold its listing."""
    try:
        entries = json.loads((cache / digest[:2] / digest[2:]).read_bytes())
        return {entry["relpath"]: entry["md5"] for entry in entries}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def object_exists(cache: Path, digest: str) -> bool:
    """Whether a cache holds the object of a hash; for a directory, its listing and every file of it."""
    if not digest or not (cache / digest[:2] / digest[2:]).exists():
        return False
    if not digest.endswith(".dir"):
        return True
    files = {f"{cache}/{known[:2]}/{known[2:]}" for known in read_listing(cache, digest).values()}
    return all(os.path.exists(file) for file in files)  # noqa: PTH110 - of ten thousand files
