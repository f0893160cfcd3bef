"""Commits as lineage and comparisons read them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from mlxkit.adapters import git_commits

if TYPE_CHECKING:
    from pathlib import Path


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "churn"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / "a.dvc").write_text("one\n")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "start")
    return root


def test_what_a_commit_held(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "a.dvc").write_text("two\nthree\n")
    git(repository, "commit", "-q", "-a", "-m", "more")
    found = git_commits.find_commit(repository, first)
    assert found is not None
    assert (found.id, found.subject, found.author) == (first, "start", "Ann")
    assert git_commits.text_at(repository, first, "a.dvc") == "one\n"
    assert git_commits.has_file(repository, first, "a.dvc")
    assert not git_commits.has_file(repository, first, "b.dvc")
    assert git_commits.files_at(repository, first, ".dvc") == ("a.dvc",)
    changes = git_commits.changes_between(repository, first, "HEAD")
    assert changes == (git_commits.FileChange("a.dvc", 2, 1),)


def test_a_commit_that_is_an_option_of_git_is_no_commit(repository: Path) -> None:
    """Whoever may write to an MLflow store says what the commit of a run is."""
    for file in (repository / "written", repository / "written:"):
        commit = f"--output={file}"
        assert git_commits.find_commit(repository, commit) is None
        assert git_commits.changes_between(repository, commit, "HEAD") is None
        assert git_commits.changes_between(repository, "HEAD", commit) is None
        assert git_commits.text_at(repository, commit, "a.dvc") is None
        assert not git_commits.has_file(repository, commit, "a.dvc")
        assert git_commits.files_at(repository, commit, ".dvc") == ()
    assert sorted(path.name for path in repository.iterdir()) == [".git", "a.dvc"]
