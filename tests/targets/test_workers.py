"""Jobs in processes of this machine: how they start, end, and what they may leave behind."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.live_processes import eventually, is_running, pid_in

from mlxkit.errors import ToolError
from mlxkit.pipeline.events import ignore
from mlxkit.pipeline.lock import run_lock
from mlxkit.targets import template, warm
from mlxkit.targets.base import Job, Outcome
from mlxkit.targets.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator

LINUX = sys.platform == "linux"
JOBS = """\
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STATE = []


def echo(values):
    return dict(values)


def remember(values):
    STATE.append(1)
    os.environ["LEFT_BEHIND"] = "yes"
    sys.path.append("left behind")
    return {"calls": len(STATE)}


def look(values):
    return {
        "cwd": os.getcwd(),
        "pid": os.getpid(),
        "group": os.getpgid(0),
        "env": {name: os.environ.get(name) for name in values["names"]},
        "state": len(STATE),
        "path": "left behind" in sys.path,
    }


def talk(values):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    subprocess.run("echo from a child", shell=True)
    return {}


def fail(values):
    raise ValueError("no such thing")


def leave(values):
    sys.exit(values["code"])


def unplain(values):
    return {"path": Path("x")}


def die(values):
    os.kill(os.getpid(), values["signal"])


def flood(values):
    print("x" * values["size"])
    return {"text": "y" * values["size"]}


def allocate(values):
    block = bytearray(values["bytes"])
    return {"size": len(block)}


def wait(values):
    Path(values["mark"]).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def stubborn(values):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait(values)


def parent(values):
    subprocess.Popen([sys.executable, "-c", values["child"], values["child_mark"]])
    wait(values)
"""
# A process that ignores a polite request, as a child of a stage may.
CHILD = """\
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1] + ".new").write_text(str(os.getpid()))
os.replace(sys.argv[1] + ".new", sys.argv[1])
while True:
    time.sleep(60)
