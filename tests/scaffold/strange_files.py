"""Files as people have them: one function for each, which writes it into a folder and returns its path.

Most hold the same rows, so that what comes of them can be compared: an amount, a city, a day and whether
somebody left.
"""

from __future__ import annotations

import gzip
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

Write = Callable[[Path], Path]
FILES: dict[str, Write] = {}
ROWS = 120
_RANDOM = np.random.default_rng(0)
AMOUNTS = [round(float(value), 2) for value in _RANDOM.uniform(1000, 9000, ROWS)]
CITIES = [str(city) for city in _RANDOM.choice(["Köln", "Zürich", "Málaga"], ROWS)]
LEFT = ["yes" if amount > 5000 else "no" for amount in AMOUNTS]
DAYS = [f"{day:%d.%m.%Y}" for day in pd.date_range("2024-01-01", periods=ROWS)]


def strange(write: Write) -> Write:
    """Register a file under its function's name, with spaces."""
    FILES[write.__name__.replace("_", " ").strip()] = write
    return write


def lines(sep: str = ",", *, header: bool = True, decimal: str = ".", quote: str = "") -> list[str]:
    """Return the usual rows as lines of text."""
    rows = [["amount", "city", "left"]] if header else []
    rows += [
        [f"{amount:.2f}".replace(".", decimal), f"{quote}{city}{quote}", left]
        for amount, city, left in zip(AMOUNTS, CITIES, LEFT, strict=True)
    ]
    return [sep.join(row) for row in rows]


def text(rows: list[str], end: str = "\n") -> bytes:
    return "".join(row + end for row in rows).encode()


