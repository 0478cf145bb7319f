"""What conf/agreement sets."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Statistic = Literal["spearman", "kendall", "topk"]
Control = Literal["none", "position", "length", "lexicon", "headroom", "all"]
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Agreement:
    """How scores are compared; `lexicon` holds the opening words of the baseline of that name.

    `regressors_per_sentence` bounds the control columns fitted within one trace; a trace that needs
    more takes slopes pooled over traces, one left with fewer than `min_residual_dof` is undefined.
    """

    statistics: tuple[Statistic, ...]
    controls: tuple[Control, ...]
    top_fraction: Share
    regressors_per_sentence: Share
    min_residual_dof: Count
    draws: Count
    confidence: Share
    min_problems_interval: Annotated[int, Field(ge=2)]
    min_problems_bca: Annotated[int, Field(ge=3)]
    seed: Annotated[int, Field(ge=0)]
    lexicon: Annotated[tuple[str, ...], Field(min_length=1)]
