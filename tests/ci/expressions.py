"""Expressions of GitHub Actions, as it documents them: what stands in `if:` and in `${{ }}`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_TOKENS = re.compile(r"\s*('(?:[^']|'')*'|&&|\|\||==|!=|[!()\[\],.]|-?\d+(?:\.\d+)?|[A-Za-z_][\w-]*|\*)")
_STATUS = re.compile(r"\b(always|success|failure|cancelled)\(\)")
Function = Callable[..., Any]


def evaluate(text: str, contexts: Mapping[str, Any], functions: Mapping[str, Function]) -> Any:
    """Return the value of an expression without its `${{ }}`."""
    reader = _Reader(_tokens(text), contexts, functions)
    value = reader.alternatives()
    assert not reader.tokens, f"not understood: {text!r} at {reader.tokens}"
    return value


def condition(text: str | bool, contexts: Mapping[str, Any], functions: Mapping[str, Function]) -> bool:
    """Say whether an `if:` holds; one without a status function also asks for success."""
    said = str(text).strip()
    said = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", said, flags=re.DOTALL)
    if not _STATUS.search(said):
        said = f"success() && ({said})"
    return truth(evaluate(said, contexts, functions))


def filled(text: object, contexts: Mapping[str, Any], functions: Mapping[str, Function]) -> str:
    """Return a text with each `${{ }}` replaced by its value."""

    def value(match: re.Match[str]) -> str:
        return as_text(evaluate(match[1], contexts, functions))

    return re.sub(r"\$\{\{(.*?)\}\}", value, as_text(text))


def as_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
    return str(value)


def truth(value: Any) -> bool:
    return value not in (None, False, 0, "")


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKENS.match(text, place)
        assert match, f"not understood: {text!r} at {text[place:]!r}"
        found.append(match[1])
        place = match.end()
    return found


@dataclass
class _Reader:
    tokens: list[str]
    contexts: Mapping[str, Any]
    functions: Mapping[str, Function]

    def take(self, *wanted: str) -> str | None:
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else None

    def alternatives(self) -> Any:
        value = self.conjunction()
        while self.take("||"):
            other = self.conjunction()
            value = value if truth(value) else other
        return value

    def conjunction(self) -> Any:
        value = self.comparison()
        while self.take("&&"):
            other = self.comparison()
            value = other if truth(value) else value
        return value

    def comparison(self) -> Any:
        value = self.negation()
        while sign := self.take("==", "!="):
            equal = _same(value, self.negation())
            value = equal if sign == "==" else not equal
        return value

    def negation(self) -> Any:
        if self.take("!"):
            return not truth(self.negation())
        if self.take("("):
            value = self.alternatives()
            assert self.take(")")
            return value
        return self.primary()

    def primary(self) -> Any:
        token = self.tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if re.fullmatch(r"-?\d+(\.\d+)?", token):
            return float(token)
        if token in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token]
        if self.take("("):
            arguments = []
            while not self.take(")"):
                arguments.append(self.alternatives())
                self.take(",")
            return self.functions[token](*arguments)
        assert token in self.contexts, f"there is no context '{token}'"
        value: Any = self.contexts[token]
        while self.take("."):
            name = self.tokens.pop(0)
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


def _same(one: Any, other: Any) -> bool:
    """Compare as GitHub does: text without case, what is nothing as empty."""
    one, other = ("" if value is None else value for value in (one, other))
    if isinstance(one, str) and isinstance(other, str):
        return one.lower() == other.lower()
    return bool(one == other)
