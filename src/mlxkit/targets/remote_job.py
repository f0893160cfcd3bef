"""A job on another machine, as it is known here."""

from __future__ import annotations

import base64
import re
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlxkit.targets.base import Job, Outcome

if TYPE_CHECKING:
    from mlxkit.errors import MlxError


@dataclass
class RemoteJob:
    """A job on its way, there, or on its way home.

    Attributes:
        id: its name on the box, and in `mlx jobs`.
        phase: where it is, in words.
        lacks: objects that the box lacked when it was last asked, and the bytes of each that had arrived.
        submitted: whether the box has taken it, so that it goes on without anybody.
        measured: values that it logged and what it used, which nobody has taken yet.
        memory: resident memory when it was last looked at, bytes.
        work: its folder on the box; `rsync` says whether the box has that.
        since: how far it was listened to: bytes of its logs, rows of its values.
        left: set when nobody wants to know of it any more.
    """

    job: Job
    id: str
    phase: str = "connecting"
    lacks: dict[str, int] | None = None
    submitted: bool = False
    measured: deque[dict[str, Any]] = field(default_factory=deque)
    memory: int = 0
    work: str = ""
    rsync: bool = False
    since: dict[str, int] = field(default_factory=dict)
    left: threading.Event = field(default_factory=threading.Event)

    def tell(self, phase: str) -> None:
        """Say where it is."""
        self.phase = phase

    def note(self, told: dict[str, Any]) -> None:
        """Take in one thing that was told of it."""
        if "work" in told:
            self.submitted = True
            self.work, self.rsync = told["work"], told["rsync"]
        elif "phase" in told:
            self.phase = told["phase"]
        for name in ("setup", "log"):
            if name in told:
                with self.job.log.open("ab") as log:
                    log.write(base64.b64decode(told[name]))
        for name in ("values", "use"):
            if name in told:
                self.measured.append({name: told[name]})
        if "use" in told:
            self.memory = told["use"][-1]["memory"]
        kind = next((name for name in ("setup", "log", "values", "use") if name in told), None)
        if kind is not None:
            self.since[kind] = told["at"]


def new_id(name: str) -> str:
    """Return a name for a job that no other one has, and that tells people which one it is."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30] or "job"
    return f"{plain}-{time.strftime('%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def refused(error: MlxError, *, waiting: str | None = None) -> Outcome:
    """Return the outcome of a job that did not come about, or of which nothing is known.

    `waiting` is its name where it, or what it made, is still there.
    """
    attach = f"nothing is lost there: run `mlx jobs attach {waiting}`"
    hint = "; ".join(filter(None, [error.hint, attach if waiting is not None else ""]))
    said = {"message": error.message, "context": list(error.context), "hint": hint, "kind": error.kind}
    return Outcome(0, None, False, 0.0, 0, result=said, waits=waiting is not None)
