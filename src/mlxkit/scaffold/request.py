"""What the user asked `mlx init` for, and the command line that asks for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlxkit.errors import DataError
from mlxkit.project.suggestions import closest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlxkit.project.models import Task


@dataclass(frozen=True)
class Request:
    """A new project as asked for; None means: infer it.

    Attributes:
        folder: the project's new folder; its last part is the project's name.
        data: a file with a table in it; None takes the starter data of the task.
        positive: the positive label as typed.
        drop: columns to leave out.
        keep: columns to learn from, whatever speaks against them.
        read: how the file is to be read, by key, as typed; likewise `type`, by column, what it holds.
        ci: whose workflows the project gets: "github", "gitlab" or "none".
        seed: of the held-out rows and of the split.
        git_hooks: git is to call the project's hooks.
        within: where the project will lie in a repository that is there; see `Answers`.
        adopt: the folder is an existing repository, which keeps all that it has.
    """

    folder: Path
    data: Path | None = None
    target: str | None = None
    task: Task | None = None
    time: str | None = None
    key: str | None = None
    positive: str | None = None
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    template: str = "tabular"
    ci: str = "github"
    seed: int = 0
    adopt: bool = False
    read: Mapping[str, str] = field(default_factory=dict)
    type: Mapping[str, str] = field(default_factory=dict)
    git_hooks: bool = False
    within: str = ""

    @property
    def named_columns(self) -> dict[str, str]:
        """Return option -> column, for every single column that the user named."""
        named = {"--target": self.target, "--time": self.time, "--key": self.key}
        return {option: column for option, column in named.items() if column is not None}

    def command(self, **changes: Any) -> str:
        """Return the command line of this request with some fields changed."""
        asked = replace(self, **changes)
        words = ["mlx", "init", *(["--adopt"] if asked.adopt else []), str(asked.folder)]
        for option in ("data", "target", "task", "time", "key", "positive"):
            if (value := getattr(asked, option)) is not None:
                words += [f"--{option}", str(value)]
        for option in ("drop", "keep"):
            if columns := getattr(asked, option):
                words += [f"--{option}", ",".join(columns)]
        for option in ("read", "type"):
            for name, value in getattr(asked, option).items():
                words += [f"--{option}", f"{name}={value}"]
        for option, default in (("template", "tabular"), ("ci", "none" if asked.adopt else "github")):
            if (value := getattr(asked, option)) != default:
                words += [f"--{option}", value]
        if asked.git_hooks:
            words.append("--git-hooks")
        return shlex.join(words)

    def hint(self, **changes: Any) -> str:
        """Return the hint to run the command of this request with some fields changed."""
        return f"run `{self.command(**changes)}`"

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raise DataError when an option names a column the file lacks, or one column plays two parts."""
        options = [
            *self.named_columns.items(),
            *(("--drop", column) for column in self.drop),
            *(("--keep", column) for column in self.keep),
        ]
        parts: dict[str, str] = {}
        for column in self.type:
            if column not in columns:
                raise self._no_column("--type", column, columns)
        for option, column in options:
            if column not in columns:
                raise self._no_column(option, column, columns)
            if parts.setdefault(column, option) != option:
                raise DataError(
                    f"column '{column}' is given to both {parts[column]} and {option}",
                    hint="leave one of the two options away",
                )

    def _no_column(self, option: str, column: str, columns: Sequence[str]) -> DataError:
        close = closest(column, columns)
        names = f"columns: {', '.join(columns)}"
        if not close:
            return DataError(
                f"'{self.data}' has no column '{column}'",
                hint=f"name another column after {option}",
                context=(names,),
            )
        asked = option.removeprefix("--")
        mended: Any = close
        match getattr(self, asked):
            case tuple(named):
                mended = tuple(close if name == column else name for name in named)
            case dict(types):
                mended = {close if name == column else name: kind for name, kind in types.items()}
        fixed = self.hint(**{asked: mended})
        return DataError(
            f"'{self.data}' has no column '{column}', did you mean '{close}'?", hint=fixed, context=(names,)
        )
