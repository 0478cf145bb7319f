"""Rollouts that are drawn again, and how alike they and the scores of both are."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from harness.agreement import Agreement
from harness.agreement.ranks import standing
from harness.agreement.settings import Statistic
from harness.agreement.statistics import Measure, similarity
from harness.core import Draw, Evidence, Rollouts, RolloutText

PREFIX = "replica-"  # of the arms that are drawn again
TEXT, ANSWER = "same rollout", "same answer"
Scores = Float[np.ndarray, " sentences"]
Texts = dict[tuple[str, int], dict[int, str]]  # by arm and boundary, then by draw


def again_of(want: Draw) -> Draw:
    """The same draws with the same seeds, kept as an arm of their own."""
    return replace(want, arm=f"{PREFIX}{want.arm}", seeded=want.arm)


def as_the_run(have: Evidence) -> Evidence:
    """Evidence in which the replica's rollouts stand where the run's stood."""
    there = {
        (arm.removeprefix(PREFIX), k): rollouts
        for (arm, k), rollouts in have.rollouts.items()
        if arm.startswith(PREFIX)
    }
    return replace(have, rollouts=there)


def alike_rollouts(evidence: Evidence) -> list[dict[str, Any]]:
    """By arm the shares of rollouts with the same text and number of tokens, and the same answer.

    Each counts at the boundary where it was drawn, not at those that it passes.
    """
    texts: Texts = {}
    for want, found in evidence.answers.items():
        if isinstance(want, RolloutText):
            texts.setdefault((want.arm, want.boundary), {}).update(found)
    same: dict[str, list[tuple[bool, bool]]] = {}
    for place, there in as_the_run(evidence).rollouts.items():
        arm, k = place
        said = texts[place], texts[f"{PREFIX}{arm}", k]
        same.setdefault(arm, []).extend(_same(evidence.rollouts[place], there, *said))
    return [
        {"part": arm, "measure": measure, "value": float(np.mean(column)), "n": len(column)}
        for arm, pairs in same.items()
        for measure, column in zip((TEXT, ANSWER), zip(*pairs, strict=True), strict=False)
    ]


def _same(
    here: Rollouts, there: Rollouts, said: Mapping[int, str], again: Mapping[int, str]
) -> Iterator[tuple[bool, bool]]:
    """Whether text and length, and the answer, of each draw are the same on both sides."""
    other = {draw: j for j, draw in enumerate(there.draw.tolist()) if draw not in there.passing}
    for i, draw in enumerate(here.draw.tolist()):
        if draw in other and draw not in here.passing:
            j = other[draw]
            text = said[draw] == again[draw] and _length(here, i) == _length(there, j)
            yield text, here.answer[i] == there.answer[j]


def _length(rollouts: Rollouts, row: int) -> int | None:
    return None if rollouts.n_tokens is None else int(rollouts.n_tokens[row])


def alike(a: Scores, b: Scores, statistic: Statistic, conf: Agreement) -> tuple[float, float]:
    """A statistic of two scores where both are defined, and the mean of those of each with itself.

    The latter is below 1 where ties at the edge of the top are drawn at random; NaN where one of
    the scores is the same throughout.
    """
    known = np.isfinite(a) & np.isfinite(b)
    if not known.any():
        return np.nan, np.nan
    both = np.stack([a[known], b[known]])[None]
    stand = standing(both, np.ones((1, both.shape[-1]), bool))
    (found,) = similarity(Measure(statistic, "none", None), both, stand, conf).value
    return float(found[0, 1]), float((found[0, 0] + found[1, 1]) / 2)
