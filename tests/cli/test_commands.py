"""What holds for every command."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, get_args

import pytest

from mlxkit import __version__
from mlxkit.cli.app import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from conftest import Mlx, TmpDir


def callbacks(app: typer.Typer, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all commands by their names, those of a group behind its own: `jobs list`."""
    yield from ((f"{above}{command.name}", command.callback) for command in app.registered_commands)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from callbacks(group.typer_instance, f"{above}{group.name} ")


CALLBACKS = dict(callbacks(build()))
ARGUMENTS = {"drift": ["--data", "new.csv"], "exec": ["first", "--cmd", "true"], "init": ["churn"]}
ANYWHERE = {"init", "doctor"}

every_command = pytest.mark.parametrize("name", list(CALLBACKS))
every_project_command = pytest.mark.parametrize("name", [n for n in CALLBACKS if n not in ANYWHERE])


def test_the_commands() -> None:
    assert {"init", "status", "check", "run", "train", "evaluate", "promote", "drift"} <= set(CALLBACKS)


def test_no_description_is_cut_in_a_narrow_terminal(mlx: Mlx) -> None:
    text = mlx("--help").out
    listed = {line.split()[0] for line in text.splitlines() if line.strip()}
    assert {name.split()[0] for name in CALLBACKS} <= listed
    assert "..." not in text.partition("Commands:")[2]
    assert max(map(len, text.splitlines())) <= 80


@every_command
def test_help(mlx: Mlx, name: str) -> None:
    result = mlx(*name.split(), "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: mlx {name} [OPTIONS]")
    text = " ".join(result.out.split())
    assert "Example: " in text
    for option in ("--json", "--quiet", "-q,", "-C DIR", "--debug", "--help"):
        assert option in text
    sentence = result.out.splitlines()[2].strip()
    assert re.match(r"[A-Z][a-z]+ ", sentence)


@every_command
def test_the_example_can_be_parsed(mlx: Mlx, name: str) -> None:
    text = " ".join(mlx(*name.split(), "--help").out.split())
    example = re.search(r"Example: (?:\w+=\w+ )?(mlx .*?) (?:Arguments|Options):", text)
    assert example is not None
    words = shlex.split(example[1])
    assert words[1 : 1 + len(name.split())] == name.split()
    assert set(filter(re.compile(r"--?[a-z]").match, words[2:])) <= set(re.findall(r"--?[\w-]+", text))


@every_command
def test_short_help(mlx: Mlx, name: str) -> None:
    assert mlx(*name.split(), "-h").out == mlx(*name.split(), "--help").out


@every_command
def test_every_parameter_has_help(name: str) -> None:
    for parameter in CALLBACKS[name].__signature__.parameters.values():
        info = get_args(parameter.annotation)[1]
        assert re.fullmatch(r"\S.+[.]", info.help or ""), f"{name} {parameter.name}: {info.help!r}"


@every_project_command
def test_outside_a_project(mlx: Mlx, tmp_dir: TmpDir, name: str) -> None:
    result = mlx(*name.split(), *ARGUMENTS.get(name, []))
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: there is no mlx.yaml in this folder or above it\n"
        f"  {tmp_dir}\n"
        "hint: run `mlx init NAME`, or name the project's folder with `-C DIR`\n"
    )


@every_project_command
def test_outside_a_project_as_json(mlx: Mlx, tmp_dir: TmpDir, name: str) -> None:
    result = mlx(*name.split(), *ARGUMENTS.get(name, []), "--json")
    assert (result.code, result.err) == (2, "")
    assert result.json == {
        "error": {
            "kind": "not_in_project",
            "message": "there is no mlx.yaml in this folder or above it",
            "context": [str(tmp_dir)],
            "hint": "run `mlx init NAME`, or name the project's folder with `-C DIR`",
        }
    }


# `mlx exec` does what dvc.yaml says, and an update may mend mlx.yaml: neither reads it.
@pytest.mark.parametrize("name", [n for n in CALLBACKS if n not in {*ANYWHERE, "exec", "template update"}])
def test_broken_mlx_yaml(mlx: Mlx, tmp_dir: TmpDir, name: str) -> None:
    tmp_dir.gen("mlx.yaml", "mlx: 1\nstage: {}\n")
    result = mlx(*name.split(), *ARGUMENTS.get(name, []), "--json")
    assert (result.code, result.err) == (4, "")
    assert result.json["error"]["kind"] == "config"
    assert result.json["error"]["message"] == "mlx.yaml has 6 problems"
    assert result.json["error"]["context"][-1] == "mlx.yaml:2:1 stage: unknown key, did you mean 'stages'?"


