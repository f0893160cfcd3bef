"""The shape of `mlx.yaml`: which keys there are, what each may hold, and what it means.

One table serves three readers: `validation`, `mlx.schema.json` for editors, and the reference page.
"""

from __future__ import annotations

from mlxkit.project.gate_schema import GATE
from mlxkit.project.shapes import (
    DURATION,
    NAME,
    VARIABLE,
    Anything,
    Choice,
    Flag,
    Key,
    ListOf,
    MapOf,
    Number,
    Scalar,
    Shape,
    Text,
)

_PATHS = MapOf(Text(), NAME, lists=True)

STAGE = Shape(
    "stage",
    {
        "kind": Key(
            Choice(("train", "evaluate", "stage")),
            "What mlx does around the stage; `stage` is nothing. Default: from the stage's name.",
        ),
        "call": Key(
            Text(r"[\w.]+:\w+", "churn.models.train_model:train_model"),
            "Python function that is the stage: `module:function`.",
        ),
        "cmd": Key(Text(), "Shell command that is the stage, in any language. Instead of `call`."),
        "inputs": Key(
            _PATHS, "Name and path of each file or directory that is read; `cmd` stages may give a list."
        ),
        "outputs": Key(
            _PATHS, "Name and path of each file or directory that is made; `cmd` stages may give a list."
        ),
        "uncached": Key(
            ListOf(Text()), "Outputs that git keeps instead of DVC's cache, such as a small file of metrics."
        ),
        "params": Key(ListOf(Text()), "Groups of `params.yaml` that the stage depends on."),
        "code": Key(
            ListOf(Text()), "More project files to depend on, where import analysis cannot see them."
        ),
        "env": Key(
            MapOf(Text(), VARIABLE),
            "Environment variables of the stage; `${NAME}` is read when the stage starts and never stored.",
        ),
        "timeout": Key(Text(DURATION, "30m"), "Longest time the stage may take: seconds, or `30m`, `2h`."),
        "retries": Key(Number(0, 100, whole=True), "How many more times a failed stage is tried. Default 0."),
        "on": Key(Text(), "Target that runs the stage. Default: this machine."),
        "pool": Key(Text(), "Airflow's pool for the stage's task (`mlx export airflow`)."),
    },
)

ENVIRONMENT = Shape(
    "environment",
    {
        "tracking": Key(Text(), "MLflow tracking URI. Default: the store in the project's root."),
        "registry": Key(Text(), "MLflow registry URI, where it is not the tracking store's own."),
        "requires": Key(Text(), "Environment whose current model alone may come here."),
        "branch": Key(Text(), "Git branch that means this environment in CI."),
        "remote": Key(Text(), "DVC remote of its data. Default: that of DVC."),
        "target": Key(Text(), "Target that the training runs on. Default: what the stage's `on` says."),
        "approvers": Key(
            ListOf(Text()),
            "Who may agree to a promotion, as their names are recorded; `anyone` is everybody but who asks. "
            "Default: nobody needs to.",
        ),
        "pushed": Key(
            Flag(False),
            "With `false`, it takes models whose commit or data are on no remote. Default: all but the first "
            "environment refuse them.",
        ),
        "gates": Key(ListOf(GATE), "More conditions that a model must meet here, after those of `promote`."),
    },
)

TARGET = Shape(
    "target",
    {
        "ssh": Key(Text(), "Host, as `ssh` knows it.", required=True),
        "path": Key(Text(), "Folder for mlx on that machine. Default `~/mlx`."),
        "python": Key(Text(r"3\.\d+", "3.11"), "Version of Python there. Default: the one here."),
        "gpus": Key(Number(0, 64, whole=True), "GPUs that a stage has there for itself. Default 0."),
        "env": Key(MapOf(Text(), VARIABLE), "Variables for everything that runs there."),
        "setup": Key(Text(), "Shell commands to begin with, such as `module load cuda`."),
        "requirements": Key(
            Text(), "File with the packages to install there. Default: the versions that are installed here."
        ),
    },
)

COSTS = Shape(
    "costs",
    {
        "false_positive": Key(
            Number(0), "Of a row that is flagged and should not be, in any unit.", required=True
        ),
        "false_negative": Key(Number(0), "Of a row that is missed, in the same unit.", required=True),
    },
)

SAYING = Text(r"[\s\S]*\S[\s\S]*")
"""Words of a person; an empty line begins a paragraph."""

CARD = Shape(
    "card",
    {
        "owner": Key(SAYING, "Who answers for the model: a person or a team."),
        "contact": Key(SAYING, "Where to ask or complain, such as an address."),
        "license": Key(SAYING, "Under which terms the model may be used; `internal` for nobody else."),
        "intended_use": Key(SAYING, "What the model is for, and who uses it."),
        "out_of_scope": Key(SAYING, "What it must not be used for."),
        "limitations": Key(SAYING, "Where it is known to fail, and what was not tested."),
        "ethical_considerations": Key(
            SAYING, "Whom its errors harm, what was done about that, and which data it should not have."
        ),
    },
)