def file(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


# --- how the text is written


@strange
def semicolons_and_decimal_commas_in_windows_1252(folder: Path) -> Path:
    return file(folder, "export.csv", text(lines(";", decimal=",")).decode().encode("cp1252"))


@strange
def tabs(folder: Path) -> Path:
    return file(folder, "export.tsv", text(lines("\t")))


@strange
def pipes_in_a_txt(folder: Path) -> Path:
    return file(folder, "export.txt", text(lines("|")))


@strange
def spaces_in_a_dat(folder: Path) -> Path:
    return file(folder, "export.dat", text(lines("   ")))


@strange
def a_space_after_each_comma(folder: Path) -> Path:
    return file(folder, "export.data", text(lines(", ")))


@strange
def a_byte_order_mark_and_windows_line_ends(folder: Path) -> Path:
    return file(folder, "export.csv", b"\xef\xbb\xbf" + text(lines(), "\r\n"))


@strange
def utf_16(folder: Path) -> Path:
    return file(folder, "export.csv", text(lines("\t")).decode().encode("utf-16"))


@strange
def latin_1_that_is_no_windows_1252(folder: Path) -> Path:
    rows = text([*lines()[:-1], "5000.00,K\x81ln,no"]).decode()
    return file(folder, "export.csv", rows.encode("latin-1"))


@strange
def cyrillic(folder: Path) -> Path:
    names = {"Köln": "Москва", "Zürich": "Казань", "Málaga": "Самара"}
    rows = "".join(row + "\n" for row in lines())
    for city, name in names.items():
        rows = rows.replace(city, name)
    return file(folder, "export.csv", rows.encode("cp1251"))


@strange
def single_quotes(folder: Path) -> Path:
    rows = lines(quote="'")
    return file(folder, "export.csv", text([row.replace("'Köln'", "'Köln, Dom'") for row in rows]))


@strange
def backslashes_before_quotes(folder: Path) -> Path:
    rows = [row.replace("Köln", '"Köln \\"am Rhein\\", Dom"') for row in lines()]
    return file(folder, "export.csv", text(rows))


@strange
def quoted_line_breaks(folder: Path) -> Path:
    return file(folder, "export.csv", text([row.replace("Köln", '"Köln\nDom"') for row in lines()]))


@strange
def separators_at_the_end_of_the_rows(folder: Path) -> Path:
    header, *rows = lines(";")
    return file(folder, "export.csv", text([header, *(f"{row};" for row in rows)]))


@strange
def separators_at_the_end_of_all_lines(folder: Path) -> Path:
    return file(folder, "export.csv", text([f"{row};" for row in lines(";")]))


@strange
def thousands(folder: Path) -> Path:
    rows = [
        f'"{amount:,.2f}",{city},{left}' for amount, city, left in zip(AMOUNTS, CITIES, LEFT, strict=True)
    ]
    return file(folder, "export.csv", text(["amount,city,left", *rows]))


@strange
def thousands_beside_dotted_dates(folder: Path) -> Path:
    amounts = [f"{amount:,.2f}".translate(str.maketrans(",.", ".,")) for amount in AMOUNTS]
    rows = [f"{amount};{day};{left}" for amount, day, left in zip(amounts, DAYS, _alternating(), strict=True)]
    return file(folder, "export.csv", text(["amount;day;left", *rows]))


@strange
def currency_and_units(folder: Path) -> Path:
    amounts = [f"{amount:,.2f} €".translate(str.maketrans(",.", ".,")) for amount in AMOUNTS]
    rows = [
        f"{amount};{number % 50} %;{'Ja' if number % 3 else 'nein'};{left}"
        for number, (amount, left) in enumerate(zip(amounts, LEFT, strict=True))
    ]
    return file(folder, "export.csv", text(["amount;rate;member;left", *rows]))


@strange
def a_target_in_dollars(folder: Path) -> Path:
    rows = [
        f'"${amount:,.2f}",{city},{amount % 97:.1f}' for amount, city in zip(AMOUNTS, CITIES, strict=True)
    ]
    return file(folder, "export.csv", text(["price,city,size", *rows]))


@strange
def words_for_nothing(folder: Path) -> Path:
    header, *rows = lines()
    rows[0:3] = ["?,unknown,no", "-,Köln,yes", "N/A,--,no"]
    return file(folder, "export.csv", text([header, *rows]))


@strange
def plus_and_minus(folder: Path) -> Path:
    signs = {"yes": "+", "no": "-"}
    rows = [f"{amount},{signs[left]}" for amount, left in zip(AMOUNTS, LEFT, strict=True)]
    return file(folder, "export.csv", text(["amount,sign", *rows]))


@strange
def seconds_since_1970(folder: Path) -> Path:
    rows = [
        f"{1_700_000_000 + 3600 * number},{amount},{left}"
        for number, (amount, left) in enumerate(zip(AMOUNTS, _alternating(), strict=True))
    ]
    return file(folder, "export.csv", text(["created_at,amount,left", *rows]))


@strange
def days_and_months_that_look_alike(folder: Path) -> Path:
    days = [f"{number % 12 + 1:02d}/{number // 12 + 1:02d}/2024" for number in range(ROWS)]
    rows = [f"{day},{amount},{left}" for day, amount, left in zip(days, AMOUNTS, _alternating(), strict=True)]
    return file(folder, "export.csv", text(["day,amount,left", *rows]))


def _alternating() -> list[str]:
    return ["yes" if number % 2 else "no" for number in range(ROWS)]


# --- the header


@strange
def lines_before_the_header(folder: Path) -> Path:
    above = ["Report of the sales, all cities", "", "made on 2024-05-01"]
    return file(folder, "export.csv", text([*above, *lines(";")]))


@strange
def comments_before_the_header(folder: Path) -> Path:
    return file(folder, "export.csv", text(["# made by a machine", "# version 2", *lines()]))


@strange
def no_header(folder: Path) -> Path:
    return file(folder, "export.csv", text(lines(header=False)))


@strange
def names_twice_and_no_names(folder: Path) -> Path:
    rows = [f"{row},{number},{number % 7}" for number, row in enumerate(lines(header=False))]
    return file(folder, "export.csv", text(["amount,city,left,amount,", *rows]))


@strange
def odd_names(folder: Path) -> Path:
    names = ['"amount\nin €"', " city ", "left", '"x, ""y"""', "Größe 😀", "n" * 300]
    rows = [
        f"{row},{number % 5},{number % 3},{number % 11}" for number, row in enumerate(lines(header=False))
    ]
    return file(folder, "export.csv", text([",".join(names), *rows]))


@strange
def an_index_without_a_name(folder: Path) -> Path:
    header, *rows = lines()
    return file(folder, "export.csv", text([f",{header}", *(f"{n},{row}" for n, row in enumerate(rows))]))


@strange
def row_labels_without_a_place_in_the_header(folder: Path) -> Path:
    header, *rows = lines()
    return file(folder, "export.csv", text([header, *(f"row {n},{row}" for n, row in enumerate(rows))]))


@strange
def years_as_names(folder: Path) -> Path:
    rows = [
        f"{amount},{amount % 83},{amount % 89},{left}" for amount, left in zip(AMOUNTS, LEFT, strict=True)
    ]
    return file(folder, "export.csv", text(["2021,2022,2023,left", *rows]))


# --- packed, and in other forms


@strange
def gzip_(folder: Path) -> Path:
    return file(folder, "export.csv.gz", gzip.compress(text(lines(";"))))


@strange
def gzip_without_its_suffix(folder: Path) -> Path:
    return file(folder, "export.csv", gzip.compress(text(lines())))


@strange
def zip_(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/rows.csv", text(lines()))
        archive.writestr("__MACOSX/folder/._rows.csv", "")
    return folder / "export.zip"


@strange
def zstd(folder: Path) -> Path:
    with pa.CompressedOutputStream(str(folder / "export.csv.zst"), "zstd") as stream:
        stream.write(text(lines("\t")))
    return folder / "export.csv.zst"


@strange
def parquet_named_csv(folder: Path) -> Path:
    frame = pd.DataFrame({"amount": AMOUNTS, "city": CITIES, "left": LEFT})
    frame.to_parquet(folder / "export.csv")
    return folder / "export.csv"


@strange
def json_lines(folder: Path) -> Path:
    return file(folder, "export.jsonl", text([json.dumps(row) for row in _objects()]))


@strange
def a_json_array(folder: Path) -> Path:
    return file(folder, "export.json", json.dumps(_objects(), indent=1).encode())


@strange
def a_workbook(folder: Path) -> Path:
    """A title above the table, an empty column before it, and a second sheet."""
    frame = pd.DataFrame({"amount": AMOUNTS, "city": CITIES, "left": LEFT})
    with pd.ExcelWriter(folder / "export.xlsx") as book:
        frame.to_excel(book, sheet_name="Sales", index=False, startrow=3, startcol=1)
        book.sheets["Sales"]["B1"] = "Sales of 2024"
        frame.head(3).to_excel(book, sheet_name="Notes", index=False)
    return folder / "export.xlsx"


def _objects() -> list[dict[str, object]]:
    return [
        {"amount": amount, "city": city, "left": left}
        for amount, city, left in zip(AMOUNTS, CITIES, LEFT, strict=True)
    ]


# --- odd values


@strange
def infinities(folder: Path) -> Path:
    header, *rows = lines()
    rows[:2] = ["inf,Köln,no", "-inf,Köln,yes"]
    return file(folder, "export.csv", text([header, *rows]))


@strange
def an_infinite_target(folder: Path) -> Path:
    rows = [f"{amount},{amount / 3:.1f}" for amount in AMOUNTS]
    return file(folder, "export.csv", text(["price,size", "inf,3.0", *rows]))


@strange
def mixed_types(folder: Path) -> Path:
    values = ["x", "1", "2024-01-01", "True", "3.5"]
    rows = [f"{values[n % 5]},{row}" for n, row in enumerate(lines(header=False))]
    return file(folder, "export.csv", text(["mixed,amount,city,left", *rows]))


@strange
def a_cell_of_ten_megabytes(folder: Path) -> Path:
    header, first, *rows = lines()
    return file(
        folder,
        "export.csv",
        text([f"{header},note", f"{first},{'long ' * 2_000_000}", *(f"{r},short" for r in rows)]),
    )


@strange
def dates_far_off(folder: Path) -> Path:
    days = [
        "0001-01-01",
        "9999-12-31",
        *(f"{day:%Y-%m-%d}" for day in pd.date_range("2024-01-01", periods=ROWS - 2)),
    ]
    rows = [f"{day},{amount},{left}" for day, amount, left in zip(days, AMOUNTS, _alternating(), strict=True)]
    return file(folder, "export.csv", text(["day,amount,left", *rows]))


@strange
def a_target_that_half_the_rows_lack(folder: Path) -> Path:
    header, *rows = lines()
    rows[::2] = [row.rpartition(",")[0] + "," for row in rows[::2]]
    return file(folder, "export.csv", text([header, *rows]))


@strange
def four_hundred_columns(folder: Path) -> Path:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(ROWS, 399)).round(3)).add_prefix("x").assign(left=LEFT)
    frame.to_csv(folder / "export.csv", index=False)
    return folder / "export.csv"


