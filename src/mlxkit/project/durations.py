"""Durations as `mlx.yaml` has them: `90`, `30m`, `1.5h`."""

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """Return the seconds of a duration; a number alone counts seconds."""
    unit = text[-1]
    return float(text[:-1]) * _SECONDS[unit] if unit in _SECONDS else float(text)
