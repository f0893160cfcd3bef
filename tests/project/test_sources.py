from __future__ import annotations

from mlxkit.project.sources import sources


def test_each_name_tells_where_its_value_comes_from() -> None:
    found = sources(["rows"], ["model"], {"split": {"share": 0.2, 1: "x"}, "seed": 3})
    assert {name: found[name] for name in ("rows", "model", "split", "share", "seed", "target")} == {
        "rows": ["input 'rows'"],
        "model": ["output 'model'"],
        "split": ["parameter group 'split'"],
        "share": ["parameter 'split.share'"],
        "seed": ["parameter group 'seed'"],
        "target": ["'target' of mlx.yaml"],
    }


def test_a_group_named_like_something_else_is_a_second_source() -> None:
    found = sources([], ["model"], {"model": {"depth": 3}, "time": {"unit": "h"}})
    assert found["model"] == ["output 'model'", "parameter group 'model'"]
    assert found["time"] == ["parameter group 'time'", "'time' of mlx.yaml"]


def test_a_group_wins_over_keys_of_its_name() -> None:
    assert sources([], [], {"a": {"b": 1}, "b": {"b": 2}})["b"] == ["parameter group 'b'"]
