from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from mlxkit.project.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TmpDir


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_file_gets_the_usual_permissions(tmp_dir: TmpDir) -> None:
    os.umask(0o027)
    try:
        write_atomically(tmp_dir / "a/b/new.txt", b"new")
    finally:
        os.umask(0o022)
    file = tmp_dir / "a/b/new.txt"
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o640)
    assert names(file.parent) == ["new.txt"]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o666])
def test_permissions_are_kept(tmp_dir: TmpDir, mode: int) -> None:
    file = tmp_dir.gen("old.txt", "old") / "old.txt"
    file.chmod(mode)
    write_atomically(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", mode)
    assert names(tmp_dir) == ["old.txt"]


def test_a_reader_keeps_the_old_content(tmp_dir: TmpDir) -> None:
    file = tmp_dir.gen("old.txt", "old") / "old.txt"
    with file.open() as reader:
        write_atomically(file, b"new")
        assert reader.read() == "old"


def test_nothing_is_left_behind_on_failure(tmp_dir: TmpDir) -> None:
    (tmp_dir / "folder").mkdir()
    with pytest.raises(OSError, match="folder") as caught:
        write_atomically(tmp_dir / "folder", b"new")
    assert caught.value.errno in (errno.EISDIR, errno.ENOTEMPTY)
    assert names(tmp_dir) == ["folder"]
