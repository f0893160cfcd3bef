"""`mlx init --git-hooks`: when git's hooks are installed, and what keeps them from it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mlxkit.adapters import pre_commit
from mlxkit.output import Output

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Mlx, TmpDir

# DVC calls what pygtrie deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ALL = ["post-checkout", "pre-commit", "pre-push"]
NOT = "git hooks were not installed"


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def installed(repository: Path) -> list[str]:
    """Return the git hooks that are no samples."""
    return sorted(path.name for path in (repository / ".git/hooks").iterdir() if path.suffix != ".sample")


@pytest.fixture
def repository(tmp_dir: TmpDir) -> Path:
    """The working folder, as a repository."""
    git(tmp_dir, "init", "--quiet")
    return tmp_dir


@pytest.mark.parametrize(
    ("options", "hooks"),
    [(["--git-hooks"], ALL), (["--yes"], ALL), ([], []), (["--no-git-hooks", "--yes"], [])],
)
def test_installed_where_asked_for(tmp_dir: TmpDir, mlx: Mlx, options: list[str], hooks: list[str]) -> None:
    document = mlx("init", "p", "--json", *options).json
    assert (document["git_hooks"], document["committed"]) == (bool(hooks), True)
    assert installed(tmp_dir / "p") == hooks
    assert not [text for text in document["warnings"] if NOT in text]


@pytest.mark.parametrize(("answer", "hooks"), [("y\n", ALL), ("\n", []), ("", [])])
def test_asked_on_a_terminal(
    tmp_dir: TmpDir, mlx: Mlx, monkeypatch: pytest.MonkeyPatch, answer: str, hooks: list[str]
) -> None:
    monkeypatch.setattr(Output, "can_ask", True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    result = mlx("init", "p")
    assert (
        "install git hooks: checks before a commit, DVC's checkout and push with git's? [y/N]" in result.err
    )
    assert installed(tmp_dir / "p") == hooks


def test_a_request_that_fails_keeps_the_option_in_its_hint(tmp_dir: TmpDir, mlx: Mlx) -> None:
    result = mlx("init", "p", "--template", "tabulr", "--git-hooks")
    assert "hint: run `mlx init p --git-hooks`" in result.err


def test_inside_a_repository(repository: Path, mlx: Mlx) -> None:
    document = mlx("init", "p", "--git-hooks", "--json").json
    assert document["git_hooks"]
    assert installed(repository) == ALL
    assert "--config=p/.pre-commit-config.yaml" in (repository / ".git/hooks/pre-commit").read_text()


def test_hooks_of_somebody_else_stay(repository: Path, mlx: Mlx) -> None:
    mine = repository / ".git/hooks/pre-push"
    mine.write_text("#!/bin/sh\n")
    document = mlx("init", "p", "--git-hooks", "--json").json
    assert not document["git_hooks"]
    assert document["warnings"][-1] == (
        f"{NOT}, since the repository has its own: 'pre-push'; "
        "`make hooks` in the project keeps those and adds the project's"
    )
    assert installed(repository) == ["pre-push"]
    assert mine.read_text() == "#!/bin/sh\n"


def test_make_hooks_keeps_the_hooks_of_somebody_else(repository: Path, mlx: Mlx) -> None:
    mine = repository / ".git/hooks/pre-commit"
    mine.write_text("#!/bin/sh\necho mine >&2; exit 1\n")
    mine.chmod(0o755)
    mlx("init", "p", "--quiet")
    subprocess.run(["make", "hooks"], cwd=repository / "p", check=True, capture_output=True)
    environment = {**os.environ, "SKIP": "mypy"}
    done = subprocess.run(
        ["git", "commit", "--allow-empty", "-m", "x"],
        cwd=repository,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"mine" in done.stderr


def test_a_list_of_hooks_of_the_repository_stays_in_use(repository: Path, mlx: Mlx) -> None:
    (repository / ".pre-commit-config.yaml").write_text("repos: []\n")
    document = mlx("init", "p", "--git-hooks", "--json").json
    assert document["warnings"][-1] == (
        f"{NOT}, since '{repository}' has its own list for pre-commit: "
        "add what 'p/.pre-commit-config.yaml' lists"
    )
    assert installed(repository) == []


def test_a_second_project_does_not_take_the_hooks_of_the_first(repository: Path, mlx: Mlx) -> None:
    assert mlx("init", "one", "--git-hooks", "--json").json["git_hooks"]
    assert not mlx("init", "two", "--git-hooks", "--json").json["git_hooks"]
    assert "--config=one/.pre-commit-config.yaml" in (repository / ".git/hooks/pre-commit").read_text()


def test_without_pre_commit(tmp_dir: TmpDir, mlx: Mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pre_commit, "command", lambda: None)
    document = mlx("init", "p", "--git-hooks", "--json").json
    assert document["warnings"][-1] == (
        f"{NOT}, since pre-commit is not here: `make setup hooks` in the project installs them"
    )


def test_what_pre_commit_refuses(repository: Path, mlx: Mlx) -> None:
    git(repository, "config", "core.hooksPath", str(repository / "hooks"))
    document = mlx("init", "p", "--git-hooks", "--json").json
    assert not document["git_hooks"]
    assert document["warnings"][-1] == f"{NOT}: Cowardly refusing to install hooks with `core.hooksPath` set."
    assert not (repository / "hooks").exists()
