"""Gates of a well-formed `mlx.yaml` as dataclasses. Which keys go together, `gate_rules` says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from mlxkit.project import gates as kinds
from mlxkit.project.durations import seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlxkit.project.gates import Gate
    from mlxkit.project.located import Value

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def read_gates(value: Value | None) -> tuple[Gate, ...]:
    """Return the gates of a list; () where there is none."""
    return tuple(_gate(item.data) for item in value.data) if value is not None and value.data else ()


def _gate(data: Mapping[str, Value]) -> Gate:
    match next(name for name in data if name in _KINDS):
        case "metric":
            return _metric(data)
        case "fairness":
            measure = cast("kinds.Fairness", data["fairness"].text)
            return kinds.FairnessGate(
                measure, _texts(data.get("slices")) or (kinds.PROTECTED,), **_bounds(data)
            )
        case "latency":
            return _latency(data)
        case "size":
            return kinds.SizeGate(size(data["size"].text), data["size"].text)
        case "memory":
            return kinds.MemoryGate(size(data["memory"].text), data["memory"].text)
        case "golden":
            return kinds.GoldenGate(data["golden"].text, _number(data, "tolerance", kinds.TOLERANCE))
        case "loads":
            given = seconds(data["timeout"].text) if "timeout" in data else kinds.LOADING_SECONDS
            return kinds.LoadsGate(given)
        case "signature":
            return kinds.SignatureGate()
        case "drift":
            return kinds.DriftGate(data["drift"].text)
        case "checked":
            return kinds.CheckedGate(data["checked"].text)
        case "card":
            return kinds.CardGate()
        case _:
            return kinds.CallGate(data["call"].text)


_KINDS = (
    "metric",
    "fairness",
    "latency",
    "size",
    "memory",
    "golden",
    "loads",
    "signature",
    "drift",
    "checked",
    "card",
    "call",
)


def _metric(data: Mapping[str, Value]) -> Gate:
    name, slices = data["metric"].text, _texts(data.get("slices"))
    if slices:
        gap = float(data["max_gap"].data) if "max_gap" in data else None
        return kinds.SliceGate(name, slices, **_bounds(data), max_gap=gap)
    return kinds.MetricGate(
        name,
        **_bounds(data),
        beats=cast("Any", data["beats"].text if "beats" in data else None),
        confidence=_number(data, "confidence", kinds.CONFIDENCE),
        direction=cast("Any", data["direction"].text if "direction" in data else None),
    )


def _latency(data: Mapping[str, Value]) -> Gate:
    kind = cast("Any", data["latency"].text)
    percentile = 50 if "p50" in data else 95
    default = kinds.BATCH_ROWS if kind == "batch" else 1
    rows = data["rows"].data if "rows" in data else default
    return kinds.LatencyGate(kind, cast("Any", percentile), _number(data, f"p{percentile}", 0.0), rows)


def _bounds(data: Mapping[str, Value]) -> dict[str, float | None]:
    return {
        "minimum": float(data["min"].data) if "min" in data else None,
        "maximum": float(data["max"].data) if "max" in data else None,
    }


def _number(data: Mapping[str, Value], key: str, default: float) -> float:
    return float(data[key].data) if key in data else default


def _texts(value: Value | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(item.text for item in value.data) if isinstance(value.data, list) else (value.text,)


def size(text: str) -> int:
    """Return the bytes of a size such as `200MB` (decimal) or `1.5GiB` (binary)."""
    number, letter, binary = re.fullmatch(r"([\d.]+) ?([kKMGT]?)(i?)B", text).groups()  # type: ignore[union-attr]
    factor = _BINARY_UNITS[letter] if binary else _UNITS[letter.replace("K", "k")]
    return int(float(number) * factor)
