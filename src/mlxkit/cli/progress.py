"""What a run shows while it goes on: a live table on a terminal, plain lines in a pipe or in CI."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.output import seconds, size
from mlxkit.pipeline.events import (
    Event,
    PlanMade,
    RecordClosing,
    StageAway,
    StageEnded,
    StageStarted,
    Tick,
    Waiting,
    Warned,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from rich.table import Table

    from mlxkit.output import Output

_REFRESH_SECONDS = 0.1
_NARROW, _VERY_NARROW = 60, 40
"""Widths of a terminal below which the memory, and then the reason, is left out."""
_COLOURS = {
    "running": "bold",
    "ran": "green",
    "restored": "cyan",
    "failed": "red",
    "skipped": "yellow",
    "away": "cyan",
}


@dataclass
class _Row:
    """What is known of one stage.

    `started` is a moment of the monotonic clock; `where` tells of another machine.
    """

    state: str = "waiting"
    started: float = 0.0
    seconds: float = 0.0
    memory: int = 0
    reasons: str = ""
    where: str = ""

    def elapsed(self) -> str:
        if self.state == "running":
            return seconds(time.monotonic() - self.started)
        return seconds(self.seconds) if self.seconds else ""


class Progress:
    """Shows a run's events on stderr. Call it with each event; use it as a context manager."""

    def __init__(self, output: Output, *, verbose: bool) -> None:
        self._output = output
        self._verbose = verbose and output.mode == "human"
        self._rows: dict[str, _Row] = {}
        self._logs: dict[str, tuple[Path, int]] = {}
        self._footer = ""
        self._live: Any = None
        self._animate = (
            output.mode == "human"
            and not verbose
            and sys.stderr.isatty()
            and os.environ.get("TERM") != "dumb"
            and not os.environ.get("CI")
        )

    def __enter__(self) -> Progress:
        """Start showing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the live part off the screen."""
        self._stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case PlanMade():
                self._rows = {name: _Row() for name in event.stages}
            case StageStarted():
                self._started(event)
            case StageAway():
                self._away(event)
            case StageEnded():
                self._ended(event)
            case RecordClosing():
                self._footer = "recording in MLflow"
                self._draw()
            case Tick():
                for name, memory in event.memory.items():
                    self._row(name).memory = memory
                self._follow_logs()
                self._draw()
            case Waiting(text):
                self._say(self._output.note, text)
            case Warned(text):
                self._say(self._output.warn, text)

    def ask_to_leave(self, stages: Sequence[str]) -> bool:
        """Ask whether jobs on other machines go on; where nobody can answer they do."""
        self._stop()
        if self._output.mode != "human" or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return True
        what = ", ".join(stages)
        sys.stderr.write(f"\n{what}: leave it running there, or cancel it? [L/c] ")
        sys.stderr.flush()
        try:
            return sys.stdin.readline().strip().lower()[:1] != "c"
        except (OSError, KeyboardInterrupt):
            return True

    def _row(self, name: str) -> _Row:
        return self._rows.setdefault(name, _Row())

    def _started(self, event: StageStarted) -> None:
        self._rows[event.name] = _Row("running", time.monotonic(), reasons="; ".join(event.reasons))
        self._logs[event.name] = (event.log, 0)
        if self._animate:
            self._start()
        elif event.reasons:
            self._output.note(f"{event.name}: running ({'; '.join(event.reasons)})")

    def _away(self, event: StageAway) -> None:
        where = f"on {event.target}: {event.phase}"
        self._row(event.name).where = where
        if not self._animate:
            self._output.note(f"{event.name}: {where}")

    def _ended(self, event: StageEnded) -> None:
        self._follow_logs()
        self._logs.pop(event.name, None)
        row = self._row(event.name)
        row.state, row.seconds, row.memory = event.status, event.seconds, event.max_memory
        row.reasons = "; ".join(event.reasons) or row.reasons
        if not self._animate and event.status != "fresh":
            took = [seconds(event.seconds)] if event.seconds else []
            took += [size(event.max_memory)] if event.max_memory else []
            self._output.note(f"{event.name}: {event.status}" + (f" in {', '.join(took)}" if took else ""))
        self._draw()

    def _start(self) -> None:
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False)
            self._live = Live(
                console=console,
                transient=True,
                get_renderable=lambda: self._table(console.width, console.height),
                refresh_per_second=1 / _REFRESH_SECONDS,
            )
            self._live.start()

    def _draw(self) -> None:
        if self._live is not None:
            self._live.refresh()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _say(self, how: Any, text: str) -> None:
        """Print above the live part, which is drawn again below."""
        was_live = self._live is not None
        self._stop()
        how(text)
        if was_live:
            self._start()

    def _table(self, width: int, height: int) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(
            box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), expand=width >= _VERY_NARROW
        )
        table.add_column("stage", no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column("time", no_wrap=True, justify="right")
        if width >= _NARROW:
            table.add_column("memory", no_wrap=True, justify="right")
        if width >= _VERY_NARROW:
            table.add_column("because", no_wrap=True, overflow="ellipsis", ratio=1)
        for name, row in self._shown(height):
            cells = [Text(name), Text(row.state, _COLOURS.get(row.state, "dim")), Text(row.elapsed())]
            if width >= _NARROW:
                cells.append(Text(size(row.memory) if row.memory else ""))
            if width >= _VERY_NARROW:
                cells.append(Text(row.where if row.state == "running" and row.where else row.reasons, "dim"))
            table.add_row(*cells)
        table.caption = self._footer or None
        table.caption_justify = "left"
        return table

    def _shown(self, height: int) -> Sequence[tuple[str, _Row]]:
        """Choose what fits the screen: what runs, then of the rest what was last and what is next."""
        room = max(1, height - 3)
        if len(self._rows) <= room:
            return list(self._rows.items())
        running = [name for name, row in self._rows.items() if row.state == "running"]
        waiting = [name for name, row in self._rows.items() if row.state == "waiting"]
        done = [name for name in self._rows if name not in running and name not in waiting]
        spare = max(0, room - len(running))
        chosen = {*running[:room], *done[max(0, len(done) - (spare + 1) // 2) :]}
        chosen |= set(waiting[: room - len(chosen)])
        return [(name, row) for name, row in self._rows.items() if name in chosen]

    def _follow_logs(self) -> None:
        """Copy what the running stages have written since the last look."""
        if not self._verbose:
            return
        for name, (log, read) in self._logs.items():
            try:
                with log.open("rb") as file:
                    file.seek(read)
                    text = file.read()
            except OSError:
                continue
            self._logs[name] = (log, read + len(text))
            sys.stderr.write(text.decode("utf-8", "replace"))
            sys.stderr.flush()
