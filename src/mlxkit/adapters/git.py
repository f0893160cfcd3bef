"""What mlx asks of git, through the `git` command; no git and no repository are normal answers."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from collections.abc import Sequence

FALLBACK_NAME = "mlx"
FALLBACK_EMAIL = "mlx@localhost"

MAX_DIFF_BYTES = 1_000_000
_GENERATED = ("dvc.lock", "dvc.yaml")
_UNTRACKED = "?"
_FIELDS = {"1": 8, "u": 10, _UNTRACKED: 1}
"""How many words stand before the path in an entry of `git status`: changed, in conflict, unknown."""
_NO_COMMIT, _DETACHED = "(initial)", "(detached)"


@dataclass(frozen=True)
class GitState:
    """The commit and what differs from it.

    Attributes:
        commit: full hash of HEAD, or None without git, a repository or a commit.
        branch: None when HEAD is detached.
        changed: tracked files with changes, and untracked sources, as paths relative to the project.
        untracked: those of `changed` that git does not know.
    """

    commit: str | None = None
    branch: str | None = None
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()

    @property
    def dirty(self) -> bool:
        """Whether anything that can change a result is not committed."""
        return bool(self.changed)


def ask(root: Path, *arguments: str, errors: str = "surrogateescape") -> str | None:
    """Run git and return its output, or None when it fails or is not installed.

    `errors` says how bytes that are no UTF-8 are read, as in `bytes.decode`.
    """
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            cwd=root,
            capture_output=True,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except FileNotFoundError:
        return None
    return done.stdout.decode("utf-8", errors) if done.returncode == 0 else None


def top_level(folder: Path) -> Path | None:
    """Return the root of the repository that a folder lies in, or None."""
    out = ask(folder, "rev-parse", "--show-toplevel")
    return Path(out.rstrip("\n")) if out else None


def path_within(folder: Path) -> str:
    """Return a new folder's path in the repository that it will lie in, a slash at its end; else ''."""
    out = ask(folder.absolute().parent, "rev-parse", "--show-prefix")
    return "" if out is None else "{}{}/".format(out.removesuffix("\n"), folder.absolute().name)


def main_tree(folder: Path) -> Path | None:
    """Return this folder's twin in the main working tree, when it lies in another worktree; else None."""
    out = ask(folder, "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--show-prefix")
    own, common, prefix = (out or "\n\n").split("\n")[:3]
    return None if own == common else Path(common).parent / prefix


def complaint(folder: Path) -> str | None:
    """Return what git has against the repository that a folder seems to lie in, None for nothing."""
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return None
    done = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=folder, capture_output=True, check=False)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return said[0].removeprefix("fatal: ") if done.returncode and said else None


def branch(root: Path) -> str | None:
    """Return the current branch; in a CI job with a detached HEAD, the one that its variables name.

    Those are set by GitHub Actions and GitLab CI; a job for a tag has no branch.
    """
    out = ask(root, "symbolic-ref", "--short", "-q", "HEAD")
    return out.strip() if out else _branch_of_the_job()