"""

# The same as a daemon: its parent is gone, and its session and process group are its own.
DAEMON = "import os\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n" + CHILD


@dataclass
class Place:
    """Workers in a folder with some jobs."""

    root: Path
    workers: Workers

    def job(self, call: str | None = None, **options: Any) -> Job:
        arguments = {k: v for k, v in options.items() if k not in ("env", "fresh", "timeout", "shell")}
        rest = {k: v for k, v in options.items() if k in ("env", "fresh", "timeout", "shell")}
        function = f"jobs:{call}" if call else None
        return Job("demo", self.root / "logs" / "demo.log", call=function, arguments=arguments, **rest)

    def end(self, running: Any) -> Outcome:
        ended = eventually(lambda: self.workers.wait([running], seconds=5), 30)
        assert ended, "the job did not end"
        assert ended[0][0] is running
        return ended[0][1]

    def run(self, call: str | None = None, **options: Any) -> Outcome:
        return self.end(self.workers.start(self.job(call, **options)))

    def log(self) -> str:
        return (self.root / "logs" / "demo.log").read_text()


@pytest.fixture(scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One template for the whole module: it imports the libraries only once."""
    root = Path(os.path.realpath(tmp_path_factory.mktemp("workers")))
    (root / "jobs.py").write_text(JOBS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlxkit.targets.workers._GRACE_SECONDS", 0.5)
        workers = Workers(root)
        yield Place(root, workers)
        workers.close()


@pytest.fixture(params=["fork", "fresh"])
def place(request: pytest.FixtureRequest, _shared: Place) -> Place:
    """Workers whose jobs are forks of the template, and then new interpreters."""
    if request.param == "fork":
        return _shared

    class Fresh(Place):
        def job(self, call: str | None = None, **options: Any) -> Job:
            return super().job(call, **{"fresh": True, **options})

    return Fresh(_shared.root, _shared.workers)


def test_a_job_returns_what_its_function_returns(place: Place) -> None:
    outcome = place.run("echo", text="größe", numbers=[1, 2.5, None])
    assert outcome.succeeded
    assert (outcome.exit_code, outcome.signal, outcome.timed_out) == (0, None, False)
    assert outcome.result == {"text": "größe", "numbers": [1, 2.5, None]}
    assert outcome.seconds > 0
    assert outcome.max_memory > 2**20


def test_a_job_works_in_the_root_in_a_process_group_of_its_own(place: Place) -> None:
    result = place.run("look", names=[]).result
    assert result["cwd"] == str(place.root)
    assert result["pid"] == result["group"] != os.getpid()


def test_variables_reach_the_job_and_nobody_else(place: Place) -> None:
    result = place.run("look", names=["X", "Y"], env={"X": "a=b c"}).result
    assert result["env"] == {"X": "a=b c", "Y": None}
    assert place.run("look", names=["X", "Y"]).result["env"] == {"X": None, "Y": None}
    assert "X" not in os.environ


def test_nothing_leaks_from_one_job_to_the_next(place: Place) -> None:
    assert place.run("remember").result == {"calls": 1}
    assert place.run("remember").result == {"calls": 1}
    result = place.run("look", names=["LEFT_BEHIND"]).result
    assert (result["state"], result["path"], result["env"]) == (0, False, {"LEFT_BEHIND": None})


def test_all_output_goes_to_the_log(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    assert place.run("talk").succeeded
    assert sorted(place.log().splitlines()) == ["from a child", "to stderr", "to stdout"]
    assert capfd.readouterr() == ("", "")


def test_the_log_is_that_of_the_last_attempt(place: Place) -> None:
    place.run("talk")
    place.run("echo")
    assert place.log() == ""


def test_output_may_be_read_while_the_job_runs(place: Place) -> None:
    mark = place.root / f"mark-{time.monotonic_ns()}"
    running = place.workers.start(
        place.job(shell=f"echo begun; while [ ! -e '{mark}' ]; do sleep 0.02; done; echo done")
    )
    assert eventually(lambda: place.log() == "begun\n")
    mark.touch()
    assert place.end(running).succeeded
    assert place.log() == "begun\ndone\n"


def test_a_function_that_raises_ends_with_a_traceback_in_the_log(place: Place) -> None:
    outcome = place.run("fail")
    assert (outcome.exit_code, outcome.signal, outcome.result) == (1, None, None)
    assert not outcome.succeeded
    assert place.log().endswith("ValueError: no such thing\n")


@pytest.mark.parametrize("call", ["missing", "unplain"])
def test_a_job_that_cannot_be_done_or_answered_fails(place: Place, call: str) -> None:
    outcome = place.run(call)
    assert (outcome.exit_code, outcome.result) == (1, None)
    assert "Error" in place.log()


def test_sys_exit_is_no_success(place: Place) -> None:
    assert place.run("leave", code=0).exit_code == 1
    assert place.run("leave", code=3).exit_code == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_job_that_is_killed_says_by_which_signal(place: Place, number: signal.Signals) -> None:
    outcome = place.run("die", signal=int(number))
    assert (outcome.exit_code, outcome.signal, outcome.timed_out) == (None, number, False)
    assert not outcome.succeeded


def test_large_arguments_outputs_and_results(place: Place) -> None:
    size = 3_000_000
    outcome = place.run("flood", size=size, ballast="z" * size)
    assert len(outcome.result["text"]) == size
    assert len(place.log()) == size + 1


def test_memory_is_that_of_the_job(place: Place) -> None:
    small = place.run("allocate", bytes=1000).max_memory
    large = place.run("allocate", bytes=300_000_000).max_memory
    assert 280_000_000 < large - small < 320_000_000


@pytest.mark.parametrize(("shell", "code"), [("exit 0", 0), ("exit 7", 7), ("no-such-command", 127)])
def test_a_shell_command_gives_its_exit_code(place: Place, shell: str, code: int) -> None:
    outcome = place.run(shell=shell)
    assert (outcome.exit_code, outcome.result) == (code, None)


def test_a_shell_command_sees_variables_folder_and_shell_syntax(place: Place) -> None:
    outcome = place.run(shell='pwd && echo "$X" | tr a-z A-Z', env={"X": "größe"})
    assert outcome.succeeded
    assert place.log().splitlines()[0] == str(place.root)
    assert place.log().splitlines()[1].startswith("GR")


def test_a_timeout_ends_the_job_and_its_children(place: Place) -> None:
    stamp = time.monotonic_ns()
    mark, child = place.root / f"mark-{stamp}", place.root / f"child-{stamp}"
    job = place.job("parent", child=CHILD, mark=str(mark), child_mark=str(child), timeout=2.0)
    outcome = place.end(place.workers.start(job))
    assert outcome.timed_out
    assert not outcome.succeeded
    assert outcome.seconds >= 2.0
    pids = [pid_in(mark), pid_in(child)]
    assert eventually(lambda: not any(map(is_running, pids)))


def test_a_job_that_ignores_sigterm_is_killed(place: Place) -> None:
    mark = place.root / f"mark-{time.monotonic_ns()}"
    outcome = place.run("stubborn", mark=str(mark), timeout=2.0)
    assert outcome.timed_out
    assert outcome.signal == signal.SIGKILL
    assert eventually(lambda: not is_running(pid_in(mark)))


def test_cancelling_ends_a_job_and_its_children(place: Place) -> None:
    stamp = time.monotonic_ns()
    mark, child = place.root / f"mark-{stamp}", place.root / f"child-{stamp}"
    running = place.workers.start(place.job("parent", child=CHILD, mark=str(mark), child_mark=str(child)))
    pids = [pid_in(mark), pid_in(child)]
    place.workers.cancel(running)
    outcome = place.end(running)
    assert (outcome.signal, outcome.timed_out) == (signal.SIGTERM, False)
    assert eventually(lambda: not any(map(is_running, pids)))
    place.workers.cancel(running)


def test_what_a_job_leaves_behind_ends_with_it(place: Place) -> None:
    """A background process must not write to outputs that are committed by then."""
    child = place.root / f"child-{time.monotonic_ns()}"
    python = f"'{sys.executable}' -c '{CHILD}' '{child}'"
    outcome = place.run(shell=f"{python} & while [ ! -e '{child}' ]; do sleep 0.02; done")
    assert outcome.succeeded
    assert eventually(lambda: not is_running(pid_in(child)))


ADOPTS = pytest.mark.skipif(not LINUX, reason="only Linux gives orphans a parent of choice")


@ADOPTS
@pytest.mark.parametrize("stubborn", [True, False], ids=["stubborn", ""])
def test_a_daemon_that_a_job_starts_ends_with_it(place: Place, stubborn: bool) -> None:
    daemon = place.root / f"daemon-{time.monotonic_ns()}"
    code = DAEMON if stubborn else DAEMON.replace("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "")
    python = f"'{sys.executable}' -c '{code}' '{daemon}'"
    outcome = place.run(shell=f"{python}; while [ ! -e '{daemon}' ]; do sleep 0.02; done")
    assert outcome.succeeded
    assert not is_running(pid_in(daemon))


@ADOPTS
def test_cancelling_ends_daemons_too(place: Place) -> None:
    daemon = place.root / f"daemon-{time.monotonic_ns()}"
    running = place.workers.start(place.job(shell=f"'{sys.executable}' -c '{DAEMON}' '{daemon}'; sleep 600"))
    pid = pid_in(daemon)
    place.workers.cancel(running)
    assert place.end(running).signal == signal.SIGTERM
    assert not is_running(pid)


@pytest.mark.skipif(not LINUX, reason="the parent of a process is looked up in /proc")
def test_when_its_keeper_is_killed_a_job_ends_with_its_children(place: Place) -> None:
    stamp = time.monotonic_ns()
    mark, child = place.root / f"mark-{stamp}", place.root / f"child-{stamp}"
    running = place.workers.start(place.job("parent", child=CHILD, mark=str(mark), child_mark=str(child)))
    pids = [pid_in(mark), pid_in(child)]
    keeper = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    outcome = place.end(running)
    assert (outcome.succeeded, outcome.signal) == (False, signal.SIGKILL)
    assert eventually(lambda: not any(map(is_running, pids)))


CROWDED = """\
import resource, sys
from pathlib import Path
from mlxkit.targets.base import Job
from mlxkit.targets.workers import Workers

workers = Workers(Path(sys.argv[1]))
workers.warm_up()


def outcome(name):
    running = workers.start(Job(name, Path(sys.argv[1]) / f"{name}.log", call="jobs:echo", arguments={}))
    while not (ended := workers.wait([running], seconds=60)):
        continue
    return ended[0][1]


print(outcome("first").succeeded)
resource.prlimit(workers._template.process.pid, resource.RLIMIT_NPROC, (1, 1))
print(outcome("second").exit_code)
workers.close()
"""


@pytest.mark.skipif(not LINUX, reason="there is a template on Linux only")
def test_a_machine_with_no_room_for_a_process_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may start any number of processes")
    (tmp_path / "jobs.py").write_text(JOBS)
    done = subprocess.run(
        [sys.executable, "-c", CROWDED, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "1"], done.stderr
    assert (tmp_path / "second.log").read_text().startswith("no process can be started: Resource temporarily")


def test_jobs_run_at_the_same_time(place: Place) -> None:
    """Each waits for what the other writes, so that one after the other they would never end."""
    stamp = time.monotonic_ns()
    one, two = place.root / f"one-{stamp}", place.root / f"two-{stamp}"

    def meet(mine: Path, other: Path, log: str) -> Job:
        shell = f"touch '{mine}'; while [ ! -e '{other}' ]; do sleep 0.02; done"
        return replace(place.job(shell=shell, timeout=30.0), log=place.root / log)

    running = [place.workers.start(meet(one, two, "one.log")), place.workers.start(meet(two, one, "two.log"))]
    codes = []
    while running:
        for ended, outcome in place.workers.wait(running, seconds=5):
            running.remove(ended)
            codes.append(outcome.exit_code)
    assert codes == [0, 0]


def test_waiting_gives_up_after_a_while(place: Place) -> None:
    mark = place.root / f"mark-{time.monotonic_ns()}"
    running = place.workers.start(place.job("wait", mark=str(mark)))
    assert place.workers.wait([running], seconds=0.05) == []
    assert place.workers.wait([], seconds=0.0) == []
    place.workers.cancel(running)
    assert place.end(running).signal == signal.SIGTERM


@pytest.mark.parametrize("fresh", [False, True])
def test_closing_ends_everything(tmp_path: Path, fresh: bool) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    place = Place(tmp_path, Workers(tmp_path))
    mark = tmp_path / "mark"
    place.workers.start(place.job("wait", mark=str(mark), fresh=fresh))
    pid = pid_in(mark)
    place.workers.close()
    assert not is_running(pid)
    place.workers.close()


def test_closing_without_a_job_is_fine(tmp_path: Path) -> None:
    Workers(tmp_path).close()


@pytest.mark.skipif(not LINUX, reason="there is a template on Linux only")
def test_a_template_that_died_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    workers = Workers(tmp_path)
    place = Place(tmp_path, workers)
    workers.warm_up()
    assert workers._template.process is not None
    workers._template.process.kill()
    workers._template.process.wait()
    assert place.run("echo", a=1).result == {"a": 1}
    workers.close()


@pytest.mark.skipif(not LINUX, reason="there is a template on Linux only")
def test_jobs_that_wait_for_a_template_that_dies_are_handed_to_another(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    workers = Workers(tmp_path)
    place = Place(tmp_path, workers)
    workers.warm_up()
    assert workers._template.process is not None
    os.kill(workers._template.process.pid, signal.SIGSTOP)
    jobs = [workers.start(place.job("echo", a=number)) for number in (1, 2)]
    workers._template.process.kill()
    assert [place.end(job).result for job in jobs] == [{"a": 1}, {"a": 2}]
    workers.close()


@pytest.mark.skipif(not LINUX, reason="there is a template on Linux only")
def test_when_templates_die_one_after_another_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = Workers(tmp_path)

    def broken() -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.close()
        return ours

    monkeypatch.setattr(workers._template, "_own", broken)
    with pytest.raises(ToolError) as caught:
        workers.start(Job("demo", tmp_path / "log", call="jobs:echo"))
    assert (caught.value.message, caught.value.hint) == (
        "the worker process has died",
        "run the same command again",
    )
    workers.close()


PARENT = """\
import sys, threading
from pathlib import Path
from mlxkit.targets.base import Job
from mlxkit.targets.workers import Workers

root, fresh, kind = Path(sys.argv[1]), sys.argv[2] == "fresh", sys.argv[3]
workers = Workers(root)
if kind == "call":
    arguments = {"mark": "mark", "child_mark": "child", "child": sys.argv[4]}
    job = Job("demo", root / "log", call="jobs:parent", arguments=arguments, fresh=fresh)
else:
    # The shell stays, and what it runs are its children.
    job = Job("demo", root / "log", shell=sys.argv[4], fresh=fresh)
workers.start(job)
threading.Event().wait()
"""


@pytest.mark.parametrize("fresh", ["fork", "fresh"])
@pytest.mark.parametrize("kind", ["call", "shell"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_mlx_is_killed_its_jobs_and_their_children_end(
    tmp_path: Path, fresh: str, kind: str, number: signal.Signals
) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    child = CHILD.replace("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "")
    shell = f"echo $$ > mark; '{sys.executable}' -c '{child}' child && echo done"
    script = [sys.executable, "-c", PARENT, str(tmp_path), fresh, kind, child if kind == "call" else shell]
    process = subprocess.Popen(script)
    pids = [pid_in(tmp_path / "mark"), pid_in(tmp_path / "child")]
    process.send_signal(number)
    process.wait()
    assert eventually(lambda: not any(map(is_running, pids)))


@ADOPTS
@pytest.mark.parametrize("fresh", ["fork", "fresh"])
def test_when_mlx_is_killed_daemons_of_its_jobs_end(tmp_path: Path, fresh: str) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), fresh, "call", DAEMON])
    pids = [pid_in(tmp_path / "mark"), pid_in(tmp_path / "child")]
    process.kill()
    process.wait()
    assert eventually(lambda: not any(map(is_running, pids)))


@pytest.mark.skipif(not LINUX, reason="there is a template on Linux only")
def test_a_job_that_waited_with_another_ends_by_itself(tmp_path: Path) -> None:
    """Whoever forks the one must not keep the other's socket open, or its end is seen too late."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.02)\n"
    )
    workers = Workers(tmp_path, preload=["slow"])
    place = Place(tmp_path, workers)
    long = workers.start(replace(place.job("wait", mark="mark"), patient=True))
    short = workers.start(replace(place.job("echo", a=1), patient=True))
    (tmp_path / "go").touch()
    try:
        assert place.end(short).result == {"a": 1}
        assert workers.wait([long], seconds=0) == []
    finally:
        workers.cancel(long, now=True)
        workers.close()


def test_what_ended_is_told_as_often_as_it_is_asked(place: Place) -> None:
    """Ctrl-C may come between the end of a job and the moment at which somebody hears of it."""
    running = place.workers.start(place.job("echo", a=1))
    outcome = place.end(running)
    place.workers.cancel(running)
    assert place.workers.wait([running], seconds=5) == [(running, outcome)]


def test_a_shell_command_ends_when_nobody_reads_its_output(place: Place) -> None:
    """As under DVC: a signal that Python ignores is not ignored by what a stage runs."""
    place.run(shell="(yes; echo $? > status) | head -1")
    assert (place.root / "status").read_text() == f"{128 + signal.SIGPIPE}\n"


def test_the_exit_code_is_seen_where_the_ends_of_children_are_ignored(tmp_path: Path) -> None:
    """A supervisor may start mlx with SIGCHLD ignored, and then nobody is told of the end of a child."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        workers = Workers(tmp_path)
        assert Place(tmp_path, workers).run(shell="exit 3").exit_code == 3
        workers.close()
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.skipif(not LINUX, reason="there is a template on Linux only")
def test_a_patient_job_waits_for_the_libraries_and_another_does_not(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        f"{JOBS}\n\ndef modules(values):\n    return 'fractions' in sys.modules\n"
    )
    workers = Workers(tmp_path, preload=["decimal", "fractions"])
    place = Place(tmp_path, workers)
    try:
        at_once, patient = (
            workers.start(place.job("modules")),
            workers.start(replace(place.job("modules"), patient=True)),
        )
        assert (place.end(at_once).result, place.end(patient).result) == (False, True)
    finally:
        workers.close()


HOLDER = """\
import sys, threading
from pathlib import Path
from mlxkit.pipeline.events import ignore
from mlxkit.pipeline.lock import run_lock
from mlxkit.targets.base import Job
from mlxkit.targets.workers import Workers

root, fresh = Path(sys.argv[1]), sys.argv[2] == "fresh"
job = Job("demo", root / "log", call="jobs:stubborn", arguments={"mark": "mark"}, fresh=fresh)
with run_lock(root / "run.lock", ignore) as lock:
    workers = Workers(root, lock=lock)
    running = workers.start(job)
    threading.Event().wait()
"""


@pytest.mark.parametrize("kind", ["fork", "fresh"])
def test_the_lock_of_a_killed_mlx_is_free_when_its_jobs_are_gone(tmp_path: Path, kind: str) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), kind])
    job = pid_in(tmp_path / "mark")
    process.kill()
    process.wait()
    with run_lock(tmp_path / "run.lock", ignore, deadline=20):
        assert not is_running(job)


@pytest.mark.parametrize("kind", ["fork", "fresh"])
def test_a_job_does_not_hold_the_lock_itself(tmp_path: Path, kind: str) -> None:
    script = "import subprocess, sys; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    (tmp_path / "jobs.py").write_text(f"{JOBS}\n\ndef leave_a_child(values):\n    exec({script!r})\n")
    with run_lock(tmp_path / "run.lock", ignore) as lock:
        workers = Workers(tmp_path, lock=lock)
        place = Place(tmp_path, workers)
        place.run("leave_a_child", fresh=kind == "fresh")
        workers.close()
    with run_lock(tmp_path / "run.lock", ignore, deadline=0):
        assert True


@pytest.mark.skipif(not LINUX, reason="the memory of other processes is read on Linux only")
def test_the_memory_of_a_job_that_runs_counts_its_children(place: Place, tmp_path: Path) -> None:
    child = "import pathlib, sys; block = bytearray(80_000_000); pathlib.Path(sys.argv[1]).write_text('1')"
    waits = f"{child}\nwhile True:\n    import time; time.sleep(60)"
    running = place.workers.start(
        place.job("parent", mark=str(tmp_path / "mark"), child_mark=str(tmp_path / "child"), child=waits)
    )
    assert eventually(lambda: (tmp_path / "child").exists())
    assert place.workers.wait([running], seconds=0) == []
    assert place.workers.memory(running) > 80_000_000
    place.workers.cancel(running, now=True)
    place.end(running)
    assert place.workers.memory(running) == 0


@pytest.mark.skipif(not LINUX, reason="there is a template on Linux only")
class TestWarmWorkers:
    """A template that outlives the run that started it."""

    @pytest.fixture(autouse=True)
    def _private(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A place for sockets that nobody else looks at; afterwards no template is left."""
        (tmp_path / "jobs.py").write_text(JOBS)
        # A socket's path is short, and pytest's folders may be long.
        with tempfile.TemporaryDirectory(prefix="mlx-") as folder:
            monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
            yield
            for pid in self.templates():
                os.kill(pid, signal.SIGKILL)

    def templates(self) -> set[int]:
        """The lingering templates of this test."""
        folder = os.environ["XDG_RUNTIME_DIR"]
        found = set()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if folder.encode() in path.read_bytes():
                    found.add(int(path.parent.name))
        return found

    def parent_of_a_job(self, root: Path, **options: Any) -> int:
        """Run a job as one mlx does, and return which template forked it."""
        workers = Workers(root, preload=["decimal"], linger=30, **options)
        place = Place(root, workers)
        try:
            assert place.run("echo", a=1).result == {"a": 1}
            (template,) = self.templates()
            return template
        finally:
            workers.close()

    def test_the_next_run_finds_it(self, tmp_path: Path) -> None:
        assert self.parent_of_a_job(tmp_path) == self.parent_of_a_job(tmp_path)

    def test_another_project_has_its_own_folder_and_modules(self, tmp_path: Path) -> None:
        self.parent_of_a_job(tmp_path)
        other = tmp_path / "another project"
        other.mkdir()
        (other / "jobs.py").write_text(
            "import os, sys\n\n\ndef look(values):\n    return [os.getcwd(), sys.path[0]]"
        )
        workers = Workers(other, preload=["decimal"], linger=30)
        assert Place(other, workers).run("look").result == [str(other), str(other)]
        workers.close()
        assert len(self.templates()) == 1

    def test_a_job_sees_the_variables_of_its_own_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLX_OF_THE_FIRST", "1")
        self.parent_of_a_job(tmp_path)
        monkeypatch.delenv("MLX_OF_THE_FIRST")
        monkeypatch.setenv("MLX_OF_THE_SECOND", "2")
        workers = Workers(tmp_path, preload=["decimal"], linger=30)
        seen = Place(tmp_path, workers).run("look", names=["MLX_OF_THE_FIRST", "MLX_OF_THE_SECOND"]).result
        workers.close()
        assert seen["env"] == {"MLX_OF_THE_FIRST": None, "MLX_OF_THE_SECOND": "2"}
        assert len(self.templates()) == 1

    @pytest.mark.parametrize("change", ["variable", "nice", "limit", "preload"])
    def test_what_imports_may_depend_on_needs_another_one(
        self, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = warm.place_for(["decimal"])
        match change:
            case "variable":
                monkeypatch.setenv("OMP_NUM_THREADS", "3")
            case "nice":
                monkeypatch.setattr(os, "getpriority", lambda which, who: 7)
            case "limit":
                monkeypatch.setattr(resource, "getrlimit", lambda number: (1, 1))
        after = warm.place_for(["fractions"] if change == "preload" else ["decimal"])
        assert before is not None
        assert after not in (None, before)

    def test_a_terminal_of_another_size_is_no_other_surrounding(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = warm.place_for(["decimal"])
        monkeypatch.setenv("COLUMNS", "123")
        assert warm.place_for(["decimal"]) == before

    def test_a_folder_that_others_may_enter_is_not_used(self) -> None:
        Path(os.environ["XDG_RUNTIME_DIR"], f"mlx-{os.getuid()}").mkdir(mode=0o755)
        assert warm.place_for(["decimal"]) is None

    def test_one_that_was_killed_is_replaced(self, tmp_path: Path) -> None:
        first = self.parent_of_a_job(tmp_path)
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: not self.templates())
        assert self.parent_of_a_job(tmp_path) != first

    def test_it_ends_when_nobody_comes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        place = warm.place_for([])
        assert place is not None
        listener = warm.listen(place)
        assert listener is not None
        monkeypatch.setattr(template, "_LOOK_SECONDS", 0.01)
        with listener:
            server = template.Template([], listener=listener, place=template.Place(place))
            server.serve(linger=0.03)
            assert not place.exists()
            server.serve(linger=1000)

    def test_who_comes_while_it_leaves_is_served(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = warm.place_for([])
        assert path is not None
        listener = warm.listen(path)
        assert listener is not None
        monkeypatch.setattr(template, "_LOOK_SECONDS", 0.01)
        came = []

        class Late(template.Place):
            def leave(self) -> None:
                if not came:
                    came.append(warm.connect(path))
                super().leave()

        with listener:
            server = template.Template([], listener=listener, place=Late(path))
            closing = threading.Thread(target=lambda: eventually(lambda: server._clients) and came[0].close())
            closing.start()
            server.serve(linger=0.03)
            closing.join()
        assert came
        assert came[0] is not None
        assert came[0].fileno() == -1

    def test_it_keeps_no_pipe_of_its_first_run_open(self, tmp_path: Path) -> None:
        """`mlx run | tee log` must end with mlx."""
        script = (
            "from pathlib import Path; from mlxkit.targets.workers import Workers\n"
            "workers = Workers(Path.cwd(), preload=['decimal'], linger=30)\n"
            "workers.warm_up(); print('ready'); workers.close()"
        )
        process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.wait() == 0
        ready, _, _ = select.select([process.stdout], [], [], 0)
        assert ready
        assert os.read(process.stdout.fileno(), 100) == b"ready\n"
        ready, _, _ = select.select([process.stdout], [], [], 0)
        assert ready, "somebody else can still write to it"
        assert len(self.templates()) == 1
        process.stdout.close()

    def test_one_that_ends_before_it_is_asked_is_replaced(self, tmp_path: Path) -> None:
        workers = Workers(tmp_path, preload=["decimal"], linger=30)
        workers.warm_up()
        (template,) = self.templates()
        os.kill(template, signal.SIGKILL)
        assert eventually(lambda: not self.templates())
        assert Place(tmp_path, workers).run("echo", a=1).result == {"a": 1}
        workers.close()

    def test_one_that_ends_before_it_reads_what_it_is_asked_is_replaced(self, tmp_path: Path) -> None:
        """Its socket still takes a message when the process is on its way out."""
        path = warm.place_for(["decimal"])
        assert path is not None
        listener = warm.listen(path)
        assert listener is not None
        workers = Workers(tmp_path, preload=["decimal"], linger=30)
        place = Place(tmp_path, workers)
        with listener:
            workers.warm_up()
            ended, _ = listener.accept()
        with ended:
            jobs = [workers.start(place.job("echo", a=number)) for number in (1, 2)]
        assert [place.end(job).result for job in jobs] == [{"a": 1}, {"a": 2}]
        workers.close()

    def test_two_forks_draw_different_numbers(self, tmp_path: Path) -> None:
        (tmp_path / "jobs.py").write_text(
            "def draw(values):\n    import numpy\n    return numpy.random.rand()\n"
        )
        workers = Workers(tmp_path, preload=["numpy"], linger=30)
        place = Place(tmp_path, workers)
        drawn = {place.end(workers.start(replace(place.job("draw"), patient=True))).result for _ in range(3)}
        workers.close()
        assert len(drawn) == 3
