"""dvc.lock as it is written: one entry at a time, with the bytes of DVC."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlxkit.adapters.dvc_files import StageFiles, with_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = st.sampled_from(["clean", "left-1", "train_2", "yes", "on", "1", "0x1f", "größe", "a b", "null"])
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("#'\":-{}[]&*!|>%@\\ "),
    max_size=20,
)
# Of numbers with 17 digits DVC changes the last one in the entries that it only carries along.
FLOATS = st.integers(-(10**9), 10**9).map(lambda number: number / 10**4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
PATHS = st.lists(TEXTS.filter(bool), min_size=1, max_size=3, unique=True)


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """What DVC records of one stage."""

    def files(paths: list[str]) -> list[dict[str, Any]]:
        return [{"path": p, "hash": "md5", "md5": f"{i:032x}", "size": i} for i, p in enumerate(paths)]

    found: dict[str, Any] = {"cmd": draw(TEXTS.filter(bool) | st.lists(TEXTS, min_size=1, max_size=2))}
    if draw(st.booleans()):
        found["deps"] = files(draw(PATHS))
    if draw(st.booleans()):
        found["params"] = {"params.yaml": draw(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3))}
    if draw(st.booleans()):
        found["outs"] = files(draw(PATHS))
    return found


def by_dvc(text: str, name: str, entry: dict[str, Any], folder: Path) -> str:
    """What DVC makes of a lock file: it reads all of it, changes one entry and writes all of it."""
    from dvc.utils.serialize import modify_yaml

    file = folder / "dvc.lock"
    if text:
        file.write_text(text, encoding="utf-8")
    with modify_yaml(os.fspath(file)) as data:
        if not data:
            data.update({"schema": "2.0"})
        data["stages"] = data.get("stages", {})
        data["stages"].update({name: entry})
    written = file.read_text(encoding="utf-8")
    file.unlink()
    return written


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(NAMES, entries()), min_size=1, max_size=5))
def test_the_bytes_are_those_of_dvc(steps: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    text = ""
    for name, entry in steps:
        expected = by_dvc(text, name, entry, tmp_path)
        found = with_entry(text, name, {name: entry})
        # A number sign in the text may be a comment, which only DVC itself knows to keep.
        assert found == expected or (found is None and "#" in text)
        text = expected


START = "schema: '2.0'\nstages:\n  clean:\n    cmd: a\n"


@pytest.mark.parametrize(
    "text",
    [
        START.replace("clean:", "clean:   # by hand"),
        START.replace("'2.0'", '"2.0"'),
        START.replace("  clean:\n    cmd: a\n", "  {clean: {cmd: a}}\n"),
        START.replace("  clean:\n    cmd", "    clean:\n      cmd"),
        f"{START}datasets: []\n",
        START.removesuffix("\n"),
        "schema: '2.0'\nstages:\n  clean: {cmd: a\n",
        "schema: '2.0'\nstages:\n",
        "a: 1\n",
    ],
)
def test_what_somebody_has_edited_is_left_to_dvc(text: str) -> None:
    assert with_entry(text, "clean", {"clean": {"cmd": "b"}}) is None


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Any]:
    """DVC's own object of a project with two stages, `a` and `b`."""
    from dvc.repo import Repo, lock_repo

    repo = Repo.init(str(tmp_path), no_scm=True)
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  a: {cmd: echo 1 > a, outs: [a]}\n  b: {cmd: echo 1 > b, outs: [b]}\n"
    )
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "b").write_text("1\n")
    with lock_repo(repo):
        yield repo
    repo.close()


def test_a_stage_is_what_the_files_say_now(repository: Any, tmp_path: Path) -> None:
    files, others = StageFiles(repository, tmp_path), StageFiles(repository, tmp_path)
    assert files.stage("a").outs[0].hash_info.value is None
    others.save(others.stage("a"))
    recorded = files.stage("a").outs[0].hash_info.value
    assert recorded == "b026324c6904b2a9cb4b88d6d61c81d1"

    # Another command brings an older dvc.lock, and then a dvc.yaml of another form.
    (tmp_path / "dvc.lock").unlink()
    assert files.stage("a").outs[0].hash_info.value is None
    shutil.copy(tmp_path / "dvc.yaml", tmp_path / "old.yaml")
    (tmp_path / "dvc.yaml").write_text("stages:\n  c: {cmd: echo 1 > a, outs: [a]}\n")
    assert files.stage("c").name == "c"
    (tmp_path / "old.yaml").replace(tmp_path / "dvc.yaml")
    assert files.stage("a").name == "a"


def test_what_was_saved_is_known_without_reading_it_again(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = StageFiles(repository, tmp_path)
    files.save(files.stage("a"))
    monkeypatch.setattr("dvc.dvcfile.FileMixin._load_yaml", lambda self, **options: pytest.fail("read again"))
    assert files.stage("a").outs[0].hash_info.value == "b026324c6904b2a9cb4b88d6d61c81d1"
    files.save(files.stage("b"))
    assert not files.stage("a").changed_stage()
    monkeypatch.undo()
    again = StageFiles(repository, tmp_path)
    for name in ("a", "b"):
        assert again.stage(name).outs[0].hash_info == files.stage(name).outs[0].hash_info
