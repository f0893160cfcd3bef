"""The one place that prints: answers on stdout, everything else on stderr; human, JSON or quiet."""

from __future__ import annotations

import html
import json
import math
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO

from mlxkit import github_actions
from mlxkit.layout import in_columns, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlxkit.errors import MlxError

Mode = Literal["human", "json", "quiet"]
Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]
_CODES: Mapping[Style, str] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}


class Output:
    """Prints for one command.

    In JSON mode stdout gets exactly one document; in quiet mode only errors are printed.
    """

    def __init__(self, mode: Mode = "human") -> None:
        self.mode = mode
        self._colour = mode == "human" and sys.stdout.isatty() and _colours_wanted()
        self._colour_err = sys.stderr.isatty() and _colours_wanted()
        self.answered = False
        self._annotated: MlxError | None = None

    def answer(
        self,
        document: Any,
        human: Callable[[], Sequence[str]],
        *,
        error: MlxError | None = None,
        outputs: Mapping[str, str] | None = None,
        markdown: Callable[[], str] | None = None,
    ) -> None:
        """Print the command's result: the document, or the lines that `human` makes.

        In GitHub Actions `outputs` become the step's outputs, and its summary gets what `markdown` makes,
        or else the lines.
        """
        self.answered = True
        if outputs is not None and github_actions.is_under_way():
            github_actions.set_outputs(outputs)
            told = markdown() if markdown is not None else _fenced(human())
            github_actions.summarise(told if error is None else f"{told}\n{_caution(error)}")
        if error is not None:
            self._annotate(error)
        if self.mode == "json":
            if error is not None:
                document = {**document, "error": error_document(error)}
            _print_answer([_json(document)])
        elif self.mode == "human":
            _print_answer(human())

    def note(self, text: str) -> None:
        """Say something in passing, on stderr."""
        if self.mode == "human":
            _print_beside(text)

    def warn(self, text: str) -> None:
        """Say on stderr what the user should know."""
        marked = github_actions.warning(text)
        if marked is not None:
            _print_beside(marked)
        elif self.mode != "quiet":
            _print_beside(f"{self._err('warning:', 'yellow')} {text}")

    def error(self, error: MlxError) -> None:
        """Report a failure: what, where, and the next command."""
        self._annotate(error)
        if self.mode == "json" and not self.answered:
            _print_answer([_json({"error": error_document(error)})])
        if self.mode == "json":
            return
        lines = _error_lines(error, self._err("error:", "red"), self._err("hint:", "cyan"))
        _print_beside("\n".join(lines))

    def _annotate(self, error: MlxError) -> None:
        """Mark a failure in the job, once: some commands answer and then fail with the same error."""
        if error is not self._annotated:
            self._annotated = error
            for line in github_actions.marks_of(error):
                _print_beside(line)

    @property
    def is_seen(self) -> bool:
        """Whether the answer goes to somebody at a terminal."""
        return self.mode == "human" and sys.stdout.isatty()

    @property
    def can_ask(self) -> bool:
        """Whether somebody is there to answer a question."""
        return self.mode == "human" and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()

    def ask(self, question: str) -> bool:
        """Ask on stderr for a yes; anything else is a no, the end of the input too."""
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            _print_beside("")
        return answer.strip().lower() in ("y", "yes")

    def style(self, text: str, *styles: Style) -> str:
        """Colour a text for stdout, where colours are wanted."""
        return _coloured(text, styles) if self._colour and text else text

    def _err(self, text: str, *styles: Style) -> str:
        return _coloured(text, styles) if self._colour_err else text

    def table(
        self, headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()
    ) -> list[str]:
        """Lay out rows in columns that fit the terminal; the last column is wrapped.

        Where the others leave it too little room to be read, its cells go below them.
        `right` names the columns to align at the right. Cells may carry styles.
        """
        rows_of_lines = in_columns(headers, rows, right=right)
        return [
            self.style(line, "bold") if number == 0 else line
            for number, lines in enumerate(rows_of_lines)
            for line in lines
        ]


def _fenced(lines: Sequence[str]) -> str:
    told = [*map(plain, lines)]
    fence = "`" * max(3, *(len(run) + 1 for line in told for run in re.findall("`+", line)), 3)
    return "\n".join([fence, *told, fence, ""])


def _caution(error: MlxError) -> str:
    lines = [html.escape(line.strip(), quote=False) for line in _error_lines(error, "", "Hint:")]
    return "\n".join(["> [!CAUTION]", *(f"> {line}  " for line in lines), ""])


def _error_lines(error: MlxError, title: str, hint: str) -> list[str]:
    lines = [f"{title} {error.message}", *(f"  {line}" for line in error.context)]
    return [*lines, f"{hint} {error.hint}"] if error.hint else lines


def discard_stdout() -> None:
    """Send what is still to be printed nowhere, because its reader has gone, as in `mlx runs | head -1`."""
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    """Empty a stream that cannot be written: what is left in its buffer would fail once more at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print_answer(lines: Sequence[str]) -> None:
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    except OSError:
        discard_stdout()
        raise


def _print_beside(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        _discard(sys.stderr)


def _json(document: Any) -> str:
    return json.dumps(_finite(document), indent=2, default=str, ensure_ascii=False)


def _finite(value: Any) -> Any:
    """Write null for what is no number: JSON has neither NaN nor infinity."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
    return value


def error_document(error: MlxError) -> dict[str, Any]:
    """Return an error as JSON shows it."""
    return {
        "kind": error.kind,
        "message": error.message,
        "context": list(error.context),
        "hint": error.hint,
    }


def seconds(value: float) -> str:
    """Write a duration for people: `0.4 s`, `12 s`, `3 min 5 s`."""
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def size(value: float) -> str:
    """Write a number of bytes: `512 B`, `3.4 KiB`, `12 MiB`."""
    if value < 1024:
        return f"{value:.0f} B"
    power = 1 if value < 1023.5 * 1024 else 2 if value < 1023.5 * 1024**2 else 3
    amount = value / 1024**power
    return f"{amount:.{int(amount < 9.95)}f} {('KiB', 'MiB', 'GiB')[power - 1]}"


def number(value: Any) -> str:
    """Write a metric with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _colours_wanted() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _coloured(text: str, styles: Sequence[Style]) -> str:
    return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m" if styles else text
