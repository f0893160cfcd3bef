"""The template of today, filled in with the answers that a project has kept."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mlxkit.scaffold.answers import Answers
from mlxkit.scaffold.answers_json import from_plain
from mlxkit.scaffold.image_answers import ImageAnswers
from mlxkit.scaffold.render import find_ci, find_template, render_project
from mlxkit.scaffold.request import Request
from mlxkit.scaffold.template_record import TemplateRecord, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping

_ANSWERS: Mapping[str, type[Answers | ImageAnswers]] = {"tabular": Answers, "torch": ImageAnswers}


def render_anew(record: TemplateRecord) -> TemplateRecord:
    """Return what a new project with the same answers would record.

    Raises:
        UnfitAnswer: the answers do not suffice for the template of today.
        UsageError: there is no such template, or there are no such workflows, any more.
    """
    request = Request(Path(), template=record.template, ci=record.ci)
    template, ci = find_template(request), find_ci(request)
    answers = from_plain(_ANSWERS[record.template], dict(record.answers))
    with tempfile.TemporaryDirectory() as folder:
        render_project(template, ci, Path(folder), answers)
        return read_record(Path(folder))
