"""The scripts of the two known kinds: the training, which logs its model, and the evaluation."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from mlxkit.pipeline.command import command_of
from mlxkit.pipeline.model_stages import training_rows_path
from mlxkit.pipeline.plain.arguments import Bound, bind
from mlxkit.pipeline.plain.facts import labelled_training_rows
from mlxkit.pipeline.plain.reading import read_table
from mlxkit.pipeline.plain.script import Call, NotPlain
from mlxkit.pipeline.plain.stages import begin, call, import_function, make_folders, signature_of
from mlxkit.pipeline.plain.writing import write
from mlxkit.project.metrics import METRICS
from mlxkit.project.models import model_output
from mlxkit.scaffold.render import python_literal

if TYPE_CHECKING:
    from mlxkit.pipeline.command import Command
    from mlxkit.pipeline.plain.facts import EvaluationFacts, ModelFacts
    from mlxkit.pipeline.plain.script import Script
    from mlxkit.pipeline.plain.stages import Result
    from mlxkit.pipeline.plain.surroundings import Surroundings
    from mlxkit.project.models import Project, Stage

_OWN_NAMES = ("guess", "labelled", "logged", "metrics", "record", "rows", "run", "score", "signature")
_FUNCTIONS = {
    "accuracy": "accuracy_score",
    "balanced_accuracy": "balanced_accuracy_score",
    "f1": "f1_score",
    "precision": "precision_score",
    "recall": "recall_score",
    "roc_auc": "roc_auc_score",
    "average_precision": "average_precision_score",
    "log_loss": "log_loss",
    "brier": "brier_score_loss",
    "r2": "r2_score",
    "mae": "mean_absolute_error",
    "rmse": "root_mean_squared_error",
    "median_absolute_error": "median_absolute_error",
    "mape": "mean_absolute_percentage_error",
}


def train_script(
    around: Surroundings, stage: Stage, facts: ModelFacts, *, starts_run: bool
) -> tuple[Script, dict[str, Any]]:
    """Write the script of the train stage; returns also what its template is filled in with.

    `starts_run` says that the user's code opens a run of its own.

    Raises:
        NotPlain: it cannot be said without mlx.
    """
    command, script = command_of(around.project, stage), around.script()
    script.reserve(*_OWN_NAMES, "infer_signature", "trusted", "used", "version")
    signature = signature_of(around.project, stage)
    function = import_function(script, stage)
    bound = bind(script, command, signature, around.groups(stage))
    used = [group for s in around.project.stages.values() for group in s.params]
    begin(script, around, stage, bound, params=bool(used))
    table = _training_table(script, command, bound)
    make_folders(script, around, command.out.values())
    before, script.body = script.body, []
    results = call(script, function, bound, command, signature, depth=1 if starts_run else 2)
    training, script.body = script.body, []
    model = next((result for result in results if result.name == model_output(command.out)), None)
    if model is None:
        raise NotPlain("it does not return its model")
    for result in results:
        if result is not model:
            script.say(write(script, result.value, result.path, result.type, literal=result.literal))
    _import_for_training(script, facts, bool(used))
    values = _training_values(around, facts, model, used)
    return script, {
        **values,
        "before": before,
        "training": training,
        "starts_run": starts_run,
        "columns": f"{table}[{model.value}.feature_names_in_]"
        if facts.remembers_columns and (facts.is_estimator or facts.writer == "pytorch")
        else f"{table}.drop(columns={python_literal(around.project.target)})",
    }


def _training_values(
    around: Surroundings, facts: ModelFacts, model: Result, used: list[str]
) -> dict[str, Any]:
    project = around.project
    whole = set(used) == set(around.params)
    return {
        "facts": facts,
        "model": model.value,
        "model_path": model.path,
        "logged_name": PurePosixPath(model.path).name,
        "run_record": project.run_record_path,
        "experiment": project.name,
        "code": f"src/{project.package}",
        "groups": [] if whole else list(dict.fromkeys(used)),
        "logs_params": bool(used),
    }


def _training_table(script: Script, command: Command, bound: Bound) -> str:
    """Return the variable with the training rows as pandas reads them, which are read for it where needed."""
    path = training_rows_path(command.bind)
    if path is None:
        raise NotPlain("it has no table among its inputs, so its model cannot be described")
    name = next(name for name, other in command.bind.items() if other == path)
    expression = read_table(script, path, "pandas", command.read.get(name, {}))
    for variable, loaded in bound.loads:
        if bound.variables.get(name) == variable and loaded == expression:
            return variable
    variable = script.variable(name, "rows")
    script.say(expression, target=variable)
    return variable


def _import_for_training(script: Script, facts: ModelFacts, logs_params: bool) -> None:
    for module in ("json", "mlflow"):
        script.module(module)
    if logs_params:
        script.module("pandas")
    script.member("pathlib", "Path")
    script.member("importlib.metadata", "version")
    if facts.is_estimator:
        script.member("mlflow.models", "infer_signature")
    else:
        script.member("mlflow.models", "ModelSignature")
    script.member("mlflow.types", "ColSpec", "Schema")
    script.member("mlflow.types.schema", "AnyType")
    if facts.format == "skops":
        script.module("skops.io")


def evaluate_script(
    around: Surroundings, stage: Stage, model: ModelFacts, facts: EvaluationFacts
) -> tuple[Script, dict[str, Any]]:
    """Write the script of the evaluate stage; returns also what its template is filled in with.

    Raises:
        NotPlain: it cannot be said without mlx.
    """
    project, script = around.project, around.script()
    if project.run_record_path is None:
        raise NotPlain("there is no train stage whose run its metrics belong to")
    if any(stage.evaluation_path in other.inputs.values() for other in project.stages.values()):
        raise NotPlain(f"another stage reads '{stage.evaluation_path}', which only mlx writes")
    command = command_of(project, stage)
    script.reserve(
        *_OWN_NAMES, "model", "test", "known", "truth", "baseline", "own", "Answers", *_FUNCTIONS.values()
    )
    bound, own = _own_metrics(script, around, stage, command)
    begin(script, around, stage, bound)
    make_folders(script, around, [path for name, path in command.out.items() if name != "evaluation"])
    read_model = Call(f"mlflow.{model.reader}.load_model", (python_literal(command.bind["model"]),))
    script.say(read_model, target="model")
    script.say(
        read_table(script, command.bind["test"], "pandas", command.read.get("test", {})), target="test"
    )
    training = labelled_training_rows(project)
    if training is not None:
        script.say(read_table(script, training, "pandas", project.read_options(training)), target="known")
    before, script.body = script.body, []
    answers = model.answers_with_numbers and project.task == "classification"
    _import_for_evaluation(script, project, facts)
    if answers:
        script.module("numpy")
    return script, {
        **_evaluation_values(project, facts),
        **own,
        "before": before,
        "answers": answers,
        "picks_columns": model.remembers_columns and model.is_estimator,
        "knows_training": training is not None,
        "metrics_path": command.out["metrics"],
    }


def _evaluation_values(project: Project, facts: EvaluationFacts) -> dict[str, Any]:
    further = set(facts.baseline) - set(facts.metrics)
    return {
        "facts": facts,
        "scores": _scores(facts),
        "target": project.target,
        "task": project.task,
        "metrics": {name: _metric(name, facts) for name in METRICS if name in facts.metrics},
        "extra": {name: _metric(name, facts) for name in METRICS if name in further},
        "needs_scores": any(METRICS[name].needs == "scores" for name in facts.metrics),
        "run_record": project.run_record_path,
    }


def _import_for_evaluation(script: Script, project: Project, facts: EvaluationFacts) -> None:
    for module in ("json", "mlflow", "pandas"):
        script.module(module)
    script.member("pathlib", "Path")
    script.member("typing", "Any")
    dummy = "DummyClassifier" if project.task == "classification" else "DummyRegressor"
    script.member("sklearn.dummy", dummy)
    named = {*facts.metrics, *facts.baseline}
    if facts.positive is None and "brier" in named:
        script.member("sklearn.preprocessing", "label_binarize")
        named.remove("brier")
    script.member("sklearn.metrics", *(_FUNCTIONS[name] for name in named))


def _scores(facts: EvaluationFacts) -> list[str]:
    """Return the statements that ask a model for probabilities."""
    asks = "    probabilities = model.predict_proba(rows)"
    if facts.positive is None:
        return [asks, "    ones = label_binarize(truth, classes=model.classes_)"]
    place = "list(model.classes_).index(POSITIVE)"
    return [asks, "    positive = truth == POSITIVE", f"    likely = probabilities[:, {place}]"]


def _metric(name: str, facts: EvaluationFacts) -> str:
    """Return the expression of one metric over `truth`, `predicted` and `probabilities`."""
    function, binary = _FUNCTIONS[name], facts.positive is not None
    match name:
        case "f1" | "recall" if binary:
            return f"{function}(truth, predicted, pos_label=POSITIVE)"
        case "precision" if binary:
            return f"{function}(truth, predicted, pos_label=POSITIVE, zero_division=0.0)"
        case "f1" | "precision" | "recall":
            return f'{function}(truth, predicted, average="macro", zero_division=0.0)'
        case "roc_auc" | "average_precision" | "brier" if binary:
            return f"{function}(positive, likely)"
        case "roc_auc":
            return f'{function}(truth, probabilities, multi_class="ovr")'
        case "average_precision":
            return f"{function}(truth, probabilities)"
        case "log_loss":
            return f"{function}(truth, probabilities, labels=model.classes_)"
        case "brier":
            return "((ones - probabilities) ** 2).sum(axis=1).mean()"
    return f"{function}(truth, predicted)"


def _own_metrics(
    script: Script, around: Surroundings, stage: Stage, command: Command
) -> tuple[Bound, dict[str, Any]]:
    """Return the bindings of the user's own function, and its call for the template; no call without one."""
    if stage.call is None:
        return Bound((), (), {}, frozenset()), {"own": None, "own_record": False}
    signature = signature_of(around.project, stage)
    function = import_function(script, stage)
    given = {"model": "model", "test": "test"}
    bound = bind(script, command, signature, around.groups(stage), given=given)
    made = {"metrics", "evaluation", *bound.written}
    further = [name for name in command.out if name not in made]
    if further:
        raise NotPlain(
            f"it returns '{further[0]}' beside its metrics; write it to a parameter annotated `Path`"
        )
    if "metrics" in (signature.returned_keys or ()) or "metrics" in signature.returns.fields:
        raise NotPlain("it returns its metrics inside `metrics`; return them themselves")
    own = Call(function, bound.arguments)
    return bound, {"own": own, "own_record": signature.returns.meaning == "record"}
