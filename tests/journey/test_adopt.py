"""`mlx init --adopt` in repositories as people have them, with the real git and DVC."""

from __future__ import annotations

import json
import shutil
import signal
import textwrap
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.journey.conftest import call, good

if TYPE_CHECKING:
    from pathlib import Path

ADOPT = ("mlx", "init", "--adopt", "--task", "regression", "--target", "value")

COMMON = """\
import yaml


def params(group):
    with open("params.yaml") as file:
        return yaml.safe_load(file)[group]
"""
PREPARE = """\
import os

from common import params

with open("data/raw.csv") as file:
    rows = file.read().split()
n = int(len(rows) * params("prepare")["split"])
os.makedirs("data/prepared", exist_ok=True)
for name, part in (("test", rows[:n]), ("train", rows[n:])):
    with open(f"data/prepared/{name}.csv", "w") as file:
        file.write("\\n".join(part) + "\\n")
"""
TRAIN = """\
import json
import sys

from common import params

with open(sys.argv[1]) as file:
    rows = [float(row) for row in file.read().split()]
with open("model.json", "w") as file:
    json.dump({"mean": sum(rows) / len(rows), "depth": params("train")["depth"]}, file)
"""
EVALUATE = """\
import json
import os

with open("model.json") as file:
    mean = json.load(file)["mean"]
with open("data/prepared/test.csv") as file:
    errors = [abs(float(row) - mean) for row in file.read().split()]
os.makedirs("eval", exist_ok=True)
with open("eval/metrics.json", "w") as file:
    json.dump({"mae": sum(errors) / len(errors)}, file)
with open("eval/errors.csv", "w") as file:
    file.write("n,error\\n" + "".join(f"{n},{error}\\n" for n, error in enumerate(errors)))
"""
PARAMS = """\
prepare:
  split: 0.2
train:
  depth: 3
  unused: 1e-3
"""
DVC_YAML = """\
stages:
  prepare:
    cmd: python src/prepare.py
    deps: [data/raw.csv, src/prepare.py]
    params: [prepare.split]
    outs: [data/prepared]
  train:
    desc: A mean of all rows.
    cmd: python src/train.py data/prepared/train.csv
    deps: [data/prepared, src/train.py]
    params: [train.depth]
    outs: [model.json]
  evaluate:
    cmd: python src/evaluate.py
    deps: [data/prepared, model.json, src/evaluate.py]
    metrics:
      - eval/metrics.json: {cache: false}
    plots:
      - eval/errors.csv: {cache: false, x: n, y: error}
"""
MLX_YAML = """\
# yaml-language-server: $schema=references/mlx.schema.json
mlx: 1
project: shop
package: shop
task: regression
target: value

stages:
  prepare:
    cmd: python src/prepare.py
    inputs: [data/raw.csv]
    outputs: [data/prepared]
    params: [prepare]
  # A mean of all rows.
  train:
    kind: stage
    cmd: python src/train.py data/prepared/train.csv
    inputs: [data/prepared]
    outputs: [model.json]
    params: [train]
  evaluate:
    kind: stage
    cmd: python src/evaluate.py
    inputs: [data/prepared, model.json]
    outputs: [eval/metrics.json, eval/errors.csv]
    uncached: [eval/metrics.json, eval/errors.csv]

dvc: # what dvc.yaml said beside its stages
  metrics:
  - eval/metrics.json
  plots:
  - eval/errors.csv:
      x: n
      y: error
"""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def git(root: Path, *words: str) -> str:
    return good(root, "git", "-c", "user.name=a", "-c", "user.email=a@b", *words).out


def commit(root: Path, message: str = "work") -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def contents(root: Path) -> dict[str, bytes]:
    """Return every file that git would see."""
    names = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return {name: (root / name).read_bytes() for name in names if name and (root / name).is_file()}


def states(root: Path) -> dict[str, str]:
    return {stage["name"]: stage["state"] for stage in call(root, "mlx", "status", "--json").json["stages"]}


