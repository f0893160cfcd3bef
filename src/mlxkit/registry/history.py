"""Which model an environment had, since when, and by whom; what was changed without mlx is seen, too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from mlxkit.adapters import mlflow_registry
from mlxkit.registry.approval import rejected_in, requests_in
from mlxkit.registry.git_records import git_records
from mlxkit.registry.records import PromotionRecord, records_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlxkit.adapters.mlflow_store import Store
    from mlxkit.project.models import Project

What = Literal["promoted", "rolled back", "moved by hand", "not finished", "waits for approval", "rejected"]
_NO_CHANGE = ("not finished", "waits for approval", "rejected")


@dataclass(frozen=True)
class Entry:
    """One change of an environment's alias, or what is known of one.

    Attributes:
        what: `moved by hand` was not done by mlx: nobody knows by whom, and of the time only that it was
            between the records around it. `not finished` was killed before the alias moved.
        version: that the alias named from then on; None where it named none.
        since: None where that is not known.
        record: None for what was not done by mlx.
        doubled: whether somebody else made a change of that number at the same time.
    """

    environment: str
    what: What
    version: str | None
    before: str | None
    since: datetime | None = None
    record: PromotionRecord | None = None
    doubled: bool = False

    @property
    def is_change(self) -> bool:
        """Whether the alias moved."""
        return self.what not in _NO_CHANGE

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        record = self.record
        return {
            "environment": self.environment,
            "what": self.what,
            "version": self.version,
            "before": self.before,
            "since": None if self.since is None else self.since.isoformat(timespec="seconds"),
            "doubled": self.doubled,
            "record": None if record is None else record.to_json(),
        }


@dataclass(frozen=True)
class Then:
    """What an environment had at a moment.

    Attributes:
        version: None where it had none.
        entry: the change that brought it; None where there was none until then.
        perhaps: another version, or `none`, that it may have had already, because somebody moved the alias
            without mlx.
    """

    environment: str
    version: str | None
    entry: Entry | None
    perhaps: str | None = None


def history(project: Project, store: Store, environment: str) -> tuple[Entry, ...]:
    """Return the changes of an environment's alias, the oldest first, and what is asked for at the end."""
    versions = mlflow_registry.versions(store, project.name)
    recorded = [record for record in records_in(versions) if record.environment == environment]
    records = _with_git(recorded, git_records(project, environment))
    now = next((version.version for version in versions if environment in version.aliases), None)
    changes = tuple(_entries(environment, records, now))
    if not versions and changes:
        # A colleague's registry, or one that is lost: that this one has no alias is nobody's doing.
        changes = tuple(entry for entry in changes if entry.record is not None)
    waiting = (_entry("waits for approval", record) for _, record in requests_in(versions, environment))
    return (*_with_rejected(changes, rejected_in(versions, environment)), *waiting)


def history_in_git(project: Project, environment: str) -> tuple[Entry, ...]:
    """Return what git alone tells of an environment, for while its store does not answer."""
    records = git_records(project, environment)
    return tuple(entry for entry in _entries(environment, records, None) if entry.record is not None)


def at(entries: Sequence[Entry], environment: str, moment: datetime) -> Then:
    """Return what an environment had at a moment, of its changes, the oldest first."""
    known: Entry | None = None
    changes = [entry for entry in entries if entry.is_change]
    for place, entry in enumerate(changes):
        if entry.since is None:
            # It happened at some time between the records around it.
            later = (other.since for other in changes[place:] if other.since is not None)
            if next(later, datetime.now(UTC)) > moment:
                before = known.version if known is not None else None
                return Then(environment, before, known, perhaps=entry.version or "none")
            known = entry
        elif entry.since <= moment:
            known = entry
        else:
            break
    return Then(environment, None if known is None else known.version, known)


def _with_git(recorded: list[PromotionRecord], tagged: list[PromotionRecord]) -> list[PromotionRecord]:
    """Add the records that only git has, of a version that is deleted or of a registry that is lost.

    Those of another registry that lives are another history.
    """
    known = {record.id for record in recorded}
    registries = {record.registry for record in recorded}
    lost = [
        record
        for record in tagged
        if record.id not in known and (not registries or record.registry in registries)
    ]
    return sorted([*recorded, *lost], key=lambda record: (record.at, record.number))


def _entry(what: What, record: PromotionRecord) -> Entry:
    return Entry(record.environment, what, record.version, record.before, record.at, record)


def _with_rejected(changes: tuple[Entry, ...], rejected: Sequence[PromotionRecord]) -> tuple[Entry, ...]:
    """Put what was rejected between the changes of that time."""
    entries = list(changes)
    for record in sorted(rejected, key=lambda record: record.at):
        later = (i for i, entry in enumerate(entries) if entry.since is not None and entry.since > record.at)
        entries.insert(next(later, len(entries)), _entry("rejected", record))
    return tuple(entries)


def _at_once(record: PromotionRecord, other: PromotionRecord) -> bool:
    """Whether two changes knew nothing of each other: who knows of one counts on from it."""
    if record.done is False or other.done is False:
        return False
    return record.number == other.number


def _entries(environment: str, records: list[PromotionRecord], now: str | None) -> Iterator[Entry]:
    # Of two changes at the same time nobody knows which one was the later.
    current: list[str | None] = [None]
    for place, record in enumerate(records):
        neighbours = [*records[max(place - 1, 0) : place], *records[place + 1 : place + 2]]
        doubled = any(_at_once(record, other) for other in neighbours)
        # A kill between the move and its mark leaves the alias where the record says.
        then = records[place + 1].before if place + 1 < len(records) else now
        finished = record.done is not False or then == record.version != record.before
        if finished and not doubled and record.before not in current:
            yield Entry(environment, "moved by hand", record.before, current[-1])
        what = record.action if finished else "not finished"
        yield Entry(environment, what, record.version, record.before, record.at, record, doubled)
        if finished:
            current = [*current, record.version] if doubled else [record.version]
    if now not in current:
        yield Entry(environment, "moved by hand", now, current[-1])
