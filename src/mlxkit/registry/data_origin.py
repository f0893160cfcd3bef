"""Where raw data came from, as the commit of a run says: its `.dvc` file, its source, its remote."""

from __future__ import annotations

import configparser
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from mlxkit.adapters import git_commits
from mlxkit.adapters.mlflow_errors import without_password
from mlxkit.pipeline.lockfile import dvc_root
from mlxkit.project.yaml12 import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CONFIG = ".dvc/config"


@dataclass(frozen=True)
class Origin:
    """How raw data is kept.

    Attributes:
        dvc_file: the `.dvc` file that tracks it; None where git itself has the file.
        digest: the hash in that file, where it is that of the data itself and not of a folder around it.
        remote: name of the DVC remote that it is pushed to; `url` its address. None without one.
        imported_from: what DVC imported it from; `revision` the commit there.
    """

    dvc_file: str | None
    digest: str | None = None
    remote: str | None = None
    url: str | None = None
    imported_from: str | None = None
    revision: str | None = None


def origin_of(root: Path, commit: str | None, path: str, digest: str) -> Origin | None:
    """Return where data with that hash came from; None where nothing tells.

    A `.dvc` file of today counts only where it holds the same hash: then it is the same data.
    """
    for dvc_file, text in _dvc_files(root, commit, path):
        found = _read(root, commit, dvc_file, text, path)
        if found is not None:
            return found
    if commit is not None and git_commits.has_file(root, commit, path):
        return Origin(None)
    for dvc_file, text in _files_now(root, path):
        found = _read(root, None, dvc_file, text, path)
        if found is not None and found.digest == digest:
            return found
    return None


def _dvc_files(root: Path, commit: str | None, path: str) -> Iterator[tuple[str, str]]:
    """Yield the `.dvc` files of a commit, those that are named after the data first."""
    if commit is None:
        return
    named = _named(path)
    others = [file for file in git_commits.files_at(root, commit, ".dvc") if file not in named]
    for file in (*named, *others):
        text = git_commits.text_at(root, commit, file)
        if text is not None:
            yield file, text


def _files_now(root: Path, path: str) -> Iterator[tuple[str, str]]:
    for file in _named(path):
        if (root / file).is_file():
            yield file, (root / file).read_text(encoding="utf-8", errors="replace")


def _named(path: str) -> list[str]:
    above = [parent.as_posix() for parent in PurePosixPath(path).parents if parent.name]
    return [f"{name}.dvc" for name in (path, *above)]


def _read(root: Path, commit: str | None, dvc_file: str, text: str, path: str) -> Origin | None:
    """Read a `.dvc` file; None where it tracks something else, or is none."""
    try:
        data = load(text)
        folder = PurePosixPath(dvc_file).parent / (data.get("wdir") or ".")
        outs = {os.path.normpath(folder / out["path"]): out for out in data["outs"]}
        place = next((place for place in outs if f"{path}/".startswith(f"{place}/")), None)
        if place is None:
            return None
        out = outs[place]
        source, revision = _source(data)
        remote, url = _remote(root, commit, out.get("remote"))
        digest = str(out["md5"]) if place == path and out.get("md5") else None
        return Origin(dvc_file, digest, remote, url, source, revision)
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return None


def _source(data: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return what `dvc import` or `dvc import-url` got it from, and at which commit."""
    for dep in data.get("deps") or []:
        repo = dep.get("repo") or {}
        if repo:
            source = f"{dep.get('path')} of {_public(str(repo.get('url')))}"
            return source, repo.get("rev_lock") or repo.get("rev")
        return _public(str(dep.get("path"))), None
    return None, None


def _public(address: str) -> str:
    """Return an address without what lets somebody in: a password, a token in its place, a signature."""
    without_token = re.sub(r"(https?://)[^/:@\s]+@", r"\1***@", without_password(address))
    return re.sub(r"(https?://[^?\s]*\?)\S+", r"\1***", without_token)


def _remote(root: Path, commit: str | None, named: str | None) -> tuple[str | None, str | None]:
    """Return the remote that the data goes to, and its address, by the configuration of the commit."""
    texts = [git_commits.text_at(root, commit, _CONFIG)] if commit is not None else []
    top = dvc_root(root)
    texts += [_text(top / _CONFIG), _text(top / f"{_CONFIG}.local")]
    for text in texts:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text or "")
        except configparser.Error:
            continue
        name = named or parser.get("core", "remote", fallback=None)
        url = parser.get(f"'remote \"{name}\"'", "url", fallback=None) if name else None
        if url is not None:
            return name, _public(url)
    return None, None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
