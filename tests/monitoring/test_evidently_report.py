import functools

import numpy as np
import pandas as pd
import pytest

from mlxkit.adapters import evidently
from mlxkit.errors import DataError, ToolError

render_report = functools.partial(evidently.render_report, max_share=0.3)


def frame(rows: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": generator.normal(40, 10, rows),
            "plan": generator.choice(["basic", "plus"], rows),
            "active": generator.random(rows) < 0.5,
            "since": pd.date_range("2020", periods=rows),
            "empty": np.nan,
        }
    )


def test_report_is_one_html_file(tmp_path):
    out = tmp_path / "reports" / "drift.html"
    render_report(frame(100), frame(6000).assign(gone=1), out)
    text = out.read_text(encoding="utf-8")
    assert "<html" in text
    assert "Dataset drift detection threshold is 0.3" in text
    assert [path.name for path in out.parent.iterdir()] == ["drift.html"]


def test_nullable_numbers_and_numbered_columns_are_drawn(tmp_path):
    rows = pd.DataFrame({3: pd.array([1, None, 2] * 20, dtype="Int64")})
    render_report(rows, rows, tmp_path / "drift.html")
    assert (tmp_path / "drift.html").stat().st_size > 1000


def test_frames_without_a_common_column(tmp_path):
    with pytest.raises(DataError, match="share no column with values"):
        render_report(frame(10)[["age"]], frame(10)[["plan", "empty"]], tmp_path / "drift.html")


def test_failure_leaves_the_old_report(tmp_path):
    out = tmp_path / "drift.html"
    out.write_text("old")
    unusable = pd.DataFrame({"age": [{"years": 1}] * 50})
    with pytest.raises(ToolError, match="evidently could not draw the drift report"):
        render_report(unusable, unusable, out)
    assert out.read_text() == "old"
    out.unlink()
    out.mkdir()
    with pytest.raises(ToolError, match="cannot be written"):
        render_report(frame(50)[["age"]], frame(50)[["age"]], out)
    assert [path.name for path in tmp_path.iterdir()] == ["drift.html"]


def test_text_is_a_category_however_many_values_it_has(tmp_path):
    rows = pd.DataFrame({"plan": [f"plan {number}" for number in range(400)]})
    render_report(rows, rows, tmp_path / "drift.html")
    text = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert "text content drift" not in text
    assert "chi-square" in text
