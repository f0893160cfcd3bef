"""Whatever the history, the garbage collection leaves every commit whole, and nothing else."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from history import History, grow

from mlxkit.pipeline.gc import gc

if TYPE_CHECKING:
    from small_project import SmallProject


@pytest.mark.parametrize(
    ("seed", "link"), [(1, "copy"), (2, "hardlink"), (3, "symlink"), (4, "copy"), (5, "symlink")]
)
def test_every_commit_stays_whole(bare: SmallProject, seed: int, link: str) -> None:
    bare.write({".dvc/config.local": f"[cache]\n    type = {link}\n"})
    history = History(bare).start()
    grow(history, random.Random(seed), steps=20)
    history.git("checkout", "-q", "--", ".")
    history.checkout("HEAD")

    needed = history.needed()
    assert history.objects() > needed
    garbage = gc(history.root, older_than=0, delete=True)
    assert history.objects() == needed
    assert garbage.failed == ()
    assert gc(history.root, older_than=0).waste == ()
    history.prove()
    assert bare.reasons() == {}


def test_a_young_try_is_restored_although_it_was_never_committed(bare: SmallProject) -> None:
    history = History(bare).start()
    history.data(a="1").commit()
    history.data(a="2")
    tried = history.content()
    history.data(a="1")
    assert gc(history.root, delete=True).deleted == ()

    (history.root / "data/in/a").write_text("2")
    assert bare.run().stages[0].status == "restored"
    assert history.content() == tried