@pytest.fixture(scope="module")
def _ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("adopted") / "shop"
    write(
        root,
        {
            "src/common.py": COMMON,
            "src/prepare.py": PREPARE,
            "src/train.py": TRAIN,
            "src/evaluate.py": EVALUATE,
            "params.yaml": PARAMS,
            "dvc.yaml": DVC_YAML,
            "data/raw.csv": "".join(f"{n}\n" for n in range(50)),
            "Makefile": "all:\n\tdvc repro\n",
            ".gitignore": "__pycache__/\n",
        },
    )
    git(root, "init", "-q", "-b", "main")
    good(root, "dvc", "init", "-q")
    good(root, "dvc", "add", "-q", "data/raw.csv")
    good(root, "dvc", "repro", "-q")
    commit(root)
    return root


@pytest.fixture
def ran(_ran: Path, tmp_path: Path) -> Path:
    """A DVC pipeline of three stages that has run, committed."""
    shutil.copytree(_ran, tmp_path / "shop", symlinks=True)
    return tmp_path / "shop"


def test_a_pipeline_of_dvc(ran: Path) -> None:
    before = contents(ran)
    done = good(ran, *ADOPT)
    assert done.out == textwrap.dedent("""\
                file
        add     references/mlx.schema.json
        add     .env.example
        add     .pre-commit-config.yaml
        add     .mlx-template.json
        add     dvc.yaml.before-mlx
        add     dvc.lock.before-mlx
        add     mlx.yaml
        change  .gitignore
        change  dvc.yaml
        change  dvc.lock
        keep    Makefile
        keep    params.yaml

        stages of dvc.yaml: prepare, train, evaluate; 3 of them fresh
        adopted shop: package 'shop'

        next:
          git status
          mlx status
          mlx run
        """)
    after = contents(ran)
    assert after["mlx.yaml"].decode() == MLX_YAML
    for path in ("dvc.yaml", "dvc.lock"):
        assert after[f"{path}.before-mlx"] == before[path]
    assert after[".gitignore"].startswith(before[".gitignore"])
    untouched = before.keys() - {"dvc.yaml", "dvc.lock", ".gitignore"}
    assert {path: after[path] for path in untouched} == {path: before[path] for path in untouched}


def test_results_of_dvc_repro_still_count(ran: Path) -> None:
    good(ran, *ADOPT, "--quiet")
    good(ran, "mlx", "check")
    assert states(ran) == {"prepare": "fresh", "train": "fresh", "evaluate": "fresh"}
    good(ran, "mlx", "status", "--check")
    assert good(ran, "dvc", "status").out == "Data and pipelines are up to date.\n"
    run = good(ran, "mlx", "run", "--json").json
    assert [stage["status"] for stage in run["stages"]] == ["fresh", "fresh", "fresh"]
    assert "mae" in good(ran, "dvc", "metrics", "show").out
    assert good(ran, "dvc", "plots", "show", "--json").out.count("eval/errors.csv") >= 1
    write(ran, {"params.yaml": PARAMS.replace("depth: 3", "depth: 4")})
    run = good(ran, "mlx", "run", "--json").json
    assert [stage["status"] for stage in run["stages"]] == ["fresh", "ran", "ran"]
    assert good(ran, "dvc", "status").out == "Data and pipelines are up to date.\n"
    git(ran, "ls-files", "--error-unmatch", "eval/metrics.json")


def test_a_second_time_there_is_nothing_to_do(ran: Path) -> None:
    good(ran, *ADOPT, "--quiet")
    before = contents(ran)
    assert good(ran, "mlx", "init", "--adopt").out == "nothing to add: 'shop' has all of it\n"
    assert contents(ran) == before
    good(ran, "mlx", "template", "update", "--check")
    (ran / ".env.example").unlink()
    assert good(ran, "mlx", "init", "--adopt", "--json").json["added"] == [".env.example"]


