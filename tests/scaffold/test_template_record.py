"""What a project was made from comes back from its record as it was, whatever the data were like."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from strange_files import FILES

from mlxkit.errors import MlxError
from mlxkit.scaffold.answers import Answers
from mlxkit.scaffold.answers_json import from_plain
from mlxkit.scaffold.project_tree import scaffold
from mlxkit.scaffold.rendered import render_anew
from mlxkit.scaffold.request import Request
from mlxkit.scaffold.template_record import RECORD_FILE, read_record

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import TmpDir

_TARGETS = ("left", "price", "sign", "column_3")


def made_from(file: Path) -> Path | None:
    """Make a project for whatever column of a file can be its target."""
    for target in _TARGETS:
        try:
            return scaffold(Request(file.with_name("made"), file, target=target)).root
        except MlxError:
            continue
    return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", FILES)
def test_answers_come_back_and_make_the_same_files(tmp_dir: TmpDir, name: str) -> None:
    root = made_from(FILES[name](tmp_dir))
    if root is None:
        assert not (tmp_dir / "made").exists()
        return
    record = read_record(root)
    anew = render_anew(record)
    assert anew == record
    assert {path: (root / path).read_bytes() for path in record.files} == record.files
    assert isinstance(from_plain(Answers, dict(record.answers)), Answers)


@pytest.mark.parametrize("options", [{"task": "regression"}, {}, {"template": "torch"}])
def test_starter_data(tmp_dir: TmpDir, options: dict[str, str]) -> None:
    from mlxkit.scaffold.images import scaffold_images

    make = scaffold_images if options.get("template") == "torch" else scaffold
    made = make(Request(tmp_dir / "made", **options))  # type: ignore[arg-type]
    record = read_record(made.root)
    assert from_plain(type(made.answers), dict(record.answers)) == made.answers
    assert render_anew(record) == record
    text = (made.root / RECORD_FILE).read_text(encoding="utf-8")
    assert json.loads(text)["files"].keys() == record.files.keys()
    assert text.endswith("}\n")
    assert max(map(len, text.splitlines())) < 20_000
