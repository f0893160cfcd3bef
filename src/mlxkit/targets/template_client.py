"""The template as one mlx sees it: found where one lingers, else started, and replaced when it has died."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

from mlxkit.errors import ToolError
from mlxkit.targets.spawn import spawn

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path


class TemplateClient:
    """Asks one template at a time to start keepers.

    Args:
        root: the working directory of a template that is started here.
        preload: modules that the template imports, in this order; jobs are served between two imports.
        held: descriptors that its keepers hold.
        linger: seconds for which the template waits for another mlx after the last; 0 ends it with this one.

    Attributes:
        connection: to the template that is asked now; None before the first one.
        process: that template, where it ends with this mlx.
    """

    def __init__(self, root: Path, preload: Sequence[str], *, held: Sequence[int], linger: float) -> None:
        self._root, self._preload = root, tuple(preload)
        self._held, self._linger = list(held), linger
        self.connection: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        """Find or start a template, unless there is one."""
        if self.connection is None:
            self.connection = (self._linger > 0 and self._lingering()) or self._own()

    def ask(self, word: bytes, message: bytes, descriptors: Sequence[int], *, again: bool = False) -> None:
        """Ask for a keeper, of another template where this one has died; `descriptors` are report and log.

        Raises:
            ToolError: the other one has died too.
        """
        self.connect()
        assert self.connection is not None
        try:
            # The message may be longer than a packet, so it travels in a file of its own.
            with _memory_file(message) as body:
                socket.send_fds(self.connection, [word], [*descriptors, body.fileno(), *self._held])
        except OSError as error:
            if again:
                raise ToolError("the worker process has died", hint="run the same command again") from error
            self.replace()
            self.ask(word, message, descriptors, again=True)

    def replace(self) -> None:
        """Go on with a new template of our own where the one that was asked has ended."""
        self.close()
        self.connection = self._own()

    def close(self) -> None:
        """Leave the template; one of our own ends."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _lingering(self) -> socket.socket | None:
        """Find one, or start one that others will find; None where that is not possible."""
        from mlxkit.targets import warm

        place = warm.place_for(self._preload)
        if place is None:
            return None
        found = warm.connect(place)
        if found is None and (listener := warm.listen(place)) is not None:
            with listener:
                self._start(listener, place).wait()
            found = warm.connect(place)
        return found

    def _own(self) -> socket.socket:
        """Start a template that dies with this process."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = self._start(theirs, None)
        return ours

    def _start(self, channel: socket.socket, place: Path | None) -> subprocess.Popen[bytes]:
        plan = {
            "descriptor": channel.fileno(),
            "parent": os.getpid(),
            "preload": self._preload,
            "linger": self._linger if place is not None else None,
            "socket": str(place),
        }
        return spawn("template", [json.dumps(plan)], [channel.fileno()], root=self._root)


def _memory_file(content: bytes) -> Any:
    file = os.fdopen(os.memfd_create("mlx-job"), "w+b")
    file.write(content)
    file.flush()
    file.seek(0)
    return file