def test_a_dry_run_writes_nothing(ran: Path) -> None:
    done = good(ran, *ADOPT, "--dry-run", "--json").json
    assert done["adopted"] is False
    assert done["changed"] == [".gitignore", "dvc.yaml", "dvc.lock"]
    assert done["fresh"] == ["prepare", "train", "evaluate"]
    assert git(ran, "status", "--porcelain") == ""


def test_a_clone_without_the_data(ran: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(ran), str(tmp_path / "clone"))
    root = tmp_path / "clone"
    done = good(root, *ADOPT, "--json").json
    assert (done["project"], done["fresh"]) == ("clone", ["prepare", "train", "evaluate"])
    good(root, "mlx", "status", "--check")


def test_code_that_dvc_did_not_track_must_be_known_to_be_the_same(ran: Path) -> None:
    write(ran, {"src/common.py": COMMON + "\n\nEDITED = True\n"})
    commit(ran)
    good(ran, "dvc", "status", "-q")
    done = good(ran, *ADOPT, "--json").json
    assert done["fresh"] == ["evaluate"]
    assert done["notes"] == [
        "'prepare' runs once more, since it depends on code that DVC did not track: src/common.py",
        "'train' runs once more, since it depends on code that DVC did not track: src/common.py",
    ]
    assert states(ran) == {"prepare": "stale", "train": "stale", "evaluate": "stale"}
    run = good(ran, "mlx", "run", "--json").json
    assert [stage["status"] for stage in run["stages"]] == ["ran", "ran", "fresh"]


def test_what_dvc_calls_stale_stays_so(ran: Path) -> None:
    write(ran, {"params.yaml": PARAMS.replace("depth: 3", "depth: 4")})
    done = good(ran, *ADOPT, "--json").json
    assert done["fresh"] == ["prepare", "evaluate"]
    assert states(ran) == {"prepare": "fresh", "train": "stale", "evaluate": "stale"}


LOOPS = """\
vars:
  - names: {out: made}
stages:
  each:
    foreach: [a, b]
    do:
      wdir: work
      cmd:
        - mkdir -p ${names.out}
        - echo ${item} ${model.depth} > ${names.out}/${item}.txt; true
      deps: [../input.txt]
      params: [../conf/model.json: [width]]
      outs: ["${names.out}/${item}.txt"]
  join:
    cmd: cat work/made/a.txt work/made/b.txt > "all of it.txt" && echo \\${HOME} >> "all of it.txt"
    deps: [work/made/a.txt, work/made/b.txt]
    outs: ["all of it.txt"]
"""


def test_loops_folders_variables_and_several_commands(tmp_path: Path) -> None:
    root = tmp_path / "loops"
    write(
        root,
        {
            "dvc.yaml": LOOPS,
            "input.txt": "1\n",
            "params.yaml": "model: {depth: 3}\n",
            "conf/model.json": json.dumps({"width": 2, "other": 1}),
            "work/.gitkeep": "",
        },
    )
    git(root, "init", "-q")
    good(root, "dvc", "init", "-q")
    good(root, "dvc", "repro", "-q")
    commit(root)
    done = good(root, *ADOPT, "--json").json
    assert done["stages"] == ["each-a", "each-b", "join"]
    assert done["fresh"] == done["stages"]
    assert done["notes"] == [
        f"'each-{item}': {text}"
        for item in ("a", "b")
        for text in (
            f"its name in dvc.yaml was 'each@{item}'",
            "it holds values of params.yaml: model.depth; a change there no longer changes its command",
        )
    ]
    stages = yaml.safe_load((root / "mlx.yaml").read_text(encoding="utf-8"))["stages"]
    assert stages["each-a"] == {
        "cmd": "cd work && mkdir -p made\ncd work && (echo a 3 > made/a.txt; true)",
        "inputs": ["input.txt", "conf/model.json"],
        "outputs": ["work/made/a.txt"],
    }
    good(root, "mlx", "check")
    assert set(states(root).values()) == {"fresh"}
    assert good(root, "dvc", "status").out == "Data and pipelines are up to date.\n"
    good(root, "mlx", "run", "--force")
    assert (root / "all of it.txt").read_text(encoding="utf-8").startswith("a 3\nb 3\n/")