_CRON = Text(example="0 3 * * 1")

SCHEDULE = Shape(
    "schedule",
    {
        "train": Key(
            _CRON,
            "When the pipeline runs and its model is promoted: five fields of cron, such as `0 3 * * 1`, or "
            "`@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.",
        ),
        "drift": Key(_CRON, "When `new_rows` are compared with what the champion was trained on."),
        "new_rows": Key(Text(), "File with the rows that `drift` compares, seen from the project's root."),
    },
)

READ = Shape(
    "read",
    {
        "sep": Key(
            Text(r"(.|\\s\+)", ";"),
            "Separator of the columns: one character, or `\\s+` for spaces. Default: a comma.",
        ),
        "encoding": Key(
            Text(r"[A-Za-z0-9_. -]+", "cp1252"), "Encoding of the text, as Python calls it. Default: UTF-8."
        ),
        "decimal": Key(Text(r"[^\w\s]", ","), "Decimal mark of numbers. Default: a point."),
        "thousands": Key(Text(r"\D", "."), "Mark between the thousands of numbers."),
        "na_values": Key(ListOf(Text()), "More texts that stand for a missing value."),
        "keep_default_na": Key(
            Flag(False), "Only `na_values` are missing, and not what pandas takes for it, such as `NA`."
        ),
        "quotechar": Key(Text(r"[^\w\s]", "'"), "Quotes around values. Default: double quotes."),
        "escapechar": Key(Text(r"[^\w\s]", "\\"), "Character before a quote inside a quoted value."),
        "skipinitialspace": Key(Flag(True), "Ignore spaces after the separator."),
        "skiprows": Key(Number(1, whole=True), "Lines before the header."),
        "names": Key(ListOf(Text()), "Names of the columns, where the file has no header."),
        "index_col": Key(Flag(False), "Ignore a separator at the end of each row."),
        "dtype": Key(MapOf(Choice(("str",))), "Columns of text, whatever stands in them: `{zip: str}`."),
    },
)

DVC = Shape(
    "dvc",
    {
        "metrics": Key(ListOf(Text()), "Files that `dvc metrics show` reads."),
        "plots": Key(ListOf(Anything()), "What `dvc plots show` draws, in DVC's own words."),
        "params": Key(ListOf(Text()), "Files that `dvc params diff` compares."),
        "artifacts": Key(MapOf(Anything()), "Models and data sets that DVC knows by a name."),
    },
)

ROOT = Shape(
    "mlx.yaml",
    {
        "mlx": Key(Number(1, whole=True), "Version of this file's schema: 1.", required=True),
        "project": Key(
            Text(NAME, "churn"),
            "Name of the project, its MLflow experiment and its registered model.",
            required=True,
        ),
        "package": Key(Text(VARIABLE, "churn"), "Import package under `src/`.", required=True),
        "task": Key(Choice(("classification", "regression")), "What the model predicts.", required=True),
        "target": Key(Text(), "Column that the model predicts.", required=True),
        "positive": Key(Scalar(), "Binary classification: the label counted as positive."),
        "key": Key(Text(), "Column that identifies a row."),
        "time": Key(Text(), "Column with the time of the event."),
        "protected": Key(ListOf(Text()), "Columns whose groups deserve a look of their own."),
        "costs": Key(COSTS, "Binary classification: what one wrong row costs, for the threshold table."),
        "read": Key(READ, "How CSV files that no stage makes are read, as in `pandas.read_csv`."),
        "stages": Key(MapOf(STAGE, NAME), "The pipeline.", required=True),
        "promote": Key(
            Shape("promote", {"gates": Key(ListOf(GATE), "Conditions that a model must meet.")}),
            "When a model may be promoted.",
        ),
        "drift": Key(
            Shape(
                "drift",
                {
                    "max_share": Key(
                        Number(0, 1), "Largest share of drifted columns that is not yet drift. Default 0.3."
                    ),
                    "values": Key(
                        Text(r"[\w.]+:\w+", "churn.data.make_dataset:read_values"),
                        "Function of the package, `module:function`, that reads the columns of training rows "
                        "and of new rows, such as numbers with a unit. Default: values as they are written.",
                    ),
                },
            ),
            "When new data counts as drifted.",
        ),
        "schedule": Key(SCHEDULE, "When Airflow, cron or systemd run what (`mlx export`)."),
        "dvc": Key(DVC, "More that `dvc.yaml` says beside the stages; mlx hands it on as it stands."),
        "card": Key(CARD, "What only people know, for the model card (`mlx card`)."),
        "environments": Key(
            MapOf(ENVIRONMENT, NAME),
            "Places that models are promoted to, in order. Default: dev, staging and production.",
        ),
        "targets": Key(MapOf(TARGET, NAME), "Machines that stages may run on."),
    },
)
