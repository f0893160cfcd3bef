"""What is told of a job to whoever listens: a line of JSON each time, from where they stopped listening."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from mlxkit.targets.box.machine import boot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlxkit.targets.box.places import JobPlace

_CHUNK, _ROWS = 1 << 16, 500
_SHORT, _LONG = 0.05, 0.25
_BEAT_SECONDS = 5.0


class Teller:
    """Tells of one job. `since` says how far the listener is: bytes of both logs, rows of values."""

    def __init__(
        self, job: JobPlace, since: Mapping[str, int], emit: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._job, self._emit = job, emit
        self._at = {name: int(since.get(name, 0)) for name in ("setup", "log", "values", "use")}
        self._phase: str | None = None

    def until_it_ends(self, *, patient: bool = True) -> None:
        """Go on until the job has ended and all of it is told; `patient` says whether to wait for more."""
        beat, pause = time.monotonic(), _SHORT
        while True:
            # In this order: what came last before the end is told as well.
            supervised, ended = self._job.is_supervised(), self._job.read("end")
            told = self._tell_news()
            if told:
                beat, pause = time.monotonic(), _SHORT
                continue
            if ended is not None:
                self._emit({"end": {**ended, "logged": self._job.database.exists()}})
                return
            if not supervised:
                self._emit({"end": lost(self._job)})
                return
            if not patient:
                return
            if time.monotonic() >= beat + _BEAT_SECONDS:
                beat = time.monotonic()
                self._emit({"beat": time.time()})
            time.sleep(pause)
            pause = min(_LONG, pause * 1.5)

    def _tell_news(self) -> bool:
        state = self._job.read("state") or {"phase": "starting"}
        news = [self._tell_log("setup", self._job.setup_log), self._tell_log("log", self._job.log)]
        news += [self._tell_values(), self._tell_use()]
        if state["phase"] != self._phase:
            self._phase = state["phase"]
            self._emit({"phase": self._phase})
            return True
        return any(news)

    def _tell_log(self, name: str, file: Path) -> bool:
        try:
            with file.open("rb") as content:
                content.seek(self._at[name])
                chunk = content.read(_CHUNK)
        except FileNotFoundError:
            return False
        if chunk:
            self._at[name] += len(chunk)
            self._emit({name: base64.b64encode(chunk).decode(), "at": self._at[name]})
        return bool(chunk)

    def _tell_values(self) -> bool:
        rows = _rows(self._job.database, self._at["values"])
        if rows:
            self._at["values"] = rows[-1][0]
            values = [[key, None if nan else value, at, step] for _, key, value, at, step, nan in rows]
            self._emit({"values": values, "at": self._at["values"]})
        return bool(rows)

    def _tell_use(self) -> bool:
        try:
            with (self._job.folder / "use.jsonl").open("rb") as file:
                file.seek(self._at["use"])
                lines = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return False
        if lines:
            self._at["use"] += len(lines) + 1
            self._emit({"use": [json.loads(line) for line in lines.splitlines()], "at": self._at["use"]})
        return bool(lines)


def _rows(database: Path, after: int) -> list[tuple[Any, ...]]:
    """Return the next values that were logged, in order, from MLflow's own table."""
    if not database.exists():
        return []
    columns = "rowid, key, value, timestamp, step, is_nan"
    question = f"SELECT {columns} FROM metrics WHERE rowid > ? ORDER BY rowid LIMIT ?"
    # A store that is being made, or is written to just now, is asked again in a moment.
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1.0)) as connection,
    ):
        return connection.execute(question, (after, _ROWS)).fetchall()
    return []


def lost(job: JobPlace) -> dict[str, Any]:
    """Return the end of a job that nobody looks after any more, and that did not say how it ended."""
    state = job.read("state") or {}
    restarted = state.get("boot", "") != boot()
    return {"lost": "the box was restarted" if restarted else "something on the box killed it"}
