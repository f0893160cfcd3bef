"""All that git can bring back: every version of some files, in every commit that a name still reaches.

What is not read here may be deleted for ever, so git's failures are errors and never an empty answer.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.adapters.git import top_level
from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Commits that an operation under way will come back to, and that no branch may name.
_UNDER_WAY = (
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "MERGE_AUTOSTASH",
    "rebase-merge/orig-head",
    "rebase-merge/autostash",
    "rebase-apply/orig-head",
    "rebase-apply/autostash",
)
_REGULAR_FILES = ("100644", "100755")


def repository(folder: Path) -> Path | None:
    """Return the root of the repository that a folder lies in; None when it lies in none.

    Raises:
        ToolError: it seems to lie in one, which git cannot read.
    """
    top = top_level(folder)
    if top is not None:
        return top
    mark = next((parent / ".git" for parent in (folder, *folder.parents) if (parent / ".git").exists()), None)
    if mark is not None:
        _git(folder, "rev-parse", "--show-toplevel")
        raise ToolError("git cannot read this repository", context=[str(mark)], hint="run `git status`")
    return None


def is_shallow(folder: Path) -> bool:
    """Whether the repository lacks the older part of its history."""
    return _git(folder, "rev-parse", "--is-shallow-repository").strip() == b"true"


def worktrees(folder: Path) -> tuple[Path, ...]:
    """Return the working trees of the repository that are on this machine now."""
    entries = _git(folder, "worktree", "list", "--porcelain").split(b"\n\n")
    paths = [
        Path(os.fsdecode(entry.splitlines()[0].removeprefix(b"worktree ")))
        for entry in entries
        if entry.strip() and b"\nbare" not in entry
    ]
    return tuple(path for path in paths if path.is_dir())


def versions(folder: Path, names: Sequence[str], *, abandoned: bool) -> Iterator[bytes]:
    """Yield the content of each version of the files of some names, in any folder of the repository.

    Looked at are all commits that a branch, tag, remote branch, stash, any other ref, the HEAD of a
    worktree or an operation under way reaches, and what is staged.

    Args:
        folder: any folder of the repository.
        names: patterns such as `*.dvc`.
        abandoned: look at the commits of git's reflog too, which no branch names any more.

    Raises:
        ToolError: git cannot read all of it.
    """
    patterns = [f":(top,glob)**/{name}" for name in names]
    trees = worktrees(folder)
    stashes = _git(folder, "-c", "log.showSignature=false", "stash", "list", "--format=%H").split()
    started = [commit for tree in trees for commit in _under_way(tree)]
    commits = _git(
        folder,
        *("rev-list", "--all", *(["--reflog"] if abandoned else []), "--stdin"),
        given=b"".join(commit + b"\n" for commit in (*stashes, *started)),
    )
    blobs = {blob for tree in trees for blob in _staged(tree, patterns)}
    blobs.update(_committed(folder, commits, patterns))
    yield from _contents(folder, sorted(blobs))


def _under_way(tree: Path) -> Iterator[bytes]:
    state = Path(os.fsdecode(_git(tree, "rev-parse", "--absolute-git-dir").removesuffix(b"\n")))
    for name in _UNDER_WAY:
        if (state / name).is_file():
            yield from re.findall(rb"\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b", (state / name).read_bytes())


def _staged(tree: Path, patterns: Sequence[str]) -> Iterator[bytes]:
    for entry in _git(tree, "ls-files", "--stage", "-z", "--", *patterns).split(b"\0"):
        if entry:
            mode, blob, *_ = entry.split()
            if mode.decode() in _REGULAR_FILES:
                yield blob


def _committed(folder: Path, commits: bytes, patterns: Sequence[str]) -> Iterator[bytes]:
    """Yield the blobs that each commit brings in, against every parent: the rest is in a parent already."""
    raw = ("diff-tree", "--stdin", "-m", "-r", "--root", "--raw", "-z", "--no-commit-id")
    changes = _git(folder, *raw, "--no-abbrev", "--no-renames", "--", *patterns, given=commits)
    for entry in changes.split(b"\0"):
        if entry.startswith(b":"):
            _, mode, _, blob, _ = entry.split(b" ")
            if mode.decode() in _REGULAR_FILES:
                yield blob


def _contents(folder: Path, blobs: Sequence[bytes]) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as asked:
        asked.write(b"".join(blob + b"\n" for blob in blobs))
        asked.seek(0)
        with subprocess.Popen(
            ["git", "--no-replace-objects", "cat-file", "--batch"],
            cwd=folder,
            stdin=asked,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            for blob in blobs:
                head = process.stdout.readline().split()
                if len(head) != 3 or head[1] != b"blob":
                    process.kill()
                    raise _unreadable(f"{blob.decode()}: {b' '.join(head[1:]).decode() or 'no answer'}")
                size = int(head[2])
                content = process.stdout.read(size + 1)
                if len(content) != size + 1:
                    raise _unreadable(f"{blob.decode()}: ends too early")
                yield content[:size]


def _git(folder: Path, *arguments: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            ["git", "--no-replace-objects", *arguments],
            cwd=folder,
            input=given,
            capture_output=True,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except FileNotFoundError:
        raise ToolError(
            "git is not installed, and this project has a git repository", hint="install git"
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _unreadable(*said[:3])
    return done.stdout


def _unreadable(*reasons: str) -> ToolError:
    return ToolError("git cannot read this repository's history", context=reasons, hint="run `git fsck`")
