from __future__ import annotations

import shlex
import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlxkit.cli.app import main
from mlxkit.pipeline.command import Command, command_of
from mlxkit.project.load import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from small_project import SmallProject

NAME = st.text(string.ascii_letters + string.digits + "_-äß", min_size=1).filter(lambda n: n[0].isalpha())
# What a column, a path or a variable may hold; no NUL, which no command line can carry.
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
ONE_LINE = ANY_TEXT.filter(lambda text: text.splitlines() in ([], [text]))
ODD = st.sampled_from(
    ["", " ", "1", "true", "null", "1.50", "NaN", "[1]", "{}", '"1"', '"', "it's", "\\", "`x`", "*"]
) | st.sampled_from(
    [
        "a=b",
        "=",
        "-",
        "-x",
        "--",
        "a --b",
        "a  b",
        "$HOME",
        "${NAME}",
        "größe",
        "\ufeffid",
        "a\nb",
        "\x85",
        "\u2028",
    ]
)
SCALAR = st.one_of(
    ODD, ANY_TEXT, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)
)
COMMANDS = st.builds(
    Command,
    stage=st.from_regex(r"[A-Za-z][A-Za-z0-9_-]*", fullmatch=True),
    kind=st.sampled_from(["stage", "train", "evaluate"]),
    call=st.just("demo.steps:clean"),
    bind=st.dictionaries(NAME, ONE_LINE, max_size=3),
    out=st.dictionaries(NAME, ONE_LINE, max_size=3),
    params=st.lists(st.one_of(NAME, ONE_LINE), max_size=3).map(tuple),
    context=st.dictionaries(
        st.sampled_from(["task", "target", "positive", "key", "time", "protected"]),
        st.one_of(SCALAR, st.lists(ANY_TEXT, max_size=3)),
    ),
    package=st.one_of(st.none(), st.just("demo")),
    env=st.dictionaries(NAME, st.one_of(ODD, ANY_TEXT), max_size=3),
    read=st.dictionaries(NAME, st.dictionaries(NAME, st.one_of(SCALAR, st.lists(ANY_TEXT, max_size=3)))),
)


@pytest.fixture
def executed(small: SmallProject, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], Command]:
    """Run `mlx exec` and return the command that it would have executed."""
    seen: list[Command] = []
    monkeypatch.setattr("mlxkit.pipeline.execute.execute", lambda command, root: seen.append(command))

    def parse(arguments: list[str]) -> Command:
        assert main(["exec", *arguments]) == 0
        return seen.pop()

    return parse


def assert_same(one: Command, two: Command) -> None:
    assert one == two
    # 1 == True == 1.0 in Python, but they are different labels.
    assert repr(one) == repr(two)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command=COMMANDS)
def test_arguments_come_back_from_the_command_line_as_they_were(
    command: Command, executed: Callable[[list[str]], Command]
) -> None:
    assert_same(executed(command.arguments()), command)


@settings(max_examples=150, deadline=None)
@given(command=COMMANDS)
def test_the_shell_reads_the_same_words_in_one_line(command: Command) -> None:
    assert shlex.split(command.shell()) == ["mlx", "exec", *command.arguments()]
    # DVC runs every line as a command of its own.
    assert len(command.shell().splitlines()) == 1


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.one_of(ODD, ONE_LINE).filter(lambda t: t.splitlines() == [t]), min_size=1, max_size=3)
)
def test_a_shell_command_comes_back_line_by_line(
    lines: list[str], executed: Callable[[list[str]], Command]
) -> None:
    command = Command("right", cmd="\n".join(lines), env={"X": "1"})
    assert_same(executed(command.arguments()), command)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("Churn", "Churn"),
        ("größe in m²", "größe in m²"),
        ("1", '"1"'),
        (1, "1"),
        (True, "true"),
        ("true", '"true"'),
        (1.5, "1.5"),
        ('"quoted"', '"\\"quoted\\""'),
        (["gender", "1"], '["gender", "1"]'),
        ("${NAME}", "${NAME}"),
        ("a=b", "a=b"),
    ],
)
def test_values_of_mlx_yaml_stay_readable(value: Any, written: str) -> None:
    assert Command("s", call="m:f", context={"target": value}).arguments() == [
        "s",
        "--call",
        "m:f",
        "--with",
        f"target={written}",
    ]


