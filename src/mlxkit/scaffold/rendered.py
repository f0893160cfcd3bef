"""The template of today, filled in with the answers that a project has kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit import __version__
from mlxkit.scaffold.adopted import TEMPLATE, AdoptAnswers, find_adopted_ci, render_adopted
from mlxkit.scaffold.answers import Answers
from mlxkit.scaffold.answers_json import from_plain, to_plain
from mlxkit.scaffold.image_answers import ImageAnswers
from mlxkit.scaffold.render import find_ci, find_template, render_project
from mlxkit.scaffold.request import Request
from mlxkit.scaffold.template_record import TemplateRecord, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEW_PROJECTS: Mapping[str, type[Answers | ImageAnswers]] = {"tabular": Answers, "torch": ImageAnswers}


def render_anew(record: TemplateRecord) -> TemplateRecord:
    """Return what a new project with the same answers would record.

    Raises:
        UnfitAnswer: the answers do not suffice for the template of today.
        UsageError: there is no such template, or there are no such workflows, any more.
    """
    request = Request(Path(), template=record.template, ci=record.ci)
    if record.template == TEMPLATE:
        adopted = from_plain(AdoptAnswers, dict(record.answers))
        files = render_adopted(find_adopted_ci(request), adopted)
        return TemplateRecord(__version__, TEMPLATE, record.ci, to_plain(adopted), files)
    template, ci = find_template(request), find_ci(request)
    answers = from_plain(_NEW_PROJECTS[record.template], dict(record.answers))
    with tempfile.TemporaryDirectory() as folder:
        render_project(template, ci, Path(folder), answers)
        return read_record(Path(folder))
