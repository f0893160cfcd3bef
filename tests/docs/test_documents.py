"""What the documents show can be typed, found and loaded: commands, options, headings, keys, examples."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from mlxkit.adapters.mlflow_registry import Version
from mlxkit.adapters.mlflow_runs import Run
from mlxkit.cli.app import build
from mlxkit.errors import MlxError
from mlxkit.evaluation.drift import ColumnDrift, DriftReport, SchemaProblem
from mlxkit.pipeline.diagnosis import Finding
from mlxkit.project.located import Problems, read_yaml
from mlxkit.project.schema import ROOT as SHAPE
from mlxkit.project.validation import validate
from mlxkit.registry.gates.verdict import GateVerdict
from mlxkit.registry.promotion import Promotion

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "examples/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS: dict[str, Any] = typer.main.get_command(build()).commands  # type: ignore[attr-defined]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def command_lines(page: Path) -> list[list[str]]:
    """Every `mlx COMMAND ...` in code spans and blocks, as words; in a block, options continue it."""
    text = text_of(page)
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    joined = [re.sub(r"\n\s+(?=--)", " ", block) for block in blocks]
    lines = [line.partition("#")[0] for line in (*(x for b in joined for x in b.splitlines()), *spans)]
    found = [re.match(r"\s*(?:\$ )?mlx ([a-z].*)", line) for line in lines]
    return [match[1].split() for match in found if match and "--- " not in match[0]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    wrong = []
    for name, *rest in command_lines(page):
        if name not in COMMANDS:
            wrong.append(f"mlx {name}")
            continue
        command = COMMANDS[name]
        if hasattr(command, "commands") and rest:
            named = rest.pop(0).partition("|")[0]
            if named not in command.commands:
                wrong.append(f"mlx {name} {named}")
                continue
            command = command.commands[named]
        known = {"-h", "--help", *(o for p in command.params for o in (*p.opts, *p.secondary_opts))}
        options = [word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)]
        wrong += [f"mlx {name} {option}" for option in options if option not in known]
    assert wrong == []


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_anchors_are_headings(page: Path) -> None:
    missing = []
    for link, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text_of(page)):
        headings = re.findall(r"^#+ (.+)$", text_of(page.parent / link if link else page), re.MULTILINE)
        missing += [f"{link}#{anchor}"] if anchor not in map(slug, headings) else []
    assert missing == []


def test_yaml_example_of_the_reference_is_valid(tmp_path: Path) -> None:
    examples = re.findall(
        r"^```yaml\n(mlx: 1\n.*?)^```", text_of(ROOT / "docs/reference/mlx-yaml.md"), re.S | re.M
    )
    assert len(examples) == 1
    file = tmp_path / "mlx.yaml"
    file.write_text(examples[0], encoding="utf-8")
    problems = Problems("mlx.yaml")
    value = read_yaml(file, problems)
    assert value is not None
    validate(value, SHAPE, problems)
    problems.raise_if_any()


def test_json_page_has_every_command() -> None:
    headings = " ".join(re.findall(r"^## (.+)$", text_of(ROOT / "docs/reference/json.md"), re.MULTILINE))
    assert [name for name in COMMANDS if not re.search(rf"\bmlx {name}\b", headings)] == []


@pytest.mark.parametrize(
    ("heading", "kind", "without"),
    [
        ("mlx promote", Promotion, {"note"}),
        ("mlx promote", GateVerdict, set()),
        ("mlx drift", DriftReport, set()),
        ("mlx drift", ColumnDrift, set()),
        ("mlx drift", SchemaProblem, set()),
        ("mlx runs", Run, set()),
        ("mlx models", Version, set()),
        ("mlx doctor", Finding, set()),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_json_page_has_every_key(heading: str, kind: type, without: set[str]) -> None:
    section = text_of(ROOT / "docs/reference/json.md").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    keys = {field.name for field in dataclasses.fields(kind)} - without
    assert sorted(key for key in keys if f"`{key}`" not in section) == []


def test_json_page_has_every_kind_of_error() -> None:
    def kinds(error: type[MlxError]) -> set[str]:
        return {error.kind}.union(*map(kinds, error.__subclasses__()))

    section = text_of(ROOT / "docs/reference/json.md").partition("\n## Errors\n")[2].partition("\n## ")[0]
    assert [kind for kind in (kinds(MlxError) - {"error"}) | {"bug"} if f"`{kind}`" not in section] == []


@pytest.fixture
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_reference", ROOT / "scripts/write_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def test_a_page_that_was_edited_by_hand_is_found_and_mended(
    generator: ModuleType, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = copied / "docs/reference/cli.md"
    page.write_text(text_of(page).replace("## mlx promote", "## mlx crown"), encoding="utf-8")

    assert generator.main(["--check"], copied) == 1
    assert capsys.readouterr().err == "docs/reference/cli.md is out of date: run `make reference`\n"
    assert generator.main([], copied) == 0
    assert generator.main(["--check"], copied) == 0
    assert text_of(page) == text_of(ROOT / "docs/reference/cli.md")


def test_a_missing_schema_is_written(generator: ModuleType, copied: Path) -> None:
    (copied / "docs/mlx.schema.json").unlink()
    assert generator.main([], copied) == 0
    assert text_of(copied / "docs/mlx.schema.json") == text_of(ROOT / "docs/mlx.schema.json")


def test_what_is_written_by_hand_stays(generator: ModuleType, copied: Path) -> None:
    page = copied / "docs/reference/stages.md"
    page.write_text(text_of(page) + "\nA note of mine.\n", encoding="utf-8")
    assert generator.main(["--check"], copied) == 0


def test_a_page_without_its_marks_is_refused(generator: ModuleType, copied: Path) -> None:
    (copied / "docs/reference/cli.md").write_text("# Commands\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no part 'commands'"):
        generator.main([], copied)
