"""What an evaluation could not work out, and why: a report must not fail the stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlxkit.errors import MlxError
from mlxkit.evaluation.facts import Gap

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


class Gaps:
    """Takes down the parts that are missing, in the order in which they were tried."""

    def __init__(self) -> None:
        self.found: list[Gap] = []

    def note(self, part: str, why: str) -> None:
        """Take down why there is no such part."""
        self.found.append(Gap(part, why))

    def part(self, name: str, make: Callable[[], T]) -> T | None:
        """Make a part, or note why there is none."""
        try:
            return make()
        except MlxError as error:
            self.note(name, error.message)
        except Exception as error:  # the numerics of odd data, and the user's own model
            self.note(name, f"{type(error).__name__}: {error}")
        return None
