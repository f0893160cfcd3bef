"""`mlx template update` on a real project, from a template that has changed since."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import mlxkit
from mlxkit.errors import ConfigError, Refused
from mlxkit.pipeline import staged
from mlxkit.scaffold import render, template_record
from mlxkit.scaffold.answers_json import UnfitAnswer, from_plain, to_plain
from mlxkit.scaffold.image_answers import ImageAnswers
from mlxkit.scaffold.template_record import RECORD_FILE, read_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Mlx

MAKEFILE, HELP = "common/Makefile.jinja", "help: ## list the targets"


def git(root: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", *identity, *words], cwd=root, capture_output=True, check=True, text=True)
    return done.stdout


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "work")


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    subprocess.run(["mlx", "init", "cells", "--quiet"], cwd=folder, check=True)
    return folder / "cells"


@pytest.fixture
def project(_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project, committed, which is also the working folder."""
    root = tmp_path / "cells"
    shutil.copytree(_made, root, symlinks=True)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the templates, to change as a later mlx would, in that mlx's version."""
    folder = tmp_path / "templates"
    shutil.copytree(render.templates_folder(), folder)
    monkeypatch.setattr(render, "templates_folder", lambda: folder)
    for module in (mlxkit, template_record):
        monkeypatch.setattr(module, "__version__", "0.2.0")
    monkeypatch.setattr("mlxkit.pipeline.template_update.__version__", "0.2.0")
    return folder


