"""Gates that need a model: golden rows, signature, latency, size, memory, drift, own functions."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from trials import DEV, project, verdict

from mlxkit.adapters import mlflow_model
from mlxkit.errors import ToolError
from mlxkit.evaluation.predictions import predict
from mlxkit.evaluation.profile import PROFILE_FILE, build_profile
from mlxkit.project.gates import (
    CallGate,
    CardGate,
    DriftGate,
    GoldenGate,
    LatencyGate,
    MemoryGate,
    MetricGate,
    SignatureGate,
    SizeGate,
)
from mlxkit.project.models import Card, DriftRules
from mlxkit.registry.contest import Contender, Rows
from mlxkit.registry.gates.apart import run_apart
from mlxkit.registry.gates.golden import golden_rows
from mlxkit.registry.gates.judge import judge
from mlxkit.registry.gates.trial import Champion, Trial
from mlxkit.registry.gates.weight import bytes_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlxkit.project.gates import Gate

GOLDEN = "references/golden.csv"


def table(seed: int, rows: int = 300) -> pd.DataFrame:
    """Numbers, texts that look like numbers, missing values; three classes for `kind`."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": rng.normal(size=rows), "zip": rng.choice(["01234", "1234", "NA"], rows)})
    frame.loc[::17, "zip"] = None
    chance = 1 / (1 + np.exp(-2 * frame["size"] - (frame["zip"] == "01234")))
    return frame.assign(
        y=np.where(rng.random(rows) < chance, "Yes", "No"),
        kind=rng.choice(["a", "b", "c"], rows),
        price=frame["size"] * 1e5 + rng.normal(size=rows),
    )


def save(folder: Path, target: str, *, more: tuple[str, ...] = (), texts: tuple[str, ...] = ("zip",)) -> Path:
    """Save a model of `target` that takes `size`, the texts and some more numbers."""
    rows = table(1).assign(**dict.fromkeys(more, 1.0))
    columns = ["size", *more, *texts]
    parts = [
        ("n", StandardScaler(), ["size", *more]),
        ("t", OneHotEncoder(handle_unknown="ignore"), list(texts)),
    ]
    model: Any = LinearRegression() if target == "price" else LogisticRegression()
    model = make_pipeline(ColumnTransformer(parts), model).fit(rows[columns], rows[target])
    task: Any = "regression" if target == "price" else "classification"
    answers = model.predict(rows[columns])
    profile = build_profile(
        rows[[*columns, target]], task=task, inputs=columns, target=target, prediction=pd.Series(answers)
    )
    directory = folder / "model"
    folder.mkdir()
    files = {PROFILE_FILE: profile.to_json()}
    mlflow_model.save_model(model, directory, example=rows[columns], predictions=answers, extra_files=files)
    return directory


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    folder = tmp_path_factory.mktemp("models")
    known: dict[Any, Path] = {}

    def get(target: str = "y", **more: Any) -> Path:
        key = (target, *sorted(more.items()))
        if key not in known:
            known[key] = save(folder / str(len(known)), target, **more)
        return known[key]

    return get


@pytest.fixture
def bench(tmp_path: Path, saved: Callable[..., Path]) -> Callable[..., Trial]:
    """Make a trial of a saved model on new rows, before a champion where one is given."""

    def make(target: str = "y", *, champion: Path | None = None, **more: Any) -> Trial:
        task = "regression" if target == "price" else "classification"
        settings: dict[str, Any] = {"task": task, "target": target}
        settings["positive"] = "Yes" if target == "y" else None
        rows = Rows(table(2).assign(age=1.0, weight=2.0))
        of = project(tmp_path, **settings)
        challenger = Contender.of(of, saved(target, **more), {}, rows)
        version = None if champion is None else Champion("version 3", lambda: champion, lambda: ({}, ""))
        return Trial(of, DEV, challenger, rows, version)

    return make


