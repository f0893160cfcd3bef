"""What the user says of a file with --read and --type: taken and kept in the project, or refused."""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml

from mlxkit.pipeline.command import command_of
from mlxkit.pipeline.execute import execute
from mlxkit.pipeline.formats import load_table
from mlxkit.project.load import load

if TYPE_CHECKING:
    from conftest import Mlx, TmpDir

# DVC calls what pygtrie deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROWS = 120


def orders(number: int) -> dict[str, Any]:
    generator = random.Random(number)
    return {
        "order": f"A{number}",
        "zip": generator.choice(["01067", "80331", "04109"]),
        "when": f"{generator.randint(1, 12):02}/{generator.randint(1, 12):02}/2025",
        "grade": generator.choice("-ab"),
        "size": f"{generator.randint(1, 99)} widgets",
        "amount": f"{generator.randint(1, 9)}.{generator.randint(100, 999)}",
        "region": generator.choice(["NA", "EU"]),
        "code": generator.choice([20240131, 20240201]),
        "left": generator.choice(["yes", "no"]),
    }


TABLE = pd.DataFrame([orders(number) for number in range(ROWS)])


@pytest.fixture
def folder(tmp_dir: TmpDir) -> TmpDir:
    """Return a folder with files that can be read in more than one way."""
    TABLE.to_csv("orders.csv", index=False, sep=";")
    TABLE.to_parquet("orders.parquet", index=False)
    with pd.ExcelWriter("orders.xlsx") as book:
        pd.DataFrame({"a": [1], "b": [2]}).to_excel(book, sheet_name="Notes", index=False)
        TABLE.to_excel(book, sheet_name="Data", index=False)
        pd.DataFrame().to_excel(book, sheet_name="Empty")
    street = "".join(f"K\u00f6ln {n % 5};{n};{'ab'[n % 2]}\n" for n in range(ROWS))
    tmp_dir.gen("street.csv", f"Stra\u00dfe;x;left\n{street}".encode("cp1252"))
    words = "".join(f"{'abc'[n % 3]},{'xyz'[n % 2]},{n % 7}\n" for n in range(ROWS))
    tmp_dir.gen("words.csv", f"Made in 2025\nkind,left,n\n{words}")
    return tmp_dir


def init(mlx: Mlx, file: str, *options: str) -> Any:
    return mlx("init", "sales", "--data", file, "--target", "left", *options, "--json")


