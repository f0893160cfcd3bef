"""What a model was made of: from what its run kept, a repository, and the registry."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mlxkit.adapters import mlflow_copy, mlflow_logged_model, mlflow_store, mlflow_tracking
from mlxkit.adapters.mlflow_tracking import DatasetInput
from mlxkit.cli.lineage import _tree
from mlxkit.cli.tree import Node, tree_lines
from mlxkit.output import Output
from mlxkit.pipeline.record_job import MODEL_HASH
from mlxkit.project.models import Environment
from mlxkit.registry.decision import decide
from mlxkit.registry.lineage import lineage
from mlxkit.registry.references import find_model
from mlxkit.registry.stores import store_of

if TYPE_CHECKING:
    from pathlib import Path

    from registry_bench import Bench

    from mlxkit.registry.lineage import Lineage

RAW, SPLIT, MODEL = "a" * 32, "b" * 32, "c" * 32 + ".dir"
CONFIG = """\
mlx: 1
stages:
  split:
    cmd: ./split.sh
    inputs: [data/raw.csv, data/codes.py]
    outputs: [data/train.parquet]
  learn:
    kind: train
    call: churn.train:train
    inputs: {train: data/train.parquet}
    outputs: {model: models/churn}
"""
LOCK = f"""\
schema: '2.0'
stages:
  learn:
    cmd: mlx exec learn
    deps:
    - {{path: data/train.parquet, hash: md5, md5: {SPLIT}, size: 1}}
    - {{path: src/churn/train.py, hash: md5, md5: {"d" * 32}, size: 1}}
    params: {{params.yaml: {{model: {{depth: 3}}}}}}
    outs:
    - {{path: models/churn, hash: md5, md5: {MODEL}, size: 1}}
  split:
    cmd: ./split.sh
    deps:
    - {{path: data/raw.csv, hash: md5, md5: {RAW}, size: 1}}
    - {{path: data/codes.py, hash: md5, md5: {"e" * 32}, size: 1}}
    - {{path: split.sh, hash: md5, md5: {"f" * 32}, size: 1}}
    outs:
    - {{path: data/train.parquet, hash: md5, md5: {SPLIT}, size: 1}}
  other:
    cmd: ./other.sh
    outs:
    - {{path: other.txt, hash: md5, md5: {"9" * 32}, size: 1}}
"""
DVC_FILE = f"outs:\n- {{md5: {RAW}, size: 1, hash: md5, path: raw.csv}}\n"
IMPORT = """\
frozen: true
deps:
- path: exports/raw.csv
  repo: {url: 'https://ann:secret@git.example.org/data', rev_lock: 0123456789abcdef0123}