def write(trial: Trial, file: str = GOLDEN, **changes: Any) -> pd.DataFrame:
    """Write what the model says now as golden rows, with some cells changed."""
    inputs = trial.inputs.iloc[:40]
    answers = predict(trial.model, inputs, trial.project.task, target=trial.project.target)
    rows = golden_rows(inputs, answers, trial.project)
    for column, (row, value) in changes.items():
        rows.loc[row, column] = value
    path = trial.project.root / file
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        rows.to_parquet(path)
    else:
        rows.to_csv(path, index=False)
    return rows


def test_golden_rows_come_back_from_a_csv_as_they_were(bench: Callable[..., Trial]) -> None:
    """Zip codes with and without a leading zero, the text NA and missing values are four things."""
    trial = bench()
    rows = write(trial)
    assert list(rows.columns) == ["size", "zip", "prediction", "probability"]
    assert {"01234", "1234", "NA"} <= set(rows["zip"])
    assert rows["zip"].isna().any()
    found = verdict(GoldenGate(GOLDEN), trial)
    assert (found.passed, found.observed, found.required) == (True, 0, 0)
    assert found.reason == f"all 40 rows of {GOLDEN} have the expected answer"


@pytest.mark.parametrize("file", ["references/golden.parquet", "references/golden.csv.gz"])
def test_golden_rows_in_other_formats(bench: Callable[..., Trial], file: str) -> None:
    trial = bench()
    write(trial, file)
    assert verdict(GoldenGate(file), trial).passed


def test_golden_rows_that_differ(bench: Callable[..., Trial]) -> None:
    trial = bench()
    rows = write(trial)
    said = rows.loc[6, "prediction"]
    other = "No" if said == "Yes" else "Yes"
    write(trial, prediction=(6, other))
    found = verdict(GoldenGate(GOLDEN), trial)
    assert (found.passed, found.observed) == (False, 1)
    assert found.reason == (
        f"1 of 40 rows of {GOLDEN} differ: row 7 has the prediction '{said}', and '{other}' is expected"
    )
    near = rows.loc[3, "probability"] + 1e-4
    write(trial, probability=(3, near))
    found = verdict(GoldenGate(GOLDEN, 1e-5), trial)
    assert f"row 4 has the probability {rows.loc[3, 'probability']:.9g}" in found.reason
    assert verdict(GoldenGate(GOLDEN, 1e-3), trial).passed
    write(trial, probability=(3, float("nan")))
    assert not verdict(GoldenGate(GOLDEN, 1.0), trial).passed


def test_golden_probabilities_of_three_classes(bench: Callable[..., Trial]) -> None:
    trial = bench("kind")
    rows = write(trial)
    assert [c for c in rows.columns if c.startswith("prob")] == [f"probability_{c}" for c in "abc"]
    assert verdict(GoldenGate(GOLDEN), trial).passed
    write(trial, probability_b=(0, 0.9))
    assert "row 1 has the probability of b" in verdict(GoldenGate(GOLDEN), trial).reason


def test_golden_numbers_are_compared_by_share(bench: Callable[..., Trial]) -> None:
    trial = bench("price")
    rows = write(trial)
    value = rows.loc[5, "prediction"]
    write(trial, prediction=(5, value * (1 + 1e-5)))
    assert not verdict(GoldenGate(GOLDEN, 1e-6), trial).passed
    assert verdict(GoldenGate(GOLDEN, 1e-4), trial).passed


