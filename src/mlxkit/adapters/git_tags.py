"""Annotated tags that carry text: made, read, pushed, fetched."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlxkit.adapters.git import FALLBACK_EMAIL, FALLBACK_NAME, has_identity

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 60.0
_TAKEN = re.compile(r"already exists|\[rejected\]|fetch first|cannot lock ref .*\.lock': File exists")
"""The last is somebody who takes the name at this moment. Other locks fail for good, as by a tag `mlx`."""


@dataclass(frozen=True)
class Tag:
    """A tag: its name, and the text after the first line of its message."""

    name: str
    body: str


@dataclass(frozen=True)
class Done:
    """What came of a call: `ok`, `taken` where another tag has the name already, else `failed` and why."""

    state: Literal["ok", "taken", "failed"]
    reason: str = ""


def read_tags(root: Path, prefix: str) -> list[Tag]:
    """Return the annotated tags below a prefix, such as `mlx/production`; none without git."""
    done = _git(root, "for-each-ref", "--format=%(refname:strip=2)%00%(contents:body)%00%01", _ref(prefix))
    if done is None or done.returncode != 0:
        return []
    entries = done.stdout.decode("utf-8", "replace").split("\0\1\n")
    return [Tag(*entry.split("\0", 1)) for entry in entries if "\0" in entry]


def make_tag(root: Path, name: str, subject: str, body: str, commit: str | None) -> Done:
    """Make a tag at a commit, or at HEAD where there is no such commit here."""
    identity = [] if has_identity(root) else ["-c", f"user.name={FALLBACK_NAME}"]
    identity += [] if not identity else ["-c", f"user.email={FALLBACK_EMAIL}"]
    known = commit is not None and _succeeds(root, "cat-file", "-e", f"{commit}^{{commit}}")
    target = commit if known and commit is not None else "HEAD"
    # Verbatim, or lines of the body that begin with `#` would be comments.
    options = ["--annotate", "--cleanup=verbatim", "--file=-"]
    done = _git(root, *identity, "tag", *options, name, target, text=f"{subject}\n\n{body}\n")
    return _explained(done)


def delete_tag(root: Path, name: str) -> None:
    """Delete a tag here."""
    _git(root, "tag", "--delete", name)


def push_tag(root: Path, remote: str, name: str) -> Done:
    """Push a tag that the remote must not have yet."""
    return _explained(_git(root, "push", "--quiet", "--no-verify", remote, f"refs/tags/{name}"))


def fetch_tags(root: Path, remote: str, prefix: str) -> Done:
    """Fetch the remote's tags below a prefix; those that are here stay as they are."""
    refs = f"refs/tags/{prefix}/*:refs/tags/{prefix}/*"
    return _explained(_git(root, "fetch", "--quiet", "--no-tags", remote, refs))


def remote_of(root: Path) -> str | None:
    """Return the remote that this branch is pushed to: its upstream's, else `origin`, else the only one."""
    done = _git(root, "remote")
    names = done.stdout.decode().split() if done is not None and done.returncode == 0 else []
    upstream = _git(root, "for-each-ref", "--format=%(upstream:remotename)", _head(root)) if names else None
    named = upstream.stdout.decode().strip() if upstream is not None else ""
    if named in names:
        return named
    return "origin" if "origin" in names else names[0] if len(names) == 1 else None


def _head(root: Path) -> str:
    done = _git(root, "symbolic-ref", "-q", "HEAD")
    return done.stdout.decode().strip() if done is not None and done.returncode == 0 else "refs/heads/-"


def _ref(prefix: str) -> str:
    return f"refs/tags/{prefix}"


def _succeeds(root: Path, *arguments: str) -> bool:
    done = _git(root, *arguments)
    return done is not None and done.returncode == 0


def _git(root: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[bytes] | None:
    """Run git without asking anybody anything; None where it is not installed, or does not come to an end."""
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=root,
            input=text.encode(),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            env={**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None


def _explained(done: subprocess.CompletedProcess[bytes] | None) -> Done:
    if done is None:
        return Done("failed", "git is not installed, or does not answer")
    if done.returncode == 0:
        return Done("ok")
    said = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    taken = any(_TAKEN.search(line) for line in said)
    reason = next((line for line in said if line.startswith(("fatal:", "error:", "!"))), " ".join(said[-1:]))
    return Done("taken" if taken else "failed", reason)