"""


@pytest.fixture(autouse=True)
def _own_store(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bench.store.uri)


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ann", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def commit(bench: Bench) -> str:
    """A commit whose raw data DVC tracks, with a remote."""
    root = bench.project.root
    (root / "data").mkdir()
    (root / ".dvc").mkdir()
    (root / "data/raw.csv.dvc").write_text(DVC_FILE)
    (root / "data/codes.py").write_text("1\n")
    (root / ".dvc/config").write_text(
        "[core]\n    remote = box\n['remote \"box\"']\n    url = https://ann:secret@box.example.org/data\n"
    )
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "The data")
    return git(root, "rev-parse", "HEAD")


def trained(
    bench: Bench,
    commit: str = "",
    *,
    lock: str | None = LOCK,
    config: str | None = CONFIG,
    raw: str = RAW,
    model_hash: str = MODEL,
    changed: str = "",
) -> Lineage:
    """Record a run that keeps these files, and trace its model."""
    store, root = bench.store, bench.project.root
    run_id = mlflow_tracking.open_run(
        store,
        bench.project.name,
        name="run",
        params={"model": {"depth": 3}},
        tags={
            mlflow_tracking.COMMIT: commit,
            mlflow_tracking.DIRTY: str(bool(changed)).lower(),
            "mlx.changed_files": changed,
            "mlx.versions": '{"pandas": "3.0"}',
            "mlx.python": "3.11",
            "mlx.target": "gpu",
        },
        datasets=[DatasetInput("raw", "data/raw.csv", raw, size=2048, context="raw")],
    )
    model_id = mlflow_logged_model.log_model(store, run_id, bench.models["good"])
    kept = root / "kept"
    kept.mkdir(exist_ok=True)
    files = []
    for name, text in (("dvc.lock", lock), ("mlx.yaml", config)):
        if text is not None:
            (kept / name).write_text(text)
            files.append(kept / name)
    tags = {MODEL_HASH: model_hash}
    mlflow_tracking.close_run(store, run_id, status="FINISHED", artifacts=files, model_id=model_id, tags=tags)
    return traced(bench, run_id)


def traced(bench: Bench, which: str) -> Lineage:
    dev = bench.project.environments["dev"]
    return lineage(bench.project, find_model(bench.project, which, environment=dev))


def test_back_to_the_raw_data(bench: Bench, commit: str) -> None:
    found = trained(bench, commit)
    assert [(step.name, step.runs, step.code) for step in found.steps] == [
        ("learn", "churn.train:train", ("src/churn/train.py",)),
        ("split", "./split.sh", ("split.sh",)),
    ]
    assert [(d.path, d.digest, d.made_by) for step in found.steps for d in step.inputs] == [
        ("data/train.parquet", SPLIT, "split"),
        ("data/raw.csv", RAW, None),
        ("data/codes.py", "e" * 32, None),
    ]
    assert found.steps[0].params == {"model": {"depth": 3}}
    raw, codes = found.raw
    assert (raw.size, raw.origin and raw.origin.dvc_file) == (2048, "data/raw.csv.dvc")
    assert raw.origin is not None
    assert (raw.origin.remote, raw.origin.url) == ("box", "https://ann:***@box.example.org/data")
    assert codes.origin is not None
    assert codes.origin.dvc_file is None
    assert found.commit is not None
    assert (found.commit.subject, found.commit.author) == ("The data", "Ann")
    assert found.machine.libraries == {"pandas": "3.0"}
    assert found.notes == ()


def test_todays_workspace_is_not_asked(bench: Bench, commit: str) -> None:
    before = trained(bench, commit)
    root = bench.project.root
    (root / "data/raw.csv.dvc").write_text(DVC_FILE.replace(RAW, "0" * 32))
    (root / ".dvc/config").write_text("")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    (root / "mlx.yaml").write_text("stages: {}\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Later")
    after = traced(bench, before.named.run_id or "")
    assert (after.steps, after.raw) == (before.steps, before.raw)


def test_data_that_was_imported(bench: Bench, commit: str) -> None:
    root = bench.project.root
    (root / "data/raw.csv.dvc").write_text(IMPORT + DVC_FILE)
    git(root, "commit", "-qam", "Import it")
    origin = trained(bench, git(root, "rev-parse", "HEAD")).raw[0].origin
    assert origin is not None
    assert origin.imported_from == "exports/raw.csv of https://ann:***@git.example.org/data"
    assert origin.revision == "0123456789abcdef0123"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ghp_1234@github.com/ann/data", "https://***@github.com/ann/data"),
        ("ssh://git@github.com/ann/data", "ssh://git@github.com/ann/data"),
        ("https://box.example.org/raw.csv?sv=1&sig=5ecret", "https://box.example.org/raw.csv?***"),
    ],
)
def test_what_lets_somebody_in_is_shown_to_nobody(
    bench: Bench, commit: str, address: str, shown: str
) -> None:
    root = bench.project.root
    imported = IMPORT.replace("https://ann:secret@git.example.org/data", address)
    assert address in imported
    (root / "data/raw.csv.dvc").write_text(imported + DVC_FILE)
    git(root, "commit", "-qam", "Import it")
    origin = trained(bench, git(root, "rev-parse", "HEAD")).raw[0].origin
    assert origin is not None
    assert origin.imported_from == f"exports/raw.csv of {shown}"


def test_a_dvc_file_of_today_counts_if_it_is_the_same_data(bench: Bench, commit: str) -> None:
    root = bench.project.root
    git(root, "rm", "-q", "data/raw.csv.dvc")
    git(root, "commit", "-qm", "Not yet tracked")
    head = git(root, "rev-parse", "HEAD")
    (root / "data/raw.csv.dvc").write_text(DVC_FILE)
    found = trained(bench, head)
    assert found.raw[0].origin is not None
    assert found.raw[0].origin.dvc_file == "data/raw.csv.dvc"
    (root / "data/raw.csv.dvc").write_text(DVC_FILE.replace(RAW, "0" * 32))
    assert traced(bench, found.named.run_id or "").raw[0].origin is None


def test_data_that_was_changed_and_not_committed(bench: Bench, commit: str) -> None:
    found = trained(bench, commit, lock=LOCK.replace(RAW, "1" * 32), raw="1" * 32, changed="params.yaml")
    text = "\n".join(tree_lines(Output(), _tree(found, "churn")))
    assert f"tracked by data/raw.csv.dvc, which names {RAW[:8]}" in text
    assert "with uncommitted changes" in text
    assert "params.yaml" in text


@pytest.mark.parametrize(
    ("lock", "config", "note"),
    [
        (None, CONFIG, "its run keeps no dvc.lock, so only the inputs of the training are known"),
        (
            "<<<<<<< conflict",
            CONFIG,
            "its run keeps no dvc.lock, so only the inputs of the training are known",
        ),
        ("schema: '2.0'\n", CONFIG, "the dvc.lock of its run names no stage that trained it"),
        (LOCK.replace(MODEL, "7" * 32), CONFIG, "the dvc.lock of its run holds another model"),
        (
            LOCK.replace(RAW, "7" * 32),
            CONFIG,
            f"its run read 'data/raw.csv' as {RAW[:8]}, and its dvc.lock says 77777777",
        ),
    ],
)
def test_what_the_run_does_not_tell(
    bench: Bench, commit: str, lock: str | None, config: str, note: str
) -> None:
    found = trained(bench, commit, lock=lock, config=config)
    assert note in found.notes
    assert "data/raw.csv" in {data.path for data in found.raw}


def test_without_its_mlx_yaml_stages_are_known_by_the_lock(bench: Bench, commit: str) -> None:
    for config in (None, "stages: 7\n", "[unclosed"):
        found = trained(bench, commit, config=config)
        assert [(step.name, step.runs) for step in found.steps] == [
            ("learn", "mlx exec learn"),
            ("split", "./split.sh"),
        ]


def test_a_commit_that_is_not_here(bench: Bench) -> None:
    found = trained(bench, "1" * 40)
    assert found.commit is None
    assert found.notes == ("this repository does not have the commit 111111111111",)
    assert trained(bench).notes == ("its run recorded no commit",)


def test_on_to_its_promotions(bench: Bench, commit: str) -> None:
    run_id = trained(bench, commit).named.run_id
    relaxed = replace(bench, project=replace(bench.project, gates=()))
    relaxed.promote(run_id=run_id)
    relaxed.promote("staging", run_id=run_id, reason="asked for")
    found = traced(bench, "@staging")
    assert [(entry.environment, entry.what) for entry in found.promotions] == [
        ("dev", "promoted"),
        ("staging", "promoted"),
    ]
    text = "\n".join(tree_lines(Output(), _tree(found, "churn")))
    assert "@staging promoted" in text
    assert "by ann: asked for; it has it now" in text
    document = found.to_json()
    assert document["aliases"] == ["dev", "staging"]
    assert document["promotions"][1]["record"]["reason"] == "asked for"
    assert document["raw_data"][0]["origin"]["dvc_file"] == "data/raw.csv.dvc"


def test_who_agreed_and_who_said_no_are_named(
    bench: Bench, commit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run_id = trained(bench, commit).named.run_id
    staging = replace(bench.project.environments["staging"], approvers=("bob",))
    environments = {**bench.project.environments, "staging": staging}
    asking = replace(bench, project=replace(bench.project, gates=(), environments=environments))
    for approve in (False, True):
        asking.promote("staging", run_id=run_id)
        decide(asking.project, staging, bench.store, by="bob", approve=approve)
    text = "\n".join(tree_lines(Output(), _tree(traced(asking, "@staging"), "churn")))
    assert re.search(r"@staging rejected \S+ \S+ by bob, asked for by ann\n", text)
    assert re.search(r"@staging promoted \S+ \S+ by ann, approved by bob; it has it now", text)


def test_a_model_that_was_carried_to_the_store_of_another_environment(bench: Bench, commit: str) -> None:
    run_id = trained(bench, commit).named.run_id or ""
    production = Environment("production", tracking="sqlite:///production.db")
    environments = {"dev": Environment("dev"), "production": production}
    project = replace(bench.project, gates=(), environments=environments)
    there = store_of(project, production)
    carried = mlflow_copy.carry(bench.store, there, project.name, run_id)
    replace(bench, project=project, store=there).promote("production", run_id=carried)
    here = lineage(project, find_model(project, run_id, environment=environments["dev"]))
    assert [(entry.environment, entry.version) for entry in here.promotions] == [("production", "1")]
    named = find_model(project, "@production", environment=environments["dev"])
    assert named.run_id == carried
    assert named.is_same(here.named)
    assert lineage(project, named).steps == here.steps


def test_a_store_that_is_away_hides_its_promotions_alone(bench: Bench, commit: str) -> None:
    away = Environment("production", tracking="http://127.0.0.1:9")
    environments = {**bench.project.environments, "production": away}
    project = replace(bench.project, gates=(), environments=environments)
    run_id = trained(bench, commit).named.run_id
    replace(bench, project=project).promote(run_id=run_id)
    found = lineage(project, find_model(project, "@dev", environment=environments["dev"]))
    assert [entry.environment for entry in found.promotions] == ["dev"]
    assert found.notes[0].startswith("the promotions to 'production' are not known: ")


def test_a_version_whose_run_is_deleted(bench: Bench, commit: str) -> None:
    run_id = trained(bench, commit).named.run_id
    replace(bench, project=replace(bench.project, gates=())).promote(run_id=run_id)
    with mlflow_store.talking(bench.store, "delete"):
        mlflow_store.connect(bench.store).delete_run(run_id)
    found = traced(bench, "@dev")
    assert found.notes == ("its run is deleted, so nothing tells what it was made of",)
    assert (found.steps, found.raw) == ((), ())
    assert found.to_json()["run"] is None


def test_a_tree_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    deep = Node("a text of many words that does not fit into one line", (Node("last"),))
    for _ in range(3):
        deep = Node("above", (deep, Node("beside " * 10)))
    lines = tree_lines(Output(), deep)
    assert max(map(len, lines)) <= 40
    assert lines[:3] == ["above", "├─ above", "│  ├─ above"]
    assert tree_lines(Output(), Node("root", (Node("one"), Node("two", (Node("three"),))))) == [
        "root",
        "├─ one",
        "└─ two",
        "   └─ three",
    ]
