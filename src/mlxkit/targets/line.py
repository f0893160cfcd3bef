"""Calls to mlx on a box: one request, one answer, or answers for as long as a job takes."""

from __future__ import annotations

import itertools
import json
import shlex
import threading
from typing import TYPE_CHECKING, Any

from mlxkit.adapters.ssh import FAILED, Ssh
from mlxkit.errors import ToolError, full_there
from mlxkit.targets.parcel import archive, own_code

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator, Mapping

    from mlxkit.project.models import RemoteTarget

_NOT_THERE, _NO_PYTHON, _NO_SETUP = 71, 72, 73
"""Exit statuses of the script below."""
_TIMEOUT_SECONDS = 120.0
_SETUP = f"""\
trap 'exit {_NO_SETUP}' EXIT
eval @SETUP@ </dev/null >&2 || exit {_NO_SETUP}
trap - EXIT
"""
"""Says so also when a line of it ends the shell; and the request on standard input is not for it to read."""
_BEGIN = """\
PATH="$PATH:$HOME/.local/bin:$HOME/.cargo/bin"; export PATH
root=@ROOT@
code="$root/mlxkit/@CODE@"
python=
for found in python3 python3.14 python3.13 python3.12 python3.11; do
  "$found" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { python=$found; break; }
done
if test -z "$python" && command -v uv >/dev/null; then
  python=$(uv python find '>=3.11' 2>/dev/null) ||
    python=$(uv python install --quiet 3.12 >&2; uv python find '>=3.11')
fi
test -n "$python" || exit 72
"""
_ASK = """\
test -d "$code" || exit 71
PYTHONPATH="$code" exec "$python" -P -m mlxkit.targets.box @VERB@ "$root"
"""
_UNPACK = """\
exec "$python" -c '
import io, os, shutil, sys, tempfile, zipfile
code = sys.argv[1]
os.makedirs(os.path.dirname(code), exist_ok=True)
new = tempfile.mkdtemp(dir=os.path.dirname(code))
zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).extractall(new)
try:
    os.rename(new, code)
except OSError:  # somebody else was first
    shutil.rmtree(new)
' "$code"
"""


class Line:
    """The way to one target; mlx is sent there when it is not there yet.

    Attributes:
        reached: whether the machine has answered at all.
    """

    def __init__(self, target: RemoteTarget) -> None:
        self.target = target
        self.ssh = Ssh(target.ssh)
        self.reached = False
        self._name, self._files = own_code()
        self._sending = threading.Lock()
        self._heard: set[subprocess.Popen[bytes]] = set()

    def call(
        self, verb: str, request: Mapping[str, Any], *, timeout: float = _TIMEOUT_SECONDS
    ) -> dict[str, Any]:
        """Ask the box for one thing.

        Raises:
            LineBroken: it cannot be reached now.
            ToolError: it cannot be reached at all, or refuses.
        """
        for _ in range(2):
            done = self.ssh.run(
                self._script(_ASK.replace("@VERB@", verb)), data=self._data(request), timeout=timeout
            )
            self.reached = True
            if done.status == _NOT_THERE:
                self._send_code()
                continue
            return self._answer(done.status, done.output, done.errors)
        raise ToolError(f"mlx cannot be put on '{self.target.ssh}'", context=[str(self.target.path)])

    def pour(self, verb: str, request: Mapping[str, Any], content: Iterable[bytes]) -> dict[str, Any]:
        """Ask the box, which is known to have mlx, to take what comes after the request; see `call`.

        An error while `content` is made ends what the box takes, and is raised.
        """
        script = self._script(_ASK.replace("@VERB@", verb))
        done = self.ssh.feed(script, itertools.chain([self._data(request)], content))
        return self._answer(done.status, done.output, done.errors)

    def follow(self, verb: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Ask for something that goes on, and yield what is told of it.

        Raises:
            LineBroken: the line broke; what goes on there does so.
            ToolError: as for `call`.
        """
        process = self.ssh.open(self._script(_ASK.replace("@VERB@", verb)), data=self._data(request))
        self._heard.add(process)
        try:
            assert process.stdout is not None
            for text in process.stdout:
                told = json.loads(text)
                if "error" in told:
                    raise self._refused(told["error"])
                yield told
            yield from self._ended(process)
        finally:
            self._heard.discard(process)
            process.kill()
            process.communicate()

    def hang_up(self) -> None:
        """Stop listening to whatever is followed."""
        for process in list(self._heard):
            process.kill()

    def _ended(self, process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
        """Explain an end of what was told, unless all of it was."""
        _, errors = process.communicate()
        if process.returncode == FAILED:
            raise self.ssh.explained(errors.decode("utf-8", "replace"))
        if process.returncode != 0:
            self._answer(process.returncode, b"", errors.decode("utf-8", "replace"))
        yield from ()

    def _script(self, then: str) -> str:
        """Return a script that finds Python there, and goes on with another one."""
        home, _, rest = self.target.path.partition("/")
        root = f'"$HOME"/{shlex.quote(rest)}' if home == "~" else shlex.quote(self.target.path)
        setup = self.target.setup
        first = _SETUP.replace("@SETUP@", shlex.quote(setup)) if setup else ""
        return first + (_BEGIN + then).replace("@ROOT@", root).replace("@CODE@", self._name)

    def _data(self, request: Mapping[str, Any]) -> bytes:
        """Return a request as the line that the box reads."""
        said = {**request, "env": {**self.target.env, **request.get("env", {})}}
        return json.dumps(said).encode() + b"\n"

    def _send_code(self) -> None:
        with self._sending:
            done = self.ssh.run(self._script(_UNPACK), data=archive(self._files), timeout=_TIMEOUT_SECONDS)
        if done.status != 0:
            self._answer(done.status, b"", done.errors)

    def _answer(self, status: int, output: bytes, errors: str) -> dict[str, Any]:
        said = [line for line in errors.splitlines() if line.strip()][-3:]
        host = self.target.ssh
        if status == _NO_PYTHON:
            raise ToolError(
                f"'{host}' has neither Python 3.11 or later, nor uv",
                context=said,
                hint=f"run `ssh {shlex.quote(host)} 'curl -LsSf https://astral.sh/uv/install.sh | sh'`",
            )
        if status == _NO_SETUP:
            raise ToolError(
                f"the target's `setup:` failed on '{host}'", context=said, hint="mend it in mlx.yaml"
            )
        try:
            answer = json.loads(output.splitlines()[-1])
        except (ValueError, IndexError):
            raise ToolError(f"mlx does not run on '{host}' (exit status {status})", context=said) from None
        if "error" in answer:
            raise self._refused(answer["error"])
        return dict(answer)

    def _refused(self, error: Mapping[str, Any]) -> ToolError:
        if error.get("full"):
            message, hint = full_there(self.target.name)
            return ToolError(message, hint=hint)
        return ToolError(f"{self.target.name}: {error['message']}", hint=error["hint"])
