"""What `mlx doctor` finds, and the remedy that it names."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from small_project import STAGES

from mlxkit.pipeline.diagnosis import Finding, diagnose

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject


def found(root: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(root)}


def test_a_project_in_order(committed: SmallProject) -> None:
    findings = found(committed.root)
    assert {name: f.state for name, f in findings.items() if name not in ("disk", "git")} == {
        "python": "ok",
        "libraries": "ok",
        "environment": "warning",
        "repository": "ok",
        "mlx.yaml": "ok",
        "dvc": "ok",
        "dvc.yaml": "ok",
        "store": "ok",
        "secrets": "ok",
    }
    assert findings["store"].text == "not made yet; the first run makes it"


def test_a_server_that_does_not_answer(small: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert found(small.root)["store"] == Finding(
        "store",
        "problem",
        "cannot ask MLflow: the MLflow server does not answer",
        "run `curl http://127.0.0.1:9/health`",
    )


def test_each_store_is_looked_at_once(small: SmallProject) -> None:
    small.configure(
        STAGES,
        environments={
            "dev": {},
            "staging": {"tracking": "http://127.0.0.1:9"},
            "production": {"tracking": "http://127.0.0.1:9"},
        },
    )
    findings = found(small.root)
    assert findings["store of dev"].state == "ok"
    assert findings["store of staging"].state == "problem"
    assert "store of production" not in findings


def test_a_database_that_is_none(small: SmallProject) -> None:
    small.write({"mlflow.db": "not a database at all, but long enough to be taken for one\n" * 20})
    finding = found(small.root)["store"]
    assert (finding.state, finding.text.rpartition(": ")[2]) == ("problem", "the file is no SQLite database")


def test_where_git_is_not_installed_nobody_is_sent_to_it(
    small: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert shutil.which("git") is None
    findings = found(small.root)
    assert [(findings[n].state, findings[n].remedy) for n in ("git", "repository")] == [
        ("warning", "install git"),
        ("warning", "install git"),
    ]


@pytest.mark.parametrize("broken", ["mlx.yaml", "dvc.yaml"])
def test_a_file_that_is_wrong(small: SmallProject, broken: str) -> None:
    small.write({broken: "mlx: [\n"})
    finding = found(small.root)[broken]
    assert (finding.state, bool(finding.remedy)) == ("problem", True)
