"""`mlx jobs`: what became of the jobs on other machines, what they say, and their end."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlxkit.adapters import mlflow_store
from mlxkit.errors import MlxError, ToolError, UsageError
from mlxkit.pipeline.jobs import JobRecord, Jobs
from mlxkit.project.environments import choose, tracking_uri
from mlxkit.project.models import CONFIG_FILE
from mlxkit.targets.line import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlxkit.project.models import Project

_KEPT = 20


@dataclass(frozen=True)
class JobState:
    """A job, and where it is.

    Attributes:
        state: `running`, `ended`, `failed`, `cancelled`, `lost`, `fetched`; `unknown` where its machine does
            not answer.
        text: more of it, for people.
        seconds: how long it has been going on, or took.
    """

    job: JobRecord
    state: str
    text: str = ""
    seconds: float = 0.0


def overview(project: Project) -> list[JobState]:
    """Return the jobs that this machine remembers, the newest first, each as its machine sees it now."""
    jobs = Jobs(project).all()
    waiting = [job for job in jobs if job.state == "open"]
    told: dict[str, Mapping[str, Any] | str] = {}
    for target in dict.fromkeys(job.target for job in waiting):
        names = [job.id for job in waiting if job.target == target]
        try:
            told |= _line(project, target).call("status", {"jobs": names})["jobs"]
        except MlxError as error:
            told |= dict.fromkeys(names, error.message)
    shown = [*waiting, *(job for job in jobs if job.state != "open")][:_KEPT]
    return sorted((_state(job, told.get(job.id)) for job in shown), key=lambda found: -found.job.submitted)


def _state(job: JobRecord, told: Mapping[str, Any] | str | None) -> JobState:
    if job.state != "open":
        return JobState(job, "fetched" if job.state in ("done", "fetched") else job.state)
    if not isinstance(told, dict):
        return JobState(job, "unknown", str(told or ""))
    end, state = told["end"], told["state"] or {}
    if not told["known"]:
        return JobState(job, "lost", "the machine does not know it")
    if told["lost"]:
        return JobState(job, "lost", told["lost"])
    if end is None:
        return JobState(job, "running", state.get("phase", ""), told["seconds"])
    if end["cancelled"]:
        return JobState(job, "cancelled", "", end["seconds"])
    failed = "refused" in end or end["exit_code"] != 0 or end["result"]
    said = end["refused"]["message"] if "refused" in end else ""
    return JobState(job, "failed" if failed else "ended", said, end["seconds"])


def wanted(project: Project, name: str | None) -> JobRecord:
    """Return the job of a name or the beginning of one; without, the only one that is open, or the newest.

    Raises:
        UsageError: there is none.
    """
    jobs = Jobs(project)
    if name is not None:
        return jobs.find(name)
    found = jobs.open()
    if not found:
        raise UsageError("no job is open here", hint="run `mlx jobs list`")
    if len(found) > 1:
        names = ", ".join(job.id for job in found)
        hint = f"name one: `mlx jobs attach {found[0].id}`"
        raise UsageError("more than one job is open", context=[names], hint=hint)
    return found[0]


def log_of(project: Project, job: JobRecord, *, follow: bool) -> Iterator[bytes]:
    """Yield what a job has said so far, and if `follow`, what it says until it ends.

    Raises:
        ToolError: its machine does not answer, or does not know it.
    """
    question = {"job": job.id, "since": {}, "patient": follow}
    for told in _line(project, job.target).follow("follow", question):
        for name in ("setup", "log"):
            if name in told:
                yield base64.b64decode(told[name])


def cancel(project: Project, job: JobRecord, *, now: bool, environment: str | None = None) -> int:
    """End a job on its machine, and its run here; returns how many processes had to be killed.

    Raises:
        ToolError: the machine does not answer.
        UsageError: it is not open any more.
    """
    if job.state != "open":
        raise UsageError(f"the job '{job.id}' is not open any more: it is {job.state}")
    killed = _line(project, job.target).call("cancel", {"job": job.id, "now": now}, timeout=60.0)["killed"]
    jobs = Jobs(project)
    jobs.close(job, "cancelled")
    if job.record is not None and job.record.get("run_id"):
        from mlxkit.adapters.mlflow_tracking import close_run

        chosen = choose(project, environment).environment
        store = mlflow_store.resolve(project.root, tracking_uri(project, chosen))
        close_run(store, job.record["run_id"], status="KILLED")
    return int(killed)


def _line(project: Project, target: str) -> Line:
    if target not in project.targets:
        raise ToolError(f"there is no target '{target}' any more", hint=f"add it to {CONFIG_FILE} again")
    return Line(project.targets[target])
