"""`mlx history`: which model each environment had, since when, and who put it there."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlxkit.project.models import Project
    from mlxkit.registry.history import Entry, Then


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def history(
        session: Session,
        at: Annotated[
            str | None,
            typer.Option("--at", metavar="DATE", help="What each had then: 2026-05-01, or with a time."),
        ] = None,
        env: Env = None,
    ) -> None:
        """Show which model each environment had, and since when.

        Who did it, from what commit, on which verdicts of the gates. What was changed without mlx, in the
        registry's own pages, is shown as that.

        Example: mlx history --env production --at 2026-05-01
        """
        from mlxkit.project.load import load
        from mlxkit.registry.workspace import histories

        project = load(session.root)
        if at is not None:
            _answer_then(session, project, env, _moment(at))
            return
        found, notes = histories(project, env)
        changes = {name: [entry.to_json() for entry in entries] for name, entries in found.items()}
        document = {"history": changes, "notes": notes}
        session.output.answer(document, lambda: _lines(session, found), outputs={})
        _warn(session, notes)


def _answer_then(session: Session, project: Project, env: str | None, moment: datetime) -> None:
    from mlxkit.registry import history
    from mlxkit.registry.workspace import histories

    entries, notes = histories(project, env)
    found = [history.at(known, name, moment) for name, known in entries.items()]
    document = {
        "at": moment.isoformat(),
        "environments": {then.environment: _then(then) for then in found},
        "notes": notes,
    }
    session.output.answer(document, lambda: _then_lines(session, found))
    _warn(session, notes)


def _warn(session: Session, notes: Sequence[str]) -> None:
    for note in notes:
        session.output.warn(note)


def _moment(text: str) -> datetime:
    """Read a date, which means its end, or a time; of this machine's time zone unless it says another.

    Raises:
        UsageError: it is neither.
    """
    try:
        if len(text) == len("2026-05-01"):
            return datetime.combine(date.fromisoformat(text), time.max).astimezone()
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise UsageError(f"'{text}' is no date", hint="write it as 2026-05-01 or 2026-05-01T14:30") from error


def _then(then: Then) -> dict[str, Any]:
    entry = None if then.entry is None else then.entry.to_json()
    return {"version": then.version, "perhaps": then.perhaps, "entry": entry}


def _then_lines(session: Session, found: Sequence[Then]) -> list[str]:
    rows = []
    for then in found:
        entry = then.entry
        since = "" if entry is None or entry.since is None else _local(entry.since)
        by = entry.record.by if entry is not None and entry.record is not None else ""
        version = then.version or "none"
        if then.perhaps is not None:
            version += f", or {then.perhaps}: moved by hand at about that time"
        rows.append([then.environment, since, by, _run(entry), _commit(entry), version])
    return session.output.table(["environment", "since", "by", "run", "commit", "version"], rows)


def _lines(session: Session, found: Mapping[str, Sequence[Entry]]) -> list[str]:
    rows = [
        _row(session, entry, current=entry is _last(entries))
        for entries in found.values()
        for entry in reversed(entries)
    ]
    if not rows:
        return ["no model was promoted yet: mlx promote"]
    headers = ["environment", "#", "since", "version", "after", "by", "gates", "run", "commit", "what"]
    return session.output.table(headers, rows)


def _last(entries: Sequence[Entry]) -> Entry | None:
    """Return the change that brought what an environment has now; None where only git tells of that one."""
    last = next((entry for entry in reversed(entries) if entry.is_change), None)
    return None if last is None or _is_of_git(last) else last


def _is_of_git(entry: Entry) -> bool:
    """Whether this registry does not know of a change: its version is deleted, or it was in another one."""
    return entry.record is not None and entry.record.done is None


def _row(session: Session, entry: Entry, *, current: bool) -> list[str]:
    record, style = entry.record, session.output.style
    version = entry.version or "none"
    unusual = entry.what == "moved by hand" or not entry.is_change
    what = style(entry.what, "yellow") if unusual else entry.what
    if record is not None and record.reason:
        what += f": {record.reason}"
    if record is not None and record.approved_by:
        agreed = "by" if entry.what == "rejected" else "approved by"
        what += f", {agreed} {' and '.join(record.approved_by)}"
    if _is_of_git(entry) and entry.is_change:
        what += style(" (not in this registry: from git)", "yellow")
    if entry.doubled:
        what += style(" (two at the same time)", "yellow")
    return [
        entry.environment,
        "" if record is None or not record.number else str(record.number),
        "" if entry.since is None else _local(entry.since),
        style(f"{version} *", "green", "bold") if current else version,
        entry.before or "",
        "" if record is None else record.by,
        "" if record is None or not record.gates else _gates(entry),
        _run(entry),
        _commit(entry),
        what,
    ]


def _gates(entry: Entry) -> str:
    assert entry.record is not None
    gates = entry.record.gates
    return f"{sum(bool(gate.get('passed')) for gate in gates)}/{len(gates)}"


def _run(entry: Entry | None) -> str:
    return "" if entry is None or entry.record is None else (entry.record.run_id or "")[:8]


def _commit(entry: Entry | None) -> str:
    if entry is None or entry.record is None or entry.record.commit is None:
        return ""
    return entry.record.commit[:7] + ("+" if entry.record.dirty else "")


def _local(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