REFUSED = {
    "persist": (
        "stages: {a: {cmd: touch x, outs: [{x: {persist: true}}]}}",
        ["a: 'x' has 'persist: true', and mlx removes an output before its stage runs"],
    ),
    "outside": (
        "stages: {a: {cmd: touch x, deps: [/etc/hosts, 'https://example.com/rows.csv'], outs: [x]}}",
        [
            "a: '/etc/hosts' is outside the project",
            "a: 'https://example.com/rows.csv' is outside the project",
        ],
    ),
    "frozen": (
        "stages: {a: {cmd: touch x, outs: [x], frozen: true}, b: {cmd: touch y, always_changed: true}}",
        ["a: 'frozen: true'", "b: 'always_changed: true'"],
    ),
    "notes on an output": (
        "stages: {a: {cmd: touch x, outs: [{x: {desc: an x, type: model}}], meta: {by: me}}}",
        ["a: 'meta'", "a: 'x' has 'desc:'", "a: 'x' has 'type:'"],
    ),
    "a remote of its own": (
        "stages: {a: {cmd: touch x, outs: [{x: {push: false}}]}}",
        ["a: 'x' has 'push:'"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_mlx_yaml_cannot_say_is_refused(tmp_path: Path, name: str) -> None:
    text, context = REFUSED[name]
    write(tmp_path, {"dvc.yaml": text})
    git(tmp_path, "init", "-q")
    good(tmp_path, "dvc", "init", "-q")
    before = contents(tmp_path)
    done = call(tmp_path, *ADOPT, "--json")
    assert done.code == 3
    assert done.json["error"] == {
        "kind": "refused",
        "message": "dvc.yaml says what mlx.yaml cannot say, and nothing was written",
        "context": context,
        "hint": "change what is named here in dvc.yaml, run `dvc repro`, then run the same command again",
    }
    assert contents(tmp_path) == before
    assert not (tmp_path / ".mlx").exists()


def test_what_mlx_yaml_does_not_take_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"dvc.yaml": "stages: {a: {cmd: touch mlruns, outs: [mlruns]}}"})
    good(tmp_path, "dvc", "init", "-q", "--no-scm")
    done = call(tmp_path, *ADOPT, "--json")
    assert done.code == 3
    assert (
        done.json["error"]["message"] == "dvc.yaml says what mlx.yaml does not take, and nothing was written"
    )
    assert done.json["error"]["context"] == [
        "stages.a.outputs[0]: 'mlruns' is the project's own, and no place for an output"
    ]


def test_a_dvc_yaml_without_stages_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"dvc.yaml": "metrics: [a.json]\n"})
    done = call(tmp_path, *ADOPT, "--json")
    assert (done.code, done.json["error"]["message"]) == (5, "this folder is in no DVC repository")
    assert done.json["error"]["hint"] == "run `dvc init`"
    good(tmp_path, "dvc", "init", "-q", "--no-scm")
    done = call(tmp_path, *ADOPT, "--json")
    assert (done.code, done.json["error"]["message"]) == (
        3,
        "dvc.yaml has no stages, and mlx would have to write its own in its place",
    )


