"""What a plan assumes where nothing is known yet, and the processors that it reckons with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from harness.core import UserError
from harness.core.config import build
from harness.core.errors import meant

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class Tflops:
    """Operations a second of dense matrix products, in 10^12, by dtype."""

    bfloat16: Rate
    float16: Rate
    float32: Rate


@dataclass(frozen=True)
class Card:
    """A processor by its data sheet: memory in GB, bandwidth in TB/s, arithmetic."""

    memory: Rate
    bandwidth: Rate
    tflops: Tflops
    gpu: bool


@dataclass(frozen=True)
class Length:
    """How long a trace is: its tokens and its sentences."""

    tokens: Count
    sentences: Count


@dataclass(frozen=True)
class Shares:
    """From the least to the most of the roofline that is reached when sampling and reading."""

    sampling: tuple[Share, Share]
    reading: tuple[Share, Share]


@dataclass(frozen=True)
class Steps:
    """Milliseconds, from the fewest to the most, that a step takes whatever it computes."""

    vllm: tuple[Rate, Rate]
    hf: tuple[Rate, Rate]


@dataclass(frozen=True)
class Assumptions:
    """What conf/plan sets.

    `card` names one or several of `cards`, null all of them. `tokens` and `sentences` are of a
    trace; null takes `lengths` of the problem set, or of `other`. Speeds are in tokens a second of
    one process, null for a roofline. `configs` stand for the config.json of a hub model that
    cannot be had. `power` is the probability of finding an agreement that counts as detectable.
    `calibrate` measures the speeds, for about `seconds`, on rollouts of at most `length` tokens.
    """

    card: str | tuple[str, ...] | None
    tokens: Count | None
    sentences: Count | None
    answer: Count
    sampled_per_second: Rate | None
    read_per_second: Rate | None
    share: Shares
    step: Steps
    memory: Share
    power: Annotated[float, Field(gt=0, lt=1)]
    calibrate: bool
    seconds: Rate
    length: Count
    lengths: Mapping[str, Any]
    cards: Mapping[str, Any]
    configs: Mapping[str, Mapping[str, Any]]

    def __post_init__(self) -> None:
        _ = self.chosen

    @property
    def chosen(self) -> Mapping[str, Card]:
        """The cards that are asked for; raises UserError for one that is not in the table."""
        named = (self.card,) if isinstance(self.card, str) else self.card
        names = tuple(self.cards) if named is None else named
        for name in names:
            if name not in self.cards:
                raise UserError(
                    f"plan.card: no such card {name}; {meant(name, self.cards)}"
                    f"there are {', '.join(self.cards)}"
                )
        return {name: build(Card, self.cards[name], f"plan.cards.{name}") for name in names}

    def of(self, problems: str, most: int) -> Length:
        """The length of a trace over a problem set, of at most so many tokens."""
        name = problems if problems in self.lengths else "other"
        usual = build(Length, self.lengths[name], f"plan.lengths.{name}")
        tokens = min(self.tokens or usual.tokens, most)
        each = usual.tokens / usual.sentences
        return Length(tokens, self.sentences or max(1, round(tokens / each)))