@strange
def all_text(folder: Path) -> Path:
    rows = [f"{city},{day[:2]},{left}" for city, day, left in zip(CITIES, DAYS, LEFT, strict=True)]
    rows = [row.replace(f",{row.split(',')[1]},", f",on day {row.split(',')[1]},") for row in rows]
    return file(folder, "export.csv", text(["city,day,left", *rows]))


@strange
def two_rows_of_each_class(folder: Path) -> Path:
    rows = [f"{amount},class {number // 2}" for number, amount in enumerate(AMOUNTS[:40])]
    return file(folder, "export.csv", text(["amount,left", *rows]))


# --- what cannot be used


@strange
def one_class(folder: Path) -> Path:
    return file(folder, "export.csv", text([row.replace("yes", "no") for row in lines()]))


@strange
def one_column(folder: Path) -> Path:
    return file(folder, "export.csv", text(["left", *LEFT]))


@strange
def nothing_but_missing(folder: Path) -> Path:
    return file(folder, "export.csv", text(["amount,city,left", *[",,"] * ROWS]))


@strange
def ragged_rows(folder: Path) -> Path:
    header, *rows = lines()
    rows[50] += ",more,and more"
    return file(folder, "export.csv", text([header, *rows]))


@strange
def an_open_quote(folder: Path) -> Path:
    header, *rows = lines()
    rows[50] = f'{rows[50].partition(",")[0]},"open,no'
    return file(folder, "export.csv", text([header, *rows]))


