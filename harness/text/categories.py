"""What a sentence does in a trace, by rules over its words: the functions of Thought Anchors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field

from harness.text.patterns import compiled, matches

RULES = "labels.rules"
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Rule:
    """Sentences of a category: those that hold `pattern`, a regular expression, case ignored.

    Only sentences i of n with `since` < i/n <= `until` count and, where `follows` names categories,
    those whose sentence before is of one of them.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    category: str
    pattern: str
    since: Share
    until: Share
    follows: tuple[str, ...]


@dataclass(frozen=True)
class Labels:
    """Rules in order: the first that fits gives a sentence its category, else `otherwise`.

    No rules label nothing. Source of the categories: Thought Anchors, arXiv 2506.19143.
    """

    rules: tuple[Rule, ...]
    otherwise: str

    def __post_init__(self) -> None:
        for rule in self.rules:
            compiled(rule.pattern, RULES, ignore_case=True)

    def of(self, texts: Sequence[str]) -> list[str | None]:
        """The category of each sentence of a trace; None where there are no rules."""
        found: list[str | None] = []
        for i, text in enumerate(texts):
            before = found[-1] if found else None
            found.append(self._of(_folded(text), (i + 1) / len(texts), before))
        return found

    def _of(self, text: str, position: float, before: str | None) -> str | None:
        for rule, pattern in self._compiled:
            placed = rule.since < position <= rule.until
            placed = placed and (not rule.follows or before in rule.follows)
            if placed and next(matches(pattern, text, RULES), None):
                return rule.category
        return self.otherwise if self.rules else None

    @cached_property
    def _compiled(self) -> list[tuple[Rule, Any]]:
        return [(rule, compiled(rule.pattern, RULES, ignore_case=True)) for rule in self.rules]


def _folded(text: str) -> str:
    return " ".join(text.replace("’", "'").split())


def kappa(a: Sequence[str], b: Sequence[str]) -> float:
    """Cohen's kappa of two labellings: 1 = equal, 0 = chance; NaN if both use one label only."""
    from sklearn.metrics import cohen_kappa_score  # takes a second: not before labels are compared

    return float(cohen_kappa_score(a, b)) if len({*a, *b}) > 1 else np.nan
