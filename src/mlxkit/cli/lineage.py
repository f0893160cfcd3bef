"""`mlx lineage`: what a model was made of, and where it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.cli.options import Env, Model, Session, command
from mlxkit.output import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from mlxkit.cli.tree import Node
    from mlxkit.registry.data_origin import Origin
    from mlxkit.registry.history import Entry
    from mlxkit.registry.lineage import Lineage, RawData, Step

_SHOWN_PARAMS = 30


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(app)
    def lineage(
        session: Session,
        model: Model = None,
        env: Env = None,
    ) -> None:
        """Show what a model was made of, and where it went.

        Back to the raw data, its `.dvc` files, remotes and sources, as the model's run recorded it.

        Models are named like @production, churn/3, 3, or by a run. Example: mlx lineage @production
        """
        from mlxkit.cli.tree import tree_lines
        from mlxkit.project.load import load
        from mlxkit.registry.lineage import lineage as trace
        from mlxkit.registry.references import find_model
        from mlxkit.registry.workspace import environment_of

        project = load(session.root)
        named = find_model(project, model, environment=environment_of(project, env))
        found = trace(project, named)
        out = session.output
        notes = [f"{out.style('note:', 'yellow')} {note}" for note in found.notes]
        session.output.answer(
            found.to_json(),
            lambda: [*tree_lines(out, _tree(found, project.name)), *([""] if notes else []), *notes],
        )


def _tree(found: Lineage, project: str) -> Node:
    from mlxkit.cli.tree import Node

    parts = [*_made(found), *_training(found), _went(found)]
    return Node(f"{project}, {found.named.title}", tuple(parts), heading=True)


def _made(found: Lineage) -> Iterator[Node]:
    from mlxkit.cli.tree import Node

    run, commit, machine = found.named.run, found.commit, found.machine
    if run is None:
        return
    when = f"{run.started.astimezone():%Y-%m-%d %H:%M}"
    yield Node(f"run {run.id[:8]}: {run.status.lower()}, {when}, in '{run.environment or 'unknown'}'")
    code = f"code {(run.commit or 'unknown')[:7]}"
    code += f": {commit.subject} ({commit.author}, {commit.time:%Y-%m-%d})" if commit is not None else ""
    changed = tuple(Node(path) for path in found.changed)
    yield Node(f"{code}, with uncommitted changes" if run.dirty else code, changed if run.dirty else ())
    where = ", ".join(
        text for text in (machine.target, machine.host, machine.platform, machine.gpu) if text is not None
    )
    yield Node(f"machine: {where or 'unknown'}")
    versions = [f"python {machine.python}"] if machine.python else []
    versions += [f"{name} {version}" for name, version in machine.libraries.items()]
    yield Node(f"libraries: {', '.join(versions) or 'unknown'}")
    params = [Node(f"{name} = {value}") for name, value in sorted(run.params.items())]
    more = len(params) - _SHOWN_PARAMS
    shown = [*params[:_SHOWN_PARAMS], *([Node(f"and {more} more")] if more > 0 else [])]
    yield Node(f"parameters: {len(params) or 'none'}", tuple(shown))


def _training(found: Lineage) -> Iterator[Node]:
    """Hang every input below the stage that read it, back to raw data; each stage once in full."""
    from mlxkit.cli.tree import Node

    steps = {step.name: step for step in found.steps}
    raw = {data.path: data for data in found.raw}
    shown: set[str] = set()

    def stage(step: Step) -> Node:
        shown.add(step.name)
        code = f", {len(step.code)} code file{'' if len(step.code) == 1 else 's'}" if step.code else ""
        return Node(f"{step.name}: {step.runs}{code}", tuple(_inputs(step)))

    def _inputs(step: Step) -> Iterator[Node]:
        for data in step.inputs:
            text = f"{data.path}  {data.digest[:8]}"
            maker = steps.get(data.made_by or "")
            if maker is None:
                yield _raw(raw[data.path]) if data.path in raw else Node(text)
            elif maker.name in shown:
                yield Node(f"{text}, made by {maker.name}, see above")
            else:
                yield Node(text, (stage(maker),))

    if found.steps:
        yield stage(found.steps[0])
    elif found.raw:
        yield Node("trained on", tuple(_raw(data) for data in found.raw))


def _raw(data: RawData) -> Node:
    from mlxkit.cli.tree import Node

    amount = f", {size(data.size)}" if data.size is not None else ""
    text = f"{data.path}  {data.digest[:8] or 'no hash'}{amount}, raw data"
    return Node(text, tuple(Node(line) for line in _origin(data.origin, data.digest)))


def _origin(origin: Origin | None, digest: str) -> Iterator[str]:
    if origin is None:
        yield "how it is kept is not known"
        return
    if origin.dvc_file is None:
        yield "in git, at that commit"
        return
    differs = origin.digest is not None and origin.digest != digest
    yield f"tracked by {origin.dvc_file}" + (f", which names {str(origin.digest)[:8]}" if differs else "")
    if origin.imported_from is not None:
        at = f" at {origin.revision[:12]}" if origin.revision else ""
        yield f"imported from {origin.imported_from}{at}"
    yield f"remote {origin.remote}: {origin.url}" if origin.remote else "no remote"


def _went(found: Lineage) -> Node:
    from mlxkit.cli.tree import Node

    if not found.promotions:
        return Node("promotions: none")
    now = found.named.version.aliases if found.named.version is not None else ()
    last = {entry.environment: entry for entry in found.promotions}
    children = tuple(
        Node(_promotion(entry, now=entry.environment in now and last[entry.environment] is entry))
        for entry in found.promotions
    )
    return Node("promotions", children)


def _promotion(entry: Entry, *, now: bool) -> str:
    record = entry.record
    when = f" {entry.since.astimezone():%Y-%m-%d %H:%M}" if entry.since is not None else ""
    before = f", after version {entry.before}" if entry.before else ""
    why = f": {record.reason}" if record is not None and record.reason else ""
    return (
        f"@{entry.environment} {entry.what}{when}{_who(entry)}{before}{why}{'; it has it now' if now else ''}"
    )


def _who(entry: Entry) -> str:
    record = entry.record
    if record is None:
        return ""
    others = " and ".join(record.approved_by)
    if entry.what == "rejected":
        return f" by {others}, asked for by {record.by}"
    return f" by {record.by}" + (f", approved by {others}" if others else "")