def _branch_of_the_job() -> str | None:
    variables = ["GITHUB_HEAD_REF", "CI_COMMIT_BRANCH", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"]
    if os.environ.get("GITHUB_REF_TYPE") == "branch":
        variables.insert(1, "GITHUB_REF_NAME")
    return next((name for variable in variables if (name := os.environ.get(variable))), None)


def state(root: Path, *, ignore: tuple[str, ...] = ()) -> GitState:
    """Describe the working tree below a project's root.

    `ignore` names files, beside `dvc.lock` and `dvc.yaml`, that a run itself rewrites: the metric files.
    """
    form = ("--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames")
    lines = (ask(root, "status", *form, "--", ".") or "").split("\0")
    head = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# branch."))
    entries = [(line[0], line.split(" ", _FIELDS[line[0]])[-1]) for line in lines if line[:1] in _FIELDS]
    prefix = (ask(root, "rev-parse", "--show-prefix") or "").rstrip("\n") if entries else ""
    skipped = {*_GENERATED, *ignore}
    changed, untracked = [], []
    for mark, name in entries:
        path = name.removeprefix(prefix)
        if path not in skipped and (mark != _UNTRACKED or path.startswith("src/")):
            changed.append(path)
            untracked += [path] if mark == _UNTRACKED else []
    commit = head.get("branch.oid", _NO_COMMIT)
    if commit == _NO_COMMIT:
        return GitState(None, None, tuple(sorted(changed)), tuple(sorted(untracked)))
    named = head["branch.head"] if head["branch.head"] != _DETACHED else _branch_of_the_job()
    return GitState(commit, named, tuple(sorted(changed)), tuple(sorted(untracked)))


def uncommitted(root: Path) -> list[str]:
    """Return the tracked files that differ from HEAD, whatever they are, relative to the project's root."""
    listing = ask(root, "diff", "--name-only", "--relative", "-z", "HEAD", "--", ".")
    return [path for path in (listing or "").split("\0") if path]


def lines_with(root: Path, pattern: str) -> list[tuple[str, int, str]]:
    """Return file, number and text of each line of a tracked file with words that a pattern matches."""
    found = []
    for line in (ask(root, "grep", "-nIwEz", "-e", pattern, "--", ".") or "").splitlines():
        path, number, text = line.split("\0", 2)
        found.append((path, int(number), text))
    return found


def diff(root: Path, git: GitState) -> str:
    """Return the uncommitted changes as a patch, untracked sources included, at most MAX_DIFF_BYTES."""
    if not git.dirty or git.commit is None:
        return ""
    tracked = [path for path in git.changed if path not in git.untracked]
    patch = _diff(root, git.commit, "--", *tracked) if tracked else b""
    for path in git.untracked:
        patch += _diff(root, "--no-index", "--", os.devnull, path)
    if len(patch) <= MAX_DIFF_BYTES:
        return patch.decode("utf-8", "replace")
    end = f"\n[cut at {MAX_DIFF_BYTES} bytes]\n"
    return patch[: MAX_DIFF_BYTES - len(end)].decode("utf-8", "ignore") + end


def _diff(root: Path, *arguments: str) -> bytes:
    """Run git diff whatever the user's settings; with `--no-index` it exits with 1, because files differ."""
    plain = ["--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/"]
    done = subprocess.run(
        ["git", "--literal-pathspecs", "-c", "core.quotePath=false", "diff", *plain, *arguments],
        cwd=root,
        capture_output=True,
        check=False,
    )
    return done.stdout


def is_pushed(root: Path, commit: str) -> bool:
    """Whether a commit is on a branch of a remote, as far as it is known here; True without a remote."""
    if not (ask(root, "remote") or "").strip() or os.environ.get("GITHUB_SHA") == commit:
        return True
    return bool((ask(root, "branch", "--remotes", "--contains", commit) or "").strip())


def push_command(root: Path) -> str:
    """Return the command that pushes HEAD, as it has to be typed: a new branch has no upstream yet."""
    if ask(root, "rev-parse", "--symbolic-full-name", "@{upstream}"):
        return "git push"
    names = (ask(root, "remote") or "").split()
    remote = "origin" if "origin" in names or not names else names[0]
    out = ask(root, "symbolic-ref", "--short", "-q", "HEAD")
    return f"git push -u {remote} {out.strip()}" if out else f"git push {remote} HEAD:refs/heads/BRANCH"


def committed_text(root: Path, path: str) -> str | None:
    """Return a file's content in HEAD, or None when HEAD does not have it."""
    return ask(root, "show", f"HEAD:./{path}")


def tracked(root: Path, paths: Sequence[str]) -> list[str]:
    """Return those files at or below the paths that git tracks; all are relative to the project's root."""
    if not paths:
        return []
    listing = ask(root, "--literal-pathspecs", "ls-files", "-z", "--", *paths)
    return [path for path in (listing or "").split("\0") if path]


def files(root: Path) -> list[str] | None:
    """Return the files below a folder that git tracks or would, relative to it; None without a repository."""
    listing = ask(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    return None if listing is None else [path for path in listing.split("\0") if path]


def is_installed() -> bool:
    """Whether the git command can be run at all."""
    try:
        subprocess.run(["git", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def has_identity(folder: Path) -> bool:
    """Whether git knows who would make a commit here."""
    return all(ask(folder, "var", name) is not None for name in ("GIT_COMMITTER_IDENT", "GIT_AUTHOR_IDENT"))


def init(root: Path) -> None:
    """Make a repository with the branch `main`."""
    if ask(root, "init", "-q", "-b", "main") is None:
        raise ToolError(
            "git could not make a repository", context=[str(root)], hint="install git 2.28 or later"
        )


def commit_all(root: Path, message: str) -> bool:
    """Commit everything in the tree; returns whether the fallback identity had to be used.

    Raises:
        ToolError: git refused, for instance because of a hook.
    """
    fallback = ["-c", f"user.name={FALLBACK_NAME}", "-c", f"user.email={FALLBACK_EMAIL}"]
    identity = [] if has_identity(root) else fallback
    done = subprocess.run(["git", "add", "-A"], cwd=root, capture_output=True, check=False)
    if done.returncode == 0:
        done = subprocess.run(
            ["git", *identity, "commit", "-q", "--no-verify", "-m", message],
            cwd=root,
            capture_output=True,
            check=False,
        )
    if done.returncode != 0:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ToolError("git could not make the first commit", context=reason[-3:], hint="run `git commit`")
    return bool(identity)
