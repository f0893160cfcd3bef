"""What a run shows while it goes on."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from mlxkit.cli.progress import Progress
from mlxkit.output import Output
from mlxkit.pipeline.events import (
    PlanMade,
    RecordClosing,
    StageEnded,
    StageStarted,
    Tick,
    Waiting,
    Warned,
)

if TYPE_CHECKING:
    from mlxkit.pipeline.events import Event

LOG = Path("train.log")
MIB = 2**20
UNDER_WAY: list[Event] = [
    PlanMade(("prepare", "features", "train", "figures", "evaluate")),
    StageEnded("prepare", "fresh", 0.0),
    StageStarted("features", ("input data/raw.csv changed",), LOG),
    StageEnded("features", "ran", 12.3, ("input data/raw.csv changed",), 179 * MIB),
    StageStarted("train", ("model.learning_rate: 0.1 -> 0.3", "after features"), LOG),
    StageStarted("figures", ("after features",), LOG),
    Tick({"train": 2000 * MIB, "figures": 90 * MIB}),
]


class Clock:
    """A monotonic clock that a test sets."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mlxkit.cli.progress.time", clock)
    return clock


def watched(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Make standard error a terminal that somebody watches."""
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def drawn(progress: Progress, width: int, height: int = 24) -> list[str]:
    """The live part as a terminal of that size shows it."""
    page = io.StringIO()
    Console(file=page, width=width, height=height, color_system=None).print(progress._table(width, height))
    return [line.rstrip() for line in page.getvalue().splitlines()]


def test_the_live_table(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch)
    with Progress(Output(), verbose=False) as progress:
        for event in UNDER_WAY:
            progress(event)
        clock.now = 104.2
        assert drawn(progress, 76) == [
            "stage     state     time   memory  because",
            "prepare   fresh",
            "features  ran       12 s  179 MiB  input data/raw.csv changed",
            "train     running  4.2 s  2.0 GiB  model.learning_rate: 0.1 -> 0.3; after f…",
            "figures   running  4.2 s   90 MiB  after features",
            "evaluate  waiting",
        ]
        progress(RecordClosing())
        assert drawn(progress, 76)[-1] == "recording in MLflow"


def test_a_narrow_terminal_shows_less(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch)
    with Progress(Output(), verbose=False) as progress:
        for event in UNDER_WAY:
            progress(event)
        assert drawn(progress, 50)[3] == "train     running  0.0 s  model.learning_rate: 0.…"
        assert drawn(progress, 30)[3] == "train     running  0.0 s"


def test_a_low_terminal_shows_what_runs(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch)
    names = tuple(f"s{number:02}" for number in range(40))
    with Progress(Output(), verbose=False) as progress:
        progress(PlanMade(names))
        for name in names[:20]:
            progress(StageEnded(name, "ran", 1.0))
        progress(StageStarted("s20", (), LOG))
        progress(StageStarted("s30", (), LOG))
        lines = drawn(progress, 60, height=10)
    assert [line.split()[:2] for line in lines[1:]] == [
        ["s17", "ran"],
        ["s18", "ran"],
        ["s19", "ran"],
        ["s20", "running"],
        ["s21", "waiting"],
        ["s22", "waiting"],
        ["s30", "running"],
    ]


def test_nothing_is_left_of_the_live_part(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = watched(monkeypatch)
    with Progress(Output(), verbose=False) as progress:
        for event in UNDER_WAY:
            progress(event)
        progress(Waiting("waiting for another DVC command"))
        progress(Warned("figures failed, trying again"))
    text = terminal.getvalue()
    assert "waiting for another DVC command\n" in text
    assert "warning: figures failed, trying again\n" in text
    # Each part was erased line by line: the cursor ends where it began.
    assert text.endswith("\x1b[2K") or text.endswith("\x1b[?25h")


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(Output(), verbose=False) as progress:
        for event in [*UNDER_WAY, RecordClosing(), StageEnded("train", "failed", 3.21, (), 2000 * MIB)]:
            progress(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "features: running (input data/raw.csv changed)",
        "features: ran in 12 s, 179 MiB",
        "train: running (model.learning_rate: 0.1 -> 0.3; after features)",
        "figures: running (after features)",
        "train: failed in 3.2 s, 2.0 GiB",
    ]


@pytest.mark.parametrize("mode", ["json", "quiet"])
def test_a_program_gets_nothing(mode: str, capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with Progress(Output(mode), verbose=False) as progress:  # type: ignore[arg-type]
        for event in UNDER_WAY:
            progress(event)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("setting", [("CI", "true"), ("TERM", "dumb")])
def test_no_animation_where_nobody_could_see_it(
    setting: tuple[str, str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = watched(monkeypatch)
    monkeypatch.setenv(*setting)
    with Progress(Output(), verbose=False) as progress:
        for event in UNDER_WAY:
            progress(event)
    assert terminal.getvalue().splitlines()[1] == "features: ran in 12 s, 179 MiB"


def test_verbose_follows_the_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    log = tmp_path / "train.log"
    log.write_text("first\n")
    with Progress(Output(), verbose=True) as progress:
        progress(StageStarted("train", ("never run",), log))
        progress(Tick())
        with log.open("a") as file:
            file.write("größer\n")
        progress(Tick())
        progress(StageEnded("train", "ran", 1.0))
    assert capsys.readouterr().err.splitlines() == [
        "train: running (never run)",
        "first",
        "größer",
        "train: ran in 1.0 s",
    ]