def test_golden_files_that_cannot_be_used(bench: Callable[..., Trial]) -> None:
    trial = bench()
    path = trial.project.root / GOLDEN
    missing = verdict(GoldenGate(GOLDEN), trial).reason
    assert missing == (
        f"cannot be judged: there is no file '{GOLDEN}'; run `mlx promote --write-golden {GOLDEN}`"
    )
    assert verdict(GoldenGate("my golden.csv"), trial).reason == (
        "cannot be judged: there is no file 'my golden.csv'; run `mlx promote --write-golden 'my golden.csv'`"
    )
    rows = write(trial)
    for broken, reason in (
        (rows.drop(columns="prediction"), "'golden.csv' has no column 'prediction'"),
        (rows.drop(columns="size"), "'golden.csv' has no column 'size'"),
        (rows.head(0), "'golden.csv' has no rows"),
        (rows.assign(prediction=None), "row 1 of 'golden.csv' has no prediction"),
        (rows.assign(size="big"), "the column 'size' of the golden rows is not of type float64"),
        (rows.assign(probability_x=1), "the model knows no class for the column 'probability_x' of '"),
    ):
        broken.to_csv(path, index=False)
        assert verdict(GoldenGate(GOLDEN), trial).reason.startswith(f"cannot be judged: {reason}")


def test_a_signature_that_stays(bench: Callable[..., Trial], saved: Callable[..., Path]) -> None:
    assert verdict(SignatureGate(), bench()).reason == (
        "there is no champion yet, so nobody depends on its signature"
    )
    found = verdict(SignatureGate(), bench(champion=saved()))
    assert (found.passed, found.observed) == (True, 0)
    assert found.reason == "it takes what version 3 takes, and answers in its way"


@pytest.mark.parametrize(
    ("mine", "theirs", "reason"),
    [
        ({}, {"more": ("age",)}, "it takes no 'age'"),
        ({}, {"more": ("height",)}, "it takes no 'height'"),
        ({"more": ("age", "weight")}, {}, "it needs 'age', 'weight', which nobody gives"),
        (
            {"more": ("age",)},
            {"texts": ("zip", "age")},
            "'age' is numeric and not categorical",
        ),
        ({"target": "kind"}, {}, "its classes are without 'No', 'Yes' and with 'a', 'b', 'c'"),
        ({"target": "price"}, {}, "it answers with double and not string"),
    ],
)
def test_a_signature_that_breaks_callers(
    bench: Callable[..., Trial],
    saved: Callable[..., Path],
    mine: dict[str, Any],
    theirs: dict[str, Any],
    reason: str,
) -> None:
    if theirs.get("texts"):
        champion = _with_kind(saved(more=("age",)), "age", "categorical")
    else:
        champion = saved(**theirs)
    found = verdict(SignatureGate(), bench(champion=champion, **mine))
    assert not found.passed
    assert found.reason == f"callers of version 3 would break: {reason}"


def test_what_breaks_callers_is_told_in_the_order_of_the_columns(
    bench: Callable[..., Trial], saved: Callable[..., Path]
) -> None:
    names = ("weight", "age")
    champion = saved(more=names)
    for name in names:
        champion = _with_kind(champion, name, "categorical")
    found = verdict(SignatureGate(), bench(champion=champion, more=names))
    told = "; ".join(f"'{name}' is numeric and not categorical" for name in names)
    assert found.reason == f"callers of version 3 would break: {told}"


def _with_kind(model: Path, column: str, kind: str) -> Path:
    """Copy a model as if a column had been of another kind in training."""
    import json
    import shutil

    copy = model.with_name(f"{model.name}-{kind}")
    if not copy.exists():
        shutil.copytree(model, copy)
        path = copy / PROFILE_FILE
        known = json.loads(path.read_text())
        entry = next(e for e in known["inputs"] if e["name"] == column)
        sketch = {"categories": [["x", 3]], "count": 3, "other": 0, "distinct": 1}
        other = next(e for e in known["inputs"] if e["kind"] == kind)
        entry.update(kind=kind, sketch=other["sketch"] if other else sketch)
        path.write_text(json.dumps(known))
    return copy


def test_a_champion_whose_files_are_gone_is_a_refusal(bench: Callable[..., Trial]) -> None:
    def gone() -> Path:
        raise ToolError("the files of the model are gone", hint="run `mlx doctor --fix`")

    trial = replace(bench(), champion=Champion("version 3", gone, dict))
    for gate in (SignatureGate(), MetricGate("accuracy", beats="champion")):
        found = verdict(gate, trial)
        assert (found.passed, found.reason) == (
            False,
            "cannot be judged: the files of the model are gone; run `mlx doctor --fix`",
        )


