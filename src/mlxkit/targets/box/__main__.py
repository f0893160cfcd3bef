"""`python -m mlxkit.targets.box VERB ROOT [JOB]`: a request on standard input, answers as lines of JSON."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlxkit.errors import is_full_disk
from mlxkit.targets.box import garbage, machine, objects
from mlxkit.targets.box.cancel import cancel
from mlxkit.targets.box.follow import Teller, lost
from mlxkit.targets.box.pipes import widen
from mlxkit.targets.box.places import JobPlace, Places, Refused, locked
from mlxkit.targets.box.receive import receive
from mlxkit.targets.box.supervise import Supervisor, start

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUPERVISOR = ("supervise", "run")


def main(verb: str, root: str, *names: str) -> int:
    """Do one thing; returns 0, or 3 where the answer is a refusal."""
    places = Places(Path(os.path.expanduser(root)))  # noqa: PTH111 - of `~user`, too
    if verb in _SUPERVISOR:
        supervisor = Supervisor(places, places.job(names[0]))
        supervisor.prepare_and_run() if verb == "supervise" else supervisor.run()
        return 0
    try:
        places.root.mkdir(parents=True, exist_ok=True)
        request = json.loads(sys.stdin.buffer.readline())
        os.environ.update(request.get("env", {}))
        _answer(verb, places, request)
    except Refused as error:
        _emit({"error": {"message": error.message, "hint": error.hint}})
        return 3
    except OSError as error:
        said = {"message": f"the box says: {error}", "hint": "", "full": is_full_disk(error)}
        _emit({"error": said})
        return 3
    return 0


def _answer(verb: str, places: Places, request: Mapping[str, Any]) -> None:
    if verb in ("submit", "follow"):
        job = places.job(request["job"])
        if verb == "submit" and job.read("job") is None:
            with locked(places.taking, shared=True):
                own = {"code_of_mlx": garbage.own_code().name, "taken": time.time()}
                job.write("job", {**request["spec"], **own})
                garbage.use_own_code()
        if job.read("job") is None:
            raise Refused(f"the box knows no job '{job.id}'")
        if verb == "submit":
            start(places, job)
        _emit({"work": str(job.work), "rsync": shutil.which("rsync") is not None})
        Teller(job, request.get("since", {}), _emit).until_it_ends(patient=request.get("patient", True))
        return
    verbs = {
        "probe": machine.probe,
        "prepare": objects.prepare,
        "receive": _receive,
        "status": _status,
        "cancel": _cancel,
        "forget": _forget,
        "garbage": garbage.collect,
    }
    _emit(verbs[verb](places, request))


def _receive(places: Places, request: Mapping[str, Any]) -> dict[str, Any]:
    widen(sys.stdin.fileno())
    stream = sys.stdin.buffer
    assert isinstance(stream, io.BufferedReader)
    return receive(places, request, stream)


def _status(places: Places, request: Mapping[str, Any]) -> dict[str, Any]:
    """Say of jobs where they are: those that are asked for, else all."""
    wanted = request.get("jobs")
    jobs = places.jobs() if wanted is None else [places.job(name) for name in wanted]
    return {
        "jobs": {
            job.id: {
                "known": job.read("job") is not None,
                "state": job.read("state"),
                "end": job.read("end"),
                "lost": _lost(job),
                # By this clock alone: the one that asks may show another time.
                "seconds": time.time() - (job.read("job") or {}).get("taken", time.time()),
            }
            for job in jobs
        }
    }


def _lost(job: JobPlace) -> str | None:
    """Return why a job is gone that did not end, None for all others."""
    if job.read("job") is None or job.is_supervised() or job.read("end") is not None:
        return None
    return str(lost(job)["lost"])


def _cancel(places: Places, request: Mapping[str, Any]) -> dict[str, Any]:
    return {"killed": cancel(places.job(request["job"]), now=request.get("now", False))}


def _forget(places: Places, request: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the folders of jobs that have ended; one that still runs stays."""
    for job in map(places.job, request["jobs"]):
        if job.folder.exists() and not job.is_supervised():
            objects.forget(job)
    return {}


def _emit(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except BrokenPipeError:  # nobody listens any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
