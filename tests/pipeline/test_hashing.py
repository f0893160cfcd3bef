from __future__ import annotations

import hashlib
import json
import os
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from mlxkit.errors import DataError
from mlxkit.pipeline.hashing import Hasher, hash_listing

if TYPE_CHECKING:
    from pathlib import Path

    from small_project import SmallProject

LONG_AGO = 1_600_000_000_000_000_000


def hasher(root: Path) -> Hasher:
    return Hasher(root, root / ".mlx" / "memo.json")


def set_time(path: Path, nanoseconds: int = LONG_AGO) -> None:
    os.utime(path, ns=(nanoseconds, nanoseconds))


def hashes_of_dvc(project: SmallProject, *paths: str) -> dict[str, str]:
    """Ask DVC for the hashes of paths, by adding them."""
    with project.dvc() as repo:
        return {
            path: stage.outs[0].hash_info.value
            for path, stage in zip(paths, repo.add([str(project.root / p) for p in paths]), strict=True)
        }


def test_files_and_folders_hash_as_in_dvc(bare: SmallProject) -> None:
    bare.write(
        {
            "one.bin": bytes(range(256)) * 9000,
            "windows.txt": b"a\r\nb\r\n",
            "empty": "",
            "größe m².txt": "ä",
            **{f"many/{i:03}.txt": str(i) for i in range(200)},
            "deep/a/b/c/d.txt": "1",
            "deep/a-b.txt": "2",
            "deep/a.txt": "3",
            "deep/Größe/ß.txt": "4",
            "deep/Z.txt": "",
            "deep/☃/\U0001f40d.txt": "6",
        }
    )
    paths = ("one.bin", "windows.txt", "empty", "größe m².txt", "many", "deep")
    ours = hasher(bare.root)
    assert {path: ours.hash(path) for path in paths} == hashes_of_dvc(bare, *paths)


def test_an_empty_folder_hashes_as_in_dvc(bare: SmallProject) -> None:
    (bare.root / "empty").mkdir()
    assert hasher(bare.root).hash("empty") == hashes_of_dvc(bare, "empty")["empty"]


def test_what_is_not_there_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ours = hasher(tmp_path)
    assert ours.hash("missing") is None
    assert ours.hash("missing/deeper") is None
    assert ours.hash("file/below") is None


def test_a_link_counts_as_what_it_points_to(bare: SmallProject) -> None:
    bare.write({"real/a.txt": "1"})
    (bare.root / "folder").symlink_to("real")
    (bare.root / "file").symlink_to("real/a.txt")
    ours = hasher(bare.root)
    assert ours.hash("folder") == ours.hash("real")
    assert ours.hash("file") == ours.hash("real/a.txt")


def test_an_edit_of_the_same_size_in_the_same_moment_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    moment = file.stat().st_mtime_ns
    ours = hasher(tmp_path)
    first = ours.hash("a.txt")
    ours.save()
    with file.open("r+") as same_inode:
        same_inode.write("two")
    set_time(file, moment)
    assert ours.hash("a.txt") != first
    assert hasher(tmp_path).hash("a.txt") != first


