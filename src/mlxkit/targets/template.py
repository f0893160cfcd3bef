"""The template: a process that has imported the libraries, and forks a keeper for every job.

`TemplateClient` starts it with one JSON argument. It serves one mlx and ends with it; or, asked to linger, it
listens on a socket for the next ones, until nobody has come for a while.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections import deque
from pathlib import Path

from mlxkit.targets import worker
from mlxkit.targets.process_tree import die_with
from mlxkit.targets.worker import AT_ONCE

_LOOK_SECONDS = 30.0
"""How often a template that lingers looks whether another one has taken its place."""


def main(argument: str) -> None:
    """Serve until there is nobody left to serve."""
    plan = json.loads(argument)
    channel = socket.socket(fileno=plan["descriptor"])
    # Nothing of what is imported here is ever garbage, and looking for it takes a quarter of the time.
    gc.disable()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers report by themselves; nobody waits for them here
    if plan["linger"] is None:
        die_with(plan["parent"])
        Template(plan["preload"], clients=[channel]).serve()
    elif os.fork() == 0:  # who started this does not wait for its end
        place = Place(Path(plan["socket"]))
        Template(plan["preload"], listener=channel, place=place).serve(plan["linger"])


class Place:
    """The socket in the file system by which a lingering template is found."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = path.stat().st_ino

    def is_ours(self) -> bool:
        """Whether the next mlx would still find this template, and the environment that it was started in."""
        try:
            return self._path.stat().st_ino == self._inode and Path(sys.executable).exists()
        except OSError:
            return False

    def leave(self) -> None:
        """Remove the socket, unless another template has put its own there."""
        if self.is_ours():
            self._path.unlink(missing_ok=True)


class Template:
    """Forks keepers for its clients, and imports libraries while none of them asks for one."""

    def __init__(
        self,
        preload: list[str],
        *,
        clients: list[socket.socket] | None = None,
        listener: socket.socket | None = None,
        place: Place | None = None,
    ) -> None:
        self._pending = deque(preload)
        self._patient: list[list[int]] = []
        self._clients = clients or []
        self._listener, self._place = listener, place

    def serve(self, linger: float = 0.0) -> None:
        """Answer requests; ends when the last client is gone, or `linger` seconds after it."""
        idle = 0.0
        while self._clients or self._pending or self._listener is not None:
            sources = [*self._clients, *([self._listener] if self._listener else [])]
            patience = 0.0 if self._pending else None if self._listener is None else _LOOK_SECONDS
            ready, _, _ = select.select(sources, [], [], patience)
            for source in ready:
                self._accept() if source is self._listener else self._answer(source)
            if ready:
                idle = 0.0
            elif self._pending:
                _preload(self._pending.popleft())
                self._start_patient_ones()
            elif not self._clients:
                idle += _LOOK_SECONDS
                ours = self._place is None or self._place.is_ours()
                if (idle >= linger or not ours) and not self._is_wanted_after_all():
                    return

    def _is_wanted_after_all(self) -> bool:
        """Whether somebody came at the last moment; from now on nobody else will."""
        if self._place is not None:
            self._place.leave()
        return self._listener is not None and bool(select.select([self._listener], [], [], 0.0)[0])

    def _accept(self) -> None:
        assert self._listener is not None
        client, _ = self._listener.accept()
        self._clients.append(client)

    def _answer(self, client: socket.socket) -> None:
        try:
            body, descriptors, _, _ = socket.recv_fds(client, 64, 4)
        except ConnectionResetError:
            body, descriptors = b"", []
        if not body:
            self._clients.remove(client)
            client.close()
            return
        self._patient.append(descriptors)
        if body == AT_ONCE:
            self._start(self._patient.pop())
        self._start_patient_ones()

    def _start_patient_ones(self) -> None:
        while self._patient and not self._pending:
            self._start(self._patient.pop(0))

    def _start(self, descriptors: list[int]) -> None:
        report, log, message, *held = descriptors
        with os.fdopen(message, "rb") as file:
            job = json.loads(file.read())
        gc.freeze()
        try:
            child = os.fork()
        except OSError as error:
            with socket.socket(fileno=os.dup(report)) as channel:
                worker.refuse(channel, log, error)
        else:
            if child == 0:
                self._become_keeper(job, report, log, held)
        for descriptor in (report, log, *held):
            os.close(descriptor)

    def _become_keeper(self, job: worker.Message, report: int, log: int, held: list[int]) -> None:
        for open_socket in (*self._clients, *([self._listener] if self._listener else [])):
            open_socket.close()
        # Whoever waits for another job waits until nobody holds its socket any more.
        for descriptor in (descriptor for waiting in self._patient for descriptor in waiting):
            os.close(descriptor)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        gc.enable()
        worker.keep(job, socket.socket(fileno=report), held)


def _preload(module: str) -> None:
    """Import a library; one that is absent or broken is the stage's own affair to report."""
    with contextlib.suppress(Exception):
        importlib.import_module(module)


if __name__ == "__main__":
    main(sys.argv[1])
