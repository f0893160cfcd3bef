"""A line that is slow, falls silent or breaks: a proxy between this machine and a box."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 14


class _Connection:
    """One connection through the line, with two threads for each direction."""

    def __init__(self, near: socket.socket, far: socket.socket, line: BadLine) -> None:
        self.silent = threading.Event()
        self._line, self._ends = line, (near, far)
        for source, target in ((near, far), (far, near)):
            waiting: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
            for work, end in ((self._read, source), (self._write, target)):
                threading.Thread(target=work, args=[end, waiting], daemon=True).start()

    def close(self) -> None:
        """Cut it."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _read(self, source: socket.socket, waiting: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        while True:
            try:
                chunk = source.recv(_CHUNK)
            except OSError:
                chunk = b""
            waiting.put((time.monotonic() + self._line.delay, chunk))
            if not chunk:
                return

    def _write(self, target: socket.socket, waiting: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        while True:
            due, chunk = waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if self.silent.is_set():  # neither what comes nor an end of it is passed on
                return
            try:
                target.sendall(chunk)
            except OSError:
                chunk = b""
            if not chunk or self._line.is_cut_by(len(chunk)):
                self.close()
                return


class BadLine:
    """The line, as tests handle it.

    Attributes:
        delay: seconds that each byte takes, one way.
        bytes_until_cut: after so many, whichever connection carries them is cut; None for none.
        bytes_until_silent: after so many, the line falls silent.
        is_silent: whether it passes nothing on now.
        cuts: how often one was cut for that.
        unheard: connections that were begun while it was silent.
    """

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.bytes_until_cut: int | None = None
        self.bytes_until_silent: int | None = None
        self.cuts = self.unheard = 0
        self._carried, self._lock = 0, threading.Lock()
        self._to, self.is_silent = port, False
        self._connections: list[_Connection] = []
        self._entry = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._entry.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def fall_silent(self) -> None:
        """Pass nothing on any more and close nothing: a cable that was pulled, a laptop that was moved."""
        self.is_silent = True
        for connection in self._connections:
            connection.silent.set()

    def recover(self) -> None:
        """Serve new connections again; those of before stay silent for ever."""
        self.is_silent = False

    def is_cut_by(self, number: int) -> bool:
        """Count bytes, and say whether they were one too many."""
        with self._lock:
            self._carried += number
            if self.bytes_until_silent is not None and self._carried >= self.bytes_until_silent:
                self.bytes_until_silent = None
                self.fall_silent()
            if self.bytes_until_cut is None or self._carried < self.bytes_until_cut:
                return False
            self._carried, self.cuts = 0, self.cuts + 1
            return True

    def close(self) -> None:
        """End all of it."""
        self._entry.close()
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._entry.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            connection = _Connection(near, far, self)
            if self.is_silent:
                self.unheard += 1
                connection.silent.set()
            self._connections.append(connection)


@contextlib.contextmanager
def bad_line_to(port: int) -> Iterator[BadLine]:
    """Make a line to a port of this machine for as long as this is held."""
    line = BadLine(port)
    try:
        yield line
    finally:
        line.close()
