"""What a run shows while it goes on: a live table on a terminal, plain lines in a pipe or in CI."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

from mlxkit.output import seconds
from mlxkit.pipeline.events import Event, PlanMade, StageEnded, StageStarted, Tick, Waiting, Warned

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from mlxkit.output import Output

_REFRESH_SECONDS = 0.1


class Progress:
    """Shows a run's events on stderr. Call it with each event; use it as a context manager."""

    def __init__(self, output: Output, *, verbose: bool) -> None:
        self._output = output
        self._verbose = verbose and output.mode == "human"
        self._running: dict[str, tuple[float, StageStarted]] = {}
        self._read: dict[Path, int] = {}
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
        if self._live is not None:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case StageStarted():
                self._running[event.name] = (time.monotonic(), event)
                self._read[event.log] = 0
                if self._animate:
                    self._draw()
                elif event.reasons:
                    self._output.note(f"{event.name}: running ({'; '.join(event.reasons)})")
            case StageEnded():
                self._ended(event)
            case Tick():
                self._tick()
            case Waiting(text):
                self._output.note(text)
            case Warned(text):
                self._output.warn(text)
            case PlanMade():
                pass

    def _ended(self, event: StageEnded) -> None:
        self._follow_logs()
        self._running.pop(event.name, None)
        if event.status == "fresh":
            return
        if self._live is not None:
            self._live.console.print(
                f"{event.name}: {event.status}" + (f" in {seconds(event.seconds)}" if event.seconds else ""),
                highlight=False,
            )
            self._draw()
        else:
            took = f" in {seconds(event.seconds)}" if event.seconds else ""
            self._output.note(f"{event.name}: {event.status}{took}")

    def _tick(self) -> None:
        self._follow_logs()
        if self._animate and self._running:
            self._draw()

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            if not self._running:
                return
            console = Console(stderr=True)
            self._live = Live(console=console, transient=True, refresh_per_second=1 / _REFRESH_SECONDS)
            self._live.start()
        now = time.monotonic()
        lines = [
            f"{name}: running {seconds(now - started)}  ({'; '.join(event.reasons)})"
            for name, (started, event) in self._running.items()
        ]
        self._live.update(Text("\n".join(lines), overflow="ellipsis", no_wrap=True))

    def _follow_logs(self) -> None:
        """Copy what the running stages have written since the last look."""
        if not self._verbose:
            return
        for _, event in self._running.values():
            try:
                with event.log.open("rb") as file:
                    file.seek(self._read[event.log])
                    text = file.read()
            except OSError:
                continue
            self._read[event.log] += len(text)
            sys.stderr.write(text.decode("utf-8", "replace"))
            sys.stderr.flush()
