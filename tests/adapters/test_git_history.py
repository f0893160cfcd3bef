"""Every version of a file that git can bring back is found, whatever still names it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from mlxkit.adapters import git_history
from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("dvc.lock", "*.dvc")
Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """A repository with one commit in `repository`, and a function that runs git there."""
    root = tmp_path / "repository"
    root.mkdir()

    def run(*arguments: str, folder: Path = root) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    run("init", "-q", "-b", "main")
    (root / "dvc.lock").write_text("first")
    run("add", "-A")
    run("commit", "-q", "-m", "first")
    return run


@pytest.fixture
def root(tmp_path: Path, git: Git) -> Path:
    return tmp_path / "repository"


def found(folder: Path, *, abandoned: bool = False) -> list[str]:
    return sorted(content.decode() for content in git_history.versions(folder, NAMES, abandoned=abandoned))


def commit(git: Git, root: Path, text: str, path: str = "dvc.lock") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    git("add", "-A")
    git("commit", "-q", "-m", text)


def on_a_branch(git: Git, root: Path) -> None:
    git("checkout", "-q", "-b", "side")
    commit(git, root, "other")
    git("checkout", "-q", "main")


def under_a_tag(git: Git, root: Path) -> None:
    git("checkout", "-q", "--detach")
    commit(git, root, "other")
    git("tag", "-a", "v1", "-m", "v1")
    git("checkout", "-q", "main")


def on_a_remote_branch(git: Git, root: Path) -> None:
    on_a_branch(git, root)
    git("update-ref", "refs/remotes/origin/side", "side")
    git("branch", "-q", "-D", "side")


def in_an_experiment_of_dvc(git: Git, root: Path) -> None:
    on_a_branch(git, root)
    git("update-ref", "refs/exps/ab/cd/side", "side")
    git("branch", "-q", "-D", "side")


def in_the_older_of_two_stashes(git: Git, root: Path) -> None:
    for text in ("other", "first again"):
        (root / "dvc.lock").write_text(text)
        git("stash", "-q")
    git("stash", "pop", "-q")
    git("checkout", "-q", ".")


def in_a_stash_of_untracked_files(git: Git, root: Path) -> None:
    (root / "new.dvc").write_text("other")
    git("stash", "-q", "-u")


def in_a_worktree(git: Git, root: Path) -> None:
    git("worktree", "add", "-q", "--detach", "../tree with spaces")
    tree = root.with_name("tree with spaces")
    (tree / "dvc.lock").write_text("other")
    git("commit", "-q", "-a", "-m", "other", folder=tree)


def staged(git: Git, root: Path) -> None:
    (root / "dvc.lock").write_text("other")
    git("add", "-A")
    (root / "dvc.lock").write_text("first")


def staged_in_a_worktree(git: Git, root: Path) -> None:
    git("worktree", "add", "-q", "--detach", "../tree")
    (root.parent / "tree/dvc.lock").write_text("other")
    git("add", "-A", folder=root.parent / "tree")


def in_a_merge_that_took_the_other_side(git: Git, root: Path) -> None:
    on_a_branch(git, root)
    git("merge", "-q", "-s", "ours", "-m", "merge", "side")
    git("branch", "-q", "-D", "side")


def made_by_a_merge(git: Git, root: Path) -> None:
    git("checkout", "-q", "-b", "side")
    commit(git, root, "1", "side.txt")
    git("checkout", "-q", "main")
    commit(git, root, "2", "main.txt")
    git("merge", "-q", "--no-commit", "side")
    commit(git, root, "other")


def deleted_again(git: Git, root: Path) -> None:
    commit(git, root, "other", "data.dvc")
    git("rm", "-q", "data.dvc")
    git("commit", "-q", "-m", "gone")


def in_a_folder_with_umlauts(git: Git, root: Path) -> None:
    commit(git, root, "other", "größe & mehr/x.dvc")


def hidden_by_a_replacement(git: Git, root: Path) -> None:
    first = git("rev-parse", "HEAD")
    commit(git, root, "other")
    commit(git, root, "first")
    git("replace", "HEAD", first)


def in_another_commit_without_ancestors(git: Git, root: Path) -> None:
    git("checkout", "-q", "--orphan", "other")
    commit(git, root, "other")
    git("checkout", "-q", "main")


PLACES = [
    on_a_branch,
    under_a_tag,
    on_a_remote_branch,
    in_an_experiment_of_dvc,
    in_the_older_of_two_stashes,
    in_a_stash_of_untracked_files,
    in_a_worktree,
    staged,
    staged_in_a_worktree,
    in_a_merge_that_took_the_other_side,
    made_by_a_merge,
    deleted_again,
    in_a_folder_with_umlauts,
    hidden_by_a_replacement,
    in_another_commit_without_ancestors,
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_version_is_found(git: Git, root: Path, place: Callable[[Git, Path], None]) -> None:
    place(git, root)
    assert {"first", "other"} <= set(found(root))


def test_a_merge_under_way_is_found(git: Git, root: Path) -> None:
    on_a_branch(git, root)
    side = git("rev-parse", "side")
    git("branch", "-q", "-D", "side")
    git("merge", "-q", "--no-commit", "--no-ff", side)
    git("read-tree", "HEAD")
    assert found(root) == ["first", "other"]


@pytest.mark.parametrize(("abandoned", "expected"), [(False, ["first"]), (True, ["first", "other"])])
def test_what_only_the_reflog_names(git: Git, root: Path, abandoned: bool, expected: list[str]) -> None:
    commit(git, root, "other")
    git("reset", "-q", "--hard", "HEAD~1")
    assert found(root, abandoned=abandoned) == expected


def test_other_files_and_links_are_not_read(git: Git, root: Path) -> None:
    commit(git, root, "no", "notes.txt")
    commit(git, root, "no", ".dvc/config")
    (root / "x.dvc").symlink_to("notes.txt")
    git("add", "-A")
    git("commit", "-q", "-m", "link")
    assert found(root) == ["first"]


def test_from_a_subfolder(git: Git, root: Path) -> None:
    commit(git, root, "other", "a/b/dvc.lock")
    assert found(root / "a") == ["first", "other"]


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert found(tmp_path) == []


def test_no_repository(tmp_path: Path) -> None:
    assert git_history.repository(tmp_path) is None


def test_a_repository_that_git_refuses(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(ToolError, match="git cannot read this repository's history") as caught:
        git_history.repository(tmp_path)
    assert caught.value.context == (f"fatal: not a git repository: {tmp_path}/nowhere",)


def test_git_that_is_not_installed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError, match="git is not installed, and this project has a git repository"):
        git_history.repository(root)


@pytest.mark.parametrize("kind", ["blob", "commit"])
def test_a_history_with_a_hole_is_an_error(git: Git, root: Path, kind: str) -> None:
    commit(git, root, "other")
    lost = git("rev-parse", "HEAD~1:dvc.lock" if kind == "blob" else "HEAD~1")
    (root / ".git/objects" / lost[:2] / lost[2:]).unlink()
    with pytest.raises(ToolError, match="git cannot read this repository's history") as caught:
        found(root)
    assert lost in " ".join(caught.value.context)
    assert caught.value.hint == "run `git fsck`"


def test_whether_a_clone_is_shallow(git: Git, root: Path, tmp_path: Path) -> None:
    commit(git, root, "other")
    git("clone", "-q", "--depth", "1", f"file://{root}", str(tmp_path / "clone"))
    assert git_history.is_shallow(tmp_path / "clone")
    assert not git_history.is_shallow(root)


def test_the_worktrees_that_are_there(git: Git, root: Path) -> None:
    git("worktree", "add", "-q", "--detach", "../one")
    git("worktree", "add", "-q", "--detach", "../gone")
    for file in root.with_name("gone").iterdir():
        file.unlink()
    root.with_name("gone").rmdir()
    assert git_history.worktrees(root) == (root, root.with_name("one"))
