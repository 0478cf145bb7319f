"""What a plan assumes where nothing is known yet."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Assumptions:
    """What conf/plan sets: lengths in tokens, speeds in tokens a second of one process.

    `power` is the probability of finding an agreement that counts as detectable. `calibrate`
    measures instead, for about `seconds`, on rollouts of at most `length` tokens.
    """

    tokens: Count
    sentences: Count
    answer: Count
    sampled_per_second: Rate
    read_per_second: Rate
    power: Annotated[float, Field(gt=0, lt=1)]
    calibrate: bool
    seconds: Rate
    length: Count
