"""What goes to a machine through `ssh`; that one is made up here, and real in `tests/pipeline`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.box import write_program

from mlxkit.adapters.ssh import LineBroken, Ssh

if TYPE_CHECKING:
    from pathlib import Path


def instead_of_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    write_program(folder / "bin/ssh", f"#!/bin/sh\n{script}\n")
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")


def test_who_says_much_before_it_reads_is_heard_and_fed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_ssh(
        tmp_path, monkeypatch, "head -c 300000 /dev/zero | tr '\\0' x >&2; wc -c | tr -d ' '; exit 3"
    )
    done = Ssh("box").feed("true", (b"y" * 1000 for _ in range(1000)))
    assert (done.status, done.output, len(done.errors)) == (3, b"1000000\n", 300000)


def test_why_a_line_broke_is_told_though_not_everything_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_ssh(tmp_path, monkeypatch, "echo 'Connection reset by peer' >&2; exit 255")
    with pytest.raises(LineBroken) as raised:
        Ssh("box").feed("true", (b"y" * 1000 for _ in range(1000)))
    assert raised.value.context == ("Connection reset by peer",)
