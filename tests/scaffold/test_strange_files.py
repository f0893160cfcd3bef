"""Forty and more strange files: each is understood as the table says, or refused with exactly one message."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml
from strange_files import FILES, ROWS

from mlxkit.pipeline.command import command_of
from mlxkit.pipeline.execute import execute
from mlxkit.pipeline.formats import load_table
from mlxkit.pipeline.new_rows import new_rows
from mlxkit.project.load import load

if TYPE_CHECKING:
    from conftest import Mlx, TmpDir

# DVC calls what pygtrie deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TARGETS = {
    "a target in dollars": "price",
    "an infinite target": "price",
    "plus and minus": "sign",
    "no header": "column_3",
}
USUAL = "amount feature number; city feature text; left target boolean"

# How the file was read, the raw data that the project keeps, `read:` of mlx.yaml, columns, warnings.
UNDERSTOOD = {
    "semicolons and decimal commas in windows 1252": (
        "semicolons, Windows-1252, decimal commas",
        "export.csv",
        {"sep": ";", "decimal": ",", "encoding": "cp1252"},
        USUAL,
        [],
    ),
    "tabs": ("tabs, UTF-8", "export.tsv", {}, USUAL, []),
    "pipes in a txt": ("pipes, UTF-8", "export.csv", {"sep": "|"}, USUAL, []),
    "spaces in a dat": ("spaces, UTF-8", "export.csv", {"sep": "\\s+"}, USUAL, []),
    "a space after each comma": ("commas, UTF-8", "export_data.csv", {"skipinitialspace": True}, USUAL, []),
    "a byte order mark and windows line ends": ("commas, UTF-8", "export.csv", {}, USUAL, []),
    "utf 16": ("tabs, UTF-16", "export.csv", {"sep": "\t", "encoding": "utf-16"}, USUAL, []),
    "latin 1 that is no windows 1252": ("commas, Latin-1", "export.csv", {"encoding": "latin-1"}, USUAL, []),
    "cyrillic": ("commas, cp1251", "export.csv", {"encoding": "cp1251"}, USUAL, []),
    "single quotes": (
        "commas, UTF-8, single quotes around values",
        "export.csv",
        {"quotechar": "'"},
        USUAL,
        [],
    ),
    "backslashes before quotes": (
        "commas, UTF-8, '\\' before quotes inside values",
        "export.csv",
        {"escapechar": "\\"},
        USUAL,
        [],
    ),
    "quoted line breaks": ("commas, UTF-8", "export.csv", {}, USUAL, []),
    "separators at the end of the rows": (
        "semicolons, UTF-8, a separator at the end of each row",
        "export.csv",
        {"sep": ";", "index_col": False},
        USUAL,
        [],
    ),
    "separators at the end of all lines": (
        "semicolons, UTF-8",
        "export.csv",
        {"sep": ";"},
        "amount feature number; city feature text; left target boolean; Unnamed: 3 dropped empty",
        [],
    ),
    "thousands": ("commas, UTF-8, commas between thousands", "export.csv", {"thousands": ","}, USUAL, []),
    "thousands beside dotted dates": (
        "semicolons, UTF-8, decimal commas",
        "export.csv",
        {"sep": ";", "decimal": ","},
        "amount feature number as text; day time date; left target boolean",
        [],
    ),
    "currency and units": (
        "semicolons, UTF-8",
        "export.csv",
        {"sep": ";"},
        "amount feature number as text; rate feature number as text; member feature boolean; "
        "left target boolean",
        [],
    ),
    "a target in dollars": (
        "commas, UTF-8",
        "export.csv",
        {},
        "price target number as text; city feature text; size feature number",
        [],
    ),
    "words for nothing": (
        "commas, UTF-8, '-', '--', '?', 'unknown' missing",
        "export.csv",
        {"na_values": ["-", "--", "?", "unknown"]},
        USUAL,
        ["one row repeats another row and is left out"],
    ),
    "plus and minus": ("commas, UTF-8", "export.csv", {}, "amount feature number; sign target text", []),
    "seconds since 1970": (
        "commas, UTF-8",
        "export.csv",
        {},
        "created_at time date; amount feature number; left target boolean",
        [],
    ),
    "days and months that look alike": (
        "commas, UTF-8",
        "export.csv",
        {},
        "day time date; amount feature number; left target boolean",
        [],
    ),
    "lines before the header": (
        "semicolons, UTF-8, 3 lines before the header",
        "export.csv",
        {"sep": ";", "skiprows": 3},
        USUAL,
        [],
    ),
    "comments before the header": (
        "commas, UTF-8, 2 lines before the header",
        "export.csv",
        {"skiprows": 2},
        USUAL,
        [],
    ),
    "no header": (
        "commas, UTF-8, no header",
        "export.csv",
        {"names": ["column_1", "column_2", "column_3"]},
        "column_1 feature number; column_2 feature text; column_3 target boolean",
        ["the file has no header: its columns are called column_1 to column_3"],
    ),
    "names twice and no names": (
        "commas, UTF-8",
        "export.csv",
        {},
        f"{USUAL}; amount.1 key number; Unnamed: 4 feature number",
        [
            "column 4 is called 'amount.1', because 'amount' is there already",
            "column 5 has no name and is called 'Unnamed: 4'",
        ],
    ),
    "odd names": (
        "commas, UTF-8",
        "export.csv",
        {},
        'amount\nin € feature number;  city  feature text; left target boolean; x, "y" feature number; '
        f"Größe 😀 feature number; {'n' * 300} feature number",
        [],
    ),
    "an index without a name": (
        "commas, UTF-8",
        "export.csv",
        {},
        "Unnamed: 0 dropped number; amount feature number; city feature text; left target boolean",
        ["column 1 has no name and is called 'Unnamed: 0'"],
    ),
    "row labels without a place in the header": (
        "commas, UTF-8, row labels without a name",
        "export.csv",
        {},
        USUAL,
        ["the first column has no name in the header, holds row labels, and is left out"],
    ),
    "years as names": (
        "commas, UTF-8",
        "export.csv",
        {},
        "2021 feature number; 2022 feature number; 2023 feature number; left target boolean",
        [],
    ),
    "gzip": ("semicolons, UTF-8, packed with gzip", "export.csv.gz", {"sep": ";"}, USUAL, []),
    "gzip without its suffix": ("commas, UTF-8, packed with gzip", "export.csv.gz", {}, USUAL, []),
    "zip": ("commas, UTF-8, packed as zip, kept as gzip", "export.csv.gz", {}, USUAL, []),
    "zstd": ("tabs, UTF-8, packed with zstd, kept as gzip", "export.csv.gz", {"sep": "\t"}, USUAL, []),
    "parquet named csv": ("Parquet", "export.parquet", {}, USUAL, []),
    "json lines": ("JSON lines", "export.jsonl", {}, USUAL, []),
    "a json array": ("a JSON array, kept as JSON lines", "export.jsonl", {}, USUAL, []),
    "a workbook": (
        "a workbook, kept as CSV",
        "export.csv",
        {},
        USUAL,
        ["the sheet 'Sales' was read, and not 'Notes'"],
    ),
    "infinities": ("commas, UTF-8", "export.csv", {}, USUAL, []),
    "mixed types": (
        "commas, UTF-8",
        "export.csv",
        {},
        "mixed feature text; amount feature number; city feature text; left target boolean",
        [],
    ),
    "a cell of ten megabytes": (
        "commas, UTF-8",
        "export.csv",
        {},
        "amount feature number; city feature text; left target boolean; note feature text",
        [],
    ),
    "dates far off": (
        "commas, UTF-8",
        "export.csv",
        {},
        "day time date; amount feature number; left target boolean",
        [],
    ),
    "a target that half the rows lack": (
        "commas, UTF-8",
        "export.csv",
        {},
        USUAL,
        ["60 rows have no 'left' and are left out"],
    ),
    "four hundred columns": ("commas, UTF-8", "export.csv", {}, "400 columns", []),
    "all text": (
        "commas, UTF-8",
        "export.csv",
        {},
        "city feature text; day feature text; left target boolean",
        ["33 rows repeat another row and are left out"],
    ),
    "two rows of each class": (
        "commas, UTF-8",
        "export.csv",
        {},
        "amount feature number; left target text",
        ["20 classes of 'left' have fewer than 20 rows; 'class 0' has 2"],
    ),
    "a file without rights": ("commas, UTF-8", "export.csv", {}, USUAL, []),
}
REFUSED = {
    "an infinite target": (
        "target 'price' is infinite in 1 row",
        "remove these rows, or leave the value empty there",
    ),
    "one class": ("target 'left' is constant: always 'no'", "name another column after --target"),
    "one column": (
        "'export.csv' has one column, 'left'",
        "a model needs a target and something to learn from",
    ),
    "nothing but missing": ("target 'left' has no values", "name another column after --target"),
    "ragged rows": (
        "'export.csv' is no regular CSV: Expected 3 fields in line 52, saw 5",
        "quote values that hold a separator or a line break",
    ),
    "an open quote": (
        "'export.csv' is no regular CSV: EOF inside string starting at row 51",
        "close the quote that opens there",
    ),
    "nul bytes": ("'export.csv' is no text: byte 0x00 in line 2", "run `file export.csv`"),
    "bytes of no kind": ("'export.csv' is no text", "run `file export.csv`"),
    "a folder": (
        "'export.csv' is a folder",
        "name one file with a table in it, or say `--template torch` for a folder of images",
    ),
    "nothing": ("'export.csv' is empty", "use a file with a header row and data rows"),
    "a header only": ("'export.csv' has a header but no rows", "use a file with at least 20 rows"),
    "a pdf": ("'export.pdf' is a PDF document", "save the table in it as CSV"),
    "a png named csv": ("'export.csv' is a PNG image", "save the table in it as CSV"),
    "a web page named xls": (
        "'export.xls' is an HTML page, whatever its name says",
        'run `python -c "import pandas as pd; '
        "pd.read_html('export.xls')[0].to_csv('export.csv', index=False)\"`",
    ),
    "an old workbook": (
        "'export.xls' is an old .xls workbook, or one with a password",
        "save it as .xlsx, without password",
    ),
    "a database": ("'export.db' is an SQLite database", "export one of its tables as CSV"),
    "a gzip cut short": (
        "'export.csv.gz' cannot be read: Compressed file ended before the end-of-stream marker was reached",
        "run `file export.csv.gz`",
    ),
    "a zip of two files": (
        "'export.zip' holds 2 files: a.csv, b.csv",
        "run `unzip export.zip`, then name one of them",
    ),
    "a zip with a password": ("'export.zip' is protected by a password", "run `unzip export.zip`"),
    "an empty zip": ("'export.zip' holds no file", "use another file"),
    "a damaged parquet file": ("'export.parquet' is a damaged Parquet file", "run `file export.parquet`"),
    "json that is one object": (
        "'export.json' holds one JSON object, and no rows",
        "save it as an array of objects, one for each row",
    ),
    "a json array of numbers": (
        "'export.json' holds a JSON array, but not of objects",
        "save it as an array of objects, one for each row",
    ),
    "json lines with a broken one": (
        "'export.jsonl' is no regular JSON lines file: line 61",
        "write one JSON object on each line",
    ),
    "half of utf 16": ("'export.csv' is no whole UTF-16 text", "run `file export.csv`"),
}


def init(mlx: Mlx, folder: Path, name: str, *options: str) -> Any:
    """Write a file and make a project of it, away from any repository."""
    path = FILES[name](folder).relative_to(folder)
    return mlx("init", "sales", "--data", path, "--target", TARGETS.get(name, "left"), *options)


def test_every_file_is_in_one_of_the_tables() -> None:
    assert {*UNDERSTOOD, *REFUSED, "a file without rights"} == set(FILES)


@pytest.mark.parametrize(
    "name", [name for name in UNDERSTOOD if name != "a file without rights" or os.getuid() == 0]
)
def test_understood(tmp_dir: TmpDir, mlx: Mlx, name: str) -> None:
    answer = init(mlx, tmp_dir, name, "--json")
    assert answer.code == 0, answer.out
    found = answer.json
    columns = "; ".join(f"{c['name']} {c['role']} {c['type']}" for c in found["columns"])
    if len(found["columns"]) > 10:
        columns = f"{len(found['columns'])} columns"
    warnings = [text for text in found["warnings"] if not text.startswith("git has no identity")]
    raw = Path(found["raw_data"]).name
    assert (found["file"], raw, found["read"], columns, warnings) == UNDERSTOOD[name]
    assert (yaml.safe_load(Path("sales/mlx.yaml").read_text(encoding="utf-8")).get("read") or {}) == found[
        "read"
    ]
    _both_parts_read_alike(Path("sales"), found)


def _both_parts_read_alike(root: Path, found: dict[str, Any]) -> None:
    """Every row is in one of the two files, and the pipeline reads from both what `init` saw."""
    raw, new_rows = (load_table(root / found[key], read=found["read"]) for key in ("raw_data", "new_rows"))
    assert list(raw.columns) == list(new_rows.columns) == [column["name"] for column in found["columns"]]
    both = pd.concat([raw, new_rows])
    assert len(new_rows) == round(len(both) / 10)
    for column in found["columns"]:
        assert both[column["name"]].isna().mean() == pytest.approx(column["missing"], abs=1e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_dir: TmpDir, mlx: Mlx, name: str) -> None:
    answer = init(mlx, tmp_dir, name, "--json")
    message, hint = REFUSED[name]
    assert (answer.code, answer.json["error"]["message"], answer.json["error"]["hint"]) == (2, message, hint)
    assert [path.name for path in tmp_dir.iterdir() if not path.name.startswith("export.")] == []


def test_a_workbook_without_openpyxl(tmp_dir: TmpDir, mlx: Mlx, monkeypatch: pytest.MonkeyPatch) -> None:
    FILES["a workbook"](tmp_dir)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    error = mlx("init", "sales", "--data", "export.xlsx", "--target", "left", "--json").json["error"]
    assert error["message"] == "'export.xlsx' is a workbook, which takes openpyxl to read"
    assert error["hint"] == "run `pip install 'mlxkit[excel]'`"


@pytest.mark.skipif(os.getuid() == 0, reason="root may read anything")
def test_a_file_without_rights(tmp_dir: TmpDir, mlx: Mlx) -> None:
    answer = init(mlx, tmp_dir, "a file without rights", "--json")
    error = answer.json["error"]
    assert (error["message"], error["hint"]) == ("'export.csv' may not be read", "run `ls -l export.csv`")


def test_the_words_on_a_terminal(tmp_dir: TmpDir, mlx: Mlx) -> None:
    # Whether a note on git follows, depends on the machine.
    assert init(mlx, tmp_dir, "currency and units").out.startswith("""\
