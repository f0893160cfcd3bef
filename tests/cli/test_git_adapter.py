from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from mlxkit.adapters import git
from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TmpDir

METRICS = ("reports/metrics.json",)


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git.commit_all(folder, "next")
    return run(folder, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_dir: TmpDir) -> TmpDir:
    """A committed project."""
    git.init(tmp_dir)
    tmp_dir.gen(
        {
            ".gitignore": "/data\n*.pyc\n",
            "mlx.yaml": "mlx: 1\n",
            "dvc.yaml": "a",
            "dvc.lock": "a",
            "reports/metrics.json": "a",
            "src/churn/model.py": "one = 1\n",
            "notes.txt": "a",
        }
    )
    commit(tmp_dir)
    return tmp_dir


def changed(root: Path) -> tuple[str, ...]:
    return git.state(root, ignore=METRICS).changed


def test_no_repository(tmp_dir: TmpDir) -> None:
    tmp_dir.gen("src/x.py")
    assert git.top_level(tmp_dir) is None
    assert git.state(tmp_dir) == git.GitState(None, None, ())
    assert (git.branch(tmp_dir), git.diff(tmp_dir, git.GitState())) == (None, "")


def test_no_git(repo: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repo))
    assert not git.is_installed()
    assert git.state(repo) == git.GitState(None, None, ())


def test_no_commit(tmp_dir: TmpDir) -> None:
    git.init(tmp_dir)
    tmp_dir.gen("src/x.py", "x = 1\n")
    state = git.state(tmp_dir)
    assert (state.commit, state.branch, state.dirty) == (None, None, True)
    assert git.diff(tmp_dir, state) == ""


def test_clean(repo: TmpDir) -> None:
    state = git.state(repo)
    assert state == git.GitState(run(repo, "rev-parse", "HEAD"), "main", ())
    assert not state.dirty
    assert git.diff(repo, state) == ""


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("notes.txt", True),
        ("mlx.yaml", True),
        ("src/churn/model.py", True),
        ("dvc.lock", False),
        ("dvc.yaml", False),
        ("reports/metrics.json", False),
        ("src/churn/new.py", True),
        ("src/churn/größe [1] neu.py", True),
        ("src/churn/new.pyc", False),
        ("new.txt", False),
        ("tests/new.py", False),
        ("data/new.csv", False),
    ],
)
def test_what_makes_it_dirty(repo: TmpDir, path: str, counts: bool) -> None:
    repo.gen(path, "changed\n")
    assert changed(repo) == ((path,) if counts else ())
    assert git.state(repo, ignore=METRICS).dirty is counts


def test_other_changes(repo: TmpDir) -> None:
    (repo / "notes.txt").unlink()
    run(repo, "mv", "src/churn/model.py", "src/churn/models.py")
    repo.gen("staged.txt", "x")
    run(repo, "add", "staged.txt")
    assert changed(repo) == ("notes.txt", "src/churn/model.py", "src/churn/models.py", "staged.txt")


def test_project_in_a_subfolder(repo: TmpDir) -> None:
    """Paths are the project's, and the rest of the repository is none of its business."""
    project = repo / "teams" / "nord süd"
    repo.gen({"teams": {"nord süd": {"dvc.lock": "a", "src/a.py": "a = 1\n", "dvc.yaml": "a"}}})
    commit(repo)
    repo.gen({"teams/nord süd/dvc.lock": "b", "notes.txt": "b", "src/other.py": "b"})
    assert changed(project) == ()
    repo.gen({"teams/nord süd/src/a.py": "a = 2\n", "teams/nord süd/src/b.py": "b = 1\n"})
    state = git.state(project)
    assert state.changed == ("src/a.py", "src/b.py")
    patch = git.diff(project, state)
    assert "\n-a = 1\n+a = 2\n" in patch
    assert "\n+b = 1\n" in patch
    assert "notes.txt" not in patch
    assert git.top_level(project) == repo
    assert git.committed_text(project, "src/a.py") == "a = 1\n"
    assert git.committed_text(project, "src/b.py") is None


def test_diff(repo: TmpDir) -> None:
    # A user's own settings must not change what is recorded.
    run(repo, "config", "color.ui", "always")
    run(repo, "config", "diff.noprefix", "true")
    run(repo, "config", "diff.external", "false")
    repo.gen(
        {"src/churn/model.py": "one = 2\n", "src/churn/größe.py": "neu = 1\n", "dvc.lock": "b", "x": "b"}
    )
    (repo / "notes.txt").unlink()
    patch = git.diff(repo, git.state(repo))
    assert [line for line in patch.splitlines() if line.startswith(("diff", "-", "+"))] == [
        "diff --git a/notes.txt b/notes.txt",
        "--- a/notes.txt",
        "+++ /dev/null",
        "-a",
        "diff --git a/src/churn/model.py b/src/churn/model.py",
        "--- a/src/churn/model.py",
        "+++ b/src/churn/model.py",
        "-one = 1",
        "+one = 2",
        "diff --git a/src/churn/größe.py b/src/churn/größe.py",
        "--- /dev/null",
        "+++ b/src/churn/größe.py",
        "+neu = 1",
    ]