@strange
def nul_bytes(folder: Path) -> Path:
    return file(folder, "export.csv", text(lines()).replace(b"Z", b"\0"))


@strange
def bytes_of_no_kind(folder: Path) -> Path:
    return file(folder, "export.csv", bytes(range(1, 256)) * 20)


@strange
def a_folder(folder: Path) -> Path:
    (folder / "export.csv").mkdir()
    return folder / "export.csv"


@strange
def nothing(folder: Path) -> Path:
    return file(folder, "export.csv", b"")


@strange
def a_header_only(folder: Path) -> Path:
    return file(folder, "export.csv", text(lines()[:1]))


@strange
def a_pdf(folder: Path) -> Path:
    return file(folder, "export.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(200))


@strange
def a_png_named_csv(folder: Path) -> Path:
    return file(folder, "export.csv", b"\x89PNG\r\n\x1a\n" + struct.pack(">I4s", 13, b"IHDR"))


@strange
def a_web_page_named_xls(folder: Path) -> Path:
    page = "<html><body><table><tr><td>amount</td></tr></table></body></html>"
    return file(folder, "export.xls", page.encode())


@strange
def an_old_workbook(folder: Path) -> Path:
    return file(folder, "export.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500))


@strange
def a_database(folder: Path) -> Path:
    return file(folder, "export.db", b"SQLite format 3\0" + bytes(100))


@strange
def a_gzip_cut_short(folder: Path) -> Path:
    return file(folder, "export.csv.gz", gzip.compress(text(lines()))[:-20])


@strange
def a_zip_of_two_files(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("a.csv", text(lines()))
        archive.writestr("b.csv", text(lines()))
    return folder / "export.zip"


@strange
def a_zip_with_a_password(folder: Path) -> Path:
    """`zipfile` cannot encrypt; the flag alone is what a reader looks at first."""
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("a.csv", text(lines()))
    content = bytearray((folder / "export.zip").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return file(folder, "export.zip", bytes(content))


@strange
def an_empty_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "export.zip", "w"):
        pass
    return folder / "export.zip"


@strange
def a_damaged_parquet_file(folder: Path) -> Path:
    return file(folder, "export.parquet", b"PAR1" + bytes(100))


@strange
def json_that_is_one_object(folder: Path) -> Path:
    return file(folder, "export.json", json.dumps({"rows": _objects()}, indent=1).encode())


@strange
def a_json_array_of_numbers(folder: Path) -> Path:
    return file(folder, "export.json", b"[1, 2, 3]")


@strange
def json_lines_with_a_broken_one(folder: Path) -> Path:
    rows = [json.dumps(row) for row in _objects()]
    rows[60] = rows[60][:-5]
    return file(folder, "export.jsonl", text(rows))


@strange
def a_file_without_rights(folder: Path) -> Path:
    path = file(folder, "export.csv", text(lines()))
    path.chmod(0)
    return path


@strange
def half_of_utf_16(folder: Path) -> Path:
    return file(folder, "export.csv", text(lines()).decode().encode("utf-16")[:-1])
