"""A notebook from a script in which a line `# %%` begins a cell, and `# %% [markdown]` a cell of text."""

from __future__ import annotations

import json
import re

_CELL = re.compile(r"^# %%(?P<markdown> \[markdown\])?$", re.MULTILINE)
_FORMAT, _FORMAT_MINOR = 4, 5


def notebook(script: str) -> str:
    """Return the text of a notebook that was not run: equal scripts give equal files."""
    starts = [*_CELL.finditer(script)]
    ends = [start.start() for start in starts[1:]] + [len(script)]
    cells = [
        _cell(number, script[start.end() : end].strip("\n"), is_text=start["markdown"] is not None)
        for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1)
    ]
    document = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": _FORMAT,
        "nbformat_minor": _FORMAT_MINOR,
    }
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"  # as Jupyter does


def _cell(number: int, text: str, *, is_text: bool) -> dict[str, object]:
    lines = [line.removeprefix("#").removeprefix(" ") if is_text else line for line in text.split("\n")]
    cell = {
        "id": f"cell-{number}",
        "metadata": {},
        "source": [f"{line}\n" for line in lines[:-1]] + lines[-1:],
    }
    if is_text:
        return {"cell_type": "markdown", **cell}
    return {"cell_type": "code", "execution_count": None, "outputs": [], **cell}