def test_a_folder_behind_a_link(ran: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(ran)
    done = good(tmp_path, *ADOPT, "link", "--json").json
    assert (done["project"], done["fresh"]) == ("link", ["prepare", "train", "evaluate"])
    good(tmp_path / "link", "mlx", "status", "--check")


def test_a_shallow_clone_knows_of_no_code(ran: Path, tmp_path: Path) -> None:
    write(ran, {"README.md": "x\n"})
    commit(ran)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{ran}", str(tmp_path / "clone"))
    done = good(tmp_path / "clone", *ADOPT, "--json").json
    assert done["fresh"] == ["evaluate"]


def test_stages_in_two_files_are_refused(ran: Path) -> None:
    write(ran, {"more/dvc.yaml": "stages: {a: {cmd: touch x, outs: [x]}}"})
    done = call(ran, *ADOPT, "--json")
    assert done.code == 3
    assert done.json["error"]["context"] == ["more/dvc.yaml: has stages, too; move them into dvc.yaml first"]


def test_scripts_and_notebooks_become_proposals(tmp_path: Path) -> None:
    root = tmp_path / "My old scripts"
    main = 'if __name__ == "__main__":\n    print(1)\n'
    write(
        root,
        {
            "train.py": main,
            "scripts/clean data.py": main,
            "scripts/helpers.py": "x = 1\n",
            "tests/test_train.py": main,
            "notebooks/look.ipynb": "{}",
            "analysis/plot.R": "",
            "src/old_shop/__init__.py": "",
            "Makefile": "all:\n",
        },
    )
    git(root, "init", "-q")
    commit(root)
    before = contents(root)
    done = good(root, *ADOPT, "--json").json
    assert (done["project"], done["package"]) == ("my-old-scripts", "old_shop")
    assert done["scripts"] == ["analysis/plot.R", "notebooks/look.ipynb", "scripts/clean data.py", "train.py"]
    assert (done["kept"], done["changed"]) == (["Makefile"], [])
    after = contents(root)
    assert {path: after[path] for path in before} == before
    wanted = call(root, "mlx", "check")
    assert (wanted.code, wanted.err) == (
        4,
        "error: mlx.yaml has a problem\n"
        "  mlx.yaml:8:1 stages: must be a mapping, is empty\n"
        "hint: edit mlx.yaml, then run `mlx check`\n",
    )
    text = (root / "mlx.yaml").read_text(encoding="utf-8")
    head, mark, proposed = text.partition("for an example.\n")
    live = head + mark + "\n".join(line.replace("  # ", "  ", 1) for line in proposed.splitlines()) + "\n"
    write(root, {"mlx.yaml": live})
    good(root, "mlx", "check", "--fix")
    assert yaml.safe_load(live)["stages"]["clean_data"] == {
        "cmd": "python 'scripts/clean data.py'",
        "inputs": [],
        "outputs": [],
    }


def test_without_git(tmp_path: Path) -> None:
    write(tmp_path, {"shop/train.py": "print(1)\n"})
    done = good(tmp_path, *ADOPT, "shop", "--json").json
    assert done["notes"] == ["this is no git repository; run `git init`, or work without"]
    config = tmp_path / "shop/mlx.yaml"
    config.write_text(
        config.read_text(encoding="utf-8") + "  a:\n    cmd: python train.py\n", encoding="utf-8"
    )
    good(tmp_path / "shop", "mlx", "run")


def test_a_folder_of_a_repository(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, {"models/shop/a.txt": "", "README.md": ""})
    done = good(tmp_path, *ADOPT, "models/shop", "--ci", "gitlab", "--json").json
    assert ".gitlab-ci.yml" in done["added"]
    assert (tmp_path / "models/shop/.dvc/config").is_file()
    assert not (tmp_path / ".dvc").exists()
    lines = (tmp_path / "models/shop/.gitignore").read_text(encoding="utf-8").splitlines()
    assert lines == ["# tracking and state of mlx", "/.mlx/", "/mlflow.db*", "/mlruns/", ".env"]


BAD = {
    "no task, no target": (
        ("mlx", "init", "--adopt"),
        {},
        2,
        "what the model predicts stands in no file here: say it with --task and --target",
        "run `mlx init --adopt . --target COLUMN --task classification`",
    ),
    "no folder": ((*ADOPT, "nowhere"), {}, 2, "there is no folder 'nowhere' to adopt", None),
    "a project already": (
        ADOPT,
        {"mlx.yaml": "mlx: 1\n"},
        2,
        "there is a mlx.yaml, so this is a project already",
        "run `mlx check`, or for the template of this mlx `mlx template update`",
    ),
    "a dvc.yaml of mlx": (
        ADOPT,
        {"dvc.yaml": "# Generated by mlx from mlx.yaml; `mlx check --fix` writes it anew.\n"},
        2,
        "mlx wrote this dvc.yaml, and the mlx.yaml that it came from is gone",
        "run `git checkout HEAD -- mlx.yaml`",
    ),
    "a folder in the way": (
        ADOPT,
        {"params.yaml/x": "", "references": "a file"},
        2,
        "something is in the way of a new file, and nothing was written",
        "move it away, then run `mlx init --adopt . --target value --task regression`",
    ),
    "an option of new projects": (
        (*ADOPT, "--data", "rows.csv"),
        {},
        2,
        "'--data' goes with a new project, and '--adopt' with one that has its code",
        None,
    ),
    "a template": (
        (*ADOPT, "--template", "torch"),
        {},
        2,
        "'--template' goes with a new project, and '--adopt' with one that has its code",
        None,
    ),
    "no such workflows": (
        (*ADOPT, "--ci", "gihub"),
        {},
        2,
        "there are no workflows for 'gihub', did you mean 'github'?",
        None,
    ),
    "dry run of a new project": (
        ("mlx", "init", "x", "--dry-run"),
        {},
        2,
        "'--dry-run' goes with '--adopt'",
        None,
    ),
    "no name": (("mlx", "init"), {}, 2, "missing argument 'name'", "run `mlx init --help`"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(tmp_path: Path, name: str) -> None:
    command, files, code, message, hint = BAD[name]
    write(tmp_path, files)
    before = sorted(tmp_path.rglob("*"))
    done = call(tmp_path, *command, "--json")
    assert (done.code, done.json["error"]["message"]) == (code, message)
    assert done.json["error"]["hint"] == (hint or done.json["error"]["hint"])
    assert done.json["error"]["hint"]
    assert sorted(tmp_path.rglob("*")) == before


KILL = """\
import os, signal, sys
from pathlib import Path
from mlxkit.pipeline import staged
from mlxkit.cli.app import main
write, left = staged.write_atomically, [int(sys.argv[1])]
def dies(path, content):
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    write(path, content)
staged.write_atomically = dies
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("writes", [0, 1, 4, 8, 10])
def test_a_kill_leaves_what_a_second_try_completes(ran: Path, tmp_path: Path, writes: int) -> None:
    whole = tmp_path / "whole" / "shop"
    shutil.copytree(ran, whole, symlinks=True)
    good(whole, *ADOPT)
    script = tmp_path / "kill.py"
    script.write_text(KILL, encoding="utf-8")
    killed = call(ran, "python", str(script), str(writes), *ADOPT[1:])
    assert killed.code == -signal.SIGKILL
    assert not (ran / "mlx.yaml").exists()
    good(ran, *ADOPT)
    assert contents(ran) == contents(whole)
    assert states(ran) == {"prepare": "fresh", "train": "fresh", "evaluate": "fresh"}


def test_it_can_be_left_and_adopted_again(ran: Path) -> None:
    mine = (ran / "dvc.yaml").read_bytes()
    good(ran, *ADOPT)
    commit(ran)
    good(ran, "mlx", "eject", "--yes")
    assert not (ran / ".mlx-template.json").exists()
    assert good(ran, "dvc", "status").out == "Data and pipelines are up to date.\n"
    assert "mae" in good(ran, "dvc", "metrics", "show").out
    commit(ran)
    again = good(ran, *ADOPT, "--json").json
    assert again["fresh"] == ["prepare", "train", "evaluate"]
    assert "dvc.yaml.before-mlx-2" in again["added"]
    assert (ran / "dvc.yaml.before-mlx").read_bytes() == mine


def test_other_workflows_are_refused(ran: Path) -> None:
    """Those of the first adoption would be taken for files that the template has no more."""
    good(ran, *ADOPT, "--ci", "gitlab", "--quiet")
    done = call(ran, *ADOPT, "--ci", "github")
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "error: 'shop' has the workflows for 'gitlab' already",
    )
    assert not (ran / ".github").exists()