@pytest.fixture
def change(templates: Path) -> Callable[[str, str, str], None]:
    """Replace a text in a template: `change("common/Makefile.jinja", "pytest", "pytest -q")`."""

    def replace(name: str, old: str, new: str) -> None:
        text = (templates / name).read_text(encoding="utf-8")
        assert old in text
        (templates / name).write_text(text.replace(old, new), encoding="utf-8")

    return replace


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def states(document: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {file["path"]: file["state"] for file in document["files"] if file["state"] != "current"}


def test_a_new_project_is_current(project: Path, mlx: Mlx) -> None:
    done = mlx("template", "update", "--check")
    assert (done.code, done.out) == (0, "the project has the template 'tabular' of mlx 0.1.0\n")
    assert git(project, "status", "--porcelain") == ""


def test_files_that_nobody_changed_become_those_of_the_template(
    project: Path, change: Callable[[str, str, str], None], mlx: Mlx
) -> None:
    change(MAKEFILE, HELP, "help: ## name the targets")
    checked = mlx("template", "update", "--check")
    assert checked.code == 3
    assert checked.out == (
        "         file      why\n"
        "updated  Makefile  \n"
        "\n"
        "template 'tabular' of mlx 0.2.0: nothing was changed\n"
    ).replace("Makefile  \n", "Makefile\n")
    assert checked.err == ("error: the project is behind its template\nhint: run `mlx template update`\n")
    assert git(project, "status", "--porcelain") == ""
    done = mlx("template", "update")
    assert done.code == 0
    assert done.out.endswith(
        "template 'tabular' of mlx 0.2.0: brought up to date\n"
        "\n"
        "next:\n  git diff\n  mlx check --fix\n  mlx run\n"
    )
    assert "help: ## name the targets" in (project / "Makefile").read_text(encoding="utf-8")
    assert read_record(project).mlx == "0.2.0"
    changed = git(project, "diff", "--numstat").split()
    assert set(changed[2::3]) == {"Makefile", RECORD_FILE}
    assert changed[changed.index(RECORD_FILE) - 2] == "2"  # the version, and one file
    assert mlx("template", "update", "--check").code == 0


def test_a_users_edits_are_merged(project: Path, change: Callable[[str, str, str], None], mlx: Mlx) -> None:
    edit(project / "mlx.yaml", "max_share: 0.3", "max_share: 0.5")
    edit(project / "Makefile", "## make .venv", "## make our .venv")
    commit(project)
    change("tabular/mlx.yaml.jinja", "# low on purpose", "# kept low on purpose")
    change(MAKEFILE, HELP, "help: ## name the targets")
    done = mlx("template", "update", "--json")
    assert done.code == 0
    assert states(done.json) == {"Makefile": "merged", "mlx.yaml": "merged"}
    text = (project / "mlx.yaml").read_text(encoding="utf-8")
    assert "max_share: 0.5" in text
    assert "# kept low on purpose" in text
    assert "## make our .venv" in (project / "Makefile").read_text(encoding="utf-8")
    assert mlx("check").code == 0


def test_the_same_lines_changed_on_both_sides_are_shown_as_a_conflict(
    project: Path, change: Callable[[str, str, str], None], mlx: Mlx
) -> None:
    edit(project / "Makefile", HELP, "help: ## say what there is")
    commit(project)
    change(MAKEFILE, HELP, "help: ## name the targets")
    done = mlx("template", "update")
    assert done.code == 3
    assert done.err == (
        "error: you and the template changed the same lines\n"
        "  Makefile\n"
        "hint: edit what stands between `<<<<<<<` and `>>>>>>>`, then commit\n"
    )
    makefile = project / "Makefile"
    assert (
        "<<<<<<< yours\n"
        "help: ## say what there is\n"
        "||||||| template when made\n"
        "help: ## list the targets\n"
        "=======\n"
        "help: ## name the targets\n"
        ">>>>>>> template now\n"
    ) in makefile.read_text(encoding="utf-8")
    again = mlx("template", "update", "--json")
    assert again.code == 3
    assert again.json["error"] == {
        "kind": "refused",
        "message": "conflicts of an earlier update are not resolved yet",
        "context": ["Makefile"],
        "hint": "edit what stands between `<<<<<<<` and `>>>>>>>` there, then run the same command again",
    }
    head, _, rest = makefile.read_text(encoding="utf-8").partition("<<<<<<< yours\n")
    makefile.write_text(
        head + "help: ## say and name the targets\n" + rest.partition(">>>>>>> template now\n")[2],
        encoding="utf-8",
    )
    assert mlx("template", "update", "--check").code == 0  # the next update begins from the resolved file


def test_files_come_and_go(project: Path, templates: Path, mlx: Mlx) -> None:
    (project / ".env.example").unlink()
    (project / "CITATION.md").write_text("mine\n", encoding="utf-8")
    (project / "docs").write_text("a file\n", encoding="utf-8")
    edit(project / "references/data_dictionary.md", "#", "# Our")
    commit(project)
    for name, text in (
        ("CITATION.md", "theirs\n"),
        ("NOTICE.md.jinja", "{{ project }}\n"),
        ("docs/index.md", ""),
    ):
        file = templates / "tabular" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (templates / "tabular/tests/test_visualize.py.jinja").unlink()
    (templates / "tabular/references/data_dictionary.md.jinja").unlink()
    edit(templates / "common/.env.example.jinja", "AWS_PROFILE", "AWS_REGION")
    done = mlx("template", "update", "--json")
    assert done.code == 0
    assert states(done.json) == {
        "CITATION.md": "kept",
        "NOTICE.md": "added",
        "docs/index.md": "kept",
        "references/data_dictionary.md": "kept",
        "tests/test_visualize.py": "removed",
    }
    assert (project / "CITATION.md").read_text(encoding="utf-8") == "mine\n"
    assert (project / "NOTICE.md").read_text(encoding="utf-8") == "cells\n"
    assert not (project / ".env.example").exists()
    assert not (project / "tests/test_visualize.py").exists()
    assert mlx("template", "update", "--check").code == 0


def test_a_notebook_gets_no_markers(project: Path, templates: Path, mlx: Mlx) -> None:
    (notebook,) = project.glob("notebooks/*.ipynb")
    edit(notebook, '"id": "cell-1"', '"id": "my-cell"')
    commit(project)
    (source,) = templates.glob("tabular/notebooks/*.jinja")
    source.write_text("# %%\nprint(1)\n", encoding="utf-8")
    before = notebook.read_bytes()
    done = mlx("template", "update", "--json")
    assert done.code == 0
    assert list(states(done.json).values()) == ["kept"]
    assert notebook.read_bytes() == before


def test_what_git_could_not_bring_back_is_refused(
    project: Path, change: Callable[[str, str, str], None], mlx: Mlx
) -> None:
    edit(project / "Makefile", "## make .venv", "## make our .venv")
    edit(project / "params.yaml", "seed: 0", "seed: 1")  # the update does not touch it
    change(MAKEFILE, HELP, "help: ## name the targets")
    before = (project / "Makefile").read_bytes()
    done = mlx("template", "update")
    assert done.code == 3
    assert done.err == (
        "error: files that would change have uncommitted changes\n"
        "  Makefile\n"
        "hint: git is the way back: run `git add -A && git commit` or `git stash`, or `mlx template update "
        "--force`\n"
    )
    assert (project / "Makefile").read_bytes() == before
    assert mlx("template", "update", "--dry-run").code == 0
    assert mlx("template", "update", "--force").code == 0
    assert "make our .venv" in (project / "Makefile").read_text(encoding="utf-8")


def test_without_a_repository_nothing_is_lost_either(
    project: Path, change: Callable[[str, str, str], None], mlx: Mlx
) -> None:
    shutil.rmtree(project / ".git")
    change(MAKEFILE, HELP, "help: ## name the targets")
    done = mlx("template", "update")
    assert done.code == 3
    assert done.err.startswith(
        "error: the project is in no git repository, and files of yours would change\n"
    )
    assert mlx("template", "update", "--force").code == 0


def test_a_kill_in_between_is_made_good_by_the_next_update(
    project: Path, templates: Path, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(project / "Makefile", HELP, "help: ## say what there is")
    commit(project)
    edit(templates / MAKEFILE, HELP, "help: ## name the targets")
    edit(templates / "common/.env.example.jinja", "AWS_PROFILE", "AWS_REGION")
    edit(templates / "tabular/README.md.jinja", "\n", " \n")
    written: list[Path] = []
    write = staged.write_atomically

    def dies(path: Path, content: bytes) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(staged, "write_atomically", dies)
        assert mlx("template", "update").code == 130
    assert [path.name for path in written] == ["changes.json", ".env.example", "Makefile"]
    assert read_record(project).mlx == "0.1.0"
    done = mlx("template", "update", "--json")
    assert done.json["error"]["context"] == ["Makefile"]  # whose conflict is there as a whole
    assert read_record(project).mlx == "0.2.0"
    git(project, "checkout", "-q", "--", "Makefile")
    assert mlx("template", "update", "--check").code == 0
    assert not (project / ".mlx/changes.json").exists()


def test_who_works_on_a_file_after_a_kill_keeps_that(tmp_path: Path) -> None:
    (tmp_path / ".mlx").mkdir()
    for name in ("a", "b"):
        (tmp_path / name).write_text("old", encoding="utf-8")
    note = tmp_path / ".mlx/changes.json"
    old = "f9f7ebc0b1bcf1c1a8c2c1ae2ddb5cdf"
    note.write_text(json.dumps({"changes": [["a", old, "bmV3"], ["b", old, None]]}), encoding="utf-8")
    assert not staged.finish(tmp_path)
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in ("a", "b")] == ["old", "old"]
    assert not note.exists()


def test_a_note_that_leads_out_of_the_project_is_no_note_of_ours(tmp_path: Path) -> None:
    root, victim = tmp_path / "project", tmp_path / "victim"
    (root / ".mlx").mkdir(parents=True)
    (root / "link").symlink_to(tmp_path)
    for path in ("../victim", str(victim), "link/victim"):
        note = root / ".mlx/changes.json"
        note.write_text(json.dumps({"changes": [[path, None, "b3duZWQ="]]}), encoding="utf-8")
        with pytest.raises(ConfigError, match="names files outside of the project"):
            staged.finish(root)
        assert not victim.exists()


@pytest.mark.parametrize("package", ["../../victim", "a/../../../victim"])
def test_answers_that_lead_out_of_the_project_are_refused(project: Path, mlx: Mlx, package: str) -> None:
    record = project / RECORD_FILE
    text = record.read_text(encoding="utf-8")
    named = json.loads(text)["answers"]["package"]
    record.write_text(text.replace(f'"package": "{named}"', f'"package": "{package}"'), encoding="utf-8")
    done = mlx("template", "update", "--check")
    assert done.code == 2
    assert "is outside of the project" in done.err


BAD_RECORDS = {
    "none": (None, "the project has no '.mlx-template.json', which says what it was made from", 2),
    "no JSON": ("<<<<<<< HEAD\n", "'.mlx-template.json' is damaged", 4),
    "a key is missing": ('{"mlx": "0.1.0"}', "'.mlx-template.json' is damaged", 4),
    "a way out": (
        '{"mlx": "0.1.0", "template": "tabular", "ci": "none", "answers": {}, '
        '"files": {"../a": "eJwDAAAAAAE="}}',
        "'.mlx-template.json' is damaged",
        4,
    ),
    "not packed": (
        '{"mlx": "0.1.0", "template": "tabular", "ci": "none", "answers": {}, "files": {"a": "b"}}',
        "'.mlx-template.json' is damaged",
        4,
    ),
    "a later mlx": (
        '{"mlx": "7.0.0", "template": "tabular", "ci": "none", "answers": {}, "files": {}}',
        "the template of this project is that of mlx 7.0.0, and this is mlx 0.1.0",
        4,
    ),
    "an answer is missing": (
        '{"mlx": "0.1.0", "template": "tabular", "ci": "none", "answers": {}, "files": {}}',
        "'.mlx-template.json' does not say all that the template of mlx 0.1.0 asks for",
        4,
    ),
    "no such template": (
        '{"mlx": "0.1.0", "template": "tabluar", "ci": "none", "answers": {}, "files": {}}',
        "there is no template 'tabluar'",
        2,
    ),
}


@pytest.mark.parametrize("name", BAD_RECORDS)
def test_a_record_that_cannot_be_used(project: Path, mlx: Mlx, name: str) -> None:
    text, message, code = BAD_RECORDS[name]
    (project / RECORD_FILE).unlink()
    if text is not None:
        (project / RECORD_FILE).write_text(text, encoding="utf-8")
    done = mlx("template", "update", "--check", "--json")
    assert done.code == code
    assert done.json["error"]["message"] == message
    assert done.json["error"]["hint"]


def test_answers_of_another_kind_are_named() -> None:
    plain = {
        "project": "a",
        "package": "a",
        "author": "me",
        "classes": {"0": 1},
        "images": 1,
        "new_images": 1,
        "size": 8,
        "mode": "L",
        "channels": [32],
        "raw_path": "r",
        "new_images_path": "n",
        "new_rows_path": "p",
        "gate": {"metric": "m", "minimum": 0},
        "seed": 0,
    }
    answers = from_plain(ImageAnswers, plain)
    assert answers.task == "classification"
    assert from_plain(ImageAnswers, json.loads(json.dumps(to_plain(answers)))) == answers
    bad = {
        "channels": (3, "answers.channels is 3"),
        "gate": ({"metric": "m"}, "answers.gate.minimum is missing"),
        "task": ("sorting", "answers.task is 'sorting', and none of 'classification', 'regression'"),
        "images": (None, "answers.images is None"),
        "classes": ({"0": "many"}, "answers.classes.0 is 'many'"),
    }
    for name, (value, message) in bad.items():
        with pytest.raises(UnfitAnswer) as raised:
            from_plain(ImageAnswers, {**plain, name: value})
        assert str(raised.value) == message


def test_a_file_that_changed_meanwhile_stays(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("theirs", encoding="utf-8")
    changes = [staged.Change("b", None, b"new"), staged.Change("a", b"old", b"new")]
    with pytest.raises(Refused) as raised:
        staged.carry_out(tmp_path, changes)
    assert raised.value.context == ("a",)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
