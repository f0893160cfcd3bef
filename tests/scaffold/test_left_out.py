"""Columns that a model should not have: leaks of the target, repeated columns, personal data."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from made_up import customers, write_csv

from mlxkit.scaffold.personal import personal_data
from mlxkit.scaffold.project_tree import scaffold
from mlxkit.scaffold.reading import read_data
from mlxkit.scaffold.request import Request
from mlxkit.scaffold.roles import Roles, assign_roles

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Mlx, TmpDir

ROWS = 400
RANDOM = np.random.default_rng(0)
A, B, C = (RANDOM.gamma(2.0, 100.0, ROWS).round(2) for _ in range(3))
LABELS = RANDOM.choice(["No", "Yes"], ROWS, p=[0.8, 0.2])
LEFT = LABELS == "Yes"
DAYS = pd.date_range("2024-01-01", periods=ROWS)


def roles_of(folder: Path, columns: dict[str, Any], **options: Any) -> Roles:
    path = write_csv(folder / "c.csv", **columns)
    return assign_roles(read_data(path), Request(folder / "churn", path, **({"target": "y"} | options)))


def dropped(roles: Roles) -> dict[str, str]:
    return {column.name: column.why for column in roles.columns if column.role == "dropped"}


LEAKS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a sum": (
        {"a": A, "b": B, "y": A + B},
        {"a": "added to 'b' it gives 'y'", "b": "added to 'a' it gives 'y'"},
    ),
    "a difference": (
        {"a": A, "b": B, "y": A - B},
        {"a": "with 'b' subtracted it gives 'y'", "b": "with 'a' subtracted it gives 'y'"},
    ),
    "a sum of three": (
        {"a": A, "b": B, "c": C, "y": A + B + C},
        {
            "a": "added to 'b' and 'c' it gives 'y'",
            "b": "added to 'a' and 'c' it gives 'y'",
            "c": "added to 'a' and 'b' it gives 'y'",
        },
    ),
    "a sum in another unit, rounded": (
        {"a": A, "b": B, "y": ((A + B) * 1.19).round(1)},
        {"a": "added to 'b' it gives 'y'", "b": "added to 'a' it gives 'y'"},
    ),
    "a product": (
        {"price": A + 1, "amount": RANDOM.integers(1, 50, ROWS), "y": 0.0},
        {"price": "multiplied by 'amount' it gives 'y'", "amount": "multiplied by 'price' it gives 'y'"},
    ),
    "a ratio": (
        {"a": A + 1, "b": B + 1, "y": (A + 1) / (B + 1)},
        {"a": "with 'b' divided it gives 'y'", "b": "with 'a' divided it gives 'y'"},
    ),
    "the same number in another unit": (
        {"cents": A * 100, "y": A},
        {"cents": "it tells 'y' nearly exactly (R² 1.0000)"},
    ),
    "the rank": ({"rank": np.exp(A / 50), "y": A}, {"rank": "it tells 'y' nearly exactly (R² 1.0000)"}),
    "each category has its value": (
        {"band": np.array(list("abcd"))[np.arange(ROWS) % 4], "y": (np.arange(ROWS) % 4) * 2.5 + 0.25},
        {"band": "it tells 'y' nearly exactly (R² 1.0000)"},
    ),
    "the label in other words": (
        {"status": np.where(LEFT, "gone", "here"), "y": LABELS},
        {"status": "it tells 'y' in all of rows"},
    ),
    "a score above a limit": (
        {"score": np.where(LEFT, 0.7, 0.3) + RANDOM.uniform(-0.19, 0.19, ROWS), "y": LABELS},
        {"score": "it tells 'y' in all of rows"},
    ),
    "a reason where it happened": (
        {"reason": np.where(LEFT, RANDOM.choice(["price", "moved", "service"], ROWS), None), "y": LABELS},
        {"reason": "filled in or not, it tells 'y': known only afterwards"},
    ),
    "a number where it happened": (
        {"days": np.where(LEFT, A, np.nan), "y": LABELS},
        {"days": "filled in or not, it tells 'y': known only afterwards"},
    ),
    "flags that add up to the label": (
        {
            "first": (LEFT & (np.arange(ROWS) % 2 == 0)).astype(int),
            "second": (LEFT & (np.arange(ROWS) % 2 == 1)).astype(int),
            "y": LEFT.astype(int),
        },
        {"first": "added to 'second' it gives 'y'", "second": "added to 'first' it gives 'y'"},
    ),
}
LEAKS["a product"][0]["y"] = LEAKS["a product"][0]["price"] * LEAKS["a product"][0]["amount"]


@pytest.mark.parametrize("case", LEAKS)
def test_what_knows_the_target_is_left_out(tmp_dir: TmpDir, case: str) -> None:
    columns, expected = LEAKS[case]
    roles = roles_of(tmp_dir, {"x": RANDOM.normal(size=ROWS), **columns})
    assert dropped(roles) == expected
    names = ", ".join(f"'{name}'" for name in expected)
    assert roles.warnings[0].startswith(f"{names} seem")
    assert roles.warnings[0].endswith(f"--target y --keep {','.join(expected)}`")


HONEST: dict[str, dict[str, Any]] = {
    "a sum with noise": {"a": A, "b": B, "y": A + B + RANDOM.normal(scale=10, size=ROWS)},
    "any weights": {"a": A, "b": B, "y": 3 * A + 7 * B},
    "two parts of three": {"a": A, "b": B, "y": A + B + C},
    "a strong number": {"a": np.where(LEFT, 1.0, 0.0) + RANDOM.normal(scale=0.4, size=ROWS), "y": LABELS},
    "mostly filled in where it happened": {
        "note": np.where(LEFT ^ (RANDOM.random(ROWS) < 0.1), "called", None),
        "y": LABELS,
    },
    "a different text in every second row": {
        "town": [f"town {number // 2}" for number in RANDOM.permutation(ROWS)],
        "y": LABELS,
    },
    "a class of a few rows": {"a": A, "y": np.where(np.arange(ROWS) < 4, "rare", LABELS)},
}


@pytest.mark.parametrize("case", HONEST)
def test_what_only_helps_is_kept(tmp_dir: TmpDir, case: str) -> None:
    roles = roles_of(tmp_dir, {"x": RANDOM.normal(size=ROWS), **HONEST[case]})
    assert dropped(roles) == {}


def test_what_is_kept_by_request(tmp_dir: TmpDir) -> None:
    columns = {"x": C, "a": A, "b": B, "nothing": "x", "y": A + B}
    roles = roles_of(tmp_dir, columns, keep=("a", "nothing"))
    assert {c.name: (c.role, c.why) for c in roles.columns[1:4]} == {
        "a": ("feature", "kept by --keep"),
        "b": ("feature", "numbers"),
        "nothing": ("feature", "kept by --keep"),
    }


def test_rows_that_repeat_do_not_tell_each_other(tmp_dir: TmpDir) -> None:
    frame = pd.DataFrame({"town": [f"town {number}" for number in range(ROWS)], "x": A, "y": LABELS})
    columns = dict(pd.concat([frame, frame]).items())
    assert dropped(roles_of(tmp_dir, columns)) == {}


def test_when_nothing_else_is_left_it_is_kept(tmp_dir: TmpDir) -> None:
    roles = roles_of(tmp_dir, {"cents": A * 100, "y": A})
    assert dropped(roles) == {}
    assert roles.warnings[0] == (
        "'cents' seems to know 'y', and nothing else is left to learn from: "
        "is it there when a prediction is needed?"
    )


REPEATS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "another unit": ({"km": A, "miles": A / 1.609}, {"miles": "moves in step with 'km'"}),
    "the other way": ({"gain": A, "loss": -A}, {"loss": "moves in step with 'gain'"}),
    "a code and its name": (
        {
            "code": np.arange(ROWS) % 5,
            "country": np.array(["AT", "BE", "CH", "DE", "FR"])[np.arange(ROWS) % 5],
        },
        {"country": "says the same as 'code'"},
    ),
    "the same with gaps": (
        {"a": np.where(A > 300, np.nan, A), "b": np.where(A > 300, np.nan, A)},
        {"b": "moves in step with 'a'"},
    ),
    "nearly": ({"a": A, "b": A + RANDOM.normal(scale=10, size=ROWS)}, {}),
    "other gaps": ({"a": A, "b": np.where(A > 300, np.nan, A)}, {}),
    "a coarser group": ({"town": np.arange(ROWS) % 6, "country": np.arange(ROWS) % 3}, {}),
}


@pytest.mark.parametrize("case", REPEATS)
def test_what_says_the_same_is_left_out(tmp_dir: TmpDir, case: str) -> None:
    columns, expected = REPEATS[case]
    assert dropped(roles_of(tmp_dir, {"x": C, **columns, "y": LABELS})) == expected


NUMBERS = range(1000, 1000 + ROWS)
PERSONAL: dict[str, tuple[str, Any, str | None]] = {
    "addresses of mail by value": ("login", [f"a{n // 2}@example.org" for n in NUMBERS], "e-mail addresses"),
    "IBAN": ("account", [f"DE89 3704 0044 0532 01{n}"[:27] for n in NUMBERS], "bank accounts (IBAN)"),
    "IP": ("host", [f"10.0.7.{n % 250}" for n in NUMBERS], "IP addresses"),
    "social security": ("number", [f"123-45-{n // 2 + 1000}" for n in NUMBERS], "social security numbers"),
    "cards": (
        "paid_with",
        ["4111 1111 1111 1111", "5500005555555559"] * (ROWS // 2),
        "numbers of bank cards",
    ),
    "not a card": ("paid_with", ["4111 1111 1111 1112", "5500005555555558"] * (ROWS // 2), None),
    "telephone": ("Phone Number", [f"+49 89 {n // 2}" for n in NUMBERS], "telephone numbers"),
    "telephone or not": ("PhoneService", ["Yes", "No"] * (ROWS // 2), None),
    "camels": ("lastName", [f"Smith{n // 2}" for n in NUMBERS], "names of people"),
    "German": ("Nachname", [f"Meier{n // 2}" for n in NUMBERS], "names of people"),
    "address": ("home_address", [f"{n // 2} Main Street" for n in NUMBERS], "postal addresses"),
    "passport": ("passport_no", [n // 2 for n in NUMBERS], "identity documents"),
    "a product's name": ("product_name", [f"thing {n // 2}" for n in NUMBERS], None),
    "how it was delivered": ("mail", ["post", "courier"] * (ROWS // 2), None),
    "amounts": ("amount", A, None),
}


@pytest.mark.parametrize("case", PERSONAL)
def test_personal_data_is_left_out(tmp_dir: TmpDir, case: str) -> None:
    name, values, expected = PERSONAL[case]
    roles = roles_of(tmp_dir, {name: values, "x": C, "y": LABELS})
    found = dropped(roles).get(name)
    assert found == (None if expected is None else f"personal data: {expected}")


def test_the_key_is_rather_not_personal(tmp_dir: TmpDir) -> None:
    columns = {"mail": [f"a{n}@example.org" for n in NUMBERS], "number": [f"K{n}" for n in NUMBERS], "x": C}
    roles = roles_of(tmp_dir, {**columns, "y": LABELS})
    assert [(c.role, c.why) for c in roles.columns[:2]] == [
        ("dropped", "personal data: e-mail addresses"),
        ("key", "an identifier: no value twice"),
    ]
    del columns["number"]
    assert roles_of(tmp_dir, {**columns, "y": LABELS}).warnings == (
        "key 'mail' holds personal data: e-mail addresses",
    )


def test_a_date_that_most_rows_lack_does_not_split_them(tmp_dir: TmpDir) -> None:
    visited = pd.Series(DAYS).where(RANDOM.random(ROWS) < 0.7)
    roles = roles_of(tmp_dir, {"x": C, "visited": visited, "y": LABELS})
    missing = f"{100 * visited.isna().mean():.0f} % of rows"
    assert roles.warnings == (f"rows are not split by time: 'visited' is missing in {missing}",)
    assert roles.columns[1].role == "feature"


def test_dates_are_no_personal_data() -> None:
    from mlxkit.scaffold.kinds import inspect

    dates = pd.Series(DAYS.strftime("%Y-%m-%d"))
    assert personal_data("phone", dates, inspect(dates)) is None


def test_doubts(tmp_dir: TmpDir) -> None:
    columns = {
        "ordered": DAYS,
        "delivered": DAYS + pd.to_timedelta(RANDOM.integers(1, 9, ROWS), unit="D"),
        "born": pd.Timestamp("1990-01-01"),
        "Churn Score": RANDOM.random(ROWS),
        "Churn": LABELS,
    }
    roles = roles_of(tmp_dir, columns, target="Churn", time="ordered")
    afterwards = "if it is known only afterwards, leave it out with --drop"
    assert roles.warnings == (
        f"'delivered' lies after 'ordered' in 100 % of rows: {afterwards}",
        f"'Churn Score' is named after the target 'Churn': {afterwards}",
    )


def test_a_column_comes_back_when_its_comment_is_taken_away(
    tmp_dir: TmpDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_dir / "c.csv", x=C, a=A, b=B, note=[f"about {n}" for n in range(ROWS)], y=A + B)
    made = scaffold(Request(tmp_dir / "orders", path, target="y"))
    module = made.root / "src/orders/data/make_dataset.py"
    text = module.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("    # ")]
    assert lines == [
        "    # \"a\",  # added to 'b' it gives 'y'",
        "    # \"b\",  # added to 'a' it gives 'y'",
    ]
    assert '#   "note": text that differs in most rows: 400 values' in text.splitlines()
    module.write_text(text.replace('    # "a",', '    "a",'), encoding="utf-8")
    monkeypatch.syspath_prepend(str(made.root / "src"))
    dataset = importlib.import_module("orders.data.make_dataset")
    try:
        rows = dataset.make_dataset(pd.read_csv(made.root / made.raw_path), "y")
        assert list(rows.columns) == ["x", "a", "y"]
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "orders"]:
            del sys.modules[name]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC calls what pygtrie deprecates
def test_the_command_says_how_to_bring_them_back(tmp_dir: TmpDir, mlx: Mlx) -> None:
    table = {**customers(ROWS), "paid": A, "open": B, "due": A + B}
    write_csv(tmp_dir / "c.csv", **table)
    result = mlx("init", "due", "--data", "c.csv", "--target", "due")
    assert result.code == 0
    again = "mlx init due-2 --data c.csv --target due --keep paid,open"
    assert f"nevertheless, run `{again.replace('due-2', 'due')}`" in " ".join(result.out.split())
    kept = mlx(*again.split()[1:])
    assert "kept by --keep" in kept.out