def test_a_plain_command_stays_as_the_user_wrote_it() -> None:
    cmd = 'python scripts/right.py --name "it\'s" > out.txt && echo $HOME'
    assert Command("right", cmd=cmd).shell() == cmd


@pytest.mark.parametrize(
    ("cmd", "env", "shell"),
    [
        ("Rscript fit.R", {"N": "4"}, "mlx exec right --cmd 'Rscript fit.R' --set-env N=4"),
        ("echo ${HOME}", {}, "mlx exec right --cmd 'echo ${HOME}'"),
        ("a\nb", {"N": "${CORES}"}, "mlx exec right --cmd a --cmd b --set-env 'N=${CORES}'"),
    ],
)
def test_a_command_with_variables_goes_through_mlx(cmd: str, env: dict[str, str], shell: str) -> None:
    assert Command("right", cmd=cmd, env=env).shell() == shell


def test_only_what_can_change_a_result_stands_in_the_command(small: SmallProject) -> None:
    small.write(
        {
            "src/demo/steps.py": "def clean(raw: dict, scale, target, protected, n=1): ...\n",
        }
    )
    small.configure(
        {
            "clean": {
                "call": "demo.steps:clean",
                "inputs": {"raw": "data/raw.json"},
                "outputs": {"cleaned": "build/clean.json"},
                "params": ["cleaning"],
                "on": "box",
                "timeout": "5m",
                "retries": 2,
            }
        },
        key="id",
        protected=["sex"],
        targets={"box": {"ssh": "box"}},
    )
    project = load(small.root)
    assert command_of(project, project.stages["clean"]).shell() == (
        "mlx exec clean --call demo.steps:clean --bind raw=data/raw.json --out cleaned=build/clean.json "
        "--params cleaning --with target=y --with 'protected=[\"sex\"]'"
    )


def test_a_function_that_hides_its_parameters_gets_all_of_mlx_yaml(small: SmallProject) -> None:
    small.write({"src/demo/steps.py": "def clean(raw, **rest): ...\n"})
    small.configure(
        {
            "clean": {
                "call": "demo.steps:clean",
                "inputs": {"raw": "data/raw.json"},
                "outputs": {"cleaned": "build/clean.json"},
            }
        },
        key="id",
    )
    project = load(small.root)
    assert command_of(project, project.stages["clean"]).context == {
        "task": "regression",
        "target": "y",
        "key": "id",
    }


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["x", "--call", "m:f", "--bind", "raw"], "'--bind raw' is no NAME=VALUE", "run `mlx check --fix`"),
        (["x", "--call", "m:f", "--with", "=1"], "'--with =1' is no NAME=VALUE", "run `mlx check --fix`"),
        (["x"], "a stage needs one of --call and --cmd", "run `mlx check --fix`"),
        (
            ["x", "--call", "m:f", "--cmd", "ls"],
            "a stage needs one of --call and --cmd",
            "run `mlx check --fix`",
        ),
        (["x", "--kind", "check"], "there is no kind 'check'", "use stage, train or evaluate"),
    ],
)
def test_arguments_that_mlx_did_not_write(
    small: SmallProject, mlx: Any, arguments: list[str], message: str, hint: str
) -> None:
    result = mlx("exec", *arguments)
    assert (result.code, result.err) == (2, f"error: {message}\nhint: {hint}\n")


def test_how_raw_data_is_read_stands_in_the_commands_of_its_readers(small: SmallProject) -> None:
    """Of the stages that read a CSV file which no stage makes, and of no other."""
    (small.root / "data/raw.csv").write_text("x;y\n1,5;2\n", encoding="utf-8")
    text = (small.root / "mlx.yaml").read_text(encoding="utf-8")
    changed = text.replace("stages:", 'read: {sep: ";", decimal: ","}\nstages:').replace(
        "raw.json", "raw.csv"
    )
    (small.root / "mlx.yaml").write_text(changed, encoding="utf-8")
    project = load(small.root)
    read = {name: command_of(project, stage).read for name, stage in project.stages.items()}
    readers = {name for name, stage in project.stages.items() if "data/raw.csv" in stage.inputs.values()}
    assert {name for name, options in read.items() if options} == readers
    assert readers


def test_read_is_a_json_object(small: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exec", "left", "--call", "demo.steps:clean", "--read", "raw=;"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: '--read raw=;' is no JSON object",
        "hint: run `mlx check --fix`",
    ]
