"""Every way to get mlx.yaml wrong that we could think of, and the exact line the user reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlxkit.project.gates import MetricGate, metrics_named

if TYPE_CHECKING:
    from conftest import Churn

TRAIN = "call: churn.model:train"
FIGURES = "cmd: python -m churn.figures"
FIRST_GATE = "- {metric: roc_auc, min: 0.8}"
NAME_RULE = "a name may hold letters, digits, '-' and '_', and starts with a letter"
GATES = ("31:8 promote.gates[0].metric", "32:8 promote.gates[1].metric")
REGRESSION = "r2, mae, rmse, median_absolute_error, mape"
LINE_BREAK = "has a line break, which no path may have here"
OUTSIDE = "must be a path inside the project, relative to its root"

SHAPE = {
    "unknown key of a stage": (
        (TRAIN, "cal: churn.model:train"),
        ["19:5 stages.train.cal: unknown key, did you mean 'call'?"],
    ),
    "unknown key at the top": (
        ("promote:", "promot:"),
        ["29:1 promot: unknown key, did you mean 'promote'?"],
    ),
    "card with a misspelt key": (
        ("drift:", "card: {owners: Ann}\ndrift:"),
        ["33:8 card.owners: unknown key, did you mean 'owner'?"],
    ),
    "card with an empty field": (
        ("drift:", "card: {owner: , contact: '  '}\ndrift:"),
        ["33:8 card.owner: must be text, is empty", "33:17 card.contact: must be text, is empty"],
    ),
    "card that is a text": (("drift:", "card: Ann\ndrift:"), ["33:1 card: must be a mapping, is 'Ann'"]),
    "card with a list": (
        ("drift:", "card: {limitations: [a, b]}\ndrift:"),
        ["33:8 card.limitations: must be text, is a list"],
    ),
    "unknown key like no other": (("drift:", "xyz: 1\ndrift:"), ["33:1 xyz: unknown key"]),
    "key twice": (
        ("task: classification", "task: classification\ntarget: Label"),
        ["6:1 target: this key stands here twice"],
    ),
    "stage twice": (("  evaluate: {}", "  train: {}"), ["23:3 stages.train: this key stands here twice"]),
    "text for a list": (("[split]", "split"), ["17:5 stages.features.params: must be a list, is 'split'"]),
    "text for a mapping": (
        ("inputs: {raw: data/raw.csv}", "inputs: data/raw.csv"),
        ["11:5 stages.prepare.inputs: must be a mapping or a list, is 'data/raw.csv'"],
    ),
    "list for a path": (
        ("{raw: data/raw.csv}", "{raw: [data/raw.csv]}"),
        ["11:14 stages.prepare.inputs.raw: must be text, is a list"],
    ),
    "mapping in a list of paths": (
        ("[reports/figures]", "[{figures: reports/figures}]"),
        ["27:15 stages.figures.outputs[0]: must be text, is a mapping"],
    ),
    "list for a gate": (
        (FIRST_GATE, "- [roc_auc, 0.8]"),
        ["31:7 promote.gates[0]: must be a mapping, is a list"],
    ),
    "text for a number": (
        ("min: 0.8", "min: high"),
        ["31:25 promote.gates[0].min: must be a number, is 'high'"],
    ),
    "number in quotes": (
        ("min: 0.8", 'min: "0.8"'),
        ["31:25 promote.gates[0].min: must be a number, is '0.8'; remove the quotes"],
    ),
    "not a number": (
        ("min: 0.8", "min: .nan"),
        ["31:25 promote.gates[0].min: must be a number, is '.nan'"],
    ),
    "infinite": (("min: 0.8", "min: .inf"), ["31:25 promote.gates[0].min: must be a number, is '.inf'"]),
    "boolean for a number": (
        ("min: 0.8", "min: true"),
        ["31:25 promote.gates[0].min: must be a number, is 'true'"],
    ),
    "no value": (
        ("targets:\n  gpu: {ssh: gpu-box}", "targets:"),
        ["35:1 targets: must be a mapping, is empty"],
    ),
    "label without a value": (("positive: Yes", "positive:"), ["6:1 positive: must be a label, is empty"]),
    "required key missing": (
        ("target: Churn\n", ""),
        ["1:1 target: missing; column that the model predicts"],
    ),
    "required key of a gate missing": (
        (FIRST_GATE, "- {min: 0.8}"),
        [
            "31:7 promote.gates[0]: does not say what it judges; a gate has one of 'metric', 'fairness', "
            "'latency', 'size', 'memory', 'golden', 'loads', 'signature', 'drift', 'checked', 'card', 'call'"
        ],
    ),
    "required key of a target missing": (
        ("{ssh: gpu-box}", "{gpus: 1}"),
        ["36:3 targets.gpu.ssh: missing; host, as `ssh` knows it"],
    ),
    "misspelt choice": (
        ("task: classification", "task: classificationn"),
        [
            "4:1 task: must be 'classification' or 'regression', is 'classificationn', "
            "did you mean 'classification'?"
        ],
    ),
    "unknown kind": (
        (FIGURES, f"kind: trainn\n    {FIGURES}"),
        [
            "25:5 stages.figures.kind: must be 'train' or 'evaluate' or 'stage', is 'trainn', "
            "did you mean 'train'?"
        ],
    ),
    "beats somebody else": (
        ("beats: champion", "beats: me"),
        ["32:25 promote.gates[1].beats: must be 'champion' or 'baseline', is 'me'"],
    ),
    "confidence out of range": (
        ("confidence: 0.9", "confidence: 95"),
        ["32:42 promote.gates[1].confidence: must be between 0.5 and 1, is 95"],
    ),
    "confidence at its bound": (
        ("confidence: 0.9", "confidence: 1.0"),
        ["32:42 promote.gates[1].confidence: must be between 0.5 and 1, is 1.0"],
    ),
    "share out of range": (
        ("max_share: 0.3", "max_share: 30"),
        ["33:9 drift.max_share: must be between 0 and 1, is 30"],
    ),
    "project that is no name": (
        ("project: churn", "project: my churn"),
        [f"2:1 project: 'my churn' is no name: {NAME_RULE}"],
    ),
    "stage that is no name": (("  figures:", "  my figures:"), [f"24:3 stages.my figures: {NAME_RULE}"]),
    "package that is no name": (
        ("package: churn", "package: my-churn"),
        [
            "3:1 package: 'my-churn' is no name: "
            "a name may hold letters, digits and '_', and does not start with a digit"
        ],
    ),
    "variable that is no name": (
        (FIGURES, f"env: {{MY-VAR: x}}\n    {FIGURES}"),
        [
            "25:11 stages.figures.env.MY-VAR: "
            "a name may hold letters, digits and '_', and does not start with a digit"
        ],
    ),
    "function without a colon": (
        (TRAIN, "call: churn.model.train"),
        [
            "19:5 stages.train.call: 'churn.model.train' does not have the right form, "
            "such as 'churn.models.train_model:train_model'"
        ],
    ),
    "timeout in words": (
        (FIGURES, f"timeout: 5 minutes\n    {FIGURES}"),
        ["25:5 stages.figures.timeout: '5 minutes' does not have the right form, such as '30m'"],
    ),
    "uncached, and no output": (
        (FIGURES, f"uncached: [reports/figurs]\n    {FIGURES}"),
        [
            "25:16 stages.figures.uncached[0]: 'reports/figurs' is no output of this stage, "
            "did you mean 'reports/figures'?"
        ],
    ),
    "no section of dvc.yaml": (
        ("drift: {", "dvc: {metric: [a.json], artifacts: 3}\ndrift: {"),
        [
            "33:7 dvc.metric: unknown key, did you mean 'metrics'?",
            "33:25 dvc.artifacts: must be a mapping, is '3'",
        ],
    ),
    "timeout of nothing": (
        (FIGURES, f"timeout: 0s\n    {FIGURES}"),
        ["25:5 stages.figures.timeout: must be more than 0"],
    ),
    "retries that are not whole": (
        (FIGURES, f"retries: 1.5\n    {FIGURES}"),
        ["25:5 stages.figures.retries: must be a whole number, is '1.5'"],
    ),
    "cost below zero": (
        ("positive: Yes", "positive: Yes\ncosts: {false_positive: -1, false_negative: 5}"),
        ["7:9 costs.false_positive: must be at least 0, is -1"],
    ),
    "one cost alone": (
        ("positive: Yes", "positive: Yes\ncosts: {false_positive: 1}"),
        ["7:1 costs.false_negative: missing; of a row that is missed, in the same unit"],
    ),
    "cost in words": (
        ("positive: Yes", "positive: Yes\ncosts: {false_positive: cheap, false_negative: 5}"),
        ["7:9 costs.false_positive: must be a number, is 'cheap'"],
    ),
    "unknown cost": (
        ("positive: Yes", "positive: Yes\ncosts: {false_positive: 1, false_negativ: 5, false_negative: 5}"),
        ["7:28 costs.false_negativ: unknown key, did you mean 'false_negative'?"],
    ),
    "version zero": (("mlx: 1", "mlx: 0"), ["1:1 mlx: must be at least 1, is 0"]),
}

RULES = {
    "no stages": (
        (
            "stages:\n  prepare:",
            "stages: {}\nx:\n  prepare:",
        ),
        ["8:1 stages: has no stage", "9:1 x: unknown key"],
    ),
    "neither call nor cmd": (
        (f"    {FIGURES}\n", ""),
        ["24:3 stages.figures: needs 'call' (a Python function) or 'cmd' (a command)"],
    ),
    "both call and cmd": (
        (FIGURES, f"call: churn.data:prepare\n    {FIGURES}"),
        ["26:5 stages.figures.cmd: a stage has either 'call' or 'cmd', not both"],
    ),
    "train with cmd": (
        (TRAIN, "cmd: python train.py"),
        ["19:5 stages.train.cmd: a stage of kind 'train' needs a function: use 'call'"],
    ),
    "two train stages": (
        ("call: churn.data:prepare", "kind: train\n    call: churn.data:prepare"),
        ["19:3 stages.train: 'prepare' is the train stage already; give one of them another kind"],
    ),
    "train without outputs": (
        ("    outputs: {model: models/churn}\n", ""),
        ["18:3 stages.train.outputs: a train stage needs an output for the model"],
    ),
    "function without outputs": (
        ("    outputs: {rows: data/rows.csv}\n", ""),
        ["9:3 stages.prepare.outputs: has no outputs, so nothing would come of it"],
    ),
    "nothing to evaluate": (
        ("  train:\n", "  fit:\n"),
        ["23:3 stages.evaluate.inputs: there is no train stage whose model it could evaluate"],
    ),
    "no test rows": (
        ("test: data/test.csv", "holdout: data/test.csv"),
        ["23:3 stages.evaluate.inputs: no stage has an output named 'test'; name the rows here"],
    ),
    "module that does not exist": (
        (TRAIN, "call: churn.modl:train"),
        ["19:5 stages.train.call: there is no module 'churn.modl' in src/, did you mean 'churn.model'?"],
    ),
    "module named function": (
        (TRAIN, "call: churn.figures_function:train"),
        [
            "19:5 stages.train.call: "
            "there is no module 'churn.figures_function' in src/, did you mean 'churn.figures'?"
        ],
    ),
    "function that does not exist": (
        (TRAIN, "call: churn.model:trainn"),
        [
            "19:5 stages.train.call: there is no function 'trainn' in src/churn/model.py, "
            "did you mean 'train'?"
        ],
    ),
    "parameter in a group that is not listed": (
        ("    params: [model]\n", ""),
        [
            "19:5 stages.train.call: parameter 'depth' is given by no input, output or parameter; "
            "params.yaml has it: add 'model' to 'params'"
        ],
    ),
    "name with two sources": (
        ("inputs: {train: data/train.csv}", "inputs: {train: data/train.csv, depth: data/depth.csv}"),
        [
            "19:5 stages.train.call: "
            "parameter 'depth' has two sources: input 'depth' and parameter 'model.depth'"
        ],
    ),
    "name of mlx.yaml that is an output": (
        ("{model: models/churn}", "{model: models/churn, target: models/target.txt}"),
        [
            "19:5 stages.train.call: "
            "parameter 'target' has two sources: output 'target' and 'target' of mlx.yaml"
        ],
    ),
    "target that does not exist": (
        (TRAIN, f"on: gup\n    {TRAIN}"),
        ["19:5 stages.train.on: there is no target 'gup', did you mean 'gpu'?"],
    ),
    "target like no other": (
        (TRAIN, f"on: cluster\n    {TRAIN}"),
        [
            "19:5 stages.train.on: "
            "there is no target 'cluster'; add it below 'targets': `cluster: {ssh: HOST}`"
        ],
    ),
    "evaluation that is no JSON file": (
        ("evaluate: {}", "evaluate: {outputs: {evaluation: reports/page.html}}"),
        [
            "23:24 stages.evaluate.outputs.evaluation: "
            "'evaluation' is what mlx itself finds, a .json file; give your own output another name"
        ],
    ),
    "costs of nothing": (
        ("positive: Yes", "positive: Yes\ncosts: {false_positive: 0, false_negative: 0}"),
        ["7:1 costs: one of the costs must be more than 0"],
    ),
    "two stages with one output": (
        ("[reports/figures]", "[data/train.csv]"),
        ["27:15 stages.figures.outputs[0]: 'data/train.csv' is already an output of 'features'"],
    ),
    "one stage with one output twice": (
        ("test: data/test.csv", "test: data/train.csv"),
        ["16:38 stages.features.outputs.test: 'data/train.csv' is already an output of 'features'"],
    ),
    "overlapping outputs": (
        ("[reports/figures]", "[reports]"),
        [
            "27:15 stages.figures.outputs[0]: "
            "'reports' and 'reports/evaluation.json' of 'evaluate' lie one inside the other",
            "27:15 stages.figures.outputs[0]: "
            "'reports' and 'reports/metrics.json' of 'evaluate' lie one inside the other",
        ],
    ),
    "output that is an input": (
        ("inputs: {raw: data/raw.csv}", "inputs: {raw: data/rows.csv}"),
        ["12:15 stages.prepare.outputs.rows: 'data/rows.csv' is also an input of this stage"],
    ),
    "output in an input": (
        (
            "inputs: [data/rows.csv]\n    outputs: [reports/figures]",
            "inputs: [maps]\n    outputs: [maps/all]",
        ),
        ["27:15 stages.figures.outputs[0]: 'maps/all' lies in 'maps', an input of this stage"],
    ),
    "cycle": (
        ("inputs: {raw: data/raw.csv}", "inputs: {raw: models/churn}"),
        ["9:3 stages.prepare: the stages need each other: prepare -> features -> train -> prepare"],
    ),
    "path above the project": (
        ("data/raw.csv", "../raw.csv"),
        [f"11:14 stages.prepare.inputs.raw: '../raw.csv' {OUTSIDE}"],
    ),
    "path that climbs out": (
        ("data/raw.csv", "data/../../raw.csv"),
        [f"11:14 stages.prepare.inputs.raw: 'data/../../raw.csv' {OUTSIDE}"],
    ),
    "absolute path": (
        ("data/raw.csv", "/data/raw.csv"),
        [f"11:14 stages.prepare.inputs.raw: '/data/raw.csv' {OUTSIDE}"],
    ),
    "path at home": (
        ("data/raw.csv", "~/raw.csv"),
        [f"11:14 stages.prepare.inputs.raw: '~/raw.csv' {OUTSIDE}"],
    ),
    "path with a line break": (
        ("data/raw.csv", '"data/new\\nrows.csv"'),
        [rf"11:14 stages.prepare.inputs.raw: the path 'data/new\nrows.csv' {LINE_BREAK}"],
    ),
    "path that ends in a line break": (
        ("[reports/figures]", '["reports/figures\\u2028"]'),
        [rf"27:15 stages.figures.outputs[0]: the path 'reports/figures\u2028' {LINE_BREAK}"],
    ),
    "two spaces in a path": (
        ("data/raw.csv", "data/raw  rows.csv"),
        [
            "11:14 stages.prepare.inputs.raw: the path 'data/raw  rows.csv' has two spaces in a row, "
            "which DVC does not always keep"
        ],
    ),
    "variable in a path": (
        ("data/raw.csv", '"${DATA}/raw.csv"'),
        [
            "11:14 stages.prepare.inputs.raw: '${DATA}/raw.csv' is taken as it is written, "
            "and no path may hold '${'"
        ],
    ),
    "the whole project as an output": (
        ("[reports/figures]", "[.]"),
        [f"27:15 stages.figures.outputs[0]: '.' {OUTSIDE}"],
    ),
    "path with detours": (
        ("data/raw.csv", "./data//raw.csv"),
        ["11:14 stages.prepare.inputs.raw: write './data//raw.csv' as 'data/raw.csv'"],
    ),
    "sources as an output": (
        ("[reports/figures]", "[src/churn]"),
        ["27:15 stages.figures.outputs[0]: 'src/churn' is the project's own, and no place for an output"],
    ),
    "output below .git": (
        ("[reports/figures]", "[.git/hooks]"),
        ["27:15 stages.figures.outputs[0]: '.git/hooks' is the project's own, and no place for an output"],
    ),
    "code that does not exist": (
        (FIGURES, f"code: [plots.R]\n    {FIGURES}"),
        ["25:12 stages.figures.code[0]: there is no file 'plots.R'"],
    ),
    "gate that asks for nothing": (
        (FIRST_GATE, "- {metric: f1}"),
        ["31:7 promote.gates[0]: needs one of 'min', 'max' and 'beats'"],
    ),
    "gate that asks for two things": (
        (FIRST_GATE, "- {metric: f1, min: 0.8, beats: champion}"),
        ["31:7 promote.gates[0]: has 'min' and 'beats'; write one gate for each"],
    ),
    "confidence without a champion": (
        (FIRST_GATE, "- {metric: f1, min: 0.8, confidence: 0.9}"),
        ["31:30 promote.gates[0].confidence: only a 'beats' gate has a confidence"],
    ),
    "environment that does not exist": (
        ("requires: staging", "requires: stagin"),
        ["34:51 environments.production.requires: there is no environment 'stagin', did you mean 'staging'?"],
    ),
    "environments in a circle": (
        ("dev: {}", "dev: {requires: dev}"),
        ["34:16 environments.dev: the environments require each other: dev -> dev"],
    ),
    "environment named latest": (
        ("dev: {}", "Latest: {}"),
        ["34:16 environments.Latest: MLflow does not take 'Latest' as an alias; choose another name"],
    ),
    "environment named like a version": (
        ("dev: {}", "v3: {}"),
        ["34:16 environments.v3: MLflow does not take 'v3' as an alias; choose another name"],
    ),
    "positive label in a regression": (
        ("task: classification", "task: regression"),
        [
            "6:1 positive: only a classification has a positive label",
            *(f"{place}: a regression has no metric 'roc_auc'; use one of: {REGRESSION}" for place in GATES),
        ],
    ),
    "costs in a regression": (
        (
            "task: classification\ntarget: Churn\npositive: Yes",
            "task: regression\ntarget: Churn\ncosts: {false_positive: 1, false_negative: 5}",
        ),
        [
            "6:1 costs: only a classification has costs of wrong rows",
            *(f"{place}: a regression has no metric 'roc_auc'; use one of: {REGRESSION}" for place in GATES),
        ],
    ),
    "unknown option of reading": (
        ("stages:", "read: {delim: ','}\nstages:"),
        ["8:8 read.delim: unknown key, did you mean 'decimal'?"],
    ),
    "option of reading like another": (
        ("stages:", "read: {skiprow: 2}\nstages:"),
        ["8:8 read.skiprow: unknown key, did you mean 'skiprows'?"],
    ),
    "type that is none of text": (
        ("stages:", "read: {dtype: {zip: int}}\nstages:"),
        ["8:16 read.dtype.zip: must be 'str', is 'int'"],
    ),
    "missing values kept by default": (
        ("stages:", "read: {keep_default_na: true}\nstages:"),
        ["8:8 read.keep_default_na: must be false, is 'true'"],
    ),
    "values by no function": (
        ("max_share: 0.3", "values: churn.data.prepare"),
        [
            "33:9 drift.values: 'churn.data.prepare' does not have the right form, such as "
            "'churn.data.make_dataset:read_values'"
        ],
    ),
    "values by a function that is not there": (
        ("max_share: 0.3", "values: churn.data:prepar"),
        ["33:9 drift.values: there is no function 'prepar' in src/churn/data.py, did you mean 'prepare'?"],
    ),
    "values by code that stays behind": (
        ("max_share: 0.3", "values: json:loads"),
        ["33:9 drift.values: must be a function of 'churn', which travels with the model"],
    ),
    "separator of two characters": (
        ("stages:", "read: {sep: '::'}\nstages:"),
        ["8:8 read.sep: '::' does not have the right form, such as ';'"],
    ),
    "no encoding": (
        ("stages:", "read: {encoding: utf9}\nstages:"),
        ["8:8 read.encoding: Python knows no encoding 'utf9'"],
    ),
    "two marks alike": (
        ("stages:", "read: {decimal: ',', thousands: ','}\nstages:"),
        ["8:22 read.thousands: is ',', as decimal is"],
    ),
    "the default as an option": (
        ("stages:", "read: {index_col: true, skipinitialspace: yes}\nstages:"),
        [
            "8:8 read.index_col: must be false, is 'true'",
            "8:25 read.skipinitialspace: must be true, is 'yes'",
        ],
    ),
    "a name twice": (
        ("stages:", "read: {names: [a, b, a]}\nstages:"),
        ["8:8 read.names: has 'a' twice"],
    ),
    "gate on a metric that is not there": (
        (FIRST_GATE, "- {metric: roc_acu, min: 0.8}"),
        ["31:8 promote.gates[0].metric: a classification has no metric 'roc_acu', did you mean 'roc_auc'?"],
    ),
}


@pytest.mark.parametrize(("edit", "lines"), [*SHAPE.values(), *RULES.values()], ids=[*SHAPE, *RULES])
def test_problem(churn: Churn, edit: tuple[str, str], lines: list[str]) -> None:
    error = churn.edit(edit).error()
    assert list(error.context) == [f"mlx.yaml:{line}" for line in lines]
    count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
    assert error.message == f"mlx.yaml has {count}"
    assert error.hint == "edit mlx.yaml, then run `mlx check`"


ELSEWHERE = {
    "module with a syntax error": (
        (TRAIN, "call: churn.broken:train"),
        ["19:5 stages.train.call: src/churn/broken.py:3 is not valid Python: invalid syntax"],
        "src/churn/broken.py",
    ),
    "parameter that nothing gives": (
        ("inputs: {train: data/train.csv}", "inputs: {rows: data/train.csv}"),
        ["19:5 stages.train.call: parameter 'train' is given by no input, output or parameter"],
        "mlx.yaml or params.yaml",
    ),
    "parameter almost given": (
        ("inputs: {train: data/train.csv}", "inputs: {trainn: data/train.csv}"),
        [
            "19:5 stages.train.call: parameter 'train' is given by no input, output or parameter, "
            "did you mean 'trainn'?"
        ],
        "mlx.yaml",
    ),
    "path of the model": (
        ("outputs: {model: models/churn}\n    params: [model]", "outputs: {depth: models/churn}"),
        ["19:5 stages.train.call: parameter 'depth' is the model's path, which mlx writes; return the model"],
        "src/churn/model.py",
    ),
    "group that does not exist": (
        ("params: [model]", "params: [modelx]"),
        ["22:14 stages.train.params[0]: params.yaml has no group 'modelx', did you mean 'model'?"],
        "params.yaml",
    ),
}


@pytest.mark.parametrize(("edit", "lines", "file"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_the_file_to_edit_is_named(churn: Churn, edit: tuple[str, str], lines: list[str], file: str) -> None:
    error = churn.edit(edit).error()
    assert list(error.context) == [f"mlx.yaml:{line}" for line in lines]
    assert error.message == f"{'mlx.yaml' if file == 'mlx.yaml' else 'the project'} has a problem"
    assert error.hint == f"edit {file}, then run `mlx check`"


def test_a_params_yaml_that_is_gone(churn: Churn) -> None:
    (churn.root / "params.yaml").unlink()
    error = churn.error()
    assert list(error.context) == [
        "mlx.yaml:17:14 stages.features.params[0]: there is no params.yaml, so no group 'split'",
        "mlx.yaml:22:14 stages.train.params[0]: there is no params.yaml, so no group 'model'",
    ]
    assert error.message == "the project has 2 problems"
    assert error.hint == "edit params.yaml, then run `mlx check`"


def test_a_gate_on_a_metric_of_ones_own(churn: Churn) -> None:
    source = churn.root / "src/churn/model.py"
    source.write_text(f"{source.read_text()}\n\ndef cost(model, test):\n    return {{'cost': 1.0}}\n")
    own = ("evaluate: {}", "evaluate: {call: 'churn.model:cost'}")
    bounded = churn.edit(own, (FIRST_GATE, "- {metric: cost, max: 3}")).load()
    assert metrics_named(bounded.gates) == ["cost", "roc_auc"]
    told = churn.edit(own, (FIRST_GATE, "- {metric: cost, beats: champion, direction: lower}")).load()
    assert told.gates[0] == MetricGate("cost", beats="champion", direction="lower")
    error = churn.edit(own, (FIRST_GATE, "- {metric: cost, beats: champion}")).error()
    assert list(error.context) == [
        "mlx.yaml:31:7 promote.gates[0]: mlx does not know which way 'cost' is better; "
        "add 'direction: higher' or 'direction: lower'"
    ]


SYNTAX = {
    "tab": (
        ("    call: churn.data:prepare", "\tcall: churn.data:prepare"),
        "10:1 a tab cannot indent; use spaces",
    ),
    "at sign": (("target: Churn", "target: @label"), "5:9 text cannot start with '@'; put it in quotes"),
    "colon in text": (
        ("target: Churn", "target: a: b"),
        "5:10 this ':' cannot stand here; check the indentation, or put the text in quotes",
    ),
    "wrong indentation": (
        ("target: Churn", " target: Churn"),
        "5:8 this ':' cannot stand here; check the indentation, or put the text in quotes",
    ),
    "no space after a colon": (
        ("dev: {}", "dev:{}"),
        "34:19 this ':' cannot stand here; write a space after it, or put the text in quotes",
    ),
    "bracket left open": (
        ("[split]", "[split"),
        "18:8 did not find expected ',' or ']' (while parsing a flow sequence from line 17)",
    ),
    "quote left open": (
        ("target: Churn", 'target: "Churn'),
        "37:1 found unexpected end of stream (while scanning a quoted scalar from line 5)",
    ),
    "second document": (
        ("drift:", "---\ndrift:"),
        "33:1 a second document starts here; there may be only one",
    ),
    "control character": (("target: Churn", "target: Ch\burn"), "5:11 the character U+0008 is not allowed"),
    "alias loop": (("drift: {max_share: 0.3}", "drift: &a {max_share: *a}"), "33:8 an alias contains itself"),
    "alias of nothing": (("drift: {max_share: 0.3}", "drift: *a"), "33:8 found undefined alias"),
    "tag": (
        ("target: Churn", "target: !label Churn"),
        "5:9 could not determine a constructor for the tag '!label'",
    ),
    "timestamp out of range": (
        ("target: Churn", "target: 2026-13-45"),
        "5:9 '2026-13-45' is no valid timestamp; put it in quotes if it is meant as text",
    ),
    "boolean that is none": (
        ("target: Churn", "target: !!bool maybe"),
        "5:9 'maybe' is no valid bool; put it in quotes if it is meant as text",
    ),
    "list as a key": (("target: Churn", "? [a, b]\n: 1"), "5:3 a key must be plain text"),
}


@pytest.mark.parametrize(("edit", "line"), SYNTAX.values(), ids=SYNTAX)
def test_not_yaml(churn: Churn, edit: tuple[str, str], line: str) -> None:
    error = churn.edit(edit).error()
    assert error.message == "mlx.yaml is not valid YAML"
    assert error.context == (f"mlx.yaml:{line}",)
    assert error.hint == "edit mlx.yaml, then run `mlx check`"


def test_not_utf_8(churn: Churn) -> None:
    error = churn.write("mlx: 1\nproject: Stückzahl\n".encode("latin-1")).error()
    assert error.message == "mlx.yaml is not UTF-8 text"
    assert error.context == ("mlx.yaml:2:12 the byte 0xfc is not UTF-8",)
    assert error.hint == "save mlx.yaml as UTF-8"


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "\ufeff"], ids=["empty", "comment", "mark"])
def test_empty(churn: Churn, content: str) -> None:
    error = churn.write(content).error()
    assert error.message == "mlx.yaml is empty"
    assert error.hint == "run `mlx init NAME` in a new folder and compare"


@pytest.mark.parametrize(("content", "what"), [("churn\n", "'churn'"), ("- churn\n", "a list")])
def test_no_mapping(churn: Churn, content: str, what: str) -> None:
    assert churn.write(content).problems() == [f"mlx.yaml:1:1 must be a mapping, is {what}"]


def test_no_file_but_a_folder(churn: Churn) -> None:
    (churn.root / "mlx.yaml").unlink()
    (churn.root / "mlx.yaml").mkdir()
    error = churn.error()
    assert error.message == "mlx.yaml cannot be read: Is a directory"
    assert error.context == (str(churn.root / "mlx.yaml"),)


def test_newer_version_is_not_judged_further(churn: Churn) -> None:
    error = churn.edit(("mlx: 1", "mlx: 2"), ("drift:", "drifts:")).error()
    assert error.message == "mlx.yaml is of version 2; this mlx reads version 1"
    assert error.context == ("mlx.yaml:1:1 mlx: is 2",)
    assert error.hint == "upgrade mlx: `pip install --upgrade mlxkit`"


def test_every_missing_key(churn: Churn) -> None:
    assert churn.write("mlx: 1\n").problems() == [
        "mlx.yaml:1:1 package: missing; import package under `src/`",
        "mlx.yaml:1:1 project: missing; name of the project, its MLflow experiment and its registered model",
        "mlx.yaml:1:1 stages: missing; the pipeline",
        "mlx.yaml:1:1 target: missing; column that the model predicts",
        "mlx.yaml:1:1 task: missing; what the model predicts",
    ]


def test_all_problems_at_once_in_the_order_of_the_file(churn: Churn) -> None:
    """Wrong shapes do not hide broken rules elsewhere, and no problem is made up because of another."""
    churn.edit(
        ("task: classification", "task: classificationn"),
        ("churn.data:prepare", "churn.dta:prepare"),
        ("[split]", "split"),
        (TRAIN, f"on: gup\n    {TRAIN}"),
        (FIGURES, f"cmds: x\n    {FIGURES}"),
        ("requires: staging", "requires: stagin"),
        ("max_share: 0.3", "max_share: 3"),
    )
    assert churn.problems() == [
        "mlx.yaml:4:1 task: must be 'classification' or 'regression', is 'classificationn', "
        "did you mean 'classification'?",
        "mlx.yaml:10:5 stages.prepare.call: there is no module 'churn.dta' in src/, "
        "did you mean 'churn.data'?",
        "mlx.yaml:17:5 stages.features.params: must be a list, is 'split'",
        "mlx.yaml:19:5 stages.train.on: there is no target 'gup', did you mean 'gpu'?",
        "mlx.yaml:26:5 stages.figures.cmds: unknown key, did you mean 'cmd'?",
        "mlx.yaml:35:9 drift.max_share: must be between 0 and 1, is 3",
        "mlx.yaml:36:51 environments.production.requires: there is no environment 'stagin', "
        "did you mean 'staging'?",
    ]


def test_a_broken_part_is_not_missed_by_what_needs_it(churn: Churn) -> None:
    churn.edit(
        (TRAIN, f"on: gpu\n    {TRAIN}"),
        ("    outputs: {train: data/train.csv, test", "    output: {train: data/train.csv, test"),
        ("{ssh: gpu-box}", "{host: gpu-box}"),
    )
    assert churn.problems() == [
        "mlx.yaml:16:5 stages.features.output: unknown key, did you mean 'outputs'?",
        "mlx.yaml:37:3 targets.gpu.ssh: missing; host, as `ssh` knows it",
        "mlx.yaml:37:9 targets.gpu.host: unknown key",
    ]


def test_problems_of_mlx_yaml_come_before_those_of_params_yaml(churn: Churn) -> None:
    churn.edit(("drift:", "drifts:")).root.gen("params.yaml", "model:\n")
    assert churn.problems() == ["mlx.yaml:33:1 drifts: unknown key, did you mean 'drift'?"]
    assert churn.edit().problems() == ["params.yaml:1:1 model: has no value; write one, or `null` for None"]


def test_parameters_whose_keys_are_numbers(churn: Churn) -> None:
    churn.root.gen("params.yaml", "split: {share: 0.2}\nmodel: {0: 1.0, 1: 5.0}\n7: {x: 1}\n")
    assert churn.problems() == [
        "mlx.yaml:19:5 stages.train.call: parameter 'depth' is given by no input, output or parameter"
    ]
