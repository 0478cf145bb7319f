"""What conf/agreement sets."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Statistic = Literal["spearman", "topdown", "kendall", "weighted_tau", "rbo", "topk", "top1", "sign"]
Control = Literal["none", "position", "length", "headroom", "structure", "wording", "all"]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Thresholds:
    """What a verdict takes.

    `unreliable`: ceiling of topdown below which nothing is said. `unrelated`: largest disattenuated
    correlation, of either sign, of methods that are not related. `same_spearman` and
    `same_topdown`: least lower bounds of the disattenuated correlations of methods that are the
    same. `different`: largest upper bound of the disattenuated topdown of methods that name other
    sentences. `alpha` is the level of all tests, `power` what `n_problems_needed` aims at.
    """

    unreliable: Share
    unrelated: Share
    same_spearman: Share
    same_topdown: Share
    different: Share
    alpha: Share
    power: Share


@dataclass(frozen=True)
class Agreement:
    """How scores are compared; `lexicon` holds the opening words of the baseline of that name.

    `topk` takes the top k = max(top_least, round(top_fraction · n)) of n sentences, and at most
    n / top_part of them; `fractions` are those of agreement_by_k, `persistence` is the p of the
    rank-biased overlap.

    `wording` names methods that read the wording alone: where a run has them, the wording control
    takes their scores out with the opening words. `worded` names those that are made of the same
    thing, beside the detectors that say so: nothing is said of them under that control.

    `regressors_per_sentence` bounds the control columns fitted within one trace beyond the first
    two of position; the others take slopes pooled over traces, and a trace left with fewer than
    `min_residual_dof` is undefined. Nothing is disattenuated where half scores correlate by
    `min_half_reliability` or less, or are defined on less than `min_share` of a pair's sentences.

    `weights`: problems count alike, or by the information they hold (random effects).
    """

    statistics: tuple[Statistic, ...]
    controls: tuple[Control, ...]
    top_fraction: Share
    top_least: Count
    top_part: Annotated[int, Field(ge=2)]
    fractions: tuple[Share, ...]
    persistence: Share
    regressors_per_sentence: Share
    min_residual_dof: Count
    min_half_reliability: Share
    min_share: Share
    draws: Count
    flips: Count
    confidence: Share
    min_problems_interval: Annotated[int, Field(ge=2)]
    min_problems_bca: Annotated[int, Field(ge=3)]
    weights: Literal["equal", "random_effects"]
    seed: Annotated[int, Field(ge=0)]
    wording: tuple[str, ...]
    worded: tuple[str, ...]
    verdict: Thresholds
    lexicon: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def verdict_control(self) -> Control:
        """The control that verdicts rest on: `structure`, or the last there is."""
        return "structure" if "structure" in self.controls else self.controls[-1]
