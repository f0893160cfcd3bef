"""McNemar's exact test: of the rows that one of two models alone has right, has the challenger over half?

Q. McNemar, Note on the sampling error of the difference between correlated proportions or percentages,
Psychometrika 12 (1947). Given how many such rows there are, the challenger's among them are binomial, with
share 1/2 when the models are equally good, so the test is exact for any number of rows.
"""

from __future__ import annotations

import math

from scipy.special import betaincinv  # scipy.stats takes most of a second to import


def lower_bound(ours: int, theirs: int, rows: int, confidence: float) -> float:
    """Return a lower bound of the difference in accuracy, which is above 0 just when the test says "better".

    The bound of C. J. Clopper and E. S. Pearson (Biometrika 26, 1934) for the challenger's share of the rows
    that tell the models apart exceeds a half just when the one-sided p-value is below 1 - `confidence`.
    """
    share = float(betaincinv(ours, theirs + 1, 1 - confidence)) if ours else 0.0
    return (2 * share - 1) * (ours + theirs) / rows


def standard_error(ours: int, theirs: int, rows: int) -> float:
    """Return the standard error of the difference of two accuracies on the same rows."""
    difference = (ours - theirs) / rows
    return math.sqrt(max((ours + theirs) / rows - difference**2, 0.0) / rows)