def test_diff_can_be_applied(repo: TmpDir) -> None:
    repo.gen({"src/churn/model.py": "one = 2\n", "src/churn/new.py": "new = 1\n"})
    patch = git.diff(repo, git.state(repo))
    run(repo, "checkout", "--", "src")
    (repo / "src/churn/new.py").unlink()
    subprocess.run(["git", "apply"], cwd=repo, input=patch, text=True, check=True)
    assert (repo / "src/churn/model.py").read_text() == "one = 2\n"
    assert (repo / "src/churn/new.py").read_text() == "new = 1\n"


def test_diff_is_cut(repo: TmpDir) -> None:
    repo.gen("src/churn/big.py", "# größe\n" * 200_000)
    patch = git.diff(repo, git.state(repo))
    assert patch.endswith("\n[cut at 1000000 bytes]\n")
    assert 999_000 < len(patch.encode()) <= 1_000_000


def test_diff_of_what_is_no_text(repo: TmpDir) -> None:
    repo.gen({"src/churn/model.py": "# gr\xf6\xdfe\n".encode("latin-1"), "src/churn/new.bin": b"\0\1"})
    patch = git.diff(repo, git.state(repo))
    assert "+# gr\ufffd\ufffde\n" in patch
    assert "Binary files /dev/null and b/src/churn/new.bin differ\n" in patch
    assert "[cut" not in patch


@pytest.mark.parametrize(
    ("variables", "branch"),
    [
        ({}, None),
        ({"GITHUB_REF_NAME": "release", "GITHUB_REF_TYPE": "branch"}, "release"),
        ({"GITHUB_REF_NAME": "v1.2", "GITHUB_REF_TYPE": "tag"}, None),
        (
            {"GITHUB_REF_NAME": "12/merge", "GITHUB_REF_TYPE": "branch", "GITHUB_HEAD_REF": "topic"},
            "topic",
        ),
        ({"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch", "GITHUB_HEAD_REF": ""}, "main"),
        ({"CI_COMMIT_BRANCH": "release"}, "release"),
        ({"CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "topic"}, "topic"),
    ],
)
def test_branch_with_a_detached_head(
    repo: TmpDir, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], branch: str | None
) -> None:
    run(repo, "checkout", "--detach", "-q")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert git.branch(repo) == branch
    assert git.state(repo).branch == branch


def test_branch_here_wins(repo: TmpDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REF_NAME", "release")
    assert git.branch(repo) == "main"


def test_fallback_identity(tmp_dir: TmpDir) -> None:
    git.init(tmp_dir)
    run(tmp_dir, "config", "user.useConfigOnly", "true")
    assert not git.has_identity(tmp_dir)
    tmp_dir.gen("a.txt")
    assert git.commit_all(tmp_dir, "Start") is True
    assert run(tmp_dir, "log", "-1", "--format=%an <%ae>, %cn <%ce>: %s") == (
        "mlx <mlx@localhost>, mlx <mlx@localhost>: Start"
    )
    assert run(tmp_dir, "config", "--get", "user.useConfigOnly") == "true"


def test_own_identity(tmp_dir: TmpDir) -> None:
    git.init(tmp_dir)
    run(tmp_dir, "config", "user.name", "Anna")
    run(tmp_dir, "config", "user.email", "anna@example.org")
    tmp_dir.gen("a.txt")
    assert git.commit_all(tmp_dir, "Start") is False
    assert run(tmp_dir, "log", "-1", "--format=%an <%ae>") == "Anna <anna@example.org>"


def test_nothing_to_commit(repo: TmpDir) -> None:
    with pytest.raises(ToolError) as caught:
        git.commit_all(repo, "again")
    assert caught.value.message == "git could not make the first commit"
    assert caught.value.hint == "run `git commit`"


def test_the_command_that_pushes_is_one_that_works(
    repo: TmpDir, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A branch that was never pushed has no upstream, so a bare `git push` fails."""
    remote = tmp_path_factory.mktemp("remote")
    run(remote, "init", "-q", "--bare")
    run(repo, "switch", "-q", "-c", "new")
    run(repo, "remote", "add", "team", str(remote))
    assert git.push_command(repo) == "git push -u team new"
    run(repo, *git.push_command(repo).split()[1:])
    assert git.push_command(repo) == "git push"
    run(repo, "checkout", "-q", "--detach")
    command = git.push_command(repo)
    assert command == "git push team HEAD:refs/heads/BRANCH"
    run(repo, *command.replace("BRANCH", "other").split()[1:])