def test_latency_is_measured(bench: Callable[..., Trial]) -> None:
    trial = bench()
    easy = verdict(LatencyGate("single", 95, 1e6), trial)
    assert easy.passed
    assert easy.observed is not None
    assert easy.observed > 0
    assert easy.reason.startswith("p95 of ")
    assert easy.reason.endswith(" ms, at most 1e+06 ms is required")
    assert " predictions of one row is " in easy.reason
    hard = verdict(LatencyGate("single", 50, 1e-6), trial)
    assert not hard.passed
    assert hard.observed <= easy.observed, "both are of the same calls"
    batch = verdict(LatencyGate("batch", 50, 1e6, rows=1000), trial)
    assert " predictions of 1,000 rows is " in batch.reason, "more rows than the evaluation has"


def test_a_model_that_raises_while_it_is_timed(bench: Callable[..., Trial]) -> None:
    class Broken:
        def predict(self, rows: pd.DataFrame) -> None:
            raise RuntimeError("out of luck")

    trial = bench()
    trial.__dict__["model"] = Broken()
    found = verdict(LatencyGate("single", 50, 1e6), trial)
    assert (found.passed, found.reason) == (False, "cannot be judged: RuntimeError: out of luck")


def test_a_card_is_complete_when_people_wrote_all_of_it(bench: Callable[..., Trial]) -> None:
    trial = bench()
    found = verdict(CardGate(), trial)
    names = [field.name for field in fields(Card)]
    assert (found.passed, found.observed, found.required) == (False, 0, len(names))
    assert found.reason == f"`card:` in mlx.yaml says nothing of {', '.join(names)}"
    written = replace(trial.project, card=Card(**dict.fromkeys(names, "known")))
    assert verdict(CardGate(), replace(trial, project=written)).passed


