"""What conf/agreement sets."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Statistic = Literal["spearman", "kendall", "weighted_tau", "rbo", "topk", "top1", "sign"]
Control = Literal["none", "position", "length", "lexicon", "headroom", "all"]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Thresholds:
    """What a verdict takes.

    `unreliable`: ceiling below which nothing is said. `same_topk` and `same_spearman`: least lower
    bounds of the scaled top-k overlap and of the disattenuated Spearman of methods that are the
    same. `unrelated`: largest disattenuated Spearman, of either sign, of methods that are not
    related. `alpha` is the level of all tests, `power` what `n_problems_needed` aims at.
    """

    unreliable: Share
    same_topk: Share
    same_spearman: Share
    unrelated: Share
    alpha: Share
    power: Share


@dataclass(frozen=True)
class Agreement:
    """How scores are compared; `lexicon` holds the opening words of the baseline of that name.

    `wording` names methods that read the wording alone: where a run has them, the lexicon control
    takes their scores out with the opening words.

    `regressors_per_sentence` bounds the control columns fitted within one trace; a trace that needs
    more takes slopes pooled over traces, one left with fewer than `min_residual_dof` is undefined.
    `fractions` are those of agreement_by_k, `persistence` is the p of the rank-biased overlap, and
    nothing is disattenuated where half scores correlate by `min_half_reliability` or less.
    """

    statistics: tuple[Statistic, ...]
    controls: tuple[Control, ...]
    top_fraction: Share
    fractions: tuple[Share, ...]
    persistence: Share
    regressors_per_sentence: Share
    min_residual_dof: Count
    min_half_reliability: Share
    draws: Count
    flips: Count
    confidence: Share
    min_problems_interval: Annotated[int, Field(ge=2)]
    min_problems_bca: Annotated[int, Field(ge=3)]
    seed: Annotated[int, Field(ge=0)]
    wording: tuple[str, ...]
    verdict: Thresholds
    lexicon: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def judged(self) -> Control:
        """The control that verdicts rest on: `all`, or the last there is."""
        return "all" if "all" in self.controls else self.controls[-1]
