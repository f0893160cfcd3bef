"""Drawings as text, which GitHub and GitLab show as pictures: neither takes one from a job otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlxkit.evaluation.facts import Curve, Evaluation, RegressionFacts

_STEPS = 21
_STYLE = (
    '%%{init: {"xyChart": {"width": 560, "height": 360}, '
    '"themeVariables": {"xyChart": {"plotColorPalette": "#2f81f7, #8b949e"}}}}%%'
)
"""Blue and grey, which can be told apart on white and on black; Mermaid's own first line is nearly white."""


def chart_lines(found: Evaluation) -> list[str]:
    """Draw the ROC curve of a binary classification, or predictions beside the truth; else nothing."""
    if found.positive is not None and found.classification is not None and found.classification.roc:
        return _roc(found.classification.roc[0])
    if found.regression is not None and len(found.regression.tenths) > 1:
        return _tenths(found.regression)
    return []


def _roc(curve: Curve) -> list[str]:
    """Draw the curve over the diagonal of guessing."""
    steps = np.linspace(0.0, 1.0, _STEPS)
    # At a step of the curve the upper end counts: what is reached with that many false alarms.
    order = np.lexsort((curve.y, curve.x))
    heights = np.interp(steps, np.asarray(curve.x)[order], np.asarray(curve.y)[order])
    return _chart(
        "ROC curve (blue) and guessing (grey)",
        ("false positive rate", 0.0, 1.0),
        ("true positive rate", 0.0, 1.0),
        [heights.tolist(), steps.tolist()],
    )


def _tenths(found: RegressionFacts) -> list[str]:
    """Draw mean prediction and mean truth of each tenth of the rows."""
    predicted = [tenth.predicted for tenth in found.tenths]
    actual = [tenth.actual.value for tenth in found.tenths]
    low, high = min(*predicted, *actual), max(*predicted, *actual)
    return _chart(
        "Predicted (blue) and actual (grey), by tenths of the rows",
        ("tenth by prediction", 1, len(predicted)),
        ("mean", low, high if high > low else low + 1),
        [predicted, actual],
    )


def _chart(
    title: str,
    across: tuple[str, float, float],
    up: tuple[str, float, float],
    lines: Sequence[Sequence[float]],
) -> list[str]:
    axes = [
        f'    {axis}-axis "{name}" {low:.4g} --> {high:.4g}'
        for axis, (name, low, high) in (("x", across), ("y", up))
    ]
    drawn = [f"    line [{', '.join(f'{value:.4g}' for value in line)}]" for line in lines]
    return ["```mermaid", _STYLE, "xychart-beta", f'    title "{title}"', *axes, *drawn, "```"]