column  role     type            missing  why
amount  feature  number as text           numbers with '€', decimal commas
rate    feature  number as text           numbers with '%'
member  feature  boolean                  'Ja' or 'nein'
left    target   boolean                  2 classes; 'yes' is the positive one

read as: semicolons, UTF-8
""")


RUN = (
    "semicolons and decimal commas in windows 1252",
    "utf 16",
    "spaces in a dat",
    "separators at the end of the rows",
    "thousands",
    "currency and units",
    "a target in dollars",
    "words for nothing",
    "seconds since 1970",
    "lines before the header",
    "no header",
    "row labels without a place in the header",
    "zip",
    "json lines",
    "infinities",
    "dates far off",
    "two rows of each class",
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RUN)
def test_the_project_does_its_work(
    tmp_dir: TmpDir, mlx: Mlx, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    """Its stages, as a worker calls them, and its own prediction from a file as the user has them."""
    project = f"work-{RUN.index(name)}"
    path = FILES[name](tmp_dir).relative_to(tmp_dir)
    answer = mlx("init", project, "--data", path, "--target", TARGETS.get(name, "left"), "--json")
    os.chdir(project)
    loaded = load(Path.cwd())
    for stage in ("prepare", "features", "choose", "train", "evaluate", "figures"):
        execute(command_of(loaded, loaded.stages[stage]), loaded.root)
    assert json.loads(Path("reports/metrics.json").read_text())
    predicted = importlib.import_module(f"{loaded.package}.models.predict_model")
    capfd.readouterr()
    predicted.main(f"models/{project}", answer.json["new_rows"])
    rows = pd.read_csv(io.StringIO(capfd.readouterr().out))
    assert len(rows) == round(_rows(name) / 10)
    assert rows["prediction"].notna().all()


def _rows(name: str) -> int:
    return 40 if name == "two rows of each class" else ROWS


@pytest.mark.parametrize(
    "name",
    [
        "semicolons and decimal commas in windows 1252",
        "currency and units",
        "seconds since 1970",
        "odd names",
    ],
)
def test_the_project_passes_its_own_checks(tmp_dir: TmpDir, mlx: Mlx, name: str) -> None:
    assert init(mlx, tmp_dir, name).code == 0
    for command in (
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--no-cache", "--diff", "."],
        ["mypy"],
        ["pytest", "-q", "-p", "no:cacheprovider"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd="sales", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_drift_reads_a_file_as_the_raw_data(tmp_dir: TmpDir, mlx: Mlx) -> None:
    assert init(mlx, tmp_dir, "semicolons and decimal commas in windows 1252").code == 0
    os.chdir("sales")
    rows = new_rows(load(Path.cwd()), Path("data/external/new_rows.csv"))
    assert list(rows.columns) == ["amount", "city", "left"]
    assert rows["amount"].dtype == "float64"
