"""`mlx gc`: what lies in the project that nothing needs, and its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlxkit.cli.options import Env, Session, command
from mlxkit.errors import Exit, ToolError, UsageError
from mlxkit.output import size

if TYPE_CHECKING:
    from mlxkit.pipeline.events import Event
    from mlxkit.pipeline.garbage import Garbage, Heap, Waste

_PLACES = {"workspace": "workspace", "cache": "DVC cache", "mlflow": "MLflow"}
_FAILURES_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def gc(
        session: Session,
        older_than: Annotated[
            float,
            typer.Option(metavar="DAYS", min=0, help="Spare what is younger; 0 spares none."),
        ] = 14,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Show, and delete nothing.")] = False,
        yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
        on: Annotated[
            str | None, typer.Option("--on", metavar="TARGET", help="Another machine, of `targets:`.")
        ] = None,
        env: Env = None,
    ) -> int:
        """Show what takes space, and delete what nothing needs.

        It looks at workspace, DVC cache and MLflow, and asks first. Needed is what the workspace or any
        commit names, so that every commit can be checked out for ever. With --on it looks at mlx's folder on
        another machine, where needed is what jobs under way use. Example: mlx gc --older-than 30
        """
        if dry_run and yes:
            raise UsageError("--dry-run deletes nothing, so it takes no --yes", hint="leave one of them out")
        root = session.root

        def clean(*, delete: bool) -> Garbage:
            if on is not None:
                from mlxkit.pipeline.box_garbage import gc_there

                return gc_there(root, on, older_than=older_than, delete=delete)
            from mlxkit.pipeline.gc import gc

            return gc(
                root,
                older_than=older_than,
                delete=delete,
                environment=env,
                events=lambda event: _tell(session, event),
            )

        garbage = clean(delete=yes)
        if yes:
            return _answer(session, garbage, [*_table(session, garbage), *_done(garbage)], on)
        asks = bool(garbage.waste) and not dry_run and session.output.can_ask
        _answer(session, garbage, _table(session, garbage), on)
        if asks and session.output.ask(f"delete {_amount(garbage.waste)}?"):
            garbage = clean(delete=True)
            return _answer(session, garbage, _done(garbage), on)
        if garbage.waste and not dry_run:
            again = f"mlx gc --on {on} --yes" if on is not None else "mlx gc --yes"
            why = "" if asks else f": there is no terminal to ask on, so say `{again}`"
            session.output.note(f"nothing was deleted{why}")
        return Exit.OK


def _tell(session: Session, event: Event) -> None:
    from mlxkit.pipeline.events import Waiting

    if isinstance(event, Waiting):
        session.output.note(event.text)


def _answer(session: Session, garbage: Garbage, lines: list[str], on: str | None) -> int:
    error = _failure(garbage, on)
    session.output.answer(_document(garbage), lambda: lines, error=error)
    if error is not None:
        raise error
    return Exit.OK


def _failure(garbage: Garbage, on: str | None) -> ToolError | None:
    failed = garbage.failed
    if not failed:
        return None
    shown = [f"{_text(one.path)}: {one.reason}" for one in failed[:_FAILURES_SHOWN]]
    more = [f"… and {len(failed) - len(shown)} more"] if len(failed) > len(shown) else []
    return ToolError(
        f"{len(failed)} of {len(garbage.waste)} could not be deleted",
        context=[*shown, *more],
        hint=f"look at owner and permissions with `ls -ld '{_text(failed[0].path.parent)}'`"
        + (f" on '{on}'" if on is not None else ""),
    )


def _document(garbage: Garbage) -> dict[str, Any]:
    return {
        "older_than": garbage.older_than,
        "heaps": [_heap(heap) for heap in garbage.heaps],
        "unneeded": len(garbage.waste),
        "unneeded_bytes": _bytes(garbage.waste),
        "deleted": len(garbage.deleted),
        "deleted_bytes": _bytes(garbage.deleted),
        "failed": [{"path": _text(one.path), "reason": one.reason} for one in garbage.failed],
        "notes": list(garbage.notes),
    }


def _heap(heap: Heap) -> dict[str, Any]:
    return {
        "place": heap.place,
        "kind": heap.kind,
        "number": heap.number,
        "bytes": heap.size,
        "unneeded": len(heap.waste),
        "unneeded_bytes": _bytes(heap.waste),
    }


def _table(session: Session, garbage: Garbage) -> list[str]:
    rows = [
        [
            _PLACES.get(heap.place, heap.place),
            heap.kind,
            str(heap.number),
            size(heap.size),
            f"{len(heap.waste)}, {size(_bytes(heap.waste))}" if heap.waste else "",
        ]
        for heap in garbage.heaps
    ]
    lines = session.output.table(
        ["place", "what lies there", "number", "size", "nothing needs"], rows, right=(2, 3)
    )
    notes = [f"note: {note}" for note in garbage.notes]
    return [*lines, "", *notes, _verdict(garbage)]


def _verdict(garbage: Garbage) -> str:
    age = f", of what is older than {garbage.older_than:g} days" if garbage.older_than else ""
    return f"nothing needs {_amount(garbage.waste)}{age}" if garbage.waste else "there is nothing to delete"


def _done(garbage: Garbage) -> list[str]:
    return [f"deleted {_amount(garbage.deleted)}"] if garbage.waste else []


def _amount(waste: tuple[Waste, ...]) -> str:
    return f"{len(waste)} {'object' if len(waste) == 1 else 'objects'}, {size(_bytes(waste))}"


def _bytes(waste: tuple[Waste, ...]) -> int:
    return sum(one.size for one in waste)


def _text(path: os.PathLike[str]) -> str:
    """Return a path as text that can be printed, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", "replace")
