"""A project's commands run in the project's own `.venv`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from mlxkit.cli.options import use_project_environment
from mlxkit.errors import ToolError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Mlx, Shell, TmpDir

PYTHON = """\
#!/bin/sh
echo "$PWD"
for argument; do echo "[$argument]"; done
echo "$PATH" | cut -d: -f1
exit 7
"""


@pytest.fixture
def environment(copies: TmpDir) -> Path:
    """A `.venv` whose Python says how it was called."""
    copies.gen({".venv/bin/python": PYTHON, ".venv/lib/python3.11/site-packages/mlxkit/__init__.py": ""})
    (copies / ".venv/bin/python").chmod(0o755)
    return copies / ".venv"


def test_the_command_continues_there(copies: TmpDir, environment: Path, shell: Shell) -> None:
    done = shell("mlx run 'a b' --set x='1 2' --json")
    assert done.returncode == 7
    assert done.stdout.splitlines() == [
        str(copies),
        "[-m]",
        "[mlxkit]",
        "[run]",
        "[a b]",
        "[--set]",
        "[x=1 2]",
        "[--json]",
        str(environment / "bin"),
    ]


def test_another_folder_is_not_entered_twice(copies: TmpDir, environment: Path, shell: Shell) -> None:
    above = copies.parent
    done = shell(f"mlx env -C '{copies.name}'", folder=above)
    assert done.stdout.splitlines()[:6] == [
        str(above),
        "[-m]",
        "[mlxkit]",
        "[env]",
        "[-C]",
        f"[{copies.name}]",
    ]


def test_from_a_subfolder(copies: TmpDir, environment: Path, shell: Shell) -> None:
    folder = copies.gen("src/x.txt") / "src"
    assert shell("mlx env", folder=folder).stdout.splitlines()[0] == str(folder)


@pytest.mark.parametrize("command", ["mlx --help", "mlx env --help", "mlx --version"])
def test_help_needs_no_environment(environment: Path, shell: Shell, command: str) -> None:
    assert shell(command).returncode == 0


def test_environment_without_mlx(mlx: Mlx, copies: TmpDir) -> None:
    copies.gen(".venv/bin/python", PYTHON)
    result = mlx("env")
    assert (result.code, result.out) == (5, "")
    assert result.err == (
        f"error: the project's environment lacks mlx\n  {copies / '.venv'}\nhint: run `make setup`\n"
    )


def test_environment_that_leads_nowhere(copies: TmpDir, environment: Path, shell: Shell) -> None:
    """Its Python runs mlx of another environment, and would start itself for ever."""
    python = environment / "bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    done = shell("mlx env")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        "error: the project's environment cannot be used\n"
        f"  {python}\n"
        "hint: run `rm -r .venv && make setup`\n"
    )


def test_no_environment(copies: TmpDir) -> None:
    use_project_environment(copies)


def test_this_environment(copies: TmpDir, monkeypatch: pytest.MonkeyPatch, environment: Path) -> None:
    (copies / "link").symlink_to(environment)
    monkeypatch.setattr(sys, "prefix", str(copies / "link"))
    use_project_environment(copies)


@pytest.mark.parametrize("mark", ["uv-receipt.toml", "pipx_metadata.json"])
def test_tool_without_the_projects_libraries(
    copies: TmpDir, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    copies.gen(f"tool/{mark}")
    monkeypatch.setattr(sys, "prefix", str(copies / "tool"))
    with pytest.raises(ToolError) as caught:
        use_project_environment(copies)
    assert caught.value.message == "this project has no environment of its own yet"
    assert (caught.value.context, caught.value.hint) == ((str(copies),), "run `make setup`")
