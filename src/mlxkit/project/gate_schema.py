"""The shape of a gate in `mlx.yaml`: which kinds there are, and which keys each has."""

from __future__ import annotations

from mlxkit.project.gates import FAIRNESS
from mlxkit.project.shapes import DURATION, SIZE, Choice, Key, Number, OneOf, Shape, Text, Texts

_SIZE = Text(SIZE, "200MB")
_SLICES = Key(
    Texts("protected"),
    "Columns whose groups are judged one by one: `protected` for those of `protected:`, or names.",
)
_MIN, _MAX = (Key(Number(), f"Passes when the value is at {word} this.") for word in ("least", "most"))

GATE = OneOf(
    "gate",
    (
        Shape(
            "metric gate",
            {
                "metric": Key(Text(), "Name of a metric that `evaluate` writes.", required=True),
                "min": _MIN,
                "max": _MAX,
                "beats": Key(
                    Choice(("champion", "baseline")),
                    "Passes when the model is better than the current champion, or than guessing.",
                ),
                "confidence": Key(
                    Number(0.5, 1, open=True), "Of the one-sided interval of a `beats` gate. Default 0.95."
                ),
                "direction": Key(
                    Choice(("higher", "lower")),
                    "Which way your own metric is better; mlx knows it for its own metrics.",
                ),
                "slices": _SLICES,
                "max_gap": Key(
                    Number(0), "Passes when no two groups of a column in `slices` differ by more than this."
                ),
            },
        ),
        Shape(
            "fairness gate",
            {
                "fairness": Key(
                    Choice(FAIRNESS),
                    "Measure of fairness between groups, as fairlearn has it.",
                    required=True,
                ),
                "min": _MIN,
                "max": _MAX,
                "slices": Key(_SLICES.type, f"{_SLICES.doc} Default `protected`."),
            },
        ),
        Shape(
            "latency gate",
            {
                "latency": Key(
                    Choice(("single", "batch")),
                    "Time of a prediction: of one row, or of many at once.",
                    required=True,
                ),
                "p50": Key(Number(0), "Largest median, in milliseconds."),
                "p95": Key(Number(0), "Largest time of 95 of 100 predictions, in milliseconds."),
                "rows": Key(Number(1, 100_000, whole=True), "Rows of a batch. Default 1000."),
            },
        ),
        Shape("size gate", {"size": Key(_SIZE, "Largest size of the model's files.", required=True)}),
        Shape(
            "memory gate",
            {
                "memory": Key(
                    _SIZE,
                    "Largest memory of a process that loads the model and predicts the evaluation rows.",
                    required=True,
                )
            },
        ),
        Shape(
            "golden gate",
            {
                "golden": Key(
                    Text(), "File with rows and, in the column `prediction`, what is expected.", required=True
                ),
                "tolerance": Key(
                    Number(0),
                    "Largest deviation of a number, as a share of it where it is above 1. Default 1e-6.",
                ),
            },
        ),
        Shape(
            "loads gate",
            {
                "loads": Key(
                    Choice(("clean",)),
                    "The model loads and predicts in a new environment of its recorded requirements.",
                    required=True,
                ),
                "timeout": Key(Text(DURATION, "10m"), "Longest time it may take. Default 15m."),
            },
        ),
        Shape(
            "signature gate",
            {
                "signature": Key(
                    Choice(("champion",)), "Who calls the champion can call this model.", required=True
                )
            },
        ),
        Shape(
            "drift gate",
            {
                "drift": Key(
                    Text(),
                    "File with new rows, which must not have drifted by the rules in `drift:`.",
                    required=True,
                )
            },
        ),
        Shape(
            "checked gate",
            {
                "checked": Key(
                    Text(),
                    "Stage that checks data; it must have ended well on the data that the model is from.",
                    required=True,
                )
            },
        ),
        Shape(
            "card gate",
            {
                "card": Key(
                    Choice(("complete",)), "Everything below `card:` in mlx.yaml is written.", required=True
                )
            },
        ),
        Shape(
            "own gate",
            {
                "call": Key(
                    Text(r"[\w.]+:\w+", "churn.gates:own_gate"),
                    "Python function that is the gate: `module:function`.",
                    required=True,
                )
            },
        ),
    ),
)
