"""Pickles whose bytes depend on the object alone."""

from __future__ import annotations

import dataclasses
import enum
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from mlxkit.adapters import stable_pickle

if TYPE_CHECKING:
    from pathlib import Path

PICKLE = """
import hashlib, sys
import made
from mlxkit.adapters import stable_pickle
print(hashlib.md5(stable_pickle.dump(made.things()).content).hexdigest())
"""
MADE = """
import dataclasses, enum, pandas as pd

def things():
    class Local:
        words = {"alpha", "beta", "gamma"}
        def known(self, word):
            return word in {"delta", "epsilon", "zeta"} or word in self.words
    class Child(Local):
        def known(self, word):
            return not super().known(word)
    class Color(enum.Enum):
        RED = 1
    @dataclasses.dataclass
    class Point:
        x: int = 1
    return [
        {"one", "two", "three"}, frozenset(["four", "five"]), {("a", 1), ("b", 2)}, {frozenset("ab"), "c"},
        {None, True, "text", 2.5}, Local(), Child(), Color.RED, Point(2), lambda value: value + 1,
        pd.DataFrame({"plan": pd.Categorical(["a", "b", "a"])}), {"nested": [{"x", "y", "z"}]},
    ]
"""


def test_two_processes_in_two_folders_write_the_same(tmp_path: Path) -> None:
    hashes = set()
    for seed in ("1", "2", "33"):
        folder = tmp_path / seed
        folder.mkdir()
        (folder / "made.py").write_text(MADE)
        done = subprocess.run(
            [sys.executable, "-c", PICKLE],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(folder)},
            check=True,
            capture_output=True,
            text=True,
        )
        hashes.add(done.stdout)
    assert len(hashes) == 1


def roundtrip(obj: object) -> Any:
    return pickle.loads(stable_pickle.dump(obj).content)


@pytest.mark.parametrize(
    "value",
    [
        set(),
        frozenset(),
        {1, 2.5, "a", None, (1, "b"), frozenset("xy")},
        {"a": [{"b", "c"}, {"b", "c"}]},
        ["same", "same", b"bytes", {"same"}],
    ],
)
def test_values_come_back(value: object) -> None:
    assert roundtrip(value) == value


def test_shared_objects_stay_shared() -> None:
    words = {"a", "b"}
    rows = pd.Series(["x", None])
    first, second, third, fourth = roundtrip([words, words, rows, rows])
    assert first is second
    assert third is fourth


def test_equal_texts_are_one_whether_or_not_python_shares_them() -> None:
    text = "a text of several words"
    twin = " ".join(text.split())
    assert twin is not text
    assert stable_pickle.dump([text, text]).content == stable_pickle.dump([text, twin]).content


def local_class(answer: int) -> Any:
    class Local:
        def say(self) -> int:
            return answer

    return Local()


def test_classes_of_one_name_and_different_code_stay_apart() -> None:
    one, two, again = (local_class(answer) for answer in (1, 2, 1))
    pickles = [stable_pickle.dump(thing).content for thing in (one, two, again)]
    assert pickles[0] == pickles[2]
    assert pickles[0] != pickles[1]
    assert [cloudpickle.loads(content).say() for content in pickles] == [1, 2, 1]


def test_a_pickle_of_what_was_unpickled_is_the_same() -> None:
    first = stable_pickle.dump([local_class(1), lambda value: value]).content
    assert stable_pickle.dump(cloudpickle.loads(first)).content == first


def test_modules_are_those_that_a_reader_needs() -> None:
    held = [np.arange(3), pd.Series([1]), Color.RED, Point(1)]
    assert set(stable_pickle.dump(held).modules) >= {"numpy", "pandas", "test_stable_pickle"}
    assert "sklearn" not in stable_pickle.dump(held).modules


class Color(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Point:
    x: int


def test_a_generator_without_a_seed_is_another_in_each_training() -> None:
    pickles = {stable_pickle.dump(np.random.default_rng()).content for _ in range(2)}
    assert len(pickles) == 2


def test_what_is_nested_too_deep_is_stored_all_the_same() -> None:
    nested: list[Any] = []
    for _ in range(sys.getrecursionlimit() // 3):
        nested = [nested]
    assert roundtrip(nested) == nested
