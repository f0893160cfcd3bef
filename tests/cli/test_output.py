from __future__ import annotations

import contextlib
import io
import json
import math
import os
from typing import TYPE_CHECKING

import pytest

from mlxkit.errors import ConfigError, MlxError, Refused
from mlxkit.layout import terminal_width
from mlxkit.output import Mode, Output, number, seconds, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Said = Callable[[], tuple[str, str]]

REFUSED = Refused("not 'now'", context=["here", "and there"], hint="run `mlx later`")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def read() -> tuple[str, str]:
        out, err = capsys.readouterr()
        return out, err

    return read


ERROR_TEXT = "error: not 'now'\n  here\n  and there\nhint: run `mlx later`\n"
ERROR_JSON = {
    "kind": "refused",
    "message": "not 'now'",
    "context": ["here", "and there"],
    "hint": "run `mlx later`",
}


@pytest.mark.parametrize(
    ("mode", "out"),
    [("human", "one\ntwo\n"), ("json", '{\n  "n": 1,\n  "name": "Zürich"\n}\n'), ("quiet", "")],
)
def test_answer(said: Said, mode: Mode, out: str) -> None:
    Output(mode).answer({"n": 1, "name": "Zürich"}, lambda: ["one", "two"])
    assert said() == (out, "")


@pytest.mark.parametrize(
    ("mode", "err"),
    [("human", "by the way\nwarning: careful\n"), ("json", "warning: careful\n"), ("quiet", "")],
)
def test_beside_the_answer(said: Said, mode: Mode, err: str) -> None:
    output = Output(mode)
    output.note("by the way")
    output.warn("careful")
    assert said() == ("", err)


@pytest.mark.parametrize("mode", ["human", "quiet"])
def test_error(said: Said, mode: Mode) -> None:
    Output(mode).error(REFUSED)
    assert said() == ("", ERROR_TEXT)


def test_error_without_more(said: Said) -> None:
    Output().error(MlxError("gone"))
    assert said() == ("", "error: gone\n")


def test_error_as_json(said: Said) -> None:
    Output("json").error(REFUSED)
    out, err = said()
    assert (json.loads(out), err) == ({"error": ERROR_JSON}, "")


def test_answer_and_error_are_one_document(said: Said) -> None:
    output = Output("json")
    output.answer({"passed": False}, list, error=REFUSED)
    output.error(REFUSED)
    out, err = said()
    assert (json.loads(out), err) == ({"passed": False, "error": ERROR_JSON}, "")


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job of GitHub Actions; its summary and outputs go to files in this folder."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    return tmp_path


MARKED = "::error title=mlx::not 'now'%0Ahere%0Aand there%0Ahint: run `mlx later`\n"


def test_a_job_gets_summary_outputs_and_annotation(said: Said, job: Path) -> None:
    output = Output("quiet")
    output.answer({}, lambda: ["a table"], error=REFUSED, outputs={"run_id": "7"})
    caution = "> [!CAUTION]\n> not 'now'  \n> here  \n> and there  \n> Hint: run `mlx later`  \n"
    assert (job / "summary").read_text() == f"```\na table\n```\n\n{caution}"
    assert (job / "outputs").read_text() == "run_id=7\n"
    assert said() == ("", MARKED)


def test_a_job_gets_markdown_where_there_is_some(said: Said, job: Path) -> None:
    Output("quiet").answer({}, list, outputs={}, markdown=lambda: "### done\n")
    assert (job / "summary").read_text() == "### done\n"
    assert said() == ("", "")


def test_an_error_is_marked_once(said: Said, job: Path) -> None:
    output = Output("json")
    output.answer({}, list, error=REFUSED)
    output.error(REFUSED)
    assert said()[1] == MARKED