def test_size_is_that_of_all_files(bench: Callable[..., Trial]) -> None:
    trial = bench()
    files = [path for path in trial.challenger.directory.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    assert verdict(SizeGate(total, "x"), trial).passed
    found = verdict(SizeGate(total - 1, "1kB"), trial)
    assert (found.passed, found.observed, found.required) == (False, total, total - 1)
    assert (
        found.reason == f"the model takes {bytes_text(total)} in {len(files)} files, at most 1kB is allowed"
    )


def test_memory_is_that_of_a_process(bench: Callable[..., Trial]) -> None:
    found = verdict(MemoryGate(10**10, "10GB"), bench())
    assert found.passed
    assert found.observed is not None
    assert 3e7 < found.observed < 3e9
    assert found.reason.startswith("loading it and predicting 300 rows takes ")
    assert not verdict(MemoryGate(10**6, "1MB"), bench()).passed


def test_a_process_that_fails_or_takes_too_long() -> None:
    import sys

    assert run_apart([sys.executable, "-c", "print('fine')"], seconds=60) == []
    assert run_apart([sys.executable, "-c", "raise SystemExit('no')"], seconds=60) == ["no"]
    assert run_apart([sys.executable, "-c", "raise SystemExit(3)"], seconds=60) == ["it ended with 3"]
    with pytest.raises(ToolError, match="it did not end within"):
        run_apart([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.2)


@pytest.mark.parametrize(
    ("rows", "passed", "reason"),
    [
        (table(3), True, "0 of 2 columns drifted in 300 rows, at most 40% of them may"),
        (
            table(3).assign(size=lambda rows: rows["size"] + 5),
            False,
            "1 of 2 columns drifted (size) in 300 rows, at most 40% of them may",
        ),
        (table(3, rows=20), False, "'new.parquet' has 20 rows, and it takes 30 to tell"),
        (
            table(3, rows=0),
            False,
            "cannot be judged: '{root}/new.parquet' has no rows; name a file with new rows",
        ),
        (None, False, "cannot be judged: there is no file '{root}/new.parquet'; run `ls {root}`"),
    ],
)
def test_drift(bench: Callable[..., Trial], rows: pd.DataFrame | None, passed: bool, reason: str) -> None:
    trial = bench()
    trial = replace(trial, project=replace(trial.project, drift=DriftRules(max_share=0.4)))
    if rows is not None:
        rows.to_parquet(trial.project.root / "new.parquet")
    found = verdict(DriftGate("new.parquet"), trial)
    assert (found.passed, found.reason) == (passed, reason.format(root=trial.project.root))


OWN = """\
import sys


def knows_everything(model, champion, test, rows, predictions, metrics, environment, target, positive, task,
                     key, time, protected, extra=3):
    test.drop(columns="size", inplace=True)
    assert "size" in rows.columns
    assert len(model.predict(rows)) == len(predictions)
    assert (champion, environment, target, positive) == (None, "dev", "y", "Yes")
    assert (task, key, time, protected, extra) == ("classification", None, None, [], 3)
    print("printed")
    return metrics["accuracy"] > 0.5


def reasoned(metrics):
    return False, "the moon is full"


def measured(metrics):
    return {"passed": True, "observed": 7, "required": 5.0, "reason": "seven is enough"}


def no_number():
    return {"passed": True, "observed": float("nan")}


def no_bound():
    return {"passed": True, "observed": 1, "required": float("inf")}


def numpy_says():
    import numpy as np

    return np.bool_(True)


def counts():
    return 1


def forgets():
    pass


def wrong_key():
    return {"passed": True, "obsered": 3}


def raises(model):
    raise KeyError("salary")


def leaves():
    sys.exit(2)


def wants(champoin):
    return True
"""


@pytest.mark.parametrize(
    ("name", "passed", "reason"),
    [
        ("knows_everything", True, "'{call}' said yes"),
        ("reasoned", False, "the moon is full"),
        ("measured", True, "seven is enough"),
        ("no_number", False, "what '{call}' observed is no number"),
        ("no_bound", False, "what '{call}' required is no number"),
        ("numpy_says", True, "'{call}' said yes"),
        ("counts", False, "cannot be judged: '{call}' returned int; return a bool"),
        ("forgets", False, "cannot be judged: '{call}' returned nothing; return a bool"),
        (
            "wrong_key",
            False,
            "cannot be judged: '{call}' returned the key 'obsered', did you mean 'observed'?",
        ),
        ("raises", False, "cannot be judged: '{call}' raised KeyError: 'salary'"),
        ("leaves", False, "cannot be judged: '{call}' called sys.exit(2)"),
        (
            "wants",
            False,
            "cannot be judged: nothing gives parameter 'champoin' of '{call}', did you mean 'champion'?",
        ),
        ("absent", False, "cannot be judged: 'own_gates' has no function 'absent'; run `mlx check`"),
    ],
)
def test_own_gates(
    bench: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch, name: str, passed: bool, reason: str
) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "own_gates", raising=False)
    trial = bench()
    (trial.project.root / "src").mkdir()
    (trial.project.root / "src/own_gates.py").write_text(OWN)
    call = f"own_gates:{name}"
    found = verdict(CallGate(call), trial)
    assert found.passed is passed
    assert found.reason.startswith(reason.format(call=call))
    if name == "measured":
        assert (found.observed, found.required) == (7.0, 5.0)
    assert "size" in trial.frame.columns
    sys.modules.pop("own_gates", None)


def test_verdicts_come_in_the_order_of_the_gates(bench: Callable[..., Trial]) -> None:
    gates: list[Gate] = [
        LatencyGate("single", 50, 1e6),
        SizeGate(1, "1B"),
        MetricGate("accuracy", minimum=0.5),
    ]
    found = judge(gates, bench())
    assert [verdict.gate for verdict in found] == list(map(str, gates))
    assert [verdict.passed for verdict in found] == [True, False, True]
