"""Promotion, history and rollback in the stores that teams have: a server, one on PostgreSQL, that alone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from registry_bench import Bench, table
from tests import postgres
from tests.mlflow_server import serving

from mlxkit.adapters import mlflow_registry, mlflow_store
from mlxkit.errors import Refused
from mlxkit.project.gates import MetricGate
from mlxkit.registry.history import history
from mlxkit.registry.promotion import Evaluation
from mlxkit.registry.rollback import roll_back

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlxkit.adapters.mlflow_store import Store


@pytest.fixture(scope="module", params=["server", "server on PostgreSQL", "PostgreSQL", "registry apart"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    if request.param == "registry apart":
        yield mlflow_store.resolve(folder, None, "sqlite:///elsewhere/registry.db")
        return
    with contextlib.ExitStack() as ends:
        database = None
        if "PostgreSQL" in request.param:
            if postgres.programs() is None and not os.environ.get("CI"):
                pytest.skip("PostgreSQL is not installed")
            database = ends.enter_context(postgres.cluster())
        if "server" in request.param:
            database = ends.enter_context(serving(folder, database)).url
        yield mlflow_store.resolve(folder, database)


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout


def test_there_and_back(bench: Bench) -> None:
    staging = bench.project.environments["staging"]
    bench.run("poor")
    assert bench.promote("staging").promoted is False
    assert bench.with_gates().promote("staging").version == "1"
    bench.run("good")
    done = bench.promote("staging")
    assert (done.version, done.record is not None and done.record.number) == ("2", 2)
    back = roll_back(bench.project, bench.store, staging, by="bob", rows=lambda: table(2))
    assert (back.version, back.tried) == ("1", 100)
    mlflow_registry.set_alias(bench.store, bench.project.name, "staging", "2")
    seen = [(entry.what, entry.before, entry.version) for entry in _history(bench)]
    assert seen == [
        ("promoted", None, "1"),
        ("promoted", "1", "2"),
        ("rolled back", "2", "1"),
        ("moved by hand", "1", "2"),
    ]
    assert done.record is not None
    client = mlflow_store.connect(bench.store)
    with mlflow_store.as_default(bench.store):
        listed = [file.path for file in client.list_artifacts(done.run_id, "promotions")]
    assert listed == ["promotions/staging-0002.json"]


@pytest.mark.parametrize("has_remote", [True, False], ids=["with a git remote", "without"])
def test_two_users_at_once(bench: Bench, has_remote: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With a git remote one of them is told; without one the later wins, and both records stand."""
    root = bench.project.root
    git(root, "init", "-q", "-b", "main")
    git(root, "commit", "-q", "--allow-empty", "-m", "start")
    if has_remote:
        remote = tmp_path_factory.mktemp("remote")
        git(remote, "init", "-q", "--bare", "-b", "main")
        git(root, "remote", "add", "origin", str(remote))
    clone = tmp_path_factory.mktemp("clone") / "churn"
    shutil.copytree(root, clone)
    runs = [bench.run("good"), bench.run("cheat")]
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)

    def work(run_id: str, folder: Path) -> None:
        def rows() -> Any:
            start.wait(60)
            return table(2)

        own = replace(bench, project=replace(bench.project, root=folder))
        gated = own.with_gates(MetricGate("roc_auc", minimum=0.0))
        try:
            gated.promote("staging", run_id=run_id, evaluation=Evaluation(rows=rows))
        except Refused:
            os._exit(3)
        os._exit(0)

    processes = [context.Process(target=work, args=pair) for pair in zip(runs, (root, clone), strict=True)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    codes = sorted(process.exitcode or 0 for process in processes)
    assert codes in ([[0, 3]] if has_remote else [[0, 0], [0, 3]])
    entries = [entry for entry in _history(bench) if entry.is_change]
    assert len(entries) == codes.count(0)
    champion = mlflow_registry.champion(bench.store, bench.project.name, "staging")
    assert champion is not None
    assert champion.version in {entry.version for entry in entries}


def _history(bench: Bench) -> Any:
    return history(bench.project, bench.store, "staging")