def test_problems_are_marked_in_their_files(said: Said, job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a project in a subfolder of the repository; a path counts from the repository."""
    (job / "churn/src").mkdir(parents=True)
    (job / "churn/mlx.yaml").touch()
    monkeypatch.setenv("GITHUB_WORKSPACE", str(job))
    monkeypatch.chdir(job / "churn/src")
    problems = ["mlx.yaml:14:5 stages.train.cal: unknown key, did you mean 'call'?", "mlx.yaml:2:1 100 %, a"]
    Output("json").error(ConfigError("mlx.yaml has 2 problems", context=problems, hint="edit mlx.yaml"))
    place = "file=churn/mlx.yaml,line={},col={},title=mlx.yaml has 2 problems"
    assert said()[1].splitlines() == [
        f"::error {place.format(14, 5)}::stages.train.cal: unknown key, did you mean 'call'?",
        f"::error {place.format(2, 1)}::100 %25, a",
    ]


def test_a_warning_is_marked(said: Said, job: Path) -> None:
    Output("quiet").warn("old\nnews")
    assert said() == ("", "::warning title=mlx::old%0Anews\n")


def test_json_has_no_nan(said: Said) -> None:
    Output("json").answer({"a": math.nan, "b": [math.inf, 1.5], "c": {"d": (-math.inf, None)}}, list)
    assert json.loads(said()[0], parse_constant=pytest.fail) == {
        "a": None,
        "b": [None, 1.5],
        "c": {"d": [None, None]},
    }


def table(
    width: int, monkeypatch: pytest.MonkeyPatch, rows: list[list[str]], right: tuple[int, ...] = ()
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    return Output().table(["name", "n", "because"], rows, right=right)


def test_table(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["a", "1", "x"], ["longer", "23", ""]]
    assert table(80, monkeypatch, rows, (1,)) == [
        "name     n  because",
        "a        1  x",
        "longer  23",
    ]


def test_what_others_wrote_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason in a git tag, a class in the data, the subject of a commit."""
    rows = [["a", "1", "x\x1b[2Jy\nz\r"], ["b\x1b[", "2", "\x1b[31mred\x1b[0m"]]
    assert table(80, monkeypatch, rows) == [
        "name  n  because",
        "a     1  x [2Jy z",
        "b [   2  \x1b[31mred\x1b[0m",
    ]


def test_table_wraps_its_last_column(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["train", "1", "input data/train.parquet changed; model.depth: 3 -> 4"], ["x", "2", "short"]]
    lines = table(40, monkeypatch, rows)
    assert lines == [
        "name   n  because",
        "train  1  input data/train.parquet",
        "          changed; model.depth: 3 -> 4",
        "x      2  short",
    ]
    assert max(map(len, lines)) <= 40


def test_table_cuts_a_word_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = table(32, monkeypatch, [["train", "1", "see data/" + "x" * 30 + " again"]])
    assert lines[1:] == [
        "train  1  see",
        "          data/xxxxxxxxxxxxxxxxx",
        "          xxxxxxxxxxxxx again",
    ]


def test_table_is_never_too_narrow_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = table(10, monkeypatch, [["train", "1", "one two three four five six"]])
    assert lines[1:] == ["    because", "train  1", "    one two three four", "    five six"]


def test_table_puts_long_reasons_below_long_names(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "equalized_odds_difference by protected <= 0.2"
    why = "Equalized odds difference is 0.153 (0.435 for SeniorCitizen=0, 0.588 for SeniorCitizen=1)"
    rows = [[name, "passed", f"{why}, and at most 0.2 is required"], ["short", "passed", ""]]
    lines = table(80, monkeypatch, rows)
    assert lines[0].split() == ["name", "n"]
    assert lines[1:4] == ["    because", f"{name}  passed", f"    {why.removesuffix(' SeniorCitizen=1)')}"]
    assert lines[-1].split() == ["short", "passed"]
    assert max(map(len, lines)) <= 80
    assert table(160, monkeypatch, rows)[1].startswith(f"{name}  passed  {why}")
    assert table(80, monkeypatch, [[name, "passed", "fits in two lines here, at the edge"]])[0].endswith(
        "because"
    )


def test_table_of_wide_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Chinese character takes two columns, a combining accent none."""
    rows = [["模型", "1", "a"], ["u\u0308ber", "1", "b"], ["plain", "1", "模型 模型 模型 模型 模型"]]
    assert table(32, monkeypatch, rows) == [
        "name   n  because",
        "模型   1  a",
        "u\u0308ber   1  b",
        "plain  1  模型 模型 模型 模型",
        "          模型",
    ]


def test_table_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert table(80, monkeypatch, []) == ["name  n  because"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def terminal(**variables: str) -> Iterator[tuple[Terminal, Terminal]]:
    """Stand in for standard output and standard error."""
    os.environ.pop("NO_COLOR")
    os.environ.update({"TERM": "xterm", **variables})
    with contextlib.redirect_stdout(Terminal()) as out, contextlib.redirect_stderr(Terminal()) as err:
        yield out, err


def test_colours() -> None:
    with terminal() as (_, err):
        output = Output()
        assert output.style("fresh", "green", "bold") == "\x1b[32;1mfresh\x1b[0m"
        assert output.style("", "green") == ""
        assert output.table(["a", "b"], [[output.style("fresh", "green"), "x"], ["stale!", "y"]]) == [
            "\x1b[1ma       b\x1b[0m",
            "\x1b[32mfresh\x1b[0m   x",
            "stale!  y",
        ]
        output.error(REFUSED)
    assert err.getvalue() == (
        "\x1b[31merror:\x1b[0m not 'now'\n  here\n  and there\n\x1b[36mhint:\x1b[0m run `mlx later`\n"
    )


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "screen"}, True),
    ],
)
def test_no_color(variables: dict[str, str], coloured: bool) -> None:
    with terminal(**variables) as (_, err):
        assert (Output().style("fresh", "green") != "fresh") is coloured
        Output().warn("careful")
    assert (err.getvalue() != "warning: careful\n") is coloured


@pytest.mark.parametrize("mode", ["json", "quiet"])
def test_no_colours_in_documents(mode: Mode) -> None:
    with terminal():
        assert Output(mode).style("fresh", "green") == "fresh"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (119.4, "119 s"),
        (125, "2 min 5 s"),
        (7199, "119 min 59 s"),
        (7260, "2 h 1 min"),
    ],
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10188, "9.9 KiB"),
        (10189, "10 KiB"),
        (1048063, "1023 KiB"),
        (1048064, "1.0 MiB"),
        (3 << 20, "3.0 MiB"),
        (200 << 30, "200 GiB"),
        (5 << 40, "5120 GiB"),
    ],
)
def test_size(value: int, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.123456, "0.1235"), (1.0, "1"), (123456.0, "1.235e+05"), (3, "3"), ("x", "x")]
)
def test_number(value: object, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("columns", "width"), [("100", 100), ("0", 120), ("x", 120)])
@pytest.mark.usefixtures("said")
def test_width_of_a_pipe(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width() == width