@every_command
def test_unknown_option(mlx: Mlx, name: str) -> None:
    result = mlx(*name.split(), "--jsn")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"error: there is no option '--jsn', did you mean '--json'?\nhint: run `mlx {name} --help`\n"
    )


@every_command
def test_folder_that_does_not_exist(mlx: Mlx, tmp_dir: TmpDir, name: str) -> None:
    result = mlx(*name.split(), *ARGUMENTS.get(name, []), "-C", "nowhere")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: cannot work in 'nowhere': no such file or directory\n"
        "hint: name an existing folder with `-C DIR`\n"
    )


def test_folder_that_is_a_file(mlx: Mlx, copies: TmpDir) -> None:
    assert mlx("env", "-C", "mlx.yaml").err.startswith("error: cannot work in 'mlx.yaml': not a directory\n")


USAGE = {
    "unknown command": (["statuz"], "there is no command 'statuz', did you mean 'status'?", "mlx --help"),
    "command like no other": (["xyzzy"], "there is no command 'xyzzy'", "mlx --help"),
    "unknown short option": (["status", "-x"], "there is no option '-x'", "mlx status --help"),
    "option of the root": (["--jsn"], "there is no option '--jsn'", "mlx --help"),
    "missing argument": (["init"], "missing argument 'name'", "mlx init --help"),
    "missing option": (["drift"], "missing option '--data'", "mlx drift --help"),
    "unknown task": (
        ["init", "churn", "--task", "regress"],
        "there is no task 'regress', did you mean 'regression'?",
        "mlx init churn --task regression",
    ),
    "option without its value": (["run", "--set"], "option '--set' requires an argument", "mlx run --help"),
    "too many arguments": (["check", "a", "b"], "got unexpected extra arguments (a b)", "mlx check --help"),
    "no number": (
        ["runs", "-n", "0"],
        "invalid value for '--limit' / '-n': 0 is not in the range x>=1",
        "mlx runs --help",
    ),
}


@pytest.mark.parametrize(("argv", "message", "command"), USAGE.values(), ids=USAGE)
def test_usage_error(mlx: Mlx, argv: list[str], message: str, command: str) -> None:
    result = mlx(*argv)
    assert (result.code, result.out) == (2, "")
    # Typer's own copy of click words the plural this way.
    told = result.err.replace("argument(s)", "arguments")
    assert told == f"error: {message}\nhint: run `{command}`\n"


@pytest.mark.parametrize(("argv", "message", "command"), USAGE.values(), ids=USAGE)
def test_usage_error_as_json(mlx: Mlx, argv: list[str], message: str, command: str) -> None:
    if argv == ["run", "--set"]:
        argv = ["run", "--json", "--set"]
    result = mlx(*argv, *([] if "--json" in argv else ["--json"]))
    assert (result.code, result.err) == (2, "")
    error = result.json["error"]
    assert list(result.json) == ["error"]
    assert (error["kind"], error["context"], error["hint"]) == ("usage", [], f"run `{command}`")
    assert error["message"].replace("argument(s)", "arguments") == message


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["--quiet", "runs", "one run"], "mlx runs 'one run' --quiet"),
        (["-q"], "mlx --help"),
    ],
)
def test_an_option_before_its_command(mlx: Mlx, argv: list[str], command: str) -> None:
    result = mlx(*argv)
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: '{argv[0]}' goes after the command\nhint: run `{command}`\n"


def test_json_before_its_command_answers_in_json(mlx: Mlx) -> None:
    assert mlx("--json", "status").json["error"]["hint"] == "run `mlx status --json`"


def test_version(mlx: Mlx) -> None:
    assert mlx("--version").out == f"mlx {__version__}\n"


def test_no_command_shows_the_help(mlx: Mlx) -> None:
    result = mlx()
    assert (result.code, result.out) == (2, "")
    assert result.err == mlx("--help").out


def test_every_command_is_in_the_help_of_mlx(mlx: Mlx) -> None:
    listed = re.findall(r"^  ([a-z][a-z-]*)  +[A-Z]", mlx("--help").out, re.MULTILINE)
    assert sorted(listed) == sorted({name.split()[0] for name in CALLBACKS})