def test_a_young_file_that_takes_long_to_read_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have changed within the same timestamp while it was read."""
    (tmp_path / "f").write_text("one")
    set_time(tmp_path / "f", 1_000_000_000_000_000_000)
    now = [1_000_000_001_000_000_000]
    md5 = hashlib.md5

    def slow(*, usedforsecurity: bool) -> Any:
        now[0] += 10_000_000_000
        return md5(usedforsecurity=usedforsecurity)

    monkeypatch.setattr("time.time_ns", lambda: now[0])
    monkeypatch.setattr("hashlib.md5", slow)
    hasher = Hasher(tmp_path, tmp_path / "memo.json")
    before = hasher.hash("f")
    (tmp_path / "f").write_text("two")
    set_time(tmp_path / "f", 1_000_000_000_000_000_000)
    assert hasher.hash("f") != before


def test_a_file_from_the_future_is_read_every_time(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    set_time(file, 2**62)
    ours = hasher(tmp_path)
    first = ours.hash("a.txt")
    ours.save()
    assert hasher(tmp_path).hash("a.txt") == first


def test_an_old_file_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    set_time(file)
    ours = hasher(tmp_path)
    first = ours.hash("a.txt")
    ours.save()
    file.write_text("two")
    set_time(file)
    # Same inode, size and time: what the memo is for. Nobody but this test makes such an edit.
    assert hasher(tmp_path).hash("a.txt") == first
    set_time(file, LONG_AGO + 1)
    assert hasher(tmp_path).hash("a.txt") != first


def test_of_many_files_only_what_changed_is_read(tmp_path: Path) -> None:
    files = [tmp_path / f"many/{number:04}.txt" for number in range(2000)]
    files[0].parent.mkdir()
    for file in files:
        file.write_text("one")
        set_time(file)
    ours = hasher(tmp_path)
    ours.hash("many")
    ours.save()
    # What is read now is another file; only one of them shows it.
    for file in files:
        file.write_text("two")
        set_time(file)
    set_time(files[7], LONG_AGO + 1)
    one, two = (hashlib.md5(text).hexdigest() for text in (b"one", b"two"))
    expected = [{"relpath": file.name, "md5": two if file == files[7] else one} for file in files]
    assert hasher(tmp_path).hash("many") == hash_listing(expected)


def test_an_edit_while_the_clock_was_ahead_is_seen_once_it_is_right(tmp_path: Path) -> None:
    """A file from an hour ahead is edited, keeps size and inode, and gets its time back."""
    file = tmp_path / "a.txt"
    file.write_text("one")
    ahead = time.time_ns() + 3_600_000_000_000
    set_time(file, ahead)
    ours = hasher(tmp_path)
    first = ours.hash("a.txt")
    ours.save()
    with file.open("r+") as same_inode:
        same_inode.write("two")
    set_time(file, ahead)
    assert hasher(tmp_path).hash("a.txt") != first


def test_a_large_file_needs_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "large.bin").open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        assert hasher(tmp_path).hash("large.bin") == "7f614da9329cd3aebf59b91aadc30bf0"
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_file_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    file, other = tmp_path / "a.txt", tmp_path / "b.txt"
    file.write_text("one")
    other.write_text("two")
    set_time(file)
    set_time(other)
    ours = hasher(tmp_path)
    first = ours.hash("a.txt")
    ours.save()
    other.replace(file)
    assert hasher(tmp_path).hash("a.txt") != first


DAMAGED = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b"null",
    b'{"a.txt": null}',
    b'{"a.txt": []}',
    b'{"a.txt": 3}',
    b'{"a.txt": [1, 2, 3]}',
    b'{"a.txt": "text"}',
    b'{"a.txt": {"a": 1}}',
]


@pytest.mark.parametrize("memo", DAMAGED)
def test_a_damaged_memo_costs_nothing_but_time(tmp_path: Path, memo: bytes) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    set_time(file)
    (tmp_path / ".mlx").mkdir()
    (tmp_path / ".mlx" / "memo.json").write_bytes(memo)
    ours = hasher(tmp_path)
    assert ours.hash("a.txt") == "f97c5d29941bfb1b2fdab0874906ab82"
    ours.save()
    assert "a.txt" in json.loads((tmp_path / ".mlx" / "memo.json").read_bytes())


def test_a_damaged_entry_of_the_right_file_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    set_time(file)
    info = file.stat()
    (tmp_path / ".mlx").mkdir()
    short = {"a.txt": [info.st_ino, info.st_size, info.st_mtime_ns]}
    (tmp_path / ".mlx" / "memo.json").write_text(json.dumps(short))
    assert hasher(tmp_path).hash("a.txt") == "f97c5d29941bfb1b2fdab0874906ab82"


def test_a_memo_that_cannot_be_written_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    set_time(tmp_path / "a.txt")
    (tmp_path / ".mlx").write_text("a file in the way")
    ours = hasher(tmp_path)
    assert ours.hash("a.txt") == "f97c5d29941bfb1b2fdab0874906ab82"
    ours.save()


def test_a_broken_link_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to("gone")
    with pytest.raises(DataError) as caught:
        hasher(tmp_path).hash("folder")
    link = tmp_path / "folder" / "link"
    assert caught.value.message == "'folder' cannot be read: no such file or directory"
    assert caught.value.context == (str(link),)
    assert caught.value.hint == f"remove the broken link '{link}'"


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "a.txt").chmod(0)
    if os.access(tmp_path / "a.txt", os.R_OK):
        pytest.skip("root may read every file")
    with pytest.raises(DataError, match=r"'a\.txt' cannot be read: permission denied"):
        hasher(tmp_path).hash("a.txt")
