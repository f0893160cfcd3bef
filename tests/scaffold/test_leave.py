from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from mlxkit.scaffold.leave import Edit, Leaving, Line, edits, is_installable, line_length, needless
from mlxkit.scaffold.project_tree import scaffold
from mlxkit.scaffold.request import Request
from mlxkit.scaffold.requirements import requirements_of

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TmpDir

LEAVING = Leaving(
    stages=("train", "evaluate"),
    register="python pipeline/register.py dev",
    requirements=("dvc>=3.67,<4", "mlflow>=3.17,<4", "ruamel.yaml>=0.18"),
    untyped=("mlflow.*", "ruamel.*"),
    folder="pipeline",
    loads_model=True,
)


@pytest.fixture
def project(tmp_dir: TmpDir) -> Path:
    return scaffold(Request(tmp_dir / "cells")).root


def found(project: Path) -> dict[str, Edit]:
    return {edit.file: edit for edit in edits(project, LEAVING)}


def changed_lines(project: Path, name: str) -> tuple[list[str], list[str]]:
    """Return the lines that went and the lines that came."""
    before = (project / name).read_text(encoding="utf-8").splitlines()
    after = found(project)[name].text.splitlines()
    return [line for line in before if line not in after], [line for line in after if line not in before]


def test_every_file_of_the_scaffold_is_known(project: Path) -> None:
    for edit in found(project).values():
        assert edit.left == ()
        (project / edit.file).write_text(edit.text, encoding="utf-8")
    assert edits(project, LEAVING) == []
    for name in needless(project):
        (project / name).unlink()
    assert [
        path.relative_to(project).as_posix()
        for path in sorted(project.rglob("*"))
        if path.is_file() and "mlx" in path.read_text(encoding="utf-8", errors="replace")
    ] == [".gitignore", ".mlx-template.json", "mlx.yaml"]


def test_every_file_for_gitlab_is_known(tmp_dir: TmpDir) -> None:
    project = scaffold(Request(tmp_dir / "cells", ci="gitlab")).root
    text = found(project)[".gitlab-ci.yml"].text
    assert "mlx" not in text
    assert list(yaml.safe_load(text)) == ["stages", "variables", "default", "workflow", "check"]


def test_a_workflow_that_was_edited_stays(project: Path) -> None:
    assert len(needless(project)) == 4
    workflow = project / ".github/workflows/train.yml"
    workflow.write_text(workflow.read_text(encoding="utf-8") + "# ours\n", encoding="utf-8")
    assert ".github/workflows/train.yml" not in needless(project)
    (project / ".mlx-template.json").unlink()
    assert needless(project) == ()


def test_pyproject(project: Path) -> None:
    gone, come = changed_lines(project, "pyproject.toml")
    modules = '["matplotlib.*", "mlflow.*", "ruamel.*", "sklearn.*", "threadpoolctl.*", "yaml.*"]'
    assert [line for line in gone if "mlxkit" not in line] == [
        'files = ["src", "tests"]',
        'module = ["matplotlib.*", "mlflow.*", "sklearn.*", "threadpoolctl.*", "yaml.*"]',
    ]
    assert come == [
        '  "dvc>=3.67,<4",',
        '  "ruamel.yaml>=0.18",',
        'files = ["src", "tests", "pipeline"]',
        f"module = {modules}",
    ]


def test_makefile(project: Path) -> None:
    gone, come = changed_lines(project, "Makefile")
    assert [line.partition("mlx ")[2] for line in gone if "(BIN)mlx " in line] == [
        "run features",
        "train",
        "evaluate",
        "promote",
        "drift --data data/external/new_rows.csv",
        "ui",
    ]
    assert come == [
        "ifneq ($(wildcard .venv/bin/dvc)$(shell command -v dvc 2>/dev/null),)",
        "BIN := $(if $(ENV)$(wildcard .venv/bin/dvc),.venv/bin/)",
        "export PATH := $(CURDIR)/.venv/bin:$(PATH)",
        ".PHONY: setup hooks data train evaluate promote test lint ui clean help",
        "\t$(BIN)dvc repro features",
        "\t$(BIN)dvc repro train",
        "\t$(BIN)dvc repro evaluate",
        "promote: $(ENV) | $(call after,data train evaluate) ## register the model",
        "\t$(BIN)python pipeline/register.py dev",
        "ui: $(ENV) | $(call after,data train evaluate) ## open the tracking server's pages",
        "\t$(BIN)mlflow ui",
    ]


def test_a_file_that_was_edited_stays_as_it_is(project: Path) -> None:
    makefile = project / "Makefile"
    text = makefile.read_text(encoding="utf-8").replace("mlx train", "mlx train --jobs 1")
    makefile.write_text(text, encoding="utf-8")
    edit = found(project)["Makefile"]
    assert edit.text == text
    assert Line("Makefile", 36, "$(BIN)mlx train --jobs 1") in edit.left
    assert len(edit.left) == 6


def test_other_files_are_not_named(tmp_dir: TmpDir) -> None:
    tmp_dir.gen({"Makefile": "all:\n\tmake x\n", "README.md": "uses Apple's mlx, import mlx.core\n"})
    tmp_dir.gen(".dvcignore", "__pycache__/\n")
    assert edits(tmp_dir, LEAVING) == []


@pytest.mark.parametrize(
    ("text", "length", "installable"),
    [
        ('[project]\nname = "x"\n[tool.ruff]\nline-length = 100\n', 100, True),
        ("[tool.black]\n", 88, False),
        (None, 88, False),
    ],
)
def test_settings_of_a_project(tmp_dir: TmpDir, text: str | None, length: int, installable: bool) -> None:
    if text is not None:
        tmp_dir.gen("pyproject.toml", text)
    assert (line_length(tmp_dir), is_installable(tmp_dir)) == (length, installable)


def test_requirements_have_the_bounds_of_mlx() -> None:
    assert requirements_of(["ruamel", "dvc", "joblib", "yaml", "dotenv"]) == (
        "dvc>=3.67,<4",
        "joblib",
        "python-dotenv>=1",
        "pyyaml>=6",
        "ruamel.yaml>=0.18",
    )
