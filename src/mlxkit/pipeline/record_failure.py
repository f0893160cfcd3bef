"""What is said of a record that its store did not take."""

from __future__ import annotations

from mlxkit.errors import ToolError


def kept_elsewhere(error: ToolError) -> ToolError:
    """Say what the store said, and how the record gets there."""
    return ToolError(
        error.message,
        context=[*error.context, "the outputs are safe, and the record waits in .mlx/unrecorded"],
        hint=f"{error.hint}; when that is mended, run `mlx runs sync`",
    )


def kept_nowhere(error: ToolError, *, trained: bool) -> ToolError:
    """Say that no store took the record, not even the one that waits; the next run makes it anew."""
    return ToolError(
        error.message,
        context=[*error.context, *(["the outputs are safe, and not recorded"] if trained else [])],
        hint=f"{error.hint}; when that is mended, run `mlx run`",
    )