# File, options; what `read:` of mlx.yaml is then, the columns they concern with type and reason.
TAKEN: dict[str, tuple[str, tuple[str, ...], dict[str, Any], dict[str, tuple[str, str]]]] = {
    "a code is text": (
        "orders.csv",
        ("--type", "zip=text"),
        {"sep": ";", "dtype": {"zip": "str"}, "na_values": ["-"]},
        {"zip": ("text", "text, 3 values; type given by --type")},
    ),
    "the day comes first": (
        "orders.csv",
        ("--type", "when=date:%d/%m/%Y", "--type", "code=number", "--drop", "order"),
        {"sep": ";", "dtype": {"when": "str"}, "na_values": ["-"]},
        {
            "when": (
                "date",
                "the only column of dates like %d/%m/%Y; the rows are split by it; type given by --type",
            ),
            "code": ("number", "numbers; type given by --type"),
            "order": ("text", "left out by --drop"),
        },
    ),
    "numbers with a unit that mlx does not know, and decimal commas": (
        "orders.csv",
        ("--type", "size=number", "--type", "amount=number:,"),
        {"sep": ";", "dtype": {"amount": "str"}, "na_values": ["-"]},
        {
            "size": ("number as text", "text that holds numbers with decimal points; type given by --type"),
            "amount": ("number as text", "text that holds numbers with decimal commas; type given by --type"),
        },
    ),
    "a sign is a value": (
        "orders.csv",
        ("--read", "na_values="),
        {"sep": ";"},
        {"grade": ("text", "text, 3 values")},
    ),
    "nothing but what is named is missing": (
        "orders.csv",
        ("--read", "keep_default_na=false", "--read", "na_values=EU"),
        {"sep": ";", "keep_default_na": False, "na_values": ["", "EU"]},
        {"region": ("text", "text, 1 values"), "grade": ("text", "text, 3 values")},
    ),
    "an encoding": (
        "street.csv",
        ("--read", "encoding=iso-8859-15"),
        {"sep": ";", "encoding": "iso-8859-15"},
        {"Stra\u00dfe": ("text", "text, 5 values")},
    ),
    "names, and lines to skip": (
        "words.csv",
        ("--read", "skiprows=2", "--read", "names=kind,left,count"),
        {"skiprows": 2, "names": ["kind", "left", "count"]},
        {"count": ("number", "numbers"), "kind": ("text", "text, 3 values")},
    ),
    "a header": (
        "words.csv",
        ("--read", "skiprows=1", "--read", "names="),
        {"skiprows": 1},
        {"n": ("number", "numbers")},
    ),
    "a sheet by its number": (
        "orders.xlsx",
        ("--read", "sheet=2", "--type", "zip=text"),
        {"dtype": {"zip": "str"}, "na_values": ["-"]},
        {"zip": ("text", "text, 3 values; type given by --type")},
    ),
    "numbers in parquet are codes": (
        "orders.parquet",
        ("--type", "code=text", "--type", "when=date"),
        {},
        {
            "code": ("text", "text, 2 values; type given by --type"),
            "when": ("date", "the only column of dates like %m/%d/%Y; %d/%m/%Y would fit as well"),
        },
    ),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(folder: TmpDir, mlx: Mlx, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    file, options, read, columns = TAKEN[name]
    answer = init(mlx, file, *options)
    assert answer.code == 0, answer.out
    found = answer.json
    assert found["read"] == read
    said = {column["name"]: (column["type"], column["why"]) for column in found["columns"]}
    for column, (kind, why) in columns.items():
        assert (said[column][0], said[column][1].startswith(why)) == (kind, True), said[column]
    pairs = list(zip(options[::2], options[1::2], strict=True))
    types = [text.rpartition("=") for option, text in pairs if option == "--type"]
    reads = [text.partition("=") for option, text in pairs if option == "--read"]
    assert found["given"] == {
        "read": {key: value for key, _, value in reads},
        "type": {column: kind for column, _, kind in types},
    }
    root = folder / "sales"
    assert (yaml.safe_load((root / "mlx.yaml").read_text(encoding="utf-8")).get("read") or {}) == read
    _all_read_alike(root, found, monkeypatch)


def _all_read_alike(root: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipeline and the project's own code read both files of the project, as `init` read the whole."""
    monkeypatch.syspath_prepend(str(root / "src"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "sales"]:
        monkeypatch.delitem(sys.modules, name)
    own = importlib.import_module("sales.data.make_dataset")
    parts = []
    for key in ("raw_data", "new_rows"):
        parts.append(load_table(root / found[key], read=found["read"]))
        pd.testing.assert_frame_equal(own.read_raw(root / found[key]), parts[-1])
    both = pd.concat(parts)
    assert len(both) == ROWS
    assert list(both.columns) == [column["name"] for column in found["columns"]]
    for column in found["columns"]:
        assert both[column["name"]].isna().mean() == pytest.approx(column["missing"], abs=1e-6)


def test_the_words_on_a_terminal(folder: TmpDir, mlx: Mlx) -> None:
    options = (
        "--read",
        "na_values=",
        "--read",
        "sep=;",
        "--type",
        "zip=text",
        "--type",
        "when=date:%d/%m/%Y",
    )
    roles = ("--time", "when", "--key", "order", "--drop", "size", "--keep", "code")
    out = mlx("init", "sales", "--data", "orders.csv", "--target", "left", *options, *roles).out
    # Whether a note on git follows, depends on the machine.
    assert out.startswith("""\
column  role     type     missing  why
order   key      text              given by --key
zip     feature  text              text, 3 values; type given by --type
when    time     date              given by --time; the rows are split by it;
                                   type given by --type
grade   feature  text              text, 3 values
size    dropped  text              left out by --drop
amount  feature  number            numbers
region  feature  text       53.3%  text, 1 values
code    feature  date              kept by --keep
left    target   boolean           2 classes; 'yes' is the positive one

read as: semicolons, UTF-8, na_values and sep given by --read
""")


COMMAND = "mlx init sales --data orders.csv --target left"
# File, options; message, hint.
REFUSED: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "another name of a key": (
        "orders.csv",
        ("--read", "delimiter=;"),
        "--read has no key 'delimiter', did you mean 'sep'?",
        f"run `{COMMAND} --read 'sep=;'`",
    ),
    "a misspelt key": (
        "orders.csv",
        ("--read", "skiprow=1"),
        "--read has no key 'skiprow', did you mean 'skiprows'?",
        f"run `{COMMAND} --read skiprows=1`",
    ),
    "no key at all": ("orders.csv", ("--read", "zzz=1"), "--read has no key 'zzz'", "name one of the keys"),
    "no value": ("orders.csv", ("--read", "sep="), "--read sep has no value", "write one after 'sep='"),
    "no equals sign": (
        "orders.csv",
        ("--read", "sep"),
        "'--read sep' is no KEY=VALUE",
        "write it like --read sep=';'",
    ),
    "two values": (
        "orders.csv",
        ("--read", "sep=;", "--read", "sep=,"),
        "--read says two things of 'sep': ';' and ','",
        "leave one of the two away",
    ),
    "two characters": (
        "orders.csv",
        ("--read", "sep=ab"),
        "--read sep is 'ab', and not one character",
        f"run `{COMMAND} --read 'sep=;'`",
    ),
    "the wrong separator": (
        "orders.csv",
        ("--read", "sep=|"),
        "'orders.csv' has one column, 'order;zip;when;grade;size;a\u2026'",
        "name another separator after --read sep=",
    ),
    "no number": (
        "orders.csv",
        ("--read", "skiprows=two"),
        "--read skiprows is 'two', and no whole number",
        f"run `{COMMAND} --read skiprows=1`",
    ),
    "neither true nor false": (
        "orders.csv",
        ("--read", "index_col=0"),
        "--read index_col is '0', and not true or false",
        f"run `{COMMAND} --read index_col=false`",
    ),
    "one mark for two things": (
        "orders.csv",
        ("--read", "decimal=,", "--read", "thousands=,"),
        "--read thousands is ',', as decimal is",
        "give them different characters",
    ),
    "no such encoding": (
        "orders.csv",
        ("--read", "encoding=utf9"),
        "Python knows no encoding 'utf9'",
        f"run `{COMMAND} --read encoding=cp1252`",
    ),
    "not in this encoding": (
        "street.csv",
        ("--read", "encoding=ascii"),
        "'street.csv' has bytes that mean nothing in ascii",
        "leave --read encoding away, or name another one",
    ),
    "no utf 16": (
        "street.csv",
        ("--read", "encoding=utf-16"),
        "'street.csv' has bytes that mean nothing in utf-16",
        "leave --read encoding away, or name another one",
    ),
    "too few names": (
        "orders.csv",
        ("--read", "names=a,left"),
        "--read names has 2 names, and 'orders.csv' has 9 columns",
        "name each column, in the order of the file",
    ),
    "a name twice": (
        "orders.csv",
        ("--read", "names=left,left"),
        "--read names has 'left' twice",
        "give each column a name of its own",
    ),
    "a sheet of a text": (
        "orders.csv",
        ("--read", "sheet=1"),
        "--read sheet does not go with 'orders.csv', delimited text",
        "leave it away",
    ),
    "a separator of a workbook": (
        "orders.xlsx",
        ("--read", "sep=;"),
        "--read sep does not go with 'orders.xlsx', a workbook, which takes sheet, names, na_values, "
        "keep_default_na, decimal, thousands",
        "leave it away",
    ),
    "a separator of parquet": (
        "orders.parquet",
        ("--read", "sep=;"),
        "--read sep does not go with 'orders.parquet', a Parquet file",
        "leave it away",
    ),
    "no such sheet": (
        "orders.xlsx",
        ("--read", "sheet=Dat"),
        "'orders.xlsx' has no sheet 'Dat', did you mean 'Data'?",
        "name a sheet, or its number, after --read sheet=",
    ),
    "a sheet without a table": (
        "orders.xlsx",
        ("--read", "sheet=3"),
        "the sheet 'Empty' of 'orders.xlsx' holds no table",
        "name another sheet after --read sheet=",
    ),
    "a type of no column": (
        "orders.csv",
        ("--type", "zipp=text"),
        "'orders.csv' has no column 'zipp', did you mean 'zip'?",
        f"run `{COMMAND} --type zip=text`",
    ),
    "another name of a type": (
        "orders.csv",
        ("--type", "zip=string"),
        "--type has no type 'string', did you mean 'text'?",
        f"run `{COMMAND} --type zip=text`",
    ),
    "no type": (
        "orders.csv",
        ("--type", "zip"),
        "'--type zip' is no COLUMN=TYPE",
        "write it like --type zip=text",
    ),
    "text in a form": (
        "orders.csv",
        ("--type", "zip=text:5"),
        "text has no form such as '5'",
        f"run `{COMMAND} --type zip=text`",
    ),
    "no format of dates": (
        "orders.csv",
        ("--type", "when=date:dd.mm.yyyy"),
        "'dd.mm.yyyy' is no format of dates",
        f"run `{COMMAND} --type when=date:%d/%m/%Y`",
    ),
    "dates in another format": (
        "orders.csv",
        ("--type", "when=date:%Y-%m-%d"),
        f"most values of 'when' are no date like %Y-%m-%d: '{TABLE['when'][0]}'",
        f"run `{COMMAND} --type when=text`",
    ),
    "no dates": (
        "orders.csv",
        ("--type", "size=date"),
        f"'size' holds no dates in a form that mlx knows: '{TABLE['size'][0]}'",
        f"run `{COMMAND} --type size=date:FORMAT`",
    ),
    "no numbers": (
        "orders.csv",
        ("--type", "zip=number", "--type", "order=number", "--type", "region=number"),
        "most values of 'region' are no number: 'EU'",
        f"run `{COMMAND} --type zip=number --type order=number --type region=text`",
    ),
    "no decimal mark": (
        "orders.csv",
        ("--type", "size=number:x"),
        "'x' is no decimal mark of --type: '.' or ','",
        f"run `{COMMAND} --type size=number:,`",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(folder: TmpDir, mlx: Mlx, name: str) -> None:
    file, options, message, hint = REFUSED[name]
    answer = init(mlx, file, *options)
    error = answer.json["error"]
    assert (answer.code, error["message"], error["hint"]) == (2, message, hint)
    assert not (folder / "sales").exists()


def test_the_starter_data_is_read_as_it_is(tmp_dir: TmpDir, mlx: Mlx) -> None:
    for option in ("read", "type"):
        error = mlx("init", "sales", f"--{option}", "sep=text", "--json").json["error"]
        assert error["message"] == f"'--{option}' goes with '--data'; the starter data has its own"
        assert error["hint"] == f"run `mlx init sales --data FILE --{option} sep=text`"


@pytest.mark.filterwarnings("ignore")
def test_the_project_does_its_work_and_passes_its_own_checks(folder: TmpDir, mlx: Mlx) -> None:
    types = ("zip=text", "when=date:%d/%m/%Y", "size=number", "amount=number:,", "code=text")
    options = [word for text in types for word in ("--type", text)]
    options += ["--read", "keep_default_na=false"]
    # A name of its own: what a process has imported once, it does not import again.
    assert mlx("init", "codes", "--data", "orders.csv", "--target", "left", *options).code == 0
    os.chdir("codes")
    loaded = load(Path.cwd())
    for stage in ("prepare", "features", "choose", "train"):
        execute(command_of(loaded, loaded.stages[stage]), loaded.root)
    profile = json.loads(Path("models/codes/reference_profile.json").read_text())
    kinds = {column["name"]: column["kind"] for column in profile["inputs"]}
    assert kinds == {
        "zip": "categorical",
        "when": "datetime",
        "grade": "categorical",
        "size": "numeric",
        "amount": "numeric",
        "region": "categorical",
        "code": "categorical",
    }
    zips = next(column["sketch"] for column in profile["inputs"] if column["name"] == "zip")
    assert "01067" in dict(zips["categories"])
    for command in (
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--no-cache", "--diff", "."],
        ["mypy"],
        ["pytest", "-q", "-p", "no:cacheprovider"],
    ):
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
